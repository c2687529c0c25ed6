"""Change of variables that keeps an input inside its bounds and lets values at a bound move (paper, Eq. 11)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class BoxSmoother:
    r"""Map of variables to points, :math:`x' = x + \frac{h}{s} (\tanh w - \tanh w_0)`, where :math:`|\tanh w| \le s`.

    The variable of the input is :math:`w_0 = \tanh^{-1}(s (x - m) / h)`, so this is :math:`m + \frac{h}{s} \tanh w`,
    written as a difference so that rounding does not move any value: Adam would turn the rounding error into a full
    step. m is the middle of the bounds and h half their width. With s = 1 a value at a bound would have an infinite w
    and a zero derivative and would never move; spectrograms hold many such values, because silence lies exactly at the
    lower bound. With s below 1 the derivative there is :math:`h (1 - s^2) / s`. The division by s lets the points
    reach the bounds, and :meth:`confine` keeps the variables from drifting beyond them.

    Args:
        bounds: smallest and largest value of an input.
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

    def variables(self, inputs: Tensor) -> Tensor:
        """Variables w of inputs within the bounds, same shape, at least float32."""
        inputs = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        return self.confine(torch.atanh((inputs - self.middle) * (self.smoothness / self.half)))

    def points(self, variables: Tensor, inputs: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the points of variables, and the elementwise derivatives with respect to the variables.

        Args:
            variables: w, any shape.
            inputs: x, same shape.
            start: tanh of the variables of the inputs, same shape.

        Returns:
            x' within the bounds and dx'/dw, with the shape and type of the variables.
        """
        tanh = variables.tanh()
        scale = self.half / self.smoothness
        points = torch.add(inputs, tanh - start, alpha=scale).clamp_(*self.bounds)
        return points, tanh.square_().neg_().add_(1).mul_(scale)

    def confine(self, variables: Tensor) -> Tensor:
        """Clamp variables in place so that their points lie within the bounds."""
        return variables.clamp_(-self.limit, self.limit)
