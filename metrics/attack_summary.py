"""Rows of attacked clips -> the numbers of a table: a budget's, an attack's on a fold, and their means over folds."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metrics.attacked_fold import AttackedFold
from metrics.auc_budget import auc_budget
from metrics.auc_ovr import auc_ovr
from metrics.batch_gradients import batch_gradients, gradients_by_batch
from metrics.budget_mean import budget_mean
from metrics.cost import Cost, cost_auc90, cost_auc90_bounded, mean_cost
from metrics.intervals import Interval, SourceResampling, rate_interval, share_interval
from metrics.medians import median_over_all, median_over_successes

THE_SIX = ("fgsm", "deepfool", "bim_a", "bim_b", "jsma", "cwa")
"""The attacks of Tables I to IV and of every mean over attacks."""

MEANS = ("fooling_rate", "success_65", "success_8bit", "target_rate", "fooling_rate_all", "auc_ovr")
"""Plain means over the budgets of an attack; the target rate is None for an attack without targets."""

RATES = {
    "fooling_rate": "success",
    "success_65": "success_65",
    "success_8bit": "success_8bit",
}
MEDIANS = {"median_l2": "l2", "median_linf": "linf", "median_l0": "l0", "median_snr_db": "snr_db"}
COSTS = {"batch_gradients": "gradients", "full_jacobian_batch_gradients": "full_jacobian_gradients"}


def budget_rows(attacked: AttackedFold, resampling: SourceResampling, tested: int) -> list[dict[str, Any]]:
    """Every number for each budget of an attack on one fold.

    Args:
        attacked: the attack's rows.
        resampling: draws of sources over the clips of S.
        tested: number of attacked test clips, those included that were wrong when clean.

    Returns:
        One dictionary a budget, in the profile's order.
    """
    return [_budget_row(attacked, budget, resampling, tested) for budget in range(len(attacked.settings))]


def _budget_row(attacked: AttackedFold, budget: int, resampling: SourceResampling, tested: int) -> dict[str, Any]:
    columns = {name: values[budget] for name, values in attacked.columns.items()}
    fooled = columns["success"] > 0
    row: dict[str, Any] = {"fold": attacked.fold, "attack": attacked.attack, "budget": budget}
    row |= {"settings": attacked.settings[budget], "n": len(attacked), "n_test": tested}
    row["recordings"] = len(set(attacked.recordings))
    row |= {name: float(attacked.rate(column, budget)) for name, column in RATES.items()}
    row["target_rate"] = attacked.target_rate(budget)
    row["fooling_rate_all"] = (float(columns["success"].sum()) + tested - len(attacked)) / tested
    row |= _ends("fooling_rate", rate_interval(columns["success"], resampling), method=True)
    row["auc"] = float(attacked.area(budget))
    row |= _ends("auc", share_interval(lambda weights: attacked.area(budget, weights), resampling))
    row["auc_ovr"] = float(auc_ovr(attacked.logits_adversarial[budget], attacked.labels))
    row |= {name: float(batch_gradients(columns[column], attacked.batches)) for name, column in COSTS.items()}
    row["gradients_mean"] = float(columns["gradients"].mean())
    row |= {name: median_over_successes(columns[column], fooled) for name, column in MEDIANS.items()}
    row["median_l2_all"] = median_over_all(columns["l2"], fooled)
    row["zero_gradient_share"] = float(columns["zero_gradients"].sum() / columns["gradients"].sum().clamp(min=1))
    row["seconds"] = float(columns["seconds"].sum())
    return row


def attack_row(attacked: AttackedFold, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An attack's entry on one fold: means over its budgets, and what it costs to reach AUC > 0.9.

    Args:
        attacked: the attack's rows.
        rows: what :func:`budget_rows` returned for them.
    """
    entry: dict[str, Any] = {"fold": attacked.fold, "attack": attacked.attack, "n": len(attacked), "budgets": len(rows)}
    entry["recordings"] = len(set(attacked.recordings))
    entry |= {name: _mean([row[name] for row in rows]) for name in (*MEANS, "auc")}
    for name, column in COSTS.items():
        spent = [gradients_by_batch(values, attacked.batches) for values in attacked.columns[column]]
        entry[name] = float(budget_mean(torch.stack([one.gradients for one in spent]), spent[0].clips))
    entry["auc_budget"] = _area_over_delta(rows)
    aucs, gradients = _column(rows, "auc"), _column(rows, "batch_gradients")
    entry["cost_auc90"] = vars(cost_auc90(aucs, gradients))
    entry["cost_auc90_bounded"] = vars(cost_auc90_bounded(aucs, gradients, _column(rows, "median_snr_db")))
    entry["seconds"] = sum(row["seconds"] for row in rows)
    return entry


