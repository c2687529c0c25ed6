"""Rows of transferred adversarials -> the cells of Table V, with denominators and intervals."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from metrics.attack_summary import THE_SIX
from metrics.auc import label_loss, rank_auc
from metrics.intervals import SourceResampling, bca_interval, clopper_pearson, near_the_end
from metrics.transfer_by_recording import counts_by_recording, fools_source, mean_ratio_of
from metrics.transfer_ratio import mean_transfer_ratio, transfer_counts, transfer_ratio


def summarise_transfer(rows: pd.DataFrame, *, seed: int = 0) -> list[dict[str, Any]]:
    """Every cell of the matrix: each target, for each attack and averaged over the six, for each fold and over folds.

    Args:
        rows: one row a fold, attack, budget, clip and target, of one source.
        seed: seed of the resampling.

    Returns:
        Cells; ``fold`` is None over folds, ``attack`` None for the plain mean over those of the six that
        were run on every fold.
    """
    cells = []
    for target, of_target in rows.groupby("target_run", sort=False):
        folds: list[int | None] = [*sorted(of_target["fold"].unique().tolist()), None]
        for fold in folds:
            some = of_target if fold is None else of_target[of_target["fold"] == fold]
            attacks = {str(attack): part for attack, part in some.groupby("attack", sort=False)}
            place = {"fold": fold, "target_run": str(target)}
            place["target_architecture"] = str(some["target_architecture"].iloc[0])
            cells += [place | {"attack": attack} | _cell(part, seed) for attack, part in attacks.items()]
            # An attack that was judged on some of the folds only would weigh those folds more.
            everywhere = some["fold"].nunique()
            whole = [
                attack for attack in THE_SIX if attack in attacks and attacks[attack]["fold"].nunique() == everywhere
            ]
            six = [attacks[attack] for attack in whole]
            if six:
                cells.append(place | {"attack": None} | _mean_cell(six, seed))
    return cells


def _cell(rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    numerators, denominators = _counts(rows, "success")
    hits, hit_denominators = _counts(rows, "target_hit")
    numerator, denominator = int(numerators.sum()), int(denominators.sum())
    ratio = transfer_ratio(numerators, denominators)
    cell = {
        "ratio": ratio,
        "numerator": numerator,
        "denominator": denominator,
        "target_hit_ratio": transfer_ratio(hits, hit_denominators),
        "target_hit_denominator": int(hit_denominators.sum()),
        "n": int(rows.loc[_both_correct(rows), ["fold", "clip"]].drop_duplicates().shape[0]),
        "auc_on_target": _auc_on_target(rows),
    }
    return cell | _interval([rows], ratio, denominator, seed)


def _mean_cell(attacks: Sequence[pd.DataFrame], seed: int) -> dict[str, Any]:
    counts = [_counts(rows, "success") for rows in attacks]
    ratios = torch.tensor([transfer_ratio(*pair) for pair in counts])
    hits = torch.tensor([transfer_ratio(*_counts(rows, "target_hit")) for rows in attacks])
    ratio, number = mean_transfer_ratio(ratios)
    areas = [area for area in (_auc_on_target(rows) for rows in attacks) if area is not None]
    numerator, denominator = (int(sum(pair[k].sum() for pair in counts)) for k in (0, 1))
    cell = {
        "ratio": ratio,
        "attacks": number,
        "numerator": numerator,
        "denominator": denominator,
        "target_hit_ratio": mean_transfer_ratio(hits)[0],
        "auc_on_target": float(np.mean(areas)) if areas else None,
    }
    return cell | _interval(attacks, ratio, denominator, seed)


def _both_correct(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["clean_correct_source"] & rows["clean_correct_target"]


def _counts(rows: pd.DataFrame, what: str) -> tuple[Tensor, Tensor]:
    """Numerator and denominator at each budget (summed over folds)."""
    pairs = [
        transfer_counts(_truth(some[f"source_{what}"]), _truth(some[f"target_{what}"]), _truth(_both_correct(some)))
        for _, some in rows.groupby("budget")
    ]
    return torch.tensor([pair[0] for pair in pairs]), torch.tensor([pair[1] for pair in pairs])


def _interval(attacks: Sequence[pd.DataFrame], ratio: float, denominator: int, seed: int) -> dict[str, Any]:
    """Interval of the ratio, or of its mean over attacks, with recordings as clusters."""
    if not denominator:
        return {"ratio_low": math.nan, "ratio_high": math.nan}
    together = pd.concat(attacks)
    # Clips, not their rows: budgets and attacks on one clip are no further evidence.
    counted = together[fools_source(together)]
    clips = len(counted.drop_duplicates(["fold", "clip"]))
    if near_the_end(ratio * clips, clips):
        ends = clopper_pearson(ratio * clips, clips, counted["source"].nunique())
    else:
        recordings = together.drop_duplicates("source")["source"].tolist()
        counts = [counts_by_recording(rows, recordings) for rows in attacks]
        ends = bca_interval(mean_ratio_of(counts), SourceResampling(recordings, seed=seed))
    return {"ratio_low": ends.low, "ratio_high": ends.high}


def _auc_on_target(rows: pd.DataFrame) -> float | None:
    """Mean over budgets of the AUC of the source's adversarials on the target; None for a target without logits."""
    some = rows[rows["clean_correct_target"]]
    if not len(some) or some["target_logits_clean"].isna().any():
        return None
    areas = []
    for _, budget in some.groupby("budget"):
        labels = torch.tensor(budget["label"].to_numpy())
        clean, adversarial = (
            torch.from_numpy(np.stack(budget[f"target_logits_{name}"].to_list()).astype(np.float32))
            for name in ("clean", "adversarial")
        )
        areas.append(float(rank_auc(label_loss(adversarial, labels), label_loss(clean, labels))))
    return float(np.mean(areas))


def _truth(values: "pd.Series[Any]") -> Tensor:
    return torch.from_numpy(values.to_numpy(bool).copy())
