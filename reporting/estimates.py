"""The number in a cell of a table: the mean over the runs of one setting, with its interval and its runs."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from metrics.attack_summary import THE_SIX
from metrics.cost import Cost, mean_cost
from reporting.distinct_clips import attacked_clips
from reporting.paper_numbers import ITERATIVE
from reporting.runs import AttackResults, Run
from storage.summaries import AttackNumbers, MeanNumbers, SixNumbers

Averaged = Literal["auc", "fooling_rate"]
"""A number of an attack that has an interval."""

End = Literal["auc_low", "auc_high", "fooling_rate_low", "fooling_rate_high"]
ENDS: dict[Averaged, tuple[End, End]] = {
    "auc": ("auc_low", "auc_high"),
    "fooling_rate": ("fooling_rate_low", "fooling_rate_high"),
}
"""The keys of its ends."""


@dataclass(frozen=True)
class Estimate:
    """A measured number.

    Attributes:
        value: the mean over runs, which are the seeds of one setting.
        low: lower end of the 95 % interval; for gradients, the smallest value over folds.
        high: upper end of the interval; for gradients, the largest value over folds.
        spread: sample standard deviation over the folds of all runs; None with a single one.
        n: number of distinct clips, each counted once however many folds, budgets and runs use it.
        runs: names of the runs.
        censored: whether ``value`` is only a lower bound.
        interval: in words, what ``low`` and ``high`` are.
        low_censored: whether ``low`` is only a lower bound.
        high_censored: whether ``high`` is only a lower bound.
        by_fold: the number on each fold, as a mean over seeds; empty if folds do not reflect how models vary.
        by_seed: the number for each seed, as a mean over folds.
        same_recordings: whether every fold tests the same recordings.
        recording_error: standard error over recordings for fixed models; None if not available.
        recordings: number of distinct recordings of the clips; None if unknown.
        effective_recordings: their effective number (:func:`metrics.recordings.effective_number`), with
            ``recording_error``.
    """

    value: float
    low: float | None
    high: float | None
    spread: float | None
    n: int | None
    runs: tuple[str, ...]
    censored: bool = False
    interval: str = "95 %"
    low_censored: bool = False
    high_censored: bool = False
    by_fold: tuple[float, ...] = ()
    by_seed: tuple[float, ...] = ()
    same_recordings: bool = False
    recording_error: float | None = None
    recordings: int | None = None
    effective_recordings: float | None = None

    @property
    def counted(self) -> str:
        """The distinct clips and recordings, in words."""
        return f"{self.n} clips" + ("" if self.recordings is None else f" of {self.recordings} recordings")


SEEDS = "mean of the seeds' 95 % ends"
"""Assumes that seeds are fully correlated, because they are tested on the same recordings; never too narrow."""
FOLDS = "range over folds"


def attack_auc(runs: Sequence[Run], attack: str) -> Estimate | None:
    """Mean AUC of one attack over its budgets."""
    return _mean(runs, attack, "auc")


def attack_fooling_rate(runs: Sequence[Run], attack: str) -> Estimate | None:
    """Mean fooling rate of one attack over its budgets, in [0, 1]."""
    return _mean(runs, attack, "fooling_rate")


def attack_gradients(runs: Sequence[Run], attack: str) -> Estimate | None:
    """Mean batch gradients of one attack over its budgets, with the range over folds."""
    return _over_folds(runs, [attack], _batch_gradients)


def six_auc(runs: Sequence[Run]) -> Estimate | None:
    """Mean AUC of the six attacks."""
    return _six(runs, "auc")


def six_fooling_rate(runs: Sequence[Run]) -> Estimate | None:
    """Mean fooling rate of the six attacks, in [0, 1]."""
    return _six(runs, "fooling_rate")


def six_gradients(runs: Sequence[Run]) -> Estimate | None:
    """Mean batch gradients of the six attacks, with the range over folds."""
    return _over_folds(runs, THE_SIX, _batch_gradients)


def six_cost(runs: Sequence[Run]) -> Estimate | None:
    """Mean cost, in batch gradients, at which the six attacks reach AUC > 0.9, with the range over folds."""
    return _over_folds(runs, THE_SIX, lambda row: Cost(**row["cost_auc90"]))


def log_gradients(runs: Sequence[Run]) -> float | None:
    """Mean natural logarithm of batch gradients over the five iterative attacks; None if one of them is missing."""
    found = [attack_gradients(runs, attack) for attack in ITERATIVE]
    values = [estimate.value for estimate in found if estimate is not None]
    return statistics.fmean(map(math.log, values)) if len(values) == len(ITERATIVE) and min(values) > 0 else None


def fold_gradients(run: Run) -> dict[int, dict[str, float]]:
    """Batch gradients by fold and attack."""
    folds: dict[int, dict[str, float]] = {}
    for row in run.attacks.folds if run.attacks else []:
        if row["batch_gradients"] is not None:
            folds.setdefault(row["fold"], {})[row["attack"]] = float(row["batch_gradients"])
    return folds


def parameters(runs: Sequence[Run]) -> Estimate | None:
    """Counted trainable parameters; None for a non-differentiable baseline."""
    counts = {count for run in runs if (count := run.summary.get("parameters"))}
    names = tuple(run.name for run in runs)
    return Estimate(float(max(counts)), None, None, None, None, names, interval="counted") if counts else None


def _batch_gradients(row: AttackNumbers) -> Cost | None:
    value = row["batch_gradients"]
    return None if value is None else Cost(float(value), censored=False)


def _mean(runs: Sequence[Run], attack: str, name: Averaged) -> Estimate | None:
    attacked = [(run, run.attacks) for run in runs if run.attacks and attack in run.attacks.means]
    rows = [found.means[attack] for _, found in attacked]
    spread = [
        value
        for _, found in attacked
        for row in found.folds
        if row["attack"] == attack and (value := row[name]) is not None
    ]
    return _averaged(name, [run for run, _ in attacked], [attack], rows, spread)


def _six(runs: Sequence[Run], name: Averaged) -> Estimate | None:
    attacked = [(run, run.attacks) for run in runs if _complete(run.attacks)]
    rows = [found.six for _, found in attacked if found and found.six]
    spread = [statistics.fmean(values) for _, found in attacked if found for values in _by_fold(found, name) if values]
    return _averaged(name, [run for run, _ in attacked], THE_SIX, rows, spread)


def _complete(attacks: AttackResults | None) -> bool:
    """Whether all six attacks were run; a mean over fewer would not be comparable."""
    return bool(attacks and attacks.six and set(attacks.six["attacks"]) == set(THE_SIX))


def _by_fold(attacks: AttackResults, name: Averaged) -> Iterable[list[float]]:
    folds: dict[int, list[float]] = {}
    for row in attacks.folds:
        if row["attack"] in THE_SIX and (value := row[name]) is not None:
            folds.setdefault(row["fold"], []).append(value)
    return folds.values()


def _averaged(
    name: Averaged,
    runs: Sequence[Run],
    attacks: Sequence[str],
    rows: Sequence[MeanNumbers | SixNumbers],
    spread: Sequence[float],
) -> Estimate | None:
    there = [(run, row, value) for run, row in zip(runs, rows, strict=True) if (value := row[name]) is not None]
    if not there:
        return None
    counted = attacked_clips([run for run, _, _ in there], attacks)
    keys = ENDS[name]
    ends = [[value for _, row, _ in there if (value := row.get(key)) is not None] for key in keys]
    low, high = (statistics.fmean(values) if len(values) == len(there) else None for values in ends)
    return Estimate(
        value=statistics.fmean(value for _, _, value in there),
        low=low,
        high=high,
        spread=statistics.stdev(spread) if len(spread) > 1 else None,
        n=counted.clips,
        runs=tuple(run.name for run, _, _ in there),
        interval="95 %" if len(there) == 1 else SEEDS,
        recordings=counted.recordings,
    )


def _over_folds(
    runs: Sequence[Run], attacks: Sequence[str], price: Callable[[AttackNumbers], Cost | None]
) -> Estimate | None:
    """Mean over attacks for each fold, then over folds, then over runs; None unless all attacks were run."""
    used: list[Run] = []
    means: list[Cost] = []
    single: list[Cost] = []
    for run in runs:
        folds: dict[int, list[Cost]] = {}
        for row in run.attacks.folds if run.attacks else []:
            cost = price(row) if row["attack"] in attacks else None
            if cost is not None:
                folds.setdefault(row["fold"], []).append(cost)
        whole = [mean_cost(costs) for costs in folds.values() if len(costs) == len(attacks)]
        if whole and len(whole) == len(folds):
            used.append(run)
            means.append(mean_cost(whole))
            single += whole
    if not means:
        return None
    mean = mean_cost(means)
    counted = attacked_clips(used, attacks)
    values = [cost.gradients for cost in single]
    return Estimate(
        value=mean.gradients,
        low=min(values),
        high=max(values),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        n=counted.clips,
        runs=tuple(run.name for run in used),
        censored=mean.censored,
        interval=FOLDS,
        # The true cost on a censored fold may exceed the largest number, but is not below the smallest.
        low_censored=all(cost.censored for cost in single if cost.gradients == min(values)),
        high_censored=any(cost.censored for cost in single),
        recordings=counted.recordings,
    )
