"""All rows of an attack run -> every number of its summary."""

from typing import Any

import pandas as pd
import torch

from metrics.attack_summary import THE_SIX, attack_row, budget_rows, mean_over_folds, mean_over_six
from metrics.attacked_fold import AttackedFold
from metrics.intervals import SourceResampling

CHECK = "check_"
"""Attacks whose name begins so were run for the trust checks and are no part of a table."""


def summarise(outcomes: pd.DataFrame, clips: pd.DataFrame, *, seed: int = 0) -> dict[str, Any]:
    """Compute every number from the rows alone.

    Args:
        outcomes: one row a fold, attack, budget and clip of S.
        clips: one row a fold and tested clip, with ``source``, ``label`` and ``clean_correct``.
        seed: seed of the resampling.

    Returns:
        ``n_test`` and ``n`` (distinct clips that were tested, and that were right when clean on some fold),
        ``recordings`` of the latter, ``accuracy_on_attacked``, ``folds``, ``budgets``, ``attacks``, ``means`` and
        ``six``, which is None unless all six were run on the same folds.
    """
    clips = clips.sort_values(["fold", "clip"], ignore_index=True)
    everything = SourceResampling(clips["source"].tolist(), seed=seed)
    folds = sorted(clips["fold"].unique().tolist())
    rows: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    attacked: dict[str, list[AttackedFold]] = {}
    pooled: dict[int, SourceResampling] = {}
    for fold in folds:
        tested = clips[clips["fold"] == fold]
        own = SourceResampling(tested["source"].tolist(), seed=seed)
        of_fold = outcomes[(outcomes["fold"] == fold) & ~outcomes["attack"].str.startswith(CHECK)]
        for _, some in of_fold.groupby("attack", sort=False):
            one = AttackedFold.of(some)
            members = torch.from_numpy(tested["clip"].isin(one.clips.tolist()).to_numpy().copy())
            pooled[fold] = everything.of(torch.tensor(tested.index.to_numpy())[members])
            of_attack = budget_rows(one, own.of(members), len(tested))
            rows += of_attack
            entries.append(attack_row(one, of_attack))
            attacked.setdefault(one.attack, []).append(one)
    means = {
        attack: mean_over_folds(
            parts, [entry for entry in entries if entry["attack"] == attack], [pooled[part.fold] for part in parts]
        )
        for attack, parts in attacked.items()
    }
    # A mean over attacks needs all of them on the same folds.
    of_six = [attacked.get(attack, []) for attack in THE_SIX]
    complete = bool(pooled) and all([part.fold for part in parts] == list(pooled) for parts in of_six)
    right = clips[clips["clean_correct"]]
    return {
        "n_test": clips["clip"].nunique(),
        "n": right["clip"].nunique(),
        "recordings": right["source"].nunique(),
        "accuracy_on_attacked": float(clips["clean_correct"].mean()),
        "folds": [_fold_entry(fold, clips[clips["fold"] == fold]) for fold in folds],
        "budgets": rows,
        "attacks": entries,
        "means": means,
        "six": mean_over_six(of_six, means, [pooled[fold] for fold in pooled]) if complete else None,
    }


def _fold_entry(fold: int, clips: pd.DataFrame) -> dict[str, Any]:
    correct = clips["clean_correct"]
    return {"fold": fold, "n_test": len(clips), "n": int(correct.sum()), "accuracy": float(correct.mean())}
