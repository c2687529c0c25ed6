"""Losses on logits, one value per clip, and their gradients with respect to the input."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy per clip in nats ``(clips,)``; half-precision logits are converted to float32 first."""
    return F.cross_entropy(at_least_float32(logits), labels, reduction="none")


def largest_other(logits: Tensor, labels: Tensor) -> Tensor:
    """Largest logit among the classes other than ``labels``, ``(clips,)``.

    The class is masked with minus infinity; with a mask of zeros the result would depend on a shift of all logits.
    """
    return logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the label minus the largest other one, ``(clips,)``: positive where the label is predicted."""
    logits = at_least_float32(logits)
    return logits.gather(1, labels[:, None]).squeeze(1) - largest_other(logits, labels)


def negative_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Largest other logit minus that of the label, ``(clips,)``: a loss that grows as the label falls behind."""
    return -margin(logits, labels)


def at_least_float32(logits: Tensor) -> Tensor:
    """Return half-precision logits as float32 and all others unchanged."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def input_gradient(losses: Tensor, points: Tensor, *, retain_graph: bool = False) -> Tensor:
    """Gradient of the loss of each clip with respect to its own input.

    The sum over clips is differentiated, not the mean, so that a gradient does not depend on the batch size; no
    ``.grad`` attribute is written.

    Args:
        losses: ``(clips,)``, each a function of its own row of ``points`` only.
        points: ``(clips, ...)``, a leaf that requires a gradient.
        retain_graph: keep the graph for a further gradient.

    Returns:
        ``(clips, ...)``, detached.
    """
    return torch.autograd.grad(losses.sum(), points, retain_graph=retain_graph)[0]


def is_zero(gradient: Tensor) -> Tensor:
    """1 for each clip whose gradient is exactly zero everywhere, else 0, int64 ``(clips,)``."""
    return (gradient.flatten(1).abs().amax(dim=1) == 0).long()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropy, "margin": negative_margin}
"""Losses by name; each grows as the prediction moves away from the given labels."""
