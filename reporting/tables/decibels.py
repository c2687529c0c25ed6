"""Tables of attacks on the sound itself: the decibels that fool a run, and how those of two runs differ."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from reporting.verdicts import both_interval, corrected, judge
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
        "to change; the lower it is, the louder the change. All clips: the same over all of them, minus "
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


@dataclass(frozen=True)
class _Pair:
    """What one attack found on the clips that two runs share.

    Attributes:
        runs: the two runs.
        rows: one row per fold and clip.
        ratios: SNR of the first minus that of the second in dB, one per row; NaN where neither is fooled.
        by_fold: median on each fold.
    """

    runs: tuple[Run, Run]
    rows: pd.DataFrame
    ratios: "pd.Series[float]"
    by_fold: tuple[float, ...]

    def median(self, confidence: float = 0.95) -> Median:
        """The median difference with its interval over recordings."""
        return median_among(self.rows, self.ratios, self.ratios.notna(), confidence)

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """:meth:`median` with its values by fold, to be judged."""
        median = self.median(confidence)
        value = math.nan if median["median"] is None else median["median"]
        return Estimate(
            value, median["low"], median["high"], None, median["n"],
            tuple(run.name for run in self.runs),
            # The median of a fold is infinite if half of its clips are fooled in one run only; t needs finite ones.
            by_fold=self.by_fold if np.isfinite(self.by_fold).all() else (),
            same_recordings=any(run.split != "official" for run in self.runs),
        )  # fmt: skip


def sound_differences_table(runs: Sequence[Run]) -> PlainTable:
    """How many decibels two runs differ by, on the same clips, for attacks that find a size of their own.

    Args:
        runs: all runs that were read.
    """
    rows, plain = [], []
    names, only_one = ("first run", "second run"), ("only first", "only second")
    verdicts = ("verdict", "verdict (Holm)")
    pairs = list(_pairs(runs))
    together = corrected([pair.estimate for pair in pairs])
    for pair, of_all in zip(pairs, together, strict=True):
        part, (run, other) = pair.rows, pair.runs
        fooled, fooled_other = part["success"] > 0, part["success_other"] > 0
        median, estimate = pair.median(), pair.estimate()
        ends = both_interval(estimate)
        said = [WORDS.get(verdict, verdict) for verdict in (judge(estimate).verdict, of_all)]
        place = (run.name, other.name, NAMES.get(str(part["attack"].iloc[0]), str(part["attack"].iloc[0])))
        counts = (part["clip"].nunique(), int((fooled & ~fooled_other).sum()), int((~fooled & fooled_other).sum()))
        # A grouped split tests a clip on several folds.
        both_fooled = f"{int((fooled & fooled_other).sum())} of {len(part)}"
        budget = str(part["budget"].iloc[0])
        shown = (both_fooled, *map(str, counts[1:]), shown_budget({"budget": budget}))
        beyond = note_of([run], [other])
        interval = "-" if ends is None else f"[{ends[0]:.1f}, {ends[1]:.1f}]"
        by_fold = " ".join(f"{value:+.1f}" for value in pair.by_fold)
        rows.append((*place, shown_median(median, 1), interval, *said, by_fold, *shown, beyond))
        numbers = (*median.values(), " ".join(f"{value:.4f}" for value in pair.by_fold), *(ends or ("", "")))
        plain.append((*place, budget, part["recording"].nunique(), *counts, *numbers, *said, beyond))
    return PlainTable(
        "sound_differences",
        "Decibels between representations",
        "Attacks that find a size of their own, at their largest budget, on the clips that both runs classify "
        "correctly. Difference: median of the first run's SNR minus the second's over the clips that are fooled in "
        "either; above zero the first is fooled by a quieter change. A clip that is fooled in one run only counts as "
        "plus or minus infinity. Each run's ratio is at its own sample rate. Brackets: 95 % over recordings, none "
        "below ten. By fold: the median on each. Over models and recordings: corrected t over five folds or more, "
        "never narrower than the interval over recordings; only if it excludes zero is the first run's SNR called "
        "higher or lower. Verdict: each row by itself; Holm: corrected for all rows shown. CWA's decibels depend on a "
        "clip's loudness.",
        (
            *(*names, "attack", "difference in dB", "over models and recordings", *verdicts, "by fold"),
            *("fooled in both", *only_one, "budget", "note"),
        ),
        tuple(rows),
        (
            *names,
            *("attack", "budget", "recordings", "clips"),
            *only_one,
            *(f"difference in dB{end}" for end in ("", ", low", ", high", ", n")),
            *("by fold", "over models and recordings, low", "over models and recordings, high", *verdicts, "note"),
        ),
        tuple(plain),
    )


def _pairs(runs: Sequence[Run]) -> Iterator[_Pair]:
    """Every two runs of one corpus and split, once for each attack on clips that both classify correctly."""
    found = [(run, part) for run in runs if len(part := nearest(sound_outcomes(run)))]
    for (run, first), (other, second) in itertools.combinations(found, 2):
        if (run.corpus, run.split) != (other.corpus, other.split):
            continue
        both = first.merge(second, on=["attack", "budget", "fold", "name"], suffixes=("", "_other"))
        for _, part in both.groupby(["attack", "budget"], sort=True):
            fooled, fooled_other = part["success"] > 0, part["success_other"] > 0
            # A clip that is fooled in one run only differs by more than any number of decibels.
            ratios = part["snr_db"].where(fooled, -np.inf) - part["snr_db_other"].where(fooled_other, -np.inf)
            ratios = ratios.where(fooled | fooled_other)
            with np.errstate(invalid="ignore"):
                by_fold = tuple(float(np.median(some)) for _, some in ratios.dropna().groupby(part["fold"]))
            yield _Pair((run, other), part, ratios, by_fold)
