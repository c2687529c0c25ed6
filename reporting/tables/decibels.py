"""Tables of attacks on the sound itself: the decibels that fool a run, and how those of two runs differ."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from metrics.survival import median_among, share_among
from reporting.names import NAMES
from reporting.runs import Run
from reporting.sounds import nearest, sound_outcomes
from reporting.tables.plain import PlainTable
from reporting.tables.sound import shown_budget, shown_median, shown_share
from storage.space import SOUND


def sound_attacks_table(runs: Sequence[Run], seed: int = 0) -> PlainTable:
    """How loud a change of the sound has to be for each attack to fool each run: ``attack.py --space sound``.

    Args:
        runs: all runs that were read.
        seed: seed of the resampling.
    """
    rows, plain = [], []
    for run in runs:
        outcomes = sound_outcomes(run)
        for (attack, _), part in outcomes.groupby(["attack", "budget_index"], sort=True):
            recordings, everyone = part["recording"].astype(str), pd.Series(True, index=part.index)
            fooled = part["success"] > 0
            # Shares over targets, for an attack on several.
            shares = [
                share_among(part[column], everyone, recordings, seed=seed) for column in ("success", SOUND.rounded)
            ]
            loudness = median_among(part["snr_db"], fooled, recordings)
            of_all = median_among(part["snr_db"].where(fooled, -np.inf), everyone, recordings)
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
            median = median_among(ratios, fooled | fooled_other, recordings)
            place = (run.name, other.name, NAMES.get(str(attack), str(attack)))
            counts = (part["clip"].nunique(), int((fooled & ~fooled_other).sum()), int((~fooled & fooled_other).sum()))
            only, only_other = map(str, counts[1:])
            both_fooled = f"{int((fooled & fooled_other).sum())} of {counts[0]}"
            shown = (shown_budget({"budget": budget}), both_fooled, shown_median(median, 1), only, only_other)
            rows.append((*place, *shown))
            plain.append((*place, str(budget), recordings.nunique(), *counts, *median.values()))
    return PlainTable(
        "sound_differences",
        "Decibels between representations",
        "Attacks that find a size of their own, at their largest budget, on the clips that both runs classify "
        "correctly. Difference: median of the first run's SNR minus the second's over the clips that are fooled in "
        "either; above zero the first is fooled by a quieter change. A clip that is fooled in one run only counts as "
        "plus or minus infinity. Each run's ratio is at its own sample rate. Brackets: 95 % over recordings, none "
        "below ten, not corrected for the number of pairs.",
        (*names, "attack", "budget", "fooled in both", "difference in dB", *only_one),
        tuple(rows),
        (
            *names,
            *("attack", "budget", "recordings", "clips"),
            *only_one,
            *(f"difference in dB{end}" for end in ("", ", low", ", high", ", n")),
        ),
        tuple(plain),
    )
