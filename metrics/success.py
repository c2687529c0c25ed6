"""What counts as fooling the victim: four judgements of one set of logits, clip by clip (spec section 7)."""

import math

import torch
from torch import Tensor

CONFIDENCE = 0.65
"""The confidence above which the paper calls an adversarial successful."""

LEVELS_8BIT = 255


def success(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Whether the victim no longer answers the true label: :math:`\arg\max_j f_j(x') \ne l`.

    Args:
        logits: ``(clips, classes)`` of the adversarials.
        labels: true classes ``(clips,)``.

    Returns:
        bool ``(clips,)``.

    Raises:
        ValueError: if there is not one label a row of logits.
    """
    _require_one_a_clip(logits, labels)
    return logits.argmax(dim=1) != labels


def target_hit(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Whether the victim answers the target: :math:`\arg\max_j f_j(x') = t`; shapes as in :func:`success`."""
    _require_one_a_clip(logits, targets)
    return logits.argmax(dim=1) == targets


def confident_success(logits: Tensor, labels: Tensor, confidence: float = CONFIDENCE) -> Tensor:
    r"""A success that the victim is sure of: :math:`\arg\max_j f_j(x') \ne l` and :math:`\max_j p_j \ge 0.65`.

    Args:
        logits: ``(clips, classes)`` of the adversarials.
        labels: true classes ``(clips,)``.
        confidence: smallest probability of the answer, in [0, 1].

    Returns:
        bool ``(clips,)``; ``success_65`` of the outcome rows at the default confidence.

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
    r"""The input after storage as an 8-bit picture: :math:`a + (b - a)\,\mathrm{round}(255 (x' - a)/(b - a)) / 255`.

    ``success_8bit`` is :func:`success` of the victim's logits on what this returns.

    Args:
        adversarial: inputs within ``bounds``, any shape.
        bounds: lowest and highest value ``(a, b)`` of an input.

    Returns:
        The same shape, each value one of 256 levels.

    Raises:
        ValueError: if the bounds are not in increasing order.
    """
    low, high = bounds
    if not low < high:
        raise ValueError(f"expected bounds in increasing order, got {bounds}")
    levels = torch.round((adversarial - low) * (LEVELS_8BIT / (high - low)))
    return low + levels * ((high - low) / LEVELS_8BIT)


def _require_one_a_clip(logits: Tensor, classes: Tensor) -> None:
    if logits.ndim != 2 or classes.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (clips, classes) and a class a clip, got {tuple(logits.shape)} and {tuple(classes.shape)}"
        )
