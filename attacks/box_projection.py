"""The smallest step from a point to a hyperplane that stays inside a box."""

import torch
from torch import Tensor


def box_room(points: Tensor, direction: Tensor, bounds: tuple[float, float]) -> Tensor:
    """How far every value can go in the direction's sense before it meets its bound; all arguments broadcast."""
    lower, upper = bounds
    return torch.where(direction > 0, upper - points, points - lower)


def multiplier(weight: Tensor, room: Tensor, deficit: Tensor, norm: str, rounds: int) -> Tensor:
    """Solve sum_i |w_i| r_i(m) = deficit, where r_i(m) = min(m |w_i|, room_i) in l_2 and min(m, room_i) in l_inf.

    These r are the Karush-Kuhn-Tucker points of min ||r|| subject to the hyperplane and the box. The left side grows
    with m, is concave and piecewise linear, so Newton's method from m = 0 climbs to the root without passing it and
    ends after finitely many rounds, in practice three to six.

    Args:
        weight: |w| ``(clips, features)``.
        room: as of :func:`box_room`, same shape.
        deficit: what the step has to gain ``(clips,)``, at least 0.
        norm: ``"l2"`` or ``"linf"``.
        rounds: rounds of Newton's method; fixed, so that no device has to be waited for.

    Returns:
        m ``(clips,)``, never above the root; where the box does not reach the hyperplane, some finite value.
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
        deficit: what the step has to gain ``(clips,)``, at least 0.
        bounds: lower and upper end of the box.
        norm: ``"l2"`` or ``"linf"``, the norm of r that is smallest.
        rounds: rounds of Newton's method.

    Returns:
        The step ``(clips, features)``, and a bool ``(clips,)`` that tells whether the box reaches the hyperplane. Where
        it does not, the step is the one that an unbounded space would need, cut off at the bounds: a step into the
        farthest corner would destroy the input for the sake of a linear model that is not valid there.
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
    """What a multiplier of 1 gains without a box: ||w||_2^2 in l_2, ||w||_1 in l_inf; ``(clips,)``."""
    return torch.linalg.vecdot(weight, weight) if norm == "l2" else weight.sum(dim=1)


def box_distance(
    points: Tensor, gradient: Tensor, deficit: Tensor, bounds: tuple[float, float], norm: str, rounds: int = 5
) -> Tensor:
    """Length of the step of :func:`project`, to compare hyperplanes by.

    Returns:
        ``(clips,)``; infinite for a gradient of zeros. A hyperplane out of the box's reach has the length of the step
        in an unbounded space plus 1e6, so that any hyperplane within reach comes first.
    """
    weight = gradient.abs()
    room = box_room(points, gradient, bounds)
    size = multiplier(weight, room, deficit, norm, rounds)
    length = torch.minimum(weight * size[:, None], room).norm(dim=1) if norm == "l2" else size
    dual_norm = weight.norm(dim=1) if norm == "l2" else weight.sum(dim=1)
    reachable = torch.linalg.vecdot(weight, room) >= deficit
    out_of_reach = torch.where(dual_norm > 0, deficit / dual_norm + 1e6, torch.inf)
    return torch.where(reachable & (dual_norm > 0), length, out_of_reach)
