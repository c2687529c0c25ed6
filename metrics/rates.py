"""Shares of the clips that the victim classifies correctly when clean: fooling rate and target rate."""

import torch
from torch import Tensor
from torchmetrics import Metric


def fooling_rate(success: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Mean success over S, the clips that are classified correctly when clean.

    .. math:: FR = \frac{1}{|S|} \sum_{i \in S} [\arg\max_j f_j(x'_i) \ne l_i]

    Args:
        success: bool ``(clips,)``, over S.
        weights: how often each clip counts, ``(..., clips)``, as a resampling draws them; once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]. NaN where no clip counts: a missing number, not a zero.

    Raises:
        ValueError: if the weights are for another number of clips.
    """
    return _weighted_share(success, weights)


def target_rate(target_hits: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Mean target hit over S, :math:`\frac{1}{|S|} \sum_{i \in S} [\arg\max_j f_j(x'_i) = t_i]`.

    Args, Returns and Raises as in :func:`fooling_rate`.
    """
    return _weighted_share(target_hits, weights)


class FoolingRate(Metric):
    """:func:`fooling_rate` over batches and processes; ``update`` takes the success of clips of S."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    successes: Tensor
    clips: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("successes", default=torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("clips", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, success: Tensor) -> None:
        """Count a batch, bool ``(clips,)``."""
        self.successes += success.sum()
        self.clips += success.numel()

    def compute(self) -> Tensor:
        """The rate over all clips so far; NaN before the first."""
        return self.successes.double() / self.clips


class TargetRate(FoolingRate):
    """:func:`target_rate` over batches and processes; ``update`` takes the target hits of clips of S."""


def _weighted_share(happened: Tensor, weights: Tensor | None) -> Tensor:
    happened = happened.detach().cpu().double()
    weights = torch.ones_like(happened) if weights is None else weights.double()
    if weights.shape[-1:] != happened.shape:
        raise ValueError(f"expected weights (..., clips) for {tuple(happened.shape)} clips, got {tuple(weights.shape)}")
    return weights @ happened / weights.sum(dim=-1)
