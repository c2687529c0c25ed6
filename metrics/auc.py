"""Areas under curves: ROC of the label loss, one-versus-rest ROC, and fooling rate over log delta."""

import torch
from torch import Tensor


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Cross-entropy of the true label per clip, :math:`-\log p_l(x) = \log \sum_j e^{f_j} - f_l`, in nats.

    Args:
        logits: ``(clips, classes)``.
        labels: true classes ``(clips,)``.

    Returns:
        float64 ``(clips,)``, at least 0.

    Raises:
        ValueError: if there is not one label per row of logits, or if a logit is not finite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (clips, classes) and one label per clip, got {tuple(logits.shape)} and "
            f"{tuple(labels.shape)}"
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
    r"""Probability that a positive scores above a negative, with ties counted as half (Mann and Whitney 1947).

    .. math:: \frac{\sum_i \sum_j u_i v_j ([p_i > n_j] + \tfrac12 [p_i = n_j])}{\sum_i u_i \sum_j v_j}

    Args:
        positive: scores ``(positives,)``.
        negative: scores ``(negatives,)``.
        positive_weights: u, ``(..., positives)``; 1 each by default.
        negative_weights: v, ``(..., negatives)`` with the same leading shape; 1 each by default.

    Returns:
        float64 with the leading shape of the weights, in [0, 1]; NaN without a positive or without a negative.
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
    r""":func:`rank_auc` of attacked clips against the clean versions of *other* clips.

    .. math:: \frac{\sum_{i \ne j} w_i w_j h_{ij}}{\sum_{i \ne j} w_i w_j},\quad
              h_{ij} = [a_i > c_j] + \tfrac12 [a_i = c_j]

    An adversarial nearly always scores above its own clean clip. Such pairs say nothing about ranks between clips and
    would inflate the area of a small sample; without them the area is unbiased at every sample size. A clip that is
    drawn w times is compared neither with itself nor with its own copies.

    Args:
        adversarial: scores a ``(clips,)``.
        clean: scores c of the same clips ``(clips,)``.
        weights: w, how much each clip counts, ``(..., clips)``; 1 each by default.

    Returns:
        float64 with the leading shape of the weights, in [0, 1]; NaN where fewer than two clips count.
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
    # Sums of halves are exact; with other weights, rounding may step just outside [0, 1].
    return (higher / pairs).clamp(0.0, 1.0)


def auc(logits_clean: Tensor, logits_adversarial: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Area under the ROC curve of the score :math:`-\log p_l`: adversarials (positive) against other clips (negative).

    .. math:: AUC = \frac{1}{|S| (|S| - 1)} \sum_{i \ne j \in S} [s(x'_i) > s(x_j)] + \tfrac12 [s(x'_i) = s(x_j)]

    0.5 means that the attack has no effect, 1 that every adversarial scores above every other clean clip. The paper
    tabulates an AUC without defining it; this is our reading.

    Args:
        logits_clean: ``(clips, classes)``, over S.
        logits_adversarial: ``(clips, classes)`` of the same clips, attacked.
        labels: true classes ``(clips,)``.
        weights: how much each clip counts, ``(..., clips)`` (:func:`paired_rank_auc`); 1 each by default.

    Returns:
        float64 with the leading shape of the weights, in [0, 1]; NaN where fewer than two clips count.

    Raises:
        ValueError: if a logit is not finite, or the shapes do not match.
    """
    if logits_clean.shape != logits_adversarial.shape:
        raise ValueError(
            f"expected the same clips clean and attacked, got {tuple(logits_clean.shape)} "
            f"and {tuple(logits_adversarial.shape)}"
        )
    return paired_rank_auc(label_loss(logits_adversarial, labels), label_loss(logits_clean, labels), weights)


def auc_ovr(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""One minus the macro-averaged one-versus-rest AUC of the true labels, over the classes present.

    .. math:: 1 - \frac{1}{|C|} \sum_{c \in C}
              P(p_c(x'_i) > p_c(x'_j) \mid l_i = c, l_j \ne c) + \tfrac12 P(\text{tie})

    C is the set of classes with at least one clip; the others are left out rather than counted as 0. A value near 0
    means that the attack has no effect.

    Args:
        logits: ``(clips, classes)`` of the adversarials, over S.
        labels: true classes ``(clips,)``.
        weights: how much each clip counts, ``(..., clips)``; 1 each by default.

    Returns:
        float64 with the leading shape of the weights, in [0, 1]; NaN where fewer than two classes are present.

    Raises:
        ValueError: if there is not one label per row of logits, or if a logit is not finite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (clips, classes) and one label per clip, got {tuple(logits.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if not logits.isfinite().all():
        raise ValueError("expected finite logits, got NaN or an infinity")
    # log p has the same ranking as p, without ties where p underflows.
    scores, labels = logits.detach().cpu().double().log_softmax(dim=1), labels.cpu()
    weights = torch.ones(len(labels), dtype=torch.float64) if weights is None else weights.double()
    areas = [torch.full(weights.shape[:-1], torch.nan, dtype=torch.float64)]
    for present in labels.unique():
        positive = labels == present
        column = scores[:, present]
        areas.append(rank_auc(column[positive], column[~positive], weights[..., positive], weights[..., ~positive]))
    return 1 - torch.stack(areas).nanmean(dim=0)


def auc_budget(deltas: Tensor, fooling_rates: Tensor) -> Tensor:
    r"""Area under the fooling rate over log delta by the trapezoidal rule, divided by the width of the log grid.

    .. math:: \frac{1}{\log \delta_m - \log \delta_1}
              \sum_{k=1}^{m-1} \frac{FR_k + FR_{k+1}}{2} \log \frac{\delta_{k+1}}{\delta_k}

    Args:
        deltas: perturbation sizes ``(budgets,)``, positive and distinct, in any order.
        fooling_rates: ``(..., budgets)`` in [0, 1], in the order of the deltas.

    Returns:
        float64 with the leading shape of the rates, in [0, 1].

    Raises:
        ValueError: for fewer than two budgets, deltas that are not positive and distinct, or a different number of
            rates.
    """
    deltas, fooling_rates = deltas.cpu().double(), fooling_rates.cpu().double()
    if deltas.ndim != 1 or len(deltas) < 2 or fooling_rates.shape[-1:] != deltas.shape:
        raise ValueError(
            f"expected at least two deltas and a rate for each, got {tuple(deltas.shape)} and "
            f"{tuple(fooling_rates.shape)}"
        )
    if not (deltas > 0).all() or len(deltas.unique()) < len(deltas):
        raise ValueError(f"expected positive, distinct deltas, got {deltas.tolist()}")
    ascending, order = deltas.sort()
    log_deltas = ascending.log()
    return torch.trapezoid(fooling_rates[..., order], log_deltas) / (log_deltas[-1] - log_deltas[0])
