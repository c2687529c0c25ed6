"""Saliency maps of the Jacobian-based attack: which pixels to change next (Papernot et al. 2016)."""

import torch
from torch import Tensor

CELLS = 1 << 22
"""Pairs compared at once over the whole batch: bounds the memory of the search, not its result."""


def best_pair(alpha: Tensor, beta: Tensor, domain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Find the pair of pixels whose joint increase serves the target most, exactly.

    .. math:: \max_{p < q} -(\alpha_p + \alpha_q)(\beta_p + \beta_q)
              \quad\text{with}\quad \alpha_p + \alpha_q > 0,\ \beta_p + \beta_q < 0

    A pixel that is no better than two others in both alpha and -beta can be replaced by one of them without loss. So
    the optimum lies in the first two Pareto layers, which one sort and two running maxima find in O(n log n); only
    their few pixels are compared pair by pair, block by block, so that memory stays linear in the number of pixels.

    Args:
        alpha: gradient of the target's logit ``(clips, pixels)``. For a decrease pass the negative of both.
        beta: gradient of the sum of the other logits ``(clips, pixels)``.
        domain: bool ``(clips, pixels)``, pixels that may change.

    Returns:
        First and second pixel of each clip's pair ``(clips,)`` and whether the clip has an admissible pair; where it
        has none the pixels mean nothing. Among equal pairs the choice depends on nothing but the clip itself.
    """
    # Stable, so that equal values keep the order of the pixels whatever the batch.
    ascents, order = torch.where(domain, alpha, -torch.inf).sort(dim=1, descending=True, stable=True)
    descents = torch.where(domain, -beta, -torch.inf).gather(1, order)
    first = _records(descents)
    second = _records(descents.masked_fill(first, -torch.inf))
    survives = first | second
    number = max(1, int(survives.sum(dim=1).max()))
    position = survives.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices[:, :number]
    survives = survives.gather(1, position)
    # In float64 the product of two small gradients does not vanish.
    ascents = ascents.gather(1, position).double().masked_fill(~survives, -torch.inf)
    descents = descents.gather(1, position).double().masked_fill(~survives, -torch.inf)
    order = order.gather(1, position)
    best = torch.zeros(len(alpha), dtype=torch.float64, device=alpha.device)
    pair = torch.zeros(len(alpha), 2, dtype=torch.long, device=alpha.device)
    index = torch.arange(number, device=alpha.device)
    for rows in index.split(max(1, CELLS // (number * len(alpha)))):
        ascent = ascents[:, rows, None] + ascents[:, None, :]
        descent = descents[:, rows, None] + descents[:, None, :]
        admissible = (ascent > 0) & (descent > 0) & (rows[:, None] < index)
        value, cell = torch.where(admissible, ascent * descent, 0.0).flatten(1).max(dim=1)
        found = torch.stack([rows[cell // number], cell % number], dim=1)
        pair = torch.where((value > best)[:, None], found, pair)
        best = torch.maximum(best, value)
    pixels = order.gather(1, pair)
    return pixels[:, 0], pixels[:, 1], best > 0


def best_pixel(alpha: Tensor, beta: Tensor, domain: Tensor) -> tuple[Tensor, Tensor]:
    r"""Find the single pixel of the largest saliency, :math:`-\alpha_p \beta_p` where :math:`\alpha_p > 0 > \beta_p`.

    The paper's equation 8 prints the condition the other way round; this is the sense of its source.

    Args:
        alpha: gradient of the target's logit ``(clips, pixels)``. For a decrease pass the negative of both.
        beta: gradient of the sum of the other logits ``(clips, pixels)``.
        domain: bool ``(clips, pixels)``, pixels that may change.

    Returns:
        The pixel of each clip ``(clips,)`` and whether the clip has an admissible one.
    """
    admissible = domain & (alpha > 0) & (beta < 0)
    value, pixel = torch.where(admissible, -alpha.double() * beta.double(), 0.0).max(dim=1)
    return pixel, value > 0


def _records(values: Tensor) -> Tensor:
    """Mark in each row what exceeds everything before it; minus infinity never does."""
    before = torch.nn.functional.pad(values.cummax(dim=1).values, (1, 0), value=-torch.inf)[:, :-1]
    return values > before
