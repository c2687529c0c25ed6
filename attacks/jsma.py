"""Jacobian-based saliency map attack (Papernot et al. 2016): large changes of a few pixels chosen by saliency."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attacks.batch_checks import require_count
from attacks.iterative import StepwiseAttack
from attacks.ledger import ActiveSet, Ledger
from attacks.losses import input_gradient, is_zero

CELLS = 1 << 22
"""Number of pairs compared at once over the whole batch; it bounds the memory of the search, not its result."""


def best_pair(alpha: Tensor, beta: Tensor, domain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Find the pair of pixels with the largest joint saliency for the target, exactly.

    .. math:: \max_{p < q} -(\alpha_p + \alpha_q)(\beta_p + \beta_q)
              \quad\text{with}\quad \alpha_p + \alpha_q > 0,\ \beta_p + \beta_q < 0

    A pixel that is no better than two others in both alpha and -beta can be replaced by one of them without loss. The
    optimum therefore lies in the first two Pareto layers, which one sort and two running maxima find in O(n log n);
    only the few pixels of these layers are compared pairwise, in blocks, so that memory is linear in the number of
    pixels.

    Args:
        alpha: gradient of the target's logit ``(clips, pixels)``. For a decrease, pass the negatives of both gradients.
        beta: gradient of the sum of the other logits ``(clips, pixels)``.
        domain: bool ``(clips, pixels)``, pixels that may change.

    Returns:
        First and second pixel of each clip's pair ``(clips,)`` and whether the clip has an admissible pair; without
        one, the pixels are meaningless. Ties are broken in a way that depends on the clip alone.
    """
    # Stable, so that equal values keep the order of the pixels in any batch.
    ascents, order = torch.where(domain, alpha, -torch.inf).sort(dim=1, descending=True, stable=True)
    descents = torch.where(domain, -beta, -torch.inf).gather(1, order)
    first = _records(descents)
    second = _records(descents.masked_fill(first, -torch.inf))
    survives = first | second
    number = max(1, int(survives.sum(dim=1).max()))
    position = survives.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices[:, :number]
    survives = survives.gather(1, position)
    # In float64 the product of two small gradients does not underflow.
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
    r"""Find the pixel of the largest saliency, :math:`-\alpha_p \beta_p` where :math:`\alpha_p > 0 > \beta_p`.

    Equation 8 of the replicated paper prints the condition the other way round; this is the condition of Papernot et
    al.

    Args:
        alpha: gradient of the target's logit ``(clips, pixels)``. For a decrease, pass the negatives of both gradients.
        beta: gradient of the sum of the other logits ``(clips, pixels)``.
        domain: bool ``(clips, pixels)``, pixels that may change.

    Returns:
        The pixel of each clip ``(clips,)`` and whether the clip has an admissible pixel.
    """
    admissible = domain & (alpha > 0) & (beta < 0)
    value, pixel = torch.where(admissible, -alpha.double() * beta.double(), 0.0).max(dim=1)
    return pixel, value > 0


def _records(values: Tensor) -> Tensor:
    """Mark the values of each row that exceed all earlier ones; minus infinity never does."""
    before = torch.nn.functional.pad(values.cummax(dim=1).values, (1, 0), value=-torch.inf)[:, :-1]
    return values > before


class JSMA(StepwiseAttack):
    r"""Moves the pixels that raise the target's logit and lower the sum of the others towards one of the bounds.

    Every iteration changes the best pair of pixels, or the best single pixel, by ``theta``. It needs
    :math:`\alpha = \nabla Z_t` and :math:`\beta = \nabla \sum_{j \ne t} Z_j = \nabla \sum_j Z_j - \alpha`, that is two
    backward passes whatever the number of classes. A clip without an admissible pair stops at its current iterate; the
    iteration that found none is counted, because its gradients were spent.

    Args:
        model: the victim; its output is logits.
        iterations: largest number of pairs, or single pixels, that are changed; several numbers share one run.
        theta: change of a chosen value as a share of the width of the bounds; negative to decrease.
        pairs: choose pairs of pixels (equation 10 of Papernot et al.) instead of single ones (equation 8).
        revisit: let a pixel be chosen again until it reaches the bound, as in the paper; otherwise it is used once.
            With a ``theta`` of 1 both are the same.
        bounds: smallest and largest value of an input.
        seed: seed of the random targets.
        targeted: always True; present so that all attacks have the same constructor arguments.

    Raises:
        ValueError: for a theta of zero or outside [-1, 1], or a negative number of iterations.
    """

    nested = "iterations"
    norm = "l0"
    modes = ("targeted",)

    def __init__(
        self,
        model: nn.Module,
        *,
        iterations: int = 123,
        theta: float = 1.0,
        pairs: bool = True,
        revisit: bool = False,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = True,
    ) -> None:
        super().__init__("JSMA", model, bounds=bounds, seed=seed, targeted=targeted)
        self.iterations = iterations
        self.theta = theta
        self.pairs = pairs
        self.revisit = revisit
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for a setting out of range."""
        require_count("iterations", self.iterations, 0)
        if not 0 < abs(self.theta) <= 1:
            raise ValueError(f"expected theta in [-1, 1] and not 0, got {self.theta}")

    def _begin(self, active: ActiveSet, logits: Tensor) -> None:
        active.memory["unused"] = torch.ones_like(active.inputs, dtype=torch.bool).flatten(1)

    def _step(self, active: ActiveSet, points: Tensor, logits: Tensor, ledger: Ledger) -> Tensor:
        assert active.targets is not None, "JSMA always has a target"
        alpha = input_gradient(logits.gather(1, active.targets[:, None]), points, retain_graph=True).flatten(1)
        total = input_gradient(logits, points).flatten(1)
        ledger.spend(
            active.rows,
            gradients=2,
            full_jacobian_gradients=logits.shape[1],
            zero_gradients=is_zero(alpha) + is_zero(total),
        )
        increase = self.theta > 0
        lower, upper = self.bounds
        values = points.detach().flatten(1)
        domain = active.memory["unused"] & (values < upper if increase else values > lower)
        # Decreasing values is the same as increasing their negatives, so both gradients change sign.
        alpha, beta = (alpha, total - alpha) if increase else (-alpha, alpha - total)
        pixels, admissible = self._choose(alpha, beta, domain)
        active.stopped |= ~admissible
        changed = torch.zeros_like(domain).scatter(1, pixels, admissible[:, None].expand_as(pixels))
        if not self.revisit:
            active.memory["unused"] &= ~changed
        moved = torch.where(changed, self.clip_to_bounds(values + self.theta * (upper - lower)), values)
        return moved.view_as(points)

    def _choose(self, alpha: Tensor, beta: Tensor, domain: Tensor) -> tuple[Tensor, Tensor]:
        """Choose the pixels to change ``(clips, 1 or 2)``, and say whether each clip has any, bool ``(clips,)``."""
        if self.pairs:
            first, second, admissible = best_pair(alpha, beta, domain)
            return torch.stack([first, second], dim=1), admissible
        pixel, admissible = best_pixel(alpha, beta, domain)
        return pixel[:, None], admissible
