"""Area under the ROC curve: how well a loss tells adversarials from other clips that are clean."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Score of a clip, :math:`-\log p_l(x) = \log \sum_j e^{f_j} - f_l`, in float64.

    Args:
        logits: ``(clips, classes)``.
        labels: true classes ``(clips,)``.

    Returns:
        float64 ``(clips,)``, at least 0.

    Raises:
        ValueError: if there is not one label a row of logits, or if a logit is not finite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (clips, classes) and a label a clip, got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if not logits.isfinite().all():
        raise ValueError("expected finite logits, got NaN or an infinity")
    log_probabilities = logits.detach().cpu().double().log_softmax(dim=1)
    return -log_probabilities.gather(1, labels.cpu().long()[:, None]).squeeze(1)


def rank_auc(
    positive: Tensor,
    negative: Tensor,
    positive_weights: Tensor | None = None,
    negative_weights: Tensor | None = None,
) -> Tensor:
    r"""Probability that a positive scores above a negative, ties counted half (Mann and Whitney).

    .. math:: \frac{\sum_i \sum_j u_i v_j ([p_i > n_j] + \tfrac12 [p_i = n_j])}{\sum_i u_i \sum_j v_j}

    Args:
        positive: scores ``(positives,)``.
        negative: scores ``(negatives,)``.
        positive_weights: u, ``(..., positives)``; once each by default.
        negative_weights: v, ``(..., negatives)`` with the same leading shape; once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]; NaN without a positive or without a negative.
    """
    positive, negative = positive.cpu().double(), negative.cpu().double()
    positive_weights = torch.ones_like(positive) if positive_weights is None else positive_weights.double()
    negative_weights = torch.ones_like(negative) if negative_weights is None else negative_weights.double()
    ascending, order = negative.sort()
    cumulated = torch.nn.functional.pad(negative_weights[..., order].cumsum(dim=-1), (1, 0))
    below = cumulated[..., torch.searchsorted(ascending, positive)]
    not_above = cumulated[..., torch.searchsorted(ascending, positive, right=True)]
    pairs = positive_weights.sum(dim=-1) * negative_weights.sum(dim=-1)
    return (positive_weights * (below + not_above) / 2).sum(dim=-1) / pairs


def paired_rank_auc(adversarial: Tensor, clean: Tensor, weights: Tensor | None = None) -> Tensor:
    r""":func:`rank_auc` of clips attacked against *other* clips clean.

    .. math:: \frac{\sum_{i \ne j} w_i w_j h_{ij}}{\sum_{i \ne j} w_i w_j},\quad
              h_{ij} = [a_i > c_j] + \tfrac12 [a_i = c_j]

    An adversarial nearly always scores above its own clip, which says nothing of ranks between clips and would make the
    area grow as clips become few. Without these pairs the area of a sample is unbiased, whatever its size. A clip drawn
    w times is not compared with itself, nor with its own copies.

    Args:
        adversarial: scores a ``(clips,)``.
        clean: scores c of the same clips ``(clips,)``.
        weights: w, how often each clip counts, ``(..., clips)``; once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]; NaN where fewer than two clips count.
    """
    adversarial, clean = adversarial.cpu().double(), clean.cpu().double()
    weights = torch.ones_like(clean) if weights is None else weights.double()
    ascending, order = clean.sort()
    cumulated = torch.nn.functional.pad(weights[..., order].cumsum(dim=-1), (1, 0))
    below = cumulated[..., torch.searchsorted(ascending, adversarial)]
    not_above = cumulated[..., torch.searchsorted(ascending, adversarial, right=True)]
    above_itself = ((adversarial > clean).double() + (adversarial >= clean).double()) / 2
    own = weights * above_itself
    higher = (weights * ((below + not_above) / 2 - own)).sum(dim=-1)
    pairs = (weights * (weights.sum(dim=-1, keepdim=True) - weights)).sum(dim=-1)
    # Sums of halves are exact, those of other weights may miss an end by rounding.
    return (higher / pairs).clamp(0.0, 1.0)


def auc(logits_clean: Tensor, logits_adversarial: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Area under the ROC curve of the score :math:`-\log p_l`: positives adversarials, negatives other clips clean.

    .. math:: AUC = \frac{1}{|S| (|S| - 1)} \sum_{i \ne j \in S} [s(x'_i) > s(x_j)] + \tfrac12 [s(x'_i) = s(x_j)]

    0.5 means no effect, 1 that every adversarial scores above every other clip. The paper tabulates an AUC without
    defining it; this is our reading.

    Args:
        logits_clean: ``(clips, classes)``, over S.
        logits_adversarial: the same clips, attacked.
        labels: true classes ``(clips,)``.
        weights: how often each clip is drawn, ``(..., clips)`` (:func:`paired_rank_auc`); once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]; NaN where fewer than two clips count.

    Raises:
        ValueError: for logits that are NaN, or shapes that do not belong to the same clips.
    """
    if logits_clean.shape != logits_adversarial.shape:
        raise ValueError(
            f"expected the same clips clean and attacked, got {tuple(logits_clean.shape)} "
            f"and {tuple(logits_adversarial.shape)}"
        )
    return paired_rank_auc(label_loss(logits_adversarial, labels), label_loss(logits_clean, labels), weights)


class AUC(Metric):
    """:func:`auc` over batches and processes: the scores are kept, since ranks need all of them."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    clean: list[Tensor]
    adversarial: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("clean", default=[], dist_reduce_fx="cat")
        self.add_state("adversarial", default=[], dist_reduce_fx="cat")

    def update(self, logits_clean: Tensor, logits_adversarial: Tensor, labels: Tensor) -> None:
        """Score a batch of clips of S; arguments as in :func:`auc`."""
        self.clean.append(label_loss(logits_clean, labels))
        self.adversarial.append(label_loss(logits_adversarial, labels))

    def compute(self) -> Tensor:
        """The area over all clips so far; NaN before the first."""
        if isinstance(self.clean, list) and not self.clean:
            return torch.tensor(torch.nan, dtype=torch.float64)
        return paired_rank_auc(dim_zero_cat(self.adversarial), dim_zero_cat(self.clean))
