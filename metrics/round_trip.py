"""From rows of the round trip (adversarial map to sound and back) to the share of each attack that survives it."""

from typing import TypedDict

import pandas as pd

from metrics.survival import Median, Share, median_among, share_among


class RoundTripCell(TypedDict):
    """The round trip of one attack at one budget.

    Attributes:
        fold: number of the fold; None over all folds.
        attack: name of the attack.
        budget_index: position of the budget in its profile.
        budget: its settings, as JSON.
        n: number of distinct clips of S.
        recordings: number of recordings that these clips were cut from.
        map_fooling_rate: share of S whose adversarial map fools the victim.
        sound_fooling_rate: share of S whose sound, made from the adversarial map, fools the victim.
        survival: among the clips whose map fools, the share whose sound fools too.
        target_survival: among the clips whose map hits the target, the share whose sound hits it too.
        snr_db: median SNR of the sound in dB over the clips whose map fools.
        snr_db_all: the same over S.
        consistency: median over S of :func:`metrics.distances.consistency`, the share of the change of the map that
            its sound does not reproduce.
        silent: number of clips whose samples are all equal, which have no SNR.
        clipped: share of S whose sound exceeds full scale.
    """

    fold: int | None
    attack: str
    budget_index: int
    budget: str
    n: int
    recordings: int
    map_fooling_rate: Share
    sound_fooling_rate: Share
    survival: Share
    target_survival: Share
    snr_db: Median
    snr_db_all: Median
    consistency: Median
    silent: int
    clipped: float


def summarise_round_trip(rows: pd.DataFrame) -> list[RoundTripCell]:
    """Compute the cells for each attack and budget, per fold and over all folds.

    Args:
        rows: one row per fold, attack, budget and clip.

    Returns:
        One cell per fold (then over all folds), attack and budget.
    """
    cells = []
    for fold in [*sorted(rows["fold"].unique().tolist()), None]:
        some = rows if fold is None else rows[rows["fold"] == fold]
        for _, part in some.groupby(["attack", "budget_index"], sort=True):
            cells.append(_cell(fold, part.reset_index(drop=True)))
    return cells


def _cell(fold: int | None, rows: pd.DataFrame) -> RoundTripCell:
    recordings, everyone = rows["recording"].astype(str), pd.Series(True, index=rows.index)
    fooled, hit = rows["map_success"], rows["map_target_hit"]
    return {
        "fold": fold,
        "attack": str(rows["attack"].iloc[0]),
        "budget_index": int(rows["budget_index"].iloc[0]),
        "budget": str(rows["budget"].iloc[0]),
        "n": int(rows["clip"].nunique()),
        "recordings": int(recordings.nunique()),
        "map_fooling_rate": share_among(rows, fooled, everyone),
        "sound_fooling_rate": share_among(rows, rows["sound_success"], everyone),
        "survival": share_among(rows, rows["sound_success"], fooled),
        "target_survival": share_among(rows, rows["sound_target_hit"], hit),
        "snr_db": median_among(rows, rows["snr_db"], fooled),
        "snr_db_all": median_among(rows, rows["snr_db"], everyone),
        "consistency": median_among(rows, rows["consistency"], everyone),
        "silent": int(rows.loc[rows["snr_db"].isna(), "clip"].nunique()),
        "clipped": float((rows["peak"] > 1).mean()),
    }
