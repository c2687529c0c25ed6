"""Means over folds of means over seeds: the number on each fold, and the ends of the interval."""

import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from metrics.attack_summary import THE_SIX
from metrics.intervals import Interval
from metrics.over_folds import Number, interval_over_seeds
from reporting.runs import Run
from storage import DataError
from storage.rows import last_change, read_rows
from storage.summaries import AttackNumbers, MeanNumbers, SixNumbers

ROWS = [
    *("fold", "attack", "budget_index", "budget", "clip", "recording", "label", "reporting_batch", "success"),
    *("logits_clean", "logits_adversarial"),
]
End = Literal["auc_low", "auc_high", "fooling_rate_low", "fooling_rate_high"]
ENDS: dict[Number, tuple[End, End]] = {
    "auc": ("auc_low", "auc_high"),
    "fooling_rate": ("fooling_rate_low", "fooling_rate_high"),
}
"""The keys of the ends of its interval, for each number."""
SEEDS = "mean of the seeds' 95 % ends"
"""Assumes that seeds are fully correlated, because they are tested on the same recordings; hardly ever too narrow."""
Folds = Collection[int] | None
"""Folds that a mean is restricted to; None for all."""
Value = TypeVar("Value")


def attacked_folds(runs: Sequence[Run], attacks: Sequence[str] = THE_SIX) -> set[int]:
    """Folds on which at least one of the runs has an AUC of each of some attacks.

    Args:
        runs: runs of one setting.
        attacks: names of the attacks.
    """
    found = [_known_by_fold(run, attacks, lambda row: row["auc"], None) for run in runs]
    return {fold for folds in found for fold, values in folds.items() if len(values) == len(attacks)}


def listed_folds(folds: Iterable[int]) -> str:
    """The folds, as in ``1, 2``."""
    return ", ".join(map(str, sorted(folds)))


def named_folds(folds: Collection[int]) -> str:
    """The folds, as in ``folds 1, 2``."""
    return f"{'fold' if len(folds) == 1 else 'folds'} {listed_folds(folds)}"


def numbers_by_fold(
    run: Run, attacks: Sequence[str], number: Callable[[AttackNumbers], Value | None], folds: Folds = None
) -> dict[int, list[Value]]:
    """A number of each of some attacks, for each fold of a run.

    Args:
        run: the run.
        attacks: names of the attacks.
        number: the number, from the entry of an attack on a fold; None if it is not known.
        folds: only these.

    Returns:
        One list per fold, in the order of the file; empty unless every fold has a number of every attack, because a
        mean over fewer would not be comparable.
    """
    found = _known_by_fold(run, attacks, number, folds)
    return found if all(len(values) == len(attacks) for values in found.values()) else {}


def _known_by_fold(
    run: Run, attacks: Sequence[str], number: Callable[[AttackNumbers], Value | None], folds: Folds
) -> dict[int, list[Value]]:
    found: dict[int, list[Value]] = {}
    for row in run.attacks.folds if run.attacks else []:
        if row["attack"] in attacks and (folds is None or row["fold"] in folds):
            of_fold = found.setdefault(row["fold"], [])
            if (value := number(row)) is not None:
                of_fold.append(value)
    return found


def mean_ends(
    runs: Sequence[tuple[Run, Collection[int]]], attacks: Sequence[str], number: Number
) -> tuple[float | None, float | None, str]:
    """The 95 % interval of a mean over folds of means over seeds, and in words what it is.

    Where all runs were attacked on the same folds and the mean is over all of these, it is the mean of the intervals in
    their summaries. Otherwise it is computed from the rows of the attacked clips.

    Args:
        runs: the seeds of one setting, each with its folds in the mean. A run may have rows of other folds, which its
            summary leaves out.
        attacks: the attack, or the six.
        number: AUC or fooling rate.

    Raises:
        DataError: if the rows are needed and cannot be read.
    """
    said = [row for run, _ in runs if (row := _summary_of(run, attacks)) is not None]
    everything = {fold for _, folds in runs for fold in folds}
    same = all(set(folds) == everything == {row["fold"] for row in _entries(run, attacks)} for run, folds in runs)
    if same and len(said) == len(runs):
        known = [[end for row in said if (end := row.get(key)) is not None] for key in ENDS[number]]
        low, high = (statistics.fmean(ends) if len(ends) == len(runs) else None for ends in known)
        return low, high, "95 %" if len(runs) == 1 else SEEDS
    files = [run.path / "attacks" / "outcomes.parquet" for run, _ in runs]
    seeds = tuple((file, last_change(file), tuple(sorted(folds))) for file, (_, folds) in zip(files, runs, strict=True))
    found = _interval(seeds, tuple(attacks), number)
    return _known(found.low), _known(found.high), "95 %"


def _entries(run: Run, attacks: Sequence[str]) -> list[AttackNumbers]:
    return [row for row in run.attacks.folds if row["attack"] in attacks] if run.attacks else []


def _summary_of(run: Run, attacks: Sequence[str]) -> MeanNumbers | SixNumbers | None:
    if run.attacks is None:
        return None
    if len(attacks) == 1:
        return run.attacks.means.get(attacks[0])
    six = run.attacks.six
    return six if six and set(six["attacks"]) == set(attacks) else None


@lru_cache(maxsize=4096)
def _interval(
    runs: tuple[tuple[Path, int, tuple[int, ...]], ...], attacks: tuple[str, ...], number: Number
) -> Interval:
    """Cached until a file is changed, because the overview, a table and a figure ask for the same mean.

    Args:
        runs: the outcomes of each seed, when the file was last changed, and its folds in the mean.
        attacks: the attack, or the six.
        number: AUC or fooling rate.
    """
    seeds = [
        (read_rows(outcomes, "attack again", ROWS, [("fold", "in", folds), ("attack", "in", attacks)]), folds)
        for outcomes, _, folds in runs
    ]
    try:
        return interval_over_seeds(seeds, attacks, number)
    except ValueError as error:
        names = ", ".join(str(outcomes.parent) for outcomes, *_ in runs)
        raise DataError(
            f"expected the rows of every attack and clip of summary.json in outcomes.parquet of {names}, found some "
            f"missing ({error}); attack again"
        ) from error


def _known(end: float) -> float | None:
    return None if end != end else end
