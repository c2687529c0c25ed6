"""Losses on logits, one value a clip, and their gradients with respect to the input."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every clip ``(clips,)``; half-precision logits are raised to float32 first."""
    return F.cross_entropy(at_least_float32(logits), labels, reduction="none")


def largest_other(logits: Tensor, labels: Tensor) -> Tensor:
    """Largest logit among the classes that are not ``labels``, ``(clips,)``.

    The class is masked with minus infinity: a mask of zeros would change its meaning when all logits are shifted.
    """
    return logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the label less the largest other one, ``(clips,)``: positive where the label is predicted."""
    logits = at_least_float32(logits)
    return logits.gather(1, labels[:, None]).squeeze(1) - largest_other(logits, labels)


def negative_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Loss that grows as the label falls behind the largest other logit, ``(clips,)``."""
    return -margin(logits, labels)


def at_least_float32(logits: Tensor) -> Tensor:
    """Return half-precision logits as float32 and others as they are."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def input_gradient(losses: Tensor, points: Tensor, *, retain_graph: bool = False) -> Tensor:
    """Gradient of every clip's own loss with respect to its own input.

    The sum over clips is differentiated, not the mean, so that a gradient does not shrink with the batch; nothing is
    ever written to a ``.grad``.

    Args:
        losses: ``(clips,)``, each a function of its own row of ``points``.
        points: ``(clips, ...)``, a leaf that requires a gradient.
        retain_graph: keep the graph for another gradient.

    Returns:
        ``(clips, ...)``, detached.
    """
    return torch.autograd.grad(losses.sum(), points, retain_graph=retain_graph)[0]


def is_zero(gradient: Tensor) -> Tensor:
    """Tell for every clip whether its gradient is exactly zero everywhere, int64 ``(clips,)``."""
    return (gradient.flatten(1).abs().amax(dim=1) == 0).long()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropy, "margin": negative_margin}
"""Losses by name: each grows as the victim moves away from the given labels."""
