"""The paper's cost: gradients of a reporting batch, whatever batches were computed in."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


@dataclass(frozen=True)
class ReportingBatches:
    """Cost of each reporting batch that holds a clip of S.

    Attributes:
        numbers: reporting batch ``(batches,)``, ascending.
        gradients: largest clip-gradient count in each, float64 ``(batches,)``.
        clips: clips of S in each, int64 ``(batches,)``.
    """

    numbers: Tensor
    gradients: Tensor
    clips: Tensor


def reporting_batch(positions: Tensor, size: int) -> Tensor:
    r"""Reporting batch of a clip, :math:`\lfloor i / B \rfloor`: consecutive positions in the test part.

    Args:
        positions: place of each clip in the test part, from 0.
        size: clips a reporting batch: 200 on ESC-10, 100 otherwise.

    Returns:
        int64 of the same shape.

    Raises:
        ValueError: for a size below 1.
    """
    if size < 1:
        raise ValueError(f"expected a reporting batch of 1 clip or more, got {size}")
    return positions.long() // size


def gradients_by_batch(gradients: Tensor, batches: Tensor) -> ReportingBatches:
    r"""Batch gradients of every reporting batch, :math:`G_b = \max_{i \in S \cap b} g_i`.

    Args:
        gradients: clip gradients ``(clips,)``, over S.
        batches: reporting batch of each clip ``(clips,)``.

    Returns:
        Cost and clips of each reporting batch.

    Raises:
        ValueError: if the two are for different numbers of clips.
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
    r"""Mean over reporting batches, weighted by clips: :math:`\sum_b n_b G_b / \sum_b n_b`.

    Args:
        gradients: clip gradients ``(clips,)``, over S.
        batches: reporting batch of each clip ``(clips,)``.

    Returns:
        float64 scalar; NaN without a clip. No interval by resampling belongs to it: it is a mean of maxima.

    Raises:
        ValueError: if the two are for different numbers of clips.
    """
    cost = gradients_by_batch(gradients, batches)
    return (cost.gradients * cost.clips).sum() / cost.clips.sum()


class BatchGradients(Metric):
    """:func:`batch_gradients` over computed batches and processes."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    gradients: list[Tensor]
    batches: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("gradients", default=[], dist_reduce_fx="cat")
        self.add_state("batches", default=[], dist_reduce_fx="cat")

    def update(self, gradients: Tensor, batches: Tensor) -> None:
        """Keep a batch of clips of S; arguments as in :func:`batch_gradients`."""
        self.gradients.append(gradients)
        self.batches.append(batches)

    def compute(self) -> Tensor:
        """The cost over all clips so far; NaN before the first."""
        if isinstance(self.gradients, list) and not self.gradients:
            return torch.tensor(torch.nan, dtype=torch.float64)
        return batch_gradients(dim_zero_cat(self.gradients), dim_zero_cat(self.batches))
