"""Cost of an attack: gradients per reporting batch, their mean over budgets, and the cost of reaching AUC > 0.9."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def budget_mean(values: Tensor, clips: Tensor) -> Tensor:
    r"""Unweighted mean over the budgets of the profile, then mean over reporting batches weighted by their clips.

    .. math:: \frac{1}{\sum_b n_b} \sum_b n_b \, \frac{1}{m} \sum_{k=1}^{m} v_{kb}

    Args:
        values: one value per budget and reporting batch ``(budgets, batches)``.
        clips: number of clips of S in each reporting batch ``(batches,)``.

    Returns:
        float64 scalar; NaN if a value is missing, so that a partial run is not mistaken for a complete one.

    Raises:
        ValueError: without a budget, or if the numbers of reporting batches differ.
    """
    if values.ndim != 2 or not len(values) or values.shape[1:] != clips.shape:
        raise ValueError(
            f"expected values (budgets, batches), clips (batches,), got {tuple(values.shape)} and {tuple(clips.shape)}"
        )
    weights = clips.cpu().double()
    return torch.dot(values.cpu().double().mean(dim=0), weights) / weights.sum()


@dataclass(frozen=True)
class ReportingBatches:
    """Cost of each reporting batch that holds at least one clip of S.

    Attributes:
        numbers: numbers of the reporting batches ``(batches,)``, ascending.
        gradients: largest number of gradients spent on a clip of each batch, float64 ``(batches,)``.
        clips: number of clips of S in each batch, int64 ``(batches,)``.
    """

    numbers: Tensor
    gradients: Tensor
    clips: Tensor


def reporting_batch(positions: Tensor, size: int) -> Tensor:
    r"""Reporting batch of each clip, :math:`\lfloor i / B \rfloor`: runs of consecutive clips of the test part.

    Args:
        positions: position i of each clip in the test part, from 0.
        size: number of clips B per reporting batch: 200 on ESC-10, 100 otherwise.

    Returns:
        Number of the reporting batch, from 0, int64 of the same shape.

    Raises:
        ValueError: for a size below 1.
    """
    if size < 1:
        raise ValueError(f"expected a reporting batch of at least 1 clip, got {size}")
    return positions.long() // size


def gradients_by_batch(gradients: Tensor, batches: Tensor) -> ReportingBatches:
    r"""Batch gradients of every reporting batch, :math:`G_b = \max_{i \in S \cap b} g_i`.

    Args:
        gradients: number of gradients spent on each clip ``(clips,)``, over S.
        batches: reporting batch of each clip ``(clips,)``.

    Returns:
        Cost and number of clips of each reporting batch.

    Raises:
        ValueError: if the two differ in length.
    """
    if gradients.shape != batches.shape or gradients.ndim != 1:
        raise ValueError(
            f"expected gradients and a reporting batch for each clip, got {tuple(gradients.shape)} and "
            f"{tuple(batches.shape)}"
        )
    numbers, place, clips = batches.cpu().unique(return_inverse=True, return_counts=True)
    largest = torch.zeros(len(numbers), dtype=torch.float64)
    largest.scatter_reduce_(0, place, gradients.cpu().double(), reduce="amax", include_self=False)
    return ReportingBatches(numbers, largest, clips)


def batch_gradients(gradients: Tensor, batches: Tensor) -> Tensor:
    r"""Mean batch gradients over reporting batches, weighted by clips: :math:`\sum_b n_b G_b / \sum_b n_b`.

    It is a mean of maxima, which have no valid interval over recordings.

    Args:
        gradients: number of gradients spent on each clip ``(clips,)``, over S.
        batches: reporting batch of each clip ``(clips,)``.

    Returns:
        float64 scalar; NaN without a clip.

    Raises:
        ValueError: if the two differ in length.
    """
    cost = gradients_by_batch(gradients, batches)
    return (cost.gradients * cost.clips).sum() / cost.clips.sum()


AUC_REACHED = 0.9
SMALLEST_SNR_DB = 20.0


@dataclass(frozen=True)
class Cost:
    """Batch gradients that an attack needs to reach a goal, or a lower bound on them.

    Attributes:
        gradients: the cost; where censored, the largest cost spent without reaching the goal.
        censored: whether no budget reached the goal, so that ``gradients`` is a lower bound.
        low: for a mean, the smallest of its costs.
        high: for a mean, the largest of its costs; None if one of them is censored and the range is open above.
    """

    gradients: float
    censored: bool
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return f"{'>= ' if self.censored else ''}{self.gradients:.0f}"


def cost_auc90(aucs: Tensor, gradients: Tensor) -> Cost:
    r"""Cost of the cheapest budget whose AUC exceeds 0.9, :math:`\min \{G_k : AUC_k > 0.9\}`, in batch gradients.

    Args:
        aucs: AUC of each budget ``(budgets,)``.
        gradients: batch gradients of each budget ``(budgets,)``.

    Returns:
        The cost; censored at :math:`\max_k G_k` where no budget reaches the goal.

    Raises:
        ValueError: without a budget, or if the numbers of budgets differ.
    """
    return _cheapest(aucs, gradients, admitted=torch.ones_like(aucs, dtype=torch.bool))


def cost_auc90_bounded(aucs: Tensor, gradients: Tensor, median_snr_db: Tensor) -> Cost:
    r"""As :func:`cost_auc90`, for small perturbations only: :math:`\min \{G_k : AUC_k > 0.9, SNR_k \ge 20\ dB\}`.

    Args:
        aucs: AUC of each budget ``(budgets,)``.
        gradients: batch gradients of each budget ``(budgets,)``.
        median_snr_db: median SNR in dB over the successes of each budget ``(budgets,)``; a budget with NaN (no
            success) is not admitted.

    Returns:
        The cost; censored at the largest cost among admitted budgets, or at 0 if no budget is admitted.

    Raises:
        ValueError: without a budget, or if the numbers of budgets differ.
    """
    if median_snr_db.shape != aucs.shape:
        raise ValueError(f"expected an SNR for each budget, got {tuple(median_snr_db.shape)} for {tuple(aucs.shape)}")
    return _cheapest(aucs, gradients, admitted=median_snr_db >= SMALLEST_SNR_DB)


def mean_cost(costs: Sequence[Cost]) -> Cost:
    r"""Unweighted mean of costs with their range, :math:`\frac{1}{m} \sum_k G_k`, in batch gradients.

    Returns:
        The mean; censored, that is a lower bound, if at least one of the costs is.

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
