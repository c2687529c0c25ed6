"""Change of variables that keeps an input inside its bounds and lets values at a bound move (equation 11)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class BoxSmoother:
    r"""Map between inputs and unbounded variables, :math:`x = m + \frac{h}{s} \tanh(w)` with :math:`|\tanh w| \le s`.

    m is the middle of the bounds and h half their width. With s = 1 a value at a bound has an infinite w and a
    derivative of zero and never moves; spectrograms hold many, since silence lies exactly at the lower bound. Below 1
    the derivative there is :math:`h (1 - s^2) / s`. Dividing by s makes the map hit x exactly before the first step, so
    that a value nobody pushes stays where it was, and :meth:`confine` keeps w from running away beyond the bound.

    Args:
        bounds: lower and upper end of an input.
        smoothness: s in (0, 1).

    Raises:
        ValueError: for a smoothness outside (0, 1).
    """

    def __init__(self, bounds: tuple[float, float], smoothness: float) -> None:
        if not 0 < smoothness < 1:
            raise ValueError(f"expected a box smoother in (0, 1), got {smoothness}")
        self.bounds = bounds
        self.smoothness = smoothness
        self.middle = (bounds[0] + bounds[1]) / 2
        self.half = (bounds[1] - bounds[0]) / 2
        self.limit = math.atanh(smoothness)

    def variables(self, points: Tensor) -> Tensor:
        """Variables of inputs within the bounds, same shape, at least float32."""
        points = points.to(torch.promote_types(points.dtype, torch.float32))
        return self.confine(torch.atanh((points - self.middle) * (self.smoothness / self.half)))

    def points(self, variables: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs of variables, and the derivative of every input with respect to its variable; same shape."""
        tanh = variables.tanh()
        scale = self.half / self.smoothness
        points = (self.middle + scale * tanh).clamp_(*self.bounds)
        return points, tanh.square_().neg_().add_(1).mul_(scale)

    def confine(self, variables: Tensor) -> Tensor:
        """Bring variables back, in place, to where their inputs are within the bounds."""
        return variables.clamp_(-self.limit, self.limit)
