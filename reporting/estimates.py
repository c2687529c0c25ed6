"""The number in a cell of a table: the mean over the runs of one setting, with its interval and its runs."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from metrics.attack_summary import THE_SIX
from metrics.cost import Cost, mean_cost
from metrics.over_folds import Number
from reporting.distinct_clips import attacked_clips
from reporting.fold_means import Folds, mean_ends, numbers_by_fold
from reporting.paper_numbers import ITERATIVE
from reporting.runs import Run
from storage.summaries import AttackNumbers


@dataclass(frozen=True)
class Estimate:
    """A measured number.

    Attributes:
        value: the mean over folds of the mean over runs, which are the seeds of one setting.
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
        bounds: the smallest and the largest value that such a number can have; None if there are none.
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
    bounds: tuple[float, float] | None = None

    @property
    def counted(self) -> str:
        """The distinct clips and recordings, in words."""
        return f"{self.n} clips" + ("" if self.recordings is None else f" of {self.recordings} recordings")


FOLDS = "range over folds"


def attack_auc(runs: Sequence[Run], attack: str, folds: Folds = None) -> Estimate | None:
    """Mean AUC of one attack over its budgets."""
    return _share(runs, [attack], "auc", folds)


def attack_fooling_rate(runs: Sequence[Run], attack: str, folds: Folds = None) -> Estimate | None:
    """Mean fooling rate of one attack over its budgets, in [0, 1]."""
    return _share(runs, [attack], "fooling_rate", folds)


def attack_gradients(runs: Sequence[Run], attack: str, folds: Folds = None) -> Estimate | None:
    """Mean batch gradients of one attack over its budgets, with the range over folds."""
    return _spent(runs, [attack], _batch_gradients, folds)


def six_auc(runs: Sequence[Run], folds: Folds = None) -> Estimate | None:
    """Mean AUC of the six attacks."""
    return _share(runs, THE_SIX, "auc", folds)


def six_fooling_rate(runs: Sequence[Run], folds: Folds = None) -> Estimate | None:
    """Mean fooling rate of the six attacks, in [0, 1]."""
    return _share(runs, THE_SIX, "fooling_rate", folds)


def six_gradients(runs: Sequence[Run], folds: Folds = None) -> Estimate | None:
    """Mean batch gradients of the six attacks, with the range over folds."""
    return _spent(runs, THE_SIX, _batch_gradients, folds)


def six_cost(runs: Sequence[Run], folds: Folds = None) -> Estimate | None:
    """Mean cost, in batch gradients, at which the six attacks reach AUC > 0.9, with the range over folds."""
    return _spent(runs, THE_SIX, lambda row: Cost(**row["cost_auc90"]), folds)


def log_gradients(runs: Sequence[Run], folds: Folds = None) -> float | None:
    """Mean natural logarithm of batch gradients over the five iterative attacks; None if one of them is missing."""
    found = [attack_gradients(runs, attack, folds) for attack in ITERATIVE]
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


def _share(runs: Sequence[Run], attacks: Sequence[str], name: Number, folds: Folds) -> Estimate | None:
    """Mean over attacks for each run and fold, then over the runs that have the fold, then over folds."""
    used: list[Run] = []
    of_runs: list[dict[int, list[float]]] = []
    by_fold: dict[int, list[float]] = {}
    for run in runs:
        if numbers := numbers_by_fold(run, attacks, lambda row: row[name], folds):
            used.append(run)
            of_runs.append(numbers)
            for fold, values in numbers.items():
                by_fold.setdefault(fold, []).append(statistics.fmean(values))
    if not used:
        return None
    single = [value for values in by_fold.values() for value in values]
    low, high, words = mean_ends(list(zip(used, of_runs, strict=True)), attacks, name)
    counted = attacked_clips(used, attacks, by_fold)
    return Estimate(
        value=statistics.fmean(map(statistics.fmean, by_fold.values())),
        low=low,
        high=high,
        spread=statistics.stdev(single) if len(single) > 1 else None,
        n=counted.clips,
        runs=tuple(run.name for run in used),
        interval=words,
        recordings=counted.recordings,
    )


def _spent(
    runs: Sequence[Run], attacks: Sequence[str], price: Callable[[AttackNumbers], Cost | None], folds: Folds
) -> Estimate | None:
    """Mean cost over attacks for each run and fold, then over the runs that have the fold, then over folds."""
    used: list[Run] = []
    by_fold: dict[int, list[Cost]] = {}
    for run in runs:
        if numbers := numbers_by_fold(run, attacks, price, folds):
            used.append(run)
            for fold, costs in numbers.items():
                by_fold.setdefault(fold, []).append(mean_cost(costs))
    if not used:
        return None
    single = [cost for costs in by_fold.values() for cost in costs]
    mean = mean_cost([mean_cost(costs) for costs in by_fold.values()])
    counted = attacked_clips(used, attacks, by_fold)
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
