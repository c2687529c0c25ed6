"""Tables of attacks on the sound itself: the decibels that fool a run, and how those of two runs differ."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from metrics.survival import Median, median_among, share_among
from reporting.controls import note_of
from reporting.estimates import Estimate
from reporting.names import NAMES
from reporting.runs import Run
from reporting.sounds import nearest, sound_outcomes
from reporting.tables.plain import WORDS, PlainTable
from reporting.tables.sound import shown_budget, shown_median, shown_share
from reporting.verdicts import both_interval, judge
from storage.space import SOUND


def sound_attacks_table(runs: Sequence[Run]) -> PlainTable:
    """How loud a change of the sound has to be for each attack to fool each run: ``attack.py --space sound``.

    Args:
        runs: all runs that were read.
    """
    rows, plain = [], []
    for run in runs:
        outcomes = sound_outcomes(run)
        for (attack, _), part in outcomes.groupby(["attack", "budget_index"], sort=True):
            recordings, everyone = part["recording"].astype(str), pd.Series(True, index=part.index)
            fooled = part["success"] > 0
            # Shares over targets, for an attack on several.
            shares = [share_among(part, part[column], everyone) for column in ("success", SOUND.rounded)]
            loudness = median_among(part, part["snr_db"], fooled)
            of_all = median_among(part, part["snr_db"].where(fooled, -np.inf), everyone)
            place = (run.name, run.representation, NAMES.get(str(attack), str(attack)))
            budget = str(part["budget"].iloc[0])
            clips = (part["clip"].nunique(), recordings.nunique())
            counted = f"{clips[0]} clips of {clips[1]} recordings"
            medians = (shown_median(loudness, 1), shown_median(of_all, 1))
            rows.append((*place, shown_budget({"budget": budget}), counted, *medians, *map(shown_share, shares)))
            numbers = [value for part in (loudness, of_all, *shares) for value in part.values()]
            plain.append((*place, budget, *clips, *numbers))
    kinds = ("SNR in dB", "SNR in dB, all clips", "fooled", "fooled at 16 bits")
    return PlainTable(
        "sound_attacks",
        "Decibels to fool",
        "Attacks on the sound itself, through the representation. SNR: median over the clips that are fooled, of clip "
        "to change; the lower it is, the louder the change had to be. All clips: the same over all of them, minus "
        "infinity for those that nothing fools, so that runs with unlike shares of fooled clips compare. Brackets: "
        "95 % over recordings, none below ten.",
        ("run", "map", "attack", "budget", "n", *kinds),
        tuple(rows),
        (
            *("run", "map", "attack", "budget", "clips", "recordings"),
            *(f"{kind}{end}" for kind in kinds for end in ("", ", low", ", high", ", n")),
        ),
        tuple(plain),
    )


def sound_differences_table(runs: Sequence[Run]) -> PlainTable:
    """How many decibels two runs differ by, on the same clips, for attacks that find a size of their own.

    Args:
        runs: all runs that were read.
    """
    rows, plain = [], []
    keys = ["attack", "budget", "fold", "name"]
    names, only_one = ("first run", "second run"), ("only first", "only second")
    of_models = ("over models and recordings", "verdict", "by fold")
    found = [(run, part) for run in runs if len(part := nearest(sound_outcomes(run)))]
    for (run, first), (other, second) in itertools.combinations(found, 2):
        if (run.corpus, run.split) != (other.corpus, other.split):
            continue
        both = first.merge(second, on=keys, suffixes=("", "_other"))
        for (attack, budget), part in both.groupby(["attack", "budget"], sort=True):
            fooled, fooled_other = part["success"] > 0, part["success_other"] > 0
            # A clip that is fooled in one run only differs by more than any number of decibels.
            ratios = part["snr_db"].where(fooled, -np.inf) - part["snr_db_other"].where(fooled_other, -np.inf)
            recordings = part["recording"].astype(str)
            median = median_among(part, ratios, fooled | fooled_other)
            judged = _judged(ratios.where(fooled | fooled_other), part["fold"], median, (run, other))
            place = (run.name, other.name, NAMES.get(str(attack), str(attack)))
            counts = (part["clip"].nunique(), int((fooled & ~fooled_other).sum()), int((~fooled & fooled_other).sum()))
            # A grouped split tests a clip on several folds.
            both_fooled = f"{int((fooled & fooled_other).sum())} of {len(part)}"
            shown = (both_fooled, *map(str, counts[1:]), shown_budget({"budget": budget}))
            beyond = note_of([run], [other])
            rows.append((*place, shown_median(median, 1), *judged[0], *shown, beyond))
            plain.append((*place, str(budget), recordings.nunique(), *counts, *median.values(), *judged[1], beyond))
    return PlainTable(
        "sound_differences",
        "Decibels between representations",
        "Attacks that find a size of their own, at their largest budget, on the clips that both runs classify "
        "correctly. Difference: median of the first run's SNR minus the second's over the clips that are fooled in "
        "either; above zero the first is fooled by a quieter change. A clip that is fooled in one run only counts as "
        "plus or minus infinity. Each run's ratio is at its own sample rate. Brackets: 95 % over recordings, none "
        "below ten. By fold: the median on each. Over models and recordings: corrected t over five folds or more, "
        "never narrower than the interval over recordings; only if it excludes zero is the first run's SNR called "
        "higher or lower. No verdict is corrected for the number of pairs. CWA's depend on a clip's loudness.",
        (*names, "attack", "difference in dB", *of_models, "fooled in both", *only_one, "budget", "note"),
        tuple(rows),
        (
            *names,
            *("attack", "budget", "recordings", "clips"),
            *only_one,
            *(f"difference in dB{end}" for end in ("", ", low", ", high", ", n")),
            *("by fold", "over models and recordings, low", "over models and recordings, high", "verdict", "note"),
        ),
        tuple(plain),
    )


def _judged(
    ratios: "pd.Series[float]", folds: "pd.Series[int]", median: Median, pair: tuple[Run, Run]
) -> tuple[tuple[str, ...], tuple[object, ...]]:
    """Text and numbers: the median difference on each fold, the interval over models and recordings, the verdict."""
    with np.errstate(invalid="ignore"):
        by_fold = tuple(float(np.median(part)) for _, part in ratios.dropna().groupby(folds))
    ends, verdict = None, "undecided"
    if median["median"] is not None:
        found = Estimate(
            median["median"], median["low"], median["high"], None, median["n"], tuple(run.name for run in pair),
            # The median of a fold is infinite if half of its clips are fooled in one run only; t needs finite ones.
            by_fold=by_fold if np.isfinite(by_fold).all() else (),
            same_recordings=any(run.split != "official" for run in pair),
        )  # fmt: skip
        ends, said = both_interval(found), judge(found).verdict
        verdict = f"{WORDS[said]} (not corrected)" if said in WORDS else said
    shown = "-" if ends is None else f"[{ends[0]:.1f}, {ends[1]:.1f}]"
    return (
        (shown, verdict, " ".join(f"{value:+.1f}" for value in by_fold)),
        (" ".join(f"{value:.4f}" for value in by_fold), *(ends or ("", "")), verdict),
    )