def mean_over_folds(
    folds: Sequence[AttackedFold], entries: Sequence[dict[str, Any]], resamplings: Sequence[SourceResampling]
) -> dict[str, Any]:
    """An attack's entry averaged over folds, with intervals over the sources of all folds together.

    Args:
        folds: the attack's rows of each fold.
        entries: what :func:`attack_row` returned for each.
        resamplings: the same draws of sources, seen by each fold's clips of S.
    """
    mean: dict[str, Any] = {"folds": len(entries), **_distinct(folds)}
    for name in (*MEANS, "auc", *COSTS, "auc_budget"):
        values = [entry[name] for entry in entries]
        mean[name] = _mean(values)
        # NumPy's lets a missing number (NaN) pass.
        mean[f"{name}_sd"] = float(np.std(values, ddof=1)) if None not in values and len(values) > 1 else None
    for name in ("cost_auc90", "cost_auc90_bounded"):
        mean[name] = vars(mean_cost([Cost(**entry[name]) for entry in entries]))
    mean["batch_gradients_min"] = min(entry["batch_gradients"] for entry in entries)
    mean["batch_gradients_max"] = max(entry["batch_gradients"] for entry in entries)
    mean |= _pooled([folds], resamplings)
    mean["seconds"] = sum(entry["seconds"] for entry in entries)
    return mean


def mean_over_six(
    attacks: Sequence[Sequence[AttackedFold]],
    means: dict[str, dict[str, Any]],
    resamplings: Sequence[SourceResampling],
) -> dict[str, Any]:
    """Plain mean over the six attacks.

    Args:
        attacks: rows of each fold, of each of the six.
        means: what :func:`mean_over_folds` returned, by attack.
        resamplings: the same draws of sources, seen by each fold's clips of S.
    """
    entry: dict[str, Any] = {"attacks": list(THE_SIX), **_distinct([fold for folds in attacks for fold in folds])}
    for name in ("fooling_rate", "auc", "auc_ovr", *COSTS):
        entry[name] = _mean([means[attack][name] for attack in THE_SIX])
    entry |= _pooled(attacks, resamplings)
    entry["cost_auc90"] = vars(mean_cost([Cost(**means[attack]["cost_auc90"]) for attack in THE_SIX]))
    return entry


def _pooled(
    attacks: Sequence[Sequence[AttackedFold]], resamplings: Sequence[SourceResampling]
) -> dict[str, float | str]:
    """Intervals of fooling rate and AUC averaged over attacks and folds, over the recordings of all folds together."""
    sizes = [resampling.clips for resampling in resamplings]
    joined = SourceResampling.joined(resamplings)

    def averaged(number: Callable[[AttackedFold, Tensor], Tensor]) -> Interval:
        def statistic(weights: Tensor) -> Tensor:
            parts = weights.split(sizes, dim=-1)
            of_attacks = [
                torch.stack([number(fold, part) for fold, part in zip(folds, parts, strict=True)]).mean(dim=0)
                for folds in attacks
            ]
            return torch.stack(of_attacks).mean(dim=0)

        return share_interval(statistic, joined)

    rate = averaged(lambda fold, weights: fold.mean_rate("success", weights))
    area = averaged(lambda fold, weights: fold.mean_area(weights))
    return _ends("fooling_rate", rate, method=True) | _ends("auc", area)


def _distinct(folds: Sequence[AttackedFold]) -> dict[str, int]:
    """Clips and recordings, each counted once however many folds, budgets and attacks it was attacked in."""
    clips = {clip for fold in folds for clip in fold.clips.tolist()}
    return {"n": len(clips), "recordings": len({name for fold in folds for name in fold.recordings})}


def _mean(values: Sequence[float | None]) -> float | None:
    """A mean exists where each of its numbers does; NaN stays NaN."""
    present = [value for value in values if value is not None]
    return statistics.fmean(present) if present and len(present) == len(values) else None


def _area_over_delta(rows: Sequence[dict[str, Any]]) -> float | None:
    """``auc_budget`` where budgets differ in delta; at each delta the budget with the most steps counts."""
    largest: dict[float, dict[str, Any]] = {}
    for row in rows:
        delta = row["settings"].get("delta")
        if delta is not None and delta > 0:
            kept = largest.get(delta)
            if kept is None or row["settings"].get("steps", 0) >= kept["settings"].get("steps", 0):
                largest[delta] = row
    if len(largest) < 2:
        return None
    rates = torch.tensor([row["fooling_rate"] for row in largest.values()], dtype=torch.float64)
    return float(auc_budget(torch.tensor(list(largest), dtype=torch.float64), rates))


def _column(rows: Sequence[dict[str, Any]], name: str) -> Tensor:
    return torch.tensor([row[name] for row in rows], dtype=torch.float64)


def _ends(name: str, interval: Interval, *, method: bool = False) -> dict[str, Any]:
    ends: dict[str, Any] = {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return ends | ({"interval_method": interval.method} if method else {})
