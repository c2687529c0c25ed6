"""A number of a cell: the mean over the runs of one setting, how sure it is, and which runs it came from."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.attack_summary import THE_SIX
from metrics.cost import Cost, mean_cost
from reporting.paper_numbers import ITERATIVE
from reporting.runs import AttackResults, Run


@dataclass(frozen=True)
class Estimate:
    """A measured number.

    Attributes:
        value: the mean over runs, which are the seeds of one setting.
        low: lower end of the 95 % interval; for gradients the smallest value over folds.
        high: upper end of it; for gradients the largest value over folds.
        spread: standard deviation over the folds of all runs; None with one.
        n: clips that it was computed from: of attacks counted in each fold and run, of accuracies once.
        runs: names of the runs.
        censored: whether it is only a lower bound.
        interval: what ``low`` and ``high`` are, in words.
        low_censored: whether ``low`` is only a lower bound.
        high_censored: whether ``high`` is.
        by_fold: the number on each fold, means over seeds, where folds say how models vary.
        by_seed: the number of each seed, means over folds.
        same_recordings: whether every fold tests the same recordings.
        recording_error: standard error over recordings, given the models; None where it is not to be had.
        recordings: number of recordings behind it.
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


SEEDS = "mean of the seeds' 95 % ends"
"""Full correlation of the seeds is assumed, as they see the same recordings: never too narrow."""
FOLDS = "range over folds"


def attack_auc(runs: Sequence[Run], attack: str) -> Estimate | None:
    """Mean AUC over budgets of one attack."""
    return _mean(runs, attack, "auc")


def attack_fooling_rate(runs: Sequence[Run], attack: str) -> Estimate | None:
    """Mean fooling rate over budgets of one attack."""
    return _mean(runs, attack, "fooling_rate")


def attack_gradients(runs: Sequence[Run], attack: str) -> Estimate | None:
    """Mean batch gradients over budgets of one attack, with the range over folds."""
    return _over_folds(runs, [attack], _batch_gradients)


def six_auc(runs: Sequence[Run]) -> Estimate | None:
    """Mean AUC of the six attacks."""
    return _six(runs, "auc")


def six_fooling_rate(runs: Sequence[Run]) -> Estimate | None:
    """Mean fooling rate of the six attacks."""
    return _six(runs, "fooling_rate")


def six_gradients(runs: Sequence[Run]) -> Estimate | None:
    """Mean batch gradients of the six attacks, with the range over folds."""
    return _over_folds(runs, THE_SIX, _batch_gradients)


def six_cost(runs: Sequence[Run]) -> Estimate | None:
    """Mean cost of the six attacks to reach AUC > 0.9, with the range over folds; a lower bound where censored."""
    return _over_folds(runs, THE_SIX, lambda row: Cost(**row["cost_auc90"]))


def log_gradients(runs: Sequence[Run]) -> float | None:
    """Mean over the five iterative attacks of the logarithm of batch gradients."""
    found = [attack_gradients(runs, attack) for attack in ITERATIVE]
    values = [estimate.value for estimate in found if estimate is not None]
    return statistics.fmean(map(math.log, values)) if len(values) == len(ITERATIVE) and min(values) > 0 else None


def fold_gradients(run: Run) -> dict[int, dict[str, float]]:
    """Batch gradients of each attack on each fold."""
    folds: dict[int, dict[str, float]] = {}
    for row in run.attacks.folds if run.attacks else []:
        if row["batch_gradients"] is not None:
            folds.setdefault(row["fold"], {})[row["attack"]] = float(row["batch_gradients"])
    return folds


def parameters(runs: Sequence[Run]) -> Estimate | None:
    """Trainable parameters as measured; a baseline outside gradients has none."""
    counts = {int(run.summary["parameters"]) for run in runs if run.summary.get("parameters")}
    names = tuple(run.name for run in runs)
    return Estimate(float(max(counts)), None, None, None, None, names, interval="counted") if counts else None


