"""Rows of disturbed sounds -> what of each attack survives each disturbance, beside what happens to clean clips."""

from typing import TypedDict

import pandas as pd

from metrics.survival import Share, share_among

CLEAN = "clean"
"""Stands for the attack in the rows of clean clips."""


class FragilityCell(TypedDict):
    """One disturbance at one strength on the adversarial sounds of one attack at one budget.

    Attributes:
        fold: number of the fold; None over all folds.
        attack: name of the attack.
        budget_index: position of the budget in its profile.
        budget: its settings, as JSON.
        transform: kind of the disturbance.
        strength: how much of it.
        unit: unit of the strength.
        n: clips of S whose adversarial was disturbed.
        recordings: of which these clips are.
        survival: among the clips that the undisturbed sound fools, the share that the disturbed one fools.
        restored: the rest of them: the answer is the label again.
        target_survival: among the clips whose undisturbed sound hits the target, the share that still hits it.
        fooling_rate: share of S that the disturbed sound fools.
        clean_accuracy: share of all tested clips that are right when the clean clip is disturbed alike.
        clean_kept: the same among the clips of S, all of which are right undisturbed.
    """

    fold: int | None
    attack: str
    budget_index: int
    budget: str
    transform: str
    strength: float
    unit: str
    n: int
    recordings: int
    survival: Share
    restored: Share
    target_survival: Share
    fooling_rate: Share
    clean_accuracy: Share
    clean_kept: Share


def summarise_fragility(rows: pd.DataFrame, *, seed: int = 0) -> list[FragilityCell]:
    """Every number, for each attack, budget and disturbance, on each fold and over folds.

    Args:
        rows: one row a fold, attack, budget, clip, transform and strength; clean clips have the attack ``clean``.
        seed: seed of the resampling.
    """
    rows = rows.assign(recording=rows["recording"].astype(str))
    cells = []
    for fold in [*sorted(rows["fold"].unique().tolist()), None]:
        some = rows if fold is None else rows[rows["fold"] == fold]
        controls = {}
        for key, part in some[some["attack"] == CLEAN].groupby(["transform", "strength"], sort=False):
            everyone = pd.Series(True, index=part.index)
            right = ~part["disturbed_success"]
            controls[key] = (
                share_among(right, everyone, part["recording"], seed=seed),
                share_among(right, ~part["sound_success"], part["recording"], seed=seed),
            )
        attacked = some[some["attack"] != CLEAN]
        for key, part in attacked.groupby(["attack", "budget_index", "transform", "strength"], sort=True):
            cells.append(_cell(fold, part, *controls[key[2:]], seed))
    return cells


def _cell(fold: int | None, rows: pd.DataFrame, accuracy: Share, kept: Share, seed: int) -> FragilityCell:
    first, recordings = rows.iloc[0], rows["recording"]
    fooled, hit = rows["sound_success"], rows["sound_target_hit"]
    return {
        "fold": fold,
        "attack": str(first["attack"]),
        "budget_index": int(first["budget_index"]),
        "budget": str(first["budget"]),
        "transform": str(first["transform"]),
        "strength": float(first["strength"]),
        "unit": str(first["unit"]),
        "n": int(rows[["fold", "clip"]].drop_duplicates().shape[0]),
        "recordings": int(recordings.nunique()),
        "survival": share_among(rows["disturbed_success"], fooled, recordings, seed=seed),
        "restored": share_among(~rows["disturbed_success"], fooled, recordings, seed=seed),
        "target_survival": share_among(rows["disturbed_target_hit"], hit, recordings, seed=seed),
        "fooling_rate": share_among(
            rows["disturbed_success"], pd.Series(True, index=rows.index), recordings, seed=seed
        ),
        "clean_accuracy": accuracy,
        "clean_kept": kept,
    }
