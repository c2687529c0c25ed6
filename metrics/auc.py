"""Area under the ROC curve: how well a loss tells adversarials from the same clips clean."""

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
    r""":func:`rank_auc` of clips attacked against the same clips clean, for draws of clips with replacement.

    .. math:: \frac{\sum_{i \ne j} w_i w_j h_{ij} + \sum_i w_i h_{ii}}{\sum_{i \ne j} w_i w_j + \sum_i w_i},\quad
              h_{ij} = [a_i > c_j] + \tfrac12 [a_i = c_j]

    A clip drawn w times meets its own clean version w times, as if it were w clips, and not :math:`w^2` times. An
    adversarial nearly always scores above its own clip; with few clips the :math:`w^2` of a plain bootstrap puts the
    drawn areas above the estimate, and BCa would answer with an interval that is too low.

    Args:
        adversarial: scores a ``(clips,)``.
        clean: scores c of the same clips ``(clips,)``.
        weights: w, how often each clip is drawn, ``(..., clips)``, whole numbers; once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]; NaN where no clip counts.
    """
    if weights is None:
        return rank_auc(adversarial, clean)
    weights = weights.double()
    above_itself = ((adversarial > clean).double() + (adversarial >= clean).double()).cpu() / 2
    repeated = weights**2 - weights
    pairs = weights.sum(dim=-1) ** 2
    fooled = (rank_auc(adversarial, clean, weights, weights) * pairs).nan_to_num(0.0)
    return (fooled - (repeated * above_itself).sum(dim=-1)) / (pairs - repeated.sum(dim=-1))


def auc(logits_clean: Tensor, logits_adversarial: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Area under the ROC curve of the score :math:`-\log p_l`: positives adversarials, negatives the same clips clean.

    .. math:: AUC = \frac{1}{|S|^2} \sum_{i, j \in S} [s(x'_i) > s(x_j)] + \tfrac12 [s(x'_i) = s(x_j)]

    0.5 means no effect, 1 that every adversarial scores above every clean clip. The paper tabulates an AUC without
    defining it; this is the reading of spec section 7.

    Args:
        logits_clean: ``(clips, classes)``, over S.
        logits_adversarial: the same clips, attacked.
        labels: true classes ``(clips,)``.
        weights: how often each clip is drawn, ``(..., clips)`` (:func:`paired_rank_auc`); once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]; NaN where no clip counts.

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
        return rank_auc(dim_zero_cat(self.adversarial), dim_zero_cat(self.clean))
