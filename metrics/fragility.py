"""From rows of disturbed sounds to the share of adversarials that survive each disturbance, with clean controls."""

from typing import TypedDict

import pandas as pd

from metrics.survival import Share, share_among

CLEAN = "clean"
"""Entry of the attack column in the rows of clean clips."""


class FragilityCell(TypedDict):
    """Effect of one disturbance at one strength on the adversarial sounds of one attack at one budget.

    Attributes:
        fold: number of the fold; None over all folds.
        attack: name of the attack.
        budget_index: position of the budget in its profile.
        budget: its settings, as JSON.
        transform: kind of the disturbance.
        strength: its strength, in ``unit``.
        unit: unit of the strength.
        n: number of clips of S whose adversarial sound was disturbed.
        recordings: number of recordings that these clips were cut from.
        survival: among the clips whose undisturbed sound fools, the share whose disturbed sound fools too.
        restored: the rest of these clips, which are classified correctly again.
        target_survival: among the clips whose undisturbed sound hits the target, the share that still hits it.
        fooling_rate: share of S whose disturbed sound fools.
        clean_accuracy: accuracy over all tested clips when the clean clips are disturbed in the same way.
        clean_kept: the same over the clips of S, all of which are classified correctly undisturbed.
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


def summarise_fragility(rows: pd.DataFrame) -> list[FragilityCell]:
    """Compute the cells for each attack, budget and disturbance, per fold and over all folds.

    Args:
        rows: one row per fold, attack, budget, clip, transform and strength; clean clips have the attack ``clean``.

    Returns:
        One cell per fold (then over all folds), attack, budget, transform and strength of which there are clean clips.
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
                share_among(part, right, everyone),
                share_among(part, right, ~part["sound_success"]),
            )
        attacked = some[some["attack"] != CLEAN]
        for key, part in attacked.groupby(["attack", "budget_index", "transform", "strength"], sort=True):
            # A command that was stopped early may have left attacked sounds without the clean ones.
            if key[2:] in controls:
                cells.append(_cell(fold, part, *controls[key[2:]]))
    return cells


def _cell(fold: int | None, rows: pd.DataFrame, accuracy: Share, kept: Share) -> FragilityCell:
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
        "n": int(rows["clip"].nunique()),
        "recordings": int(recordings.nunique()),
        "survival": share_among(rows, rows["disturbed_success"], fooled),
        "restored": share_among(rows, ~rows["disturbed_success"], fooled),
        "target_survival": share_among(rows, rows["disturbed_target_hit"], hit),
        "fooling_rate": share_among(rows, rows["disturbed_success"], pd.Series(True, index=rows.index)),
        "clean_accuracy": accuracy,
        "clean_kept": kept,
    }
