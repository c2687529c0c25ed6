"""Cost to reach AUC > 0.9, with budgets that never reach it shown as such."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

AUC_REACHED = 0.9
SMALLEST_SNR_DB = 20.0


@dataclass(frozen=True)
class Cost:
    """Batch gradients that an attack needs, or a lower bound of them.

    Attributes:
        gradients: the cost; where censored, the largest cost that was spent in vain.
        censored: whether no budget reached the goal.
        low: of a mean, the smallest cost in it.
        high: of a mean, the largest cost in it; None where one is censored, as nothing is known above it.
    """

    gradients: float
    censored: bool
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return f"{'>= ' if self.censored else ''}{self.gradients:.0f}"


def cost_auc90(aucs: Tensor, gradients: Tensor) -> Cost:
    r"""The cheapest budget whose AUC exceeds 0.9, :math:`\min \{G_k : AUC_k > 0.9\}`, in batch gradients.

    Args:
        aucs: AUC of each budget ``(budgets,)``.
        gradients: batch gradients of each budget ``(budgets,)``.

    Returns:
        The cost; censored at :math:`\max_k G_k` where no budget reaches the goal.

    Raises:
        ValueError: without a budget, or for different numbers of budgets.
    """
    return _cheapest(aucs, gradients, admitted=torch.ones_like(aucs, dtype=torch.bool))


def cost_auc90_bounded(aucs: Tensor, gradients: Tensor, median_snr_db: Tensor) -> Cost:
    r"""As :func:`cost_auc90` among small perturbations: :math:`\min \{G_k : AUC_k > 0.9, SNR_k \ge 20\ dB\}`.

    Args:
        aucs: AUC of each budget ``(budgets,)``.
        gradients: batch gradients of each budget ``(budgets,)``.
        median_snr_db: median SNR over successes of each budget ``(budgets,)``; NaN (no success) is not admitted.

    Returns:
        The cost; censored at the largest cost of an admitted budget, at 0 where none is admitted.

    Raises:
        ValueError: without a budget, or for different numbers of budgets.
    """
    if median_snr_db.shape != aucs.shape:
        raise ValueError(f"expected an SNR for each budget, got {tuple(median_snr_db.shape)} for {tuple(aucs.shape)}")
    return _cheapest(aucs, gradients, admitted=median_snr_db >= SMALLEST_SNR_DB)


def mean_cost(costs: Sequence[Cost]) -> Cost:
    r"""Plain mean :math:`\frac{1}{m} \sum_k G_k`; a lower bound, and marked so, as soon as one cost is.

    The range of the costs stands beside it: open above where one is censored.

    Raises:
        ValueError: without a cost.
    """
    if not costs:
        raise ValueError("expected at least one cost, got none")
    spent, censored = [cost.gradients for cost in costs], any(cost.censored for cost in costs)
    return Cost(sum(spent) / len(spent), censored, min(spent), None if censored else max(spent))


def _cheapest(aucs: Tensor, gradients: Tensor, admitted: Tensor) -> Cost:
    if aucs.ndim != 1 or not len(aucs) or gradients.shape != aucs.shape:
        raise ValueError(
            f"expected an AUC and a cost for each budget, got {tuple(aucs.shape)} and {tuple(gradients.shape)}"
        )
    reached = gradients[admitted & (aucs > AUC_REACHED)]
    if len(reached):
        return Cost(float(reached.min()), censored=False)
    spent = gradients[admitted]
    return Cost(float(spent.max()) if len(spent) else 0.0, censored=True)
