"""Inputs of any bounds and shape as images in [0, 1], the inputs for which attacks of other libraries are written."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn


class UnitInputs(nn.Module):
    """Wrapper of a victim that takes images in [0, 1] instead of inputs of the victim's bounds and shape.

    The mapping between the two is affine, so norms of perturbations are scaled by the width of the bounds only. Inputs
    that do not have the four dimensions ``(clips, channels, rows, columns)`` are folded into one channel, whose number
    of rows is the largest divisor of the input's size that does not exceed the square root of the size.

    Args:
        victim: from inputs ``(clips, *shape)`` within the bounds to logits.
        bounds: smallest and largest value of its inputs.
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
        """Logits ``(clips, classes)`` of the inputs that the images stand for."""
        logits: Tensor = self.victim(self.inputs(pictures))
        return logits

    def inputs(self, pictures: Tensor) -> Tensor:
        """Inputs ``(clips, *shape)`` from images ``(clips, channels, rows, columns)`` in [0, 1]."""
        if self.is_identity:
            return pictures
        return (self.lower + self.width * pictures).reshape(len(pictures), *self.shape)

    def pictures(self, inputs: Tensor) -> Tensor:
        """Images ``(clips, channels, rows, columns)`` from inputs, clamped to [0, 1] against rounding."""
        if self.is_identity:
            return inputs
        return ((inputs - self.lower) / self.width).clamp(0.0, 1.0).reshape(len(inputs), *self.picture)


def picture_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of one input as an image: its own if it has three dimensions, else one channel as square as possible."""
    if len(shape) == 3:
        return tuple(shape)
    size = math.prod(shape)
    rows = next(rows for rows in range(math.isqrt(size), 0, -1) if size % rows == 0)
    return (1, rows, size // rows)
