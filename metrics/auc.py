"""Areas: ROC of the label loss over pairs of different clips, one-versus-rest, and fooling rate over log delta."""

import torch
from torch import Tensor


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


def auc_ovr(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""One minus the macro one-versus-rest AUC of the true labels, over the classes present.

    .. math:: 1 - \frac{1}{|C|} \sum_{c \in C}
              P(p_c(x'_i) > p_c(x'_j) \mid l_i = c, l_j \ne c) + \tfrac12 P(\text{tie})

    C are the classes with a clip; a class without one is left out and not counted as 0. About 0 means no effect.

    Args:
        logits: ``(clips, classes)`` of the adversarials, over S.
        labels: true classes ``(clips,)``.
        weights: how often each clip counts, ``(..., clips)``; once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]; NaN where fewer than two classes are present.

    Raises:
        ValueError: if there is not one label a row of logits, or if a logit is not finite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (clips, classes) and a label a clip, got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if not logits.isfinite().all():
        raise ValueError("expected finite logits, got NaN or an infinity")
    # log p ranks as p does, and does not tie where p underflows.
    scores, labels = logits.detach().cpu().double().log_softmax(dim=1), labels.cpu()
    weights = torch.ones(len(labels), dtype=torch.float64) if weights is None else weights.double()
    areas = [torch.full(weights.shape[:-1], torch.nan, dtype=torch.float64)]
    for present in labels.unique():
        positive = labels == present
        column = scores[:, present]
        areas.append(rank_auc(column[positive], column[~positive], weights[..., positive], weights[..., ~positive]))
    return 1 - torch.stack(areas).nanmean(dim=0)


def auc_budget(deltas: Tensor, fooling_rates: Tensor) -> Tensor:
    r"""Area under fooling rate over log delta by trapezoids, divided by the grid's log width.

    .. math:: \frac{1}{\log \delta_m - \log \delta_1}
              \sum_{k=1}^{m-1} \frac{FR_k + FR_{k+1}}{2} \log \frac{\delta_{k+1}}{\delta_k}

    Args:
        deltas: sizes of the perturbation ``(budgets,)``, above 0, each once, in any order.
        fooling_rates: ``(..., budgets)`` in [0, 1], in the order of the deltas.

    Returns:
        float64 of the rates' leading shape, in [0, 1].

    Raises:
        ValueError: for fewer than two budgets, a delta that is not above 0 or comes twice, or another number of rates.
    """
    deltas, fooling_rates = deltas.cpu().double(), fooling_rates.cpu().double()
    if deltas.ndim != 1 or len(deltas) < 2 or fooling_rates.shape[-1:] != deltas.shape:
        raise ValueError(
            f"expected two deltas or more, each with a rate, got {tuple(deltas.shape)} and {tuple(fooling_rates.shape)}"
        )
    if not (deltas > 0).all() or len(deltas.unique()) < len(deltas):
        raise ValueError(f"expected deltas above 0, each once, got {deltas.tolist()}")
    ascending, order = deltas.sort()
    log_deltas = ascending.log()
    return torch.trapezoid(fooling_rates[..., order], log_deltas) / (log_deltas[-1] - log_deltas[0])