def _batch_gradients(row: dict[str, Any]) -> Cost | None:
    value = row["batch_gradients"]
    return None if value is None else Cost(float(value), censored=False)


def _mean(runs: Sequence[Run], attack: str, name: str) -> Estimate | None:
    attacked = [(run, run.attacks) for run in runs if run.attacks and attack in run.attacks.means]
    rows = [(found.means[attack], found.means[attack].get("n", found.n)) for _, found in attacked]
    spread = [
        float(row[name])
        for _, found in attacked
        for row in found.folds
        if row["attack"] == attack and row[name] is not None
    ]
    return _averaged(name, [run.name for run, _ in attacked], rows, spread)


def _six(runs: Sequence[Run], name: str) -> Estimate | None:
    attacked = [(run, run.attacks) for run in runs if _complete(run.attacks)]
    rows = [(found.six, found.n) for _, found in attacked if found and found.six]
    spread = [statistics.fmean(values) for _, found in attacked if found for values in _by_fold(found, name) if values]
    return _averaged(name, [run.name for run, _ in attacked], rows, spread)


def _complete(attacks: AttackResults | None) -> bool:
    """Whether all six were run; a mean over fewer is another number."""
    return bool(attacks and attacks.six and set(attacks.six["attacks"]) == set(THE_SIX))


def _by_fold(attacks: AttackResults, name: str) -> Iterable[list[float]]:
    folds: dict[int, list[float]] = {}
    for row in attacks.folds:
        if row["attack"] in THE_SIX and row[name] is not None:
            folds.setdefault(row["fold"], []).append(float(row[name]))
    return folds.values()


def _averaged(
    name: str, runs: Sequence[str], rows: Sequence[tuple[dict[str, Any], int]], spread: Sequence[float]
) -> Estimate | None:
    present = [(row, n) for row, n in rows if row[name] is not None]
    if not present:
        return None
    ends = [
        [row[f"{name}_{end}"] for row, _ in present if row.get(f"{name}_{end}") is not None] for end in ("low", "high")
    ]
    low, high = (statistics.fmean(values) if len(values) == len(present) else None for values in ends)
    return Estimate(
        value=statistics.fmean(row[name] for row, _ in present),
        low=low,
        high=high,
        spread=statistics.stdev(spread) if len(spread) > 1 else None,
        n=sum(n for _, n in present),
        runs=tuple(runs),
        interval="95 %" if len(present) == 1 else SEEDS,
    )


def _over_folds(
    runs: Sequence[Run], attacks: Sequence[str], price: Callable[[dict[str, Any]], Cost | None]
) -> Estimate | None:
    """Mean over attacks on each fold, then over folds, then over runs; all attacks have to be there."""
    names: list[str] = []
    means: list[Cost] = []
    single: list[Cost] = []
    n = 0
    for run in runs:
        folds: dict[int, list[Cost]] = {}
        clips: dict[int, int] = {}
        for row in run.attacks.folds if run.attacks else []:
            cost = price(row) if row["attack"] in attacks else None
            if cost is not None:
                folds.setdefault(row["fold"], []).append(cost)
                clips[row["fold"]] = row["n"]
        whole = [mean_cost(costs) for costs in folds.values() if len(costs) == len(attacks)]
        if whole and len(whole) == len(folds):
            names.append(run.name)
            means.append(mean_cost(whole))
            single += whole
            # An attack may have been run on some folds only.
            n += sum(clips.values())
    if not means:
        return None
    mean = mean_cost(means)
    values = [cost.gradients for cost in single]
    return Estimate(
        value=mean.gradients,
        low=min(values),
        high=max(values),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        n=n,
        runs=tuple(names),
        censored=mean.censored,
        interval=FOLDS,
        # A fold of which only a bound is known may lie above the largest number, not below the smallest.
        low_censored=all(cost.censored for cost in single if cost.gradients == min(values)),
        high_censored=any(cost.censored for cost in single),
    )
