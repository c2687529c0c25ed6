"""Medians of the size of a perturbation, over successes and over all clips."""

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


def median_over_successes(values: Tensor, success: Tensor) -> float:
    r"""Median of a distance over the clips that were fooled, :math:`\mathrm{med}\{v_i : s_i\}`.

    Args:
        values: distances or SNR ``(clips,)``, over S.
        success: bool ``(clips,)``.

    Returns:
        The median, the mean of the two middle values where their number is even; NaN without a success.

    Raises:
        ValueError: if the two are for different numbers of clips.
    """
    _require_same_clips(values, success)
    fooled = values.detach().cpu().double()[success.cpu()]
    return float(np.median(fooled.numpy())) if len(fooled) else float("nan")


def median_over_all(values: Tensor, success: Tensor, failure: float = float("inf")) -> float:
    r"""Median over S in which a failure counts as an infinite perturbation, :math:`\mathrm{med}\{s_i ? v_i : \infty\}`.

    Args:
        values: distances or SNR ``(clips,)``, over S.
        success: bool ``(clips,)``.
        failure: what a failure counts as: infinity for a distance, minus infinity for an SNR in decibel.

    Returns:
        The median; infinite where half of the clips or more withstood; NaN without a clip.

    Raises:
        ValueError: if the two are for different numbers of clips.
    """
    _require_same_clips(values, success)
    counted = torch.where(success.cpu(), values.detach().cpu().double(), failure)
    return float(np.median(counted.numpy())) if len(counted) else float("nan")


class MedianOverSuccesses(Metric):
    """:func:`median_over_successes` over batches and processes."""

    is_differentiable = False
    full_state_update = False

    values: list[Tensor]
    success: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("values", default=[], dist_reduce_fx="cat")
        self.add_state("success", default=[], dist_reduce_fx="cat")

    def update(self, values: Tensor, success: Tensor) -> None:
        """Keep a batch of clips of S; arguments as in :func:`median_over_successes`."""
        self.values.append(values.detach())
        self.success.append(success)

    def compute(self) -> Tensor:
        """The median over all clips so far; NaN before the first."""
        if isinstance(self.values, list) and not self.values:
            return torch.tensor(torch.nan, dtype=torch.float64)
        median = median_over_successes(dim_zero_cat(self.values), dim_zero_cat(self.success))
        return torch.tensor(median, dtype=torch.float64)


def _require_same_clips(values: Tensor, success: Tensor) -> None:
    if values.shape != success.shape or values.ndim != 1:
        raise ValueError(
            f"expected a value and a success for each clip, got {tuple(values.shape)} and {tuple(success.shape)}"
        )
