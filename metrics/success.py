"""When a clip counts as fooled: the four criteria of success per clip, and their rates over clips."""

import math

import torch
from torch import Tensor

CONFIDENCE = 0.65
"""The confidence above which the paper calls an adversarial successful."""

LEVELS_8BIT = 255
FULL_SCALE_16BIT = 2**15


def success(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Whether the victim no longer predicts the true label: :math:`\arg\max_j f_j(x') \ne l`.

    Args:
        logits: ``(clips, classes)`` of the adversarials.
        labels: true classes ``(clips,)``.

    Returns:
        bool ``(clips,)``.

    Raises:
        ValueError: if there is not one label per row of logits.
    """
    _require_one_per_clip(logits, labels)
    return logits.argmax(dim=1) != labels


def target_hit(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Whether the victim predicts the target class: :math:`\arg\max_j f_j(x') = t`; shapes as in :func:`success`."""
    _require_one_per_clip(logits, targets)
    return logits.argmax(dim=1) == targets


def confident_success(logits: Tensor, labels: Tensor, confidence: float = CONFIDENCE) -> Tensor:
    r"""Success with a confident wrong prediction: :math:`\arg\max_j f_j(x') \ne l` and :math:`\max_j p_j \ge 0.65`.

    Args:
        logits: ``(clips, classes)`` of the adversarials.
        labels: true classes ``(clips,)``.
        confidence: smallest probability of the predicted class, in [0, 1].

    Returns:
        bool ``(clips,)``; at the default confidence this is ``success_65`` of the outcome rows.

    Raises:
        ValueError: for a confidence outside [0, 1], and as in :func:`success`.
    """
    if not 0 <= confidence <= 1:
        raise ValueError(f"expected confidence in [0, 1], got {confidence}")
    # The maximum of log p avoids probabilities that round to 1 in float32.
    log_probability = logits.detach().cpu().double().log_softmax(dim=1).amax(dim=1)
    sure = log_probability >= (math.log(confidence) if confidence else -math.inf)
    return success(logits, labels) & sure.to(logits.device)


def round_to_8bit(adversarial: Tensor, bounds: tuple[float, float] = (0.0, 1.0)) -> Tensor:
    r"""The input after storage as an 8-bit image: :math:`a + (b - a)\,\mathrm{round}(255 (x' - a)/(b - a)) / 255`.

    ``success_8bit`` is :func:`success` of the victim's logits on the rounded input.

    Args:
        adversarial: inputs within ``bounds``, any shape.
        bounds: lowest and highest value ``(a, b)`` of an input.

    Returns:
        A tensor of the same shape with values on 256 levels.

    Raises:
        ValueError: if the bounds are not in increasing order.
    """
    low, high = bounds
    if not low < high:
        raise ValueError(f"expected bounds in increasing order, got {bounds}")
    levels = torch.round((adversarial - low) * (LEVELS_8BIT / (high - low)))
    return low + levels * ((high - low) / LEVELS_8BIT)


def round_to_16bit(sounds: Tensor) -> Tensor:
    r"""Sounds after storage with 16 bits: :math:`\min(\mathrm{round}(32768\,x'),\, 32767) / 32768`.

    ``success_16bit`` is :func:`success` of the victim's logits on what this returns; a WAV file of the adversarial
    holds exactly these samples.

    Args:
        sounds: samples in [-1, 1], any shape.

    Returns:
        The same shape, each sample one of 65,536 levels.
    """
    levels = torch.round(sounds * FULL_SCALE_16BIT).clamp(-FULL_SCALE_16BIT, FULL_SCALE_16BIT - 1)
    return levels / FULL_SCALE_16BIT


def _require_one_per_clip(logits: Tensor, classes: Tensor) -> None:
    if logits.ndim != 2 or classes.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (clips, classes) and one class per clip, got {tuple(logits.shape)} and "
            f"{tuple(classes.shape)}"
        )


def fooling_rate(success: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Mean success over S, the clips that are classified correctly when clean.

    .. math:: FR = \frac{1}{|S|} \sum_{i \in S} [\arg\max_j f_j(x'_i) \ne l_i]

    Args:
        success: bool ``(clips,)``, over S.
        weights: how much each clip counts, ``(..., clips)``; 1 each by default.

    Returns:
        float64 with the leading shape of the weights, in [0, 1]; NaN, a missing number, where no clip counts.

    Raises:
        ValueError: if the weights are for a different number of clips.
    """
    return _weighted_share(success, weights)


def target_rate(target_hits: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Share of S for which the victim predicts the target class.

    .. math:: \frac{1}{|S|} \sum_{i \in S} [\arg\max_j f_j(x'_i) = t_i]

    Arguments, return value and errors as in :func:`fooling_rate`.
    """
    return _weighted_share(target_hits, weights)


def _weighted_share(happened: Tensor, weights: Tensor | None) -> Tensor:
    happened = happened.detach().cpu().double()
    weights = torch.ones_like(happened) if weights is None else weights.double()
    if weights.shape[-1:] != happened.shape:
        raise ValueError(f"expected weights (..., clips) for {tuple(happened.shape)} clips, got {tuple(weights.shape)}")
    return weights @ happened / weights.sum(dim=-1)
