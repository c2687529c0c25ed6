"""The rule for verdicts on effects, which considers variation of models and recordings (``docs/verdicts.md``)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

from metrics.intervals import too_few
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
"""All verdicts, in the order in which the page counts them."""

FOLD_RATIO = 1.0
"""Ratio n_test / n_train in the corrected interval over folds; with 1, at most 6 % of the intervals exclude a true null
value, up to a correlation of 0.5 between folds."""

Ends = tuple[float, float]


@dataclass(frozen=True)
class Judgement:
    """The verdict on an effect.

    Attributes:
        verdict: the verdict.
        ends: the interval over models and recordings; without one, that over recordings, or the range over folds.
        basis: in words, what kind of interval ``ends`` is.
        alone: the verdict that the interval over recordings alone would give; None unless it decides the verdict.
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
    """Judge an effect that should lie above its null value.

    Args:
        found: the effect with its differences by fold or seed.
        null: value of no effect, in the same unit.
        confidence: coverage of its interval over recordings, and of that over models and recordings.
        logarithmic: whether the effect is a ratio, which is averaged by its logarithms.
        alone: whether ``low`` and ``high`` are an interval over recordings, unless they are a range.
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


def corrected(found: Sequence[Callable[[float], Estimate | None]], null: float = 0.0) -> list[Verdict]:
    """The verdicts on several effects that are judged together, by Holm's step-down procedure (Holm 1979).

    Of m effects that are judged together, those whose interval with an error of 0.05 / m excludes the null value are
    decided; with r of them decided, the others are judged with 0.05 / (m - r), until no further one is. So at most 5 %
    of such families contain a true null that is excluded. Intervals over models and recordings are one family, those
    over recordings alone another.

    Args:
        found: the effect of each, with its interval over recordings at the confidence that it is called with.
        null: value of no effect.

    Returns:
        ``holds``, ``fails``, ``for these models only`` or ``undecided`` for each.
    """

    def both(at: Callable[[float], Estimate | None], confidence: float) -> Ends | None:
        return both_interval(effect, confidence) if (effect := at(confidence)) else None

    def alone(at: Callable[[float], Estimate | None], confidence: float) -> Ends | None:
        return over_recordings(effect) if (effect := at(confidence)) else None

    computed = [cache(at) for at in found]
    judged, over_clips = (_step_down([partial(ends, at) for at in computed], null) for ends in (both, alone))
    return [
        "for these models only" if verdict == "undecided" and only != "undecided" else verdict
        for verdict, only in zip(judged, over_clips, strict=True)
    ]


def _step_down(ends: Sequence[Callable[[float], Ends | None]], null: float) -> list[Verdict]:
    """The side on which the interval of each effect lies, with Holm's levels; an effect without one is not counted."""
    verdicts: list[Verdict] = ["undecided"] * len(ends)
    left = [place for place, at in enumerate(ends) if at(0.95) is not None]
    while left:
        confidence = 1 - 0.05 / len(left)
        for place in left:
            here = ends[place](confidence)
            verdicts[place] = _side(here, null) if here else "undecided"
        undecided = [place for place in left if verdicts[place] == "undecided"]
        if len(undecided) == len(left):
            break
        left = undecided
    return verdicts


