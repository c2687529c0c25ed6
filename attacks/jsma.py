"""Jacobian-based saliency map attack (Papernot et al. 2016): few pixels, each changed a lot."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attacks.active_set import ActiveSet, Ledger
from attacks.counts import require_count
from attacks.losses import input_gradient, is_zero
from attacks.saliency import best_pair, best_pixel
from attacks.stepwise import StepwiseAttack


class JSMA(StepwiseAttack):
    r"""Moves the pixels that raise the target's logit and lower the sum of the others, towards one end of the bounds.

    Every iteration changes the best pair of pixels by ``theta``, or the best single pixel. It needs
    :math:`\alpha = \nabla Z_t` and :math:`\beta = \nabla \sum_{j \ne t} Z_j = \nabla \sum_j Z_j - \alpha`: two backward
    passes whatever the number of classes. A clip without an admissible pair stops with what it has; the iteration that
    found none is counted, since its gradients were spent.

    Args:
        model: the victim; its output is logits.
        iterations: pairs, or single pixels, that may be changed; fewer are a prefix of more.
        theta: change of a chosen value as a share of the bounds' width; negative to decrease.
        pairs: choose pairs of pixels (equation 10 of Papernot et al.) instead of single ones (equation 8).
        revisit: let a pixel be chosen again until it reaches the bound, as in the paper; else it is used once. With
            ``theta`` of 1 the two are the same.
        bounds: lower and upper end of what an input may hold.
        seed: seed of random targets.
        targeted: always True; kept so that every attack is built alike.

    Raises:
        ValueError: for a theta of zero or beyond the bounds' width, or a negative number of iterations.
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
        """Raise ``ValueError`` for settings that make no sense."""
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
        # To lower the values is to raise their negatives: both gradients change sign.
        alpha, beta = (alpha, total - alpha) if increase else (-alpha, alpha - total)
        pixels, admissible = self._choose(alpha, beta, domain)
        active.stopped |= ~admissible
        changed = torch.zeros_like(domain).scatter(1, pixels, admissible[:, None].expand_as(pixels))
        if not self.revisit:
            active.memory["unused"] &= ~changed
        moved = torch.where(changed, self.clip_to_bounds(values + self.theta * (upper - lower)), values)
        return moved.view_as(points)

    def _choose(self, alpha: Tensor, beta: Tensor, domain: Tensor) -> tuple[Tensor, Tensor]:
        """Choose the pixels ``(clips, 1 or 2)`` to change and tell for which clips there are any."""
        if self.pairs:
            first, second, admissible = best_pair(alpha, beta, domain)
            return torch.stack([first, second], dim=1), admissible
        pixel, admissible = best_pixel(alpha, beta, domain)
        return pixel[:, None], admissible
