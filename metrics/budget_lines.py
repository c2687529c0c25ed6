"""What each budget of an attack did to all folds of a run together: the lines of the table that attack.py prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from metrics.attack_summary import CHECK
from metrics.attacked_fold import AttackedFold
from metrics.distances import median_over_successes
from metrics.intervals import Recordings, share_interval


@dataclass(frozen=True)
class BudgetLine:
    """One attack at one budget, over all folds.

    Attributes:
        attack: name of the attack.
        settings: what the budget fixes.
        fooling_rate: share of S that is fooled, mean over folds, in [0, 1].
        low: lower end of its 95 % interval over recordings; None with fewer than ten.
        high: the upper end.
        median: median over what was fooled of ``l2``, ``linf``, ``l0`` and ``snr_db`` (dB), all folds together; NaN
            where nothing was.
        robust_accuracy: share of all test clips, those included that are wrong when clean, that is right after the
            attack; mean over folds.
        target_rate: share of S that ends at its target, mean over folds; None for an attack without targets.
        gradients: gradients spent per clip of S, mean over folds.
        forward_passes: forward passes per clip of S, mean over folds.
    """

    attack: str
    settings: dict[str, Any]
    fooling_rate: float
    low: float | None
    high: float | None
    median: dict[str, float]
    robust_accuracy: float
    target_rate: float | None
    gradients: float
    forward_passes: float


def budget_lines(outcomes: pd.DataFrame, clips: pd.DataFrame) -> list[BudgetLine]:
    """Compute the lines from the rows alone.

    Args:
        outcomes: one row per fold, attack, budget and clip of S.
        clips: one row per fold and tested clip, with ``recording`` and ``clean_correct``.

    Returns:
        Lines in the order of attacks and budgets; attacks that were run for the trust checks only are left out.
    """
    clips = clips.sort_values(["fold", "clip"], ignore_index=True)
    everything = Recordings(clips["recording"].tolist())
    tested = clips.groupby("fold").size().to_dict()
    lines = []
    for attack, rows in outcomes.groupby("attack", sort=False):
        if str(attack).startswith(CHECK):
            continue
        folds = [AttackedFold.of(some) for _, some in rows.groupby("fold")]
        members = [
            torch.tensor(clips.index[(clips["fold"] == fold.fold) & clips["clip"].isin(fold.clips.tolist())].to_numpy())
            for fold in folds
        ]
        recordings = Recordings.joined([everything.of(some) for some in members])
        lines += [
            _line(folds, budget, recordings, [tested[fold.fold] for fold in folds])
            for budget in range(len(folds[0].budgets))
        ]
    return lines


def _line(folds: Sequence[AttackedFold], budget: int, recordings: Recordings, tested: Sequence[int]) -> BudgetLine:
    sizes = [len(fold) for fold in folds]

    def rate(weights: Tensor) -> Tensor:
        parts = weights.split(sizes, dim=-1)
        return torch.stack([fold.rate("success", budget, part) for fold, part in zip(folds, parts, strict=True)]).mean(
            dim=0
        )

    interval = share_interval(rate, recordings)
    rates = [float(fold.rate("success", budget)) for fold in folds]
    targets = [fold.target_rate(budget) for fold in folds]
    known = [target for target in targets if target is not None]
    fooled = torch.cat([fold.columns["success"][budget] > 0 for fold in folds])
    robust = [len(fold) * (1 - rate) / whole for fold, rate, whole in zip(folds, rates, tested, strict=True)]

    def mean(column: str) -> float:
        return _mean([float(fold.columns[column][budget].mean()) for fold in folds])

    return BudgetLine(
        attack=folds[0].attack,
        settings=folds[0].budgets[budget],
        fooling_rate=_mean(rates),
        low=_known(interval.low),
        high=_known(interval.high),
        median={
            name: median_over_successes(torch.cat([fold.columns[name][budget] for fold in folds]), fooled)
            for name in ("l2", "linf", "l0", "snr_db")
        },
        robust_accuracy=_mean(robust),
        target_rate=_mean(known) if len(known) == len(targets) else None,
        gradients=mean("gradients"),
        forward_passes=mean("forward_rows"),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _known(end: float | None) -> float | None:
    return None if end is None or math.isnan(end) else end
