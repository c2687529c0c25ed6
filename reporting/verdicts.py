"""The one rule by which the report calls an effect sure: models and recordings both vary (``docs/verdicts.md``)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from metrics.model_variance import FEWEST_FOLDS, FEWEST_SEEDS, corrected_resampled_interval, seed_interval
from reporting.estimates import FOLDS, Estimate

Verdict = Literal[
    "holds",
    "fails",
    "for these models only",
    "undecided",
    "undecided: units differ",
    "descriptive",
    "stated only",
    "missing",
]
VERDICTS: tuple[Verdict, ...] = (
    "holds",
    "fails",
    "for these models only",
    "undecided",
    "undecided: units differ",
    "descriptive",
    "stated only",
    "missing",
)
"""In the order in which they are counted on the page."""

FOLD_RATIO = 1.0
"""Correction of the interval over folds: keeps to 6 % of excluded true nulls up to a correlation of 0.5."""

Ends = tuple[float, float]


@dataclass(frozen=True)
class Judgement:
    """What an effect says.

    Attributes:
        verdict: the word.
        ends: the interval over models and recordings; without one that over recordings, or the range over folds.
        basis: what the ends are, in words.
        alone: what recordings alone would say; None where the verdict counts models too, or there is no such interval.
        recordings: the interval over recordings; None without one.
    """

    verdict: Verdict
    ends: Ends | None
    basis: str
    alone: Verdict | None = None
    recordings: Ends | None = None


def judge(
    found: Estimate, null: float = 0.0, *, confidence: float = 0.95, logarithmic: bool = False, alone: bool = True
) -> Judgement:
    """Judge an effect that the claim wants above its null value.

    Args:
        found: the effect with its differences by fold or seed, in the unit that is printed.
        null: value of no effect.
        confidence: coverage of its interval over recordings, and of the one that counts models too.
        logarithmic: whether the effect is a ratio, whose logarithms are averaged.
        alone: whether there is an interval over recordings in ``low`` and ``high`` where they are no range.
    """
    both = both_interval(found, confidence, logarithmic=logarithmic)
    recordings = over_recordings(found) if alone else None
    sure = "recordings alone" if recordings else ""
    if both is not None:
        verdict = _side(both, null)
        basis = basis_of(found)
    else:
        verdict, basis = "undecided", "; ".join(filter(None, (_range(found) or sure, few_models(found))))
    only = _side(recordings, null) if recordings else "undecided"
    if verdict == "undecided" and only != "undecided":
        return Judgement("for these models only", both or recordings, basis, only, recordings)
    return Judgement(verdict, both or recordings or _ends(found), basis, None, recordings)


def both_interval(found: Estimate, confidence: float = 0.95, *, logarithmic: bool = False) -> Ends | None:
    """The interval that counts models and recordings, never narrower than that over recordings alone.

    Folds that test different recordings hold both. Folds or seeds that test the same ones hold models only, to which
    what recordings add comes as :func:`metrics.model_variance.seed_interval` has it, or for folds in quadrature.

    Args:
        found: an effect with its differences by fold or seed.
        confidence: coverage aimed at, in (0, 1).
        logarithmic: whether logarithms are averaged, and the ends are those of the ratio.

    Returns:
        The ends; None with fewer than five folds and three seeds, and where an interval over recordings is called for
        and there are too few of them.
    """
    recordings = over_recordings(found)
    if found.interval != FOLDS and recordings is None:
        return None
    folds = [math.log(value) for value in found.by_fold] if logarithmic else list(found.by_fold)
    if len(folds) >= FEWEST_FOLDS:
        low, high = corrected_resampled_interval(folds, FOLD_RATIO, confidence)
        if found.same_recordings:
            if recordings is None:
                return None
            half = math.hypot((high - low) / 2, (recordings[1] - recordings[0]) / 2)
            low, high = (low + high) / 2 - half, (low + high) / 2 + half
    elif len(found.by_seed) >= FEWEST_SEEDS and found.recording_error is not None and (found.recordings or 0) >= 2:
        low, high = seed_interval(found.by_seed, found.recording_error, found.recordings or 0, confidence)
    else:
        return None
    low, high = (math.exp(low), math.exp(high)) if logarithmic else (low, high)
    return (low, high) if recordings is None else (min(low, recordings[0]), max(high, recordings[1]))


def over_recordings(found: Estimate) -> Ends | None:
    """The interval over recordings; None where the ends are a range, or are none."""
    return None if found.interval == FOLDS else _ends(found)


def basis_of(found: Estimate) -> str:
    """What the interval over models and recordings was computed from."""
    if len(found.by_fold) >= FEWEST_FOLDS:
        return f"models and recordings: corrected resampled t over {len(found.by_fold)} folds"
    return f"models and recordings: {len(found.by_seed)} seeds"


def few_models(found: Estimate) -> str:
    """Why there is no interval over models and recordings."""
    if found.interval != FOLDS and _ends(found) is None:
        return "fewer than 10 recordings have no interval"
    if found.interval == FOLDS and found.same_recordings:
        return "every fold attacks the same clips, so recordings are not counted"
    folds, seeds = len(found.by_fold), len(found.by_seed)
    return f"fewer than {FEWEST_FOLDS} folds ({folds}) and fewer than {FEWEST_SEEDS} seeds ({seeds}) decide nothing"


def mean_of_folds(values: Sequence[float], runs: Sequence[str], *, same_recordings: bool = False) -> Estimate | None:
    """Mean and range over folds of a number that cannot be resampled, a maximum for example."""
    if not values:
        return None
    by_fold = () if same_recordings else tuple(values)
    mean = sum(values) / len(values)
    return Estimate(
        mean, min(values), max(values), None, len(values), tuple(runs), interval=FOLDS, by_fold=by_fold,
        same_recordings=same_recordings,
    )  # fmt: skip


def _side(ends: Ends, null: float) -> Verdict:
    if ends[0] > null:
        return "holds"
    return "fails" if ends[1] < null else "undecided"


def _ends(found: Estimate) -> Ends | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def _range(found: Estimate) -> str:
    return FOLDS if found.interval == FOLDS else ""
