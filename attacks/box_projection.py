"""The smallest step from a point to a hyperplane that stays inside a box."""

import torch
from torch import Tensor


def box_room(points: Tensor, direction: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Distance of each value to its bound in the sense of the direction, at least 0; all arguments broadcast."""
    lower, upper = bounds
    return torch.where(direction > 0, upper - points, points - lower)


def multiplier(weight: Tensor, room: Tensor, deficit: Tensor, norm: str, rounds: int) -> Tensor:
    """Solve sum_i |w_i| r_i(m) = deficit, where r_i(m) = min(m |w_i|, room_i) in l_2 and min(m, room_i) in l_inf.

    These r are the Karush-Kuhn-Tucker points of min ||r|| subject to the hyperplane and the box. The left side is
    increasing, concave and piecewise linear in m, so Newton's method from m = 0 approaches the root from below and
    converges in finitely many rounds, in practice three to six.

    Args:
        weight: |w| ``(clips, features)``.
        room: from :func:`box_room`, same shape.
        deficit: what the step must gain ``(clips,)``, at least 0.
        norm: ``"l2"`` or ``"linf"``.
        rounds: rounds of Newton's method; fixed, so that the device is never synchronised.

    Returns:
        m ``(clips,)``, never above the root; an arbitrary finite value where the box does not reach the hyperplane.
    """
    value = torch.zeros_like(deficit)
    step = weight if norm == "l2" else torch.ones_like(weight[:1])
    slope_terms = weight * step
    for _ in range(rounds):
        free = step * value[:, None]
        gained = torch.linalg.vecdot(weight, torch.minimum(free, room))
        slope = torch.where(free < room, slope_terms, 0.0).sum(dim=1)
        missing = (deficit - gained).clamp(min=0.0)
        value = value + torch.where(slope > 0, missing / torch.where(slope > 0, slope, 1.0), 0.0)
    return value


def project(
    points: Tensor, gradient: Tensor, deficit: Tensor, bounds: tuple[float, float], norm: str, rounds: int = 12
) -> tuple[Tensor, Tensor]:
    """Smallest step r inside the box with sum_i w_i r_i >= deficit.

    Args:
        points: where the step starts ``(clips, features)``, within the bounds.
        gradient: w ``(clips, features)``.
        deficit: what the step must gain ``(clips,)``, at least 0.
        bounds: lower and upper end of the box.
        norm: ``"l2"`` or ``"linf"``, the norm of r that is minimised.
        rounds: rounds of Newton's method.

    Returns:
        The step ``(clips, features)``, and whether the box reaches the hyperplane, bool ``(clips,)``. Where it does
        not, the step is that of an unbounded space, clamped to the bounds: a step to the farthest corner would destroy
        the input to satisfy a linear model that is not valid there.
    """
    weight = gradient.abs()
    room = box_room(points, gradient, bounds)
    reachable = torch.linalg.vecdot(weight, room) >= deficit
    size = torch.where(
        reachable, multiplier(weight, room, deficit, norm, rounds), deficit / unbounded_gain(weight, norm)
    )
    free = weight * size[:, None] if norm == "l2" else size[:, None].expand_as(weight)
    return torch.minimum(free.nan_to_num(posinf=0.0), room) * gradient.sign(), reachable


def unbounded_gain(weight: Tensor, norm: str) -> Tensor:
    """Gain of a multiplier of 1 without a box: ||w||_2^2 in l_2, ||w||_1 in l_inf; ``(clips,)``."""
    return torch.linalg.vecdot(weight, weight) if norm == "l2" else weight.sum(dim=1)


def box_distance(
    points: Tensor, gradient: Tensor, deficit: Tensor, bounds: tuple[float, float], norm: str, rounds: int = 5
) -> Tensor:
    """Length of the step of :func:`project`, by which hyperplanes are compared; arguments as there.

    Returns:
        ``(clips,)``; infinite for a zero gradient. For a hyperplane that the box does not reach it is the length of the
        step in an unbounded space plus 1e6, so that any hyperplane within reach is nearer.
    """
    weight = gradient.abs()
    room = box_room(points, gradient, bounds)
    size = multiplier(weight, room, deficit, norm, rounds)
    length = torch.minimum(weight * size[:, None], room).norm(dim=1) if norm == "l2" else size
    dual_norm = weight.norm(dim=1) if norm == "l2" else weight.sum(dim=1)
    reachable = torch.linalg.vecdot(weight, room) >= deficit
    out_of_reach = torch.where(dual_norm > 0, deficit / dual_norm + 1e6, torch.inf)
    return torch.where(reachable & (dual_norm > 0), length, out_of_reach)
