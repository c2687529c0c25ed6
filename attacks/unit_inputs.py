"""Inputs of any bounds and shape as pictures in [0, 1], which is what attacks of other libraries are written for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn


class UnitInputs(nn.Module):
    """A victim that takes pictures in [0, 1] in place of inputs of its own bounds and shape.

    The map between the two is affine, so a norm of a perturbation changes by the width of the bounds alone. Inputs with
    another number of dimensions than ``(clips, channels, rows, columns)`` are folded into one channel whose number of
    rows is the largest divisor of their size that does not exceed its square root.

    Args:
        victim: from inputs ``(clips, *shape)`` within the bounds to logits.
        bounds: lower and upper end of its inputs.
        shape: shape of one input.
    """

    def __init__(self, victim: nn.Module, bounds: tuple[float, float], shape: Sequence[int]) -> None:
        super().__init__()
        self.victim = victim
        self.lower, self.width = bounds[0], bounds[1] - bounds[0]
        self.shape = tuple(shape)
        self.picture = picture_shape(shape)
        self.is_identity = bounds == (0.0, 1.0) and self.picture == self.shape
        self.training = victim.training

    def forward(self, pictures: Tensor) -> Tensor:
        """Evaluate the victim at what the pictures stand for."""
        logits: Tensor = self.victim(self.inputs(pictures))
        return logits

    def inputs(self, pictures: Tensor) -> Tensor:
        """What pictures ``(clips, channels, rows, columns)`` in [0, 1] stand for, ``(clips, *shape)``."""
        if self.is_identity:
            return pictures
        return (self.lower + self.width * pictures).reshape(len(pictures), *self.shape)

    def pictures(self, inputs: Tensor) -> Tensor:
        """Inputs as pictures in [0, 1]; rounding never leaves the interval."""
        if self.is_identity:
            return inputs
        return ((inputs - self.lower) / self.width).clamp(0.0, 1.0).reshape(len(inputs), *self.picture)


def picture_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of one input as a picture: its own if it has three dimensions, else one channel as near to a square."""
    if len(shape) == 3:
        return tuple(shape)
    size = math.prod(shape)
    rows = next(rows for rows in range(math.isqrt(size), 0, -1) if size % rows == 0)
    return (1, rows, size // rows)
