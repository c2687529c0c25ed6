"""The rows of one attack on one fold as tensors, and the two numbers of which recordings have an influence."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from metrics.auc import label_loss, paired_rank_auc
from metrics.success import fooling_rate


@dataclass(frozen=True)
class AttackedFold:
    """One attack on the clips of S of one fold, at every budget.

    Attributes:
        fold: number of the fold, from 1.
        attack: name of the attack.
        budgets: settings of each budget, in the profile's order.
        clips: rows of the corpus table ``(clips,)``, ascending.
        recordings: the recording that each clip was cut from ``(clips,)``.
        labels: true classes ``(clips,)``.
        batches: reporting batch of each clip ``(clips,)``.
        logits_clean: ``(clips, classes)``.
        logits_adversarial: ``(budgets, clips, classes)``.
        columns: every numeric column of the rows, float64 ``(budgets, clips)``.
    """

    fold: int
    attack: str
    budgets: list[dict[str, Any]]
    clips: Tensor
    recordings: tuple[str, ...]
    labels: Tensor
    batches: Tensor
    logits_clean: Tensor
    logits_adversarial: Tensor
    columns: dict[str, Tensor] = field(repr=False)

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "AttackedFold":
        """Arrange the rows of one attack on one fold by budget and clip.

        Args:
            rows: one row per budget and clip, in any order.

        Raises:
            ValueError: if a clip is missing at some budget, or there are no rows.
        """
        rows = rows.sort_values(["budget_index", "clip"])
        budgets, clips = rows["budget_index"].nunique(), rows["clip"].nunique()
        if not budgets or len(rows) != budgets * clips:
            raise ValueError(f"expected every clip at every budget, got {len(rows)} rows, {budgets} x {clips}")
        first = rows.iloc[:clips]
        numeric = rows.select_dtypes(["number", "bool"]).columns
        return cls(
            fold=int(first["fold"].iloc[0]),
            attack=str(first["attack"].iloc[0]),
            budgets=[json.loads(text) for text in rows["budget"].iloc[::clips]],
            clips=torch.tensor(first["clip"].to_numpy()),
            recordings=tuple(map(str, first["recording"])),
            labels=torch.tensor(first["label"].to_numpy()),
            batches=torch.tensor(first["reporting_batch"].to_numpy()),
            logits_clean=_stack(first["logits_clean"]),
            logits_adversarial=_stack(rows["logits_adversarial"]).view(budgets, clips, -1),
            columns={
                str(name): torch.from_numpy(rows[name].to_numpy(np.float64).copy()).view(budgets, clips)
                for name in numeric
            },
        )

    def __len__(self) -> int:
        return len(self.clips)

    def rate(self, column: str, budget: int, weights: Tensor | None = None) -> Tensor:
        """Share of clips for which a column is true at one budget, in [0, 1]."""
        return fooling_rate(self.columns[column][budget], weights)

    def target_rate(self, budget: int) -> float | None:
        """Share of clips that the victim assigns to their target class; None for an attack without targets."""
        return (
            None if bool((self.columns["target_label"][budget] < 0).all()) else float(self.rate("target_hit", budget))
        )

    def area(self, budget: int, weights: Tensor | None = None) -> Tensor:
        """AUC at one budget (:func:`metrics.auc.auc`), over all clips at once rather than per reporting batch."""
        positive = label_loss(self.logits_adversarial[budget], self.labels)
        return paired_rank_auc(positive, label_loss(self.logits_clean, self.labels), weights)

    def mean_rate(self, column: str, weights: Tensor | None = None) -> Tensor:
        """Mean of :meth:`rate` over budgets."""
        return fooling_rate(self.columns[column].mean(dim=0), weights)

    def mean_area(self, weights: Tensor | None = None) -> Tensor:
        """Mean of :meth:`area` over budgets."""
        return torch.stack([self.area(budget, weights) for budget in range(len(self.budgets))]).mean(dim=0)


def _stack(logits: "pd.Series[Any]") -> Tensor:
    return torch.from_numpy(np.stack(logits.to_list()).astype(np.float64))