def both_interval(found: Estimate, confidence: float = 0.95, *, logarithmic: bool = False) -> Ends | None:
    """The interval over models and recordings, never narrower than that over recordings alone.

    Folds that test different recordings reflect the variation of both. Folds or seeds that test the same recordings
    reflect that of models only; the contribution of recordings is then added in quadrature for folds, and as in
    :func:`metrics.model_variance.seed_interval` for seeds.

    Args:
        found: an effect with its differences by fold or seed.
        confidence: nominal coverage, in (0, 1).
        logarithmic: whether logarithms are averaged; the ends are those of the ratio.

    Returns:
        The ends in the unit of the effect, within its bounds; None with fewer than five folds and fewer than three
        seeds, if there are too few recordings for the interval over recordings that is needed, or if an effect without
        one is the same on every fold, which shows no variance.
    """
    recordings = over_recordings(found)
    if (found.interval != FOLDS and recordings is None) or _few_recordings(found):
        return None
    folds = [math.log(value) for value in found.by_fold] if logarithmic else list(found.by_fold)
    if recordings is None and _all_equal(found):
        return None
    if len(folds) >= FEWEST_FOLDS:
        low, high = corrected_resampled_interval(folds, FOLD_RATIO, confidence)
        if found.same_recordings:
            if recordings is None or not all(map(math.isfinite, recordings)):
                return None
            half = math.hypot((high - low) / 2, (recordings[1] - recordings[0]) / 2)
            low, high = (low + high) / 2 - half, (low + high) / 2 + half
    else:
        error, effective = found.recording_error, found.effective_recordings
        if len(found.by_seed) < FEWEST_SEEDS or error is None or effective is None:
            return None
        low, high = seed_interval(found.by_seed, error, effective, confidence)
    low, high = (math.exp(low), math.exp(high)) if logarithmic else (low, high)
    if found.bounds is not None:
        # A t interval does not know that a share ends at 0 and at 1.
        low, high = max(low, found.bounds[0]), min(high, found.bounds[1])
    return (low, high) if recordings is None else (min(low, recordings[0]), max(high, recordings[1]))


def over_recordings(found: Estimate) -> Ends | None:
    """The interval over recordings; None if ``found`` has a range over folds or no interval."""
    return None if found.interval == FOLDS else _ends(found)


def basis_of(found: Estimate) -> str:
    """In words, from what the interval over models and recordings was computed."""
    if len(found.by_fold) >= FEWEST_FOLDS and _all_equal(found):
        return f"the same on all {len(found.by_fold)} folds, so the interval is that over recordings"
    if len(found.by_fold) >= FEWEST_FOLDS:
        return f"models and recordings: corrected resampled t over {len(found.by_fold)} folds"
    return f"models and recordings: {len(found.by_seed)} seeds"


def few_models(found: Estimate) -> str:
    """In words, why there is no interval over models and recordings."""
    if _few_recordings(found) or (found.interval != FOLDS and _ends(found) is None):
        return "too few recordings for an interval (fewer than 10, or than 8 on one of several folds)"
    if found.interval == FOLDS and len(found.by_fold) >= FEWEST_FOLDS and _all_equal(found):
        return "the same on every fold, as where budgets stop every attack, so nothing is known of its variance"
    if found.interval == FOLDS and found.same_recordings:
        return "every fold attacks the same clips, so recordings are not counted"
    folds, seeds = len(found.by_fold), len(found.by_seed)
    return f"fewer than {FEWEST_FOLDS} folds ({folds}) and fewer than {FEWEST_SEEDS} seeds ({seeds}) decide nothing"


def mean_of_folds(
    values: Sequence[float], runs: Sequence[str], *, same_recordings: bool = False, recordings: int | None = None
) -> Estimate | None:
    """Mean and range over folds of a number that has no interval over recordings, a maximum; None without folds."""
    if not values:
        return None
    by_fold = () if same_recordings else tuple(values)
    mean = sum(values) / len(values)
    return Estimate(
        mean, min(values), max(values), None, len(values), tuple(runs), interval=FOLDS, by_fold=by_fold,
        same_recordings=same_recordings, recordings=recordings,
    )  # fmt: skip


def _few_recordings(found: Estimate) -> bool:
    """Whether a number without an interval over recordings, a maximum, is one of fewer than ten recordings."""
    return found.interval == FOLDS and found.recordings is not None and bool(too_few(found.recordings))


def _all_equal(found: Estimate) -> bool:
    return bool(found.by_fold) and max(found.by_fold) - min(found.by_fold) <= 1e-9 * abs(found.value)


def _side(ends: Ends, null: float) -> Verdict:
    if ends[0] > null:
        return "holds"
    return "fails" if ends[1] < null else "undecided"


def _ends(found: Estimate) -> Ends | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def _range(found: Estimate) -> str:
    return FOLDS if found.interval == FOLDS else ""
