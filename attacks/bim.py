"""The basic iterative method: FGSM in small steps, in l_inf or l_2 (Kurakin et al. 2017, arXiv:1607.02533)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attacks.batch_checks import require_count
from attacks.fgsm import NORMS, goal_gradient, unit_l2
from attacks.iterative import StepwiseAttack
from attacks.ledger import ActiveSet, Ledger
from attacks.losses import LOSSES, is_zero
from attacks.radii import broadcast, check_radius


class BIM(StepwiseAttack):
    """Gradient steps within a ball of radius delta around the input: x_{i+1} = clip(x_i + alpha * direction(g_i)).

    In l_inf the direction is sign(g), in l_2 it is g / ||g||_2. The iterate is projected onto the ball of radius delta
    around the input and then clamped to the bounds (in l_2 the result lies in the intersection of both but is not the
    exact projection onto it). ``bim_a`` stops a clip at its first success, ``bim_b`` takes all steps (Feinman et al.
    2017). A targeted attack descends the loss of the target.

    Args:
        model: the victim.
        delta: radius of the ball in the units of the input, at least 0.
        snr_db: radius of the ball as a signal-to-noise ratio in dB, see :func:`attacks.radii.snr_radii`; None uses
            delta.
        norm: ``"linf"`` or ``"l2"``.
        steps: number of steps, at least 1; several numbers share one run.
        step_size: alpha, in the units of the input; None is a tenth of the radius.
        stops_at_success: whether a clip stops at its first success.
        loss: ``"cross_entropy"``, or ``"margin"``, whose gradient does not vanish where the victim is very confident.
        bounds: smallest and largest value of an input.
        seed: seed of the random targets.
        targeted: towards a random wrong label; otherwise away from the label.

    References:
        A. Kurakin, I. Goodfellow and S. Bengio, "Adversarial examples in the physical world", ICLR Workshop 2017.
        R. Feinman et al., "Detecting adversarial samples from artifacts", 2017, for the names BIM-a and BIM-b.
    """

    nested = "steps"

    def __init__(
        self,
        model: nn.Module,
        *,
        delta: float = 0.032,
        snr_db: float | None = None,
        norm: str = "linf",
        steps: int = 100,
        step_size: float | None = None,
        stops_at_success: bool = True,
        loss: str = "cross_entropy",
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        super().__init__("BIM", model, bounds=bounds, seed=seed, targeted=targeted)
        self.delta = delta
        self.snr_db = snr_db
        self.norm = norm
        self.steps = steps
        self.step_size = step_size
        self.stops_at_success = stops_at_success
        self.loss = loss
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for an invalid radius or step size, fewer than one step, or an unknown norm or loss."""
        check_radius(self.delta, self.snr_db)
        if self.norm not in NORMS:
            raise ValueError(f"expected a norm among {list(NORMS)}, got {self.norm!r}")
        require_count("steps", self.steps, 1)
        if self.step_size is not None and not self.step_size > 0:
            raise ValueError(f"expected a step size above 0, got {self.step_size}")
        if self.loss not in LOSSES:
            raise ValueError(f"expected a loss among {list(LOSSES)}, got {self.loss!r}")

    def _begin(self, active: ActiveSet, logits: Tensor) -> None:
        radii = self.radii(active.inputs)
        active.memory["radii"] = radii
        active.memory["step_sizes"] = radii / 10 if self.step_size is None else torch.full_like(radii, self.step_size)
        if self.norm == "linf":
            delta = broadcast(radii, active.inputs)
            active.memory["lowest"] = self.clip_to_bounds(active.inputs - delta)
            active.memory["highest"] = self.clip_to_bounds(active.inputs + delta)

    def _step(self, active: ActiveSet, points: Tensor, logits: Tensor, ledger: Ledger) -> Tensor:
        gradient = goal_gradient(self.loss, logits, points, active)
        ledger.spend(active.rows, gradients=1, full_jacobian_gradients=1, zero_gradients=is_zero(gradient))
        step_sizes = broadcast(active.memory["step_sizes"], gradient)
        if self.norm == "linf":
            moved = points.detach() + step_sizes * gradient.sign()
            return torch.clamp(moved, active.memory["lowest"], active.memory["highest"])
        change = points.detach() + step_sizes * unit_l2(gradient) - active.inputs
        length = change.flatten(1).double().norm(dim=1)
        # A zero change stays zero, whatever its factor.
        share = torch.where(length > 0, active.memory["radii"] / length, 1.0).clamp(max=1.0)
        return self.clip_to_bounds(active.inputs + broadcast(share, change) * change)
