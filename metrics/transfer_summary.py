"""From rows of transferred adversarials to the cells of Table V, with denominators and intervals."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from metrics.attack_summary import THE_SIX
from metrics.auc import auc
from metrics.intervals import Recordings, share_interval
from metrics.recordings import effective_number
from metrics.transfer_ratio import (
    counts_by_recording,
    fools_source,
    mean_ratio_of,
    mean_transfer_ratio,
    transfer_counts,
    transfer_ratio,
)
from storage.summaries import TransferCell


def summarise_transfer(rows: pd.DataFrame) -> list[TransferCell]:
    """Compute the cells of one source: for each target, per attack and averaged over the six, per fold and over folds.

    Args:
        rows: one row per fold, attack, budget, clip and target, all of one source.

    Returns:
        The cells. ``fold`` is None over all folds; ``attack`` is None for the unweighted mean over the six attacks,
        which is present only if all six were evaluated on every fold, and holds a number only if each of the six does.
    """
    cells: list[dict[str, Any]] = []
    for target, of_target in rows.groupby("target_run", sort=False):
        folds: list[int | None] = [*sorted(of_target["fold"].unique().tolist()), None]
        for fold in folds:
            some = of_target if fold is None else of_target[of_target["fold"] == fold]
            attacks = {str(attack): part for attack, part in some.groupby("attack", sort=False)}
            place: dict[str, Any] = {"fold": fold, "target_run": str(target)}
            place["target_architecture"] = str(some["target_architecture"].iloc[0])
            if "target_representation" in some:
                place["target_representation"] = str(some["target_representation"].iloc[0])
                place["target_sample_rate"] = int(some["target_sample_rate"].iloc[0])
            cells += [place | {"attack": attack} | _cell(part) for attack, part in attacks.items()]
            # An attack that is missing on some folds would give the other folds more weight.
            everywhere = some["fold"].nunique()
            if all(name in attacks and attacks[name]["fold"].nunique() == everywhere for name in THE_SIX):
                cells.append(place | {"attack": None} | _mean_cell([attacks[name] for name in THE_SIX]))
    return [cast(TransferCell, cell) for cell in cells]


def _cell(rows: pd.DataFrame) -> dict[str, Any]:
    numerators, denominators = _counts(rows, "success")
    hits, hit_denominators = _counts(rows, "reached_target_label")
    cell = {
        "ratio": transfer_ratio(numerators, denominators),
        "numerator": int(numerators.sum()),
        "denominator": int(denominators.sum()),
        "target_hit_ratio": transfer_ratio(hits, hit_denominators),
        "target_hit_denominator": int(hit_denominators.sum()),
        "auc_on_target": _auc_on_target(rows),
    }
    return cell | _distinct(rows) | _interval([rows])


def _mean_cell(attacks: Sequence[pd.DataFrame]) -> dict[str, Any]:
    counts = [_counts(rows, "success") for rows in attacks]
    ratios = torch.tensor([transfer_ratio(*pair) for pair in counts], dtype=torch.float64)
    hits = [transfer_ratio(*_counts(rows, "reached_target_label")) for rows in attacks]
    areas = [area for rows in attacks if (area := _auc_on_target(rows)) is not None]
    numerator, denominator = (int(sum(pair[k].sum() for pair in counts)) for k in (0, 1))
    cell = {
        "ratio": float(ratios.mean()),
        "attacks": mean_transfer_ratio(ratios)[1],
        "numerator": numerator,
        "denominator": denominator,
        # NaN unless all six have one: a mean over fewer attacks would not be the mean over the six.
        "target_hit_ratio": float(np.mean(hits)),
        "auc_on_target": float(np.mean(areas)) if len(areas) == len(attacks) else None,
    }
    return cell | _distinct(pd.concat(attacks)) | _interval(attacks)


def _distinct(rows: pd.DataFrame) -> dict[str, int]:
    """Number of distinct clips, and of their recordings, that count in the denominator at some budget."""
    counted = rows[fools_source(rows)]
    return {"n": counted["clip"].nunique(), "recordings": counted["recording"].nunique()}


def _both_correct(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["clean_correct_source"] & rows["clean_correct_target"]


def _counts(rows: pd.DataFrame, what: str) -> tuple[Tensor, Tensor]:
    """Numerators and denominators per budget, summed over folds, int64 ``(budgets,)``."""
    pairs = [
        transfer_counts(_truth(some[f"source_{what}"]), _truth(some[f"target_{what}"]), _truth(_both_correct(some)))
        for _, some in rows.groupby("budget_index")
    ]
    return torch.tensor([pair[0] for pair in pairs]), torch.tensor([pair[1] for pair in pairs])


def _interval(attacks: Sequence[pd.DataFrame]) -> dict[str, float | str]:
    """Interval of the ratio, or of its mean over attacks, with recordings as the independent units."""
    together = pd.concat(attacks)
    recordings = sorted(together["recording"].astype(str).unique())
    counts = [counts_by_recording(rows, recordings) for rows in attacks]
    # The weight of a recording in a ratio is its share of the denominator. A mean over attacks is treated as no more
    # certain than its attack with the smallest effective number of recordings, whose few clips may show no variance.
    fewest = min((fools for _, fools in counts), key=effective_number)
    ends = share_interval(mean_ratio_of(counts), Recordings(recordings), counts=fewest)
    return {"ratio_low": ends.low, "ratio_high": ends.high, "interval_method": ends.method}


def _auc_on_target(rows: pd.DataFrame) -> float | None:
    """AUC of the source's adversarials on the target, averaged over budgets and folds like the AUC on the source.

    It is None for a target without logits, and NaN if both classify fewer than two clips of a fold correctly.
    """
    some = rows[_both_correct(rows)]
    if not len(some) or some["target_logits_clean"].isna().any():
        return None
    folds = []
    for _, fold in some.groupby("fold"):
        areas = []
        for _, budget in fold.groupby("budget_index"):
            labels = torch.tensor(budget["label"].to_numpy())
            clean, adversarial = (
                torch.from_numpy(np.stack(budget[f"target_logits_{name}"].to_list()).astype(np.float64))
                for name in ("clean", "adversarial")
            )
            areas.append(float(auc(clean, adversarial, labels)))
        folds.append(float(np.mean(areas)))
    return float(np.mean(folds))


def _truth(values: "pd.Series[Any]") -> Tensor:
    return torch.from_numpy(values.to_numpy(bool).copy())
