"""The basic iterative method: FGSM in small steps (Kurakin et al. 2017, arXiv:1607.02533)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attacks.batch_checks import require_count
from attacks.fgsm import goal_gradient
from attacks.iterative import StepwiseAttack
from attacks.ledger import ActiveSet, Ledger
from attacks.losses import LOSSES, is_zero


class BIM(StepwiseAttack):
    """Sign steps that stay within delta of the input: x_{i+1} = clip(x_i + alpha * sign(g_i)).

    The clip is to the l_inf ball around the input and to the bounds. ``bim_a`` stops a clip at its first success,
    ``bim_b`` takes all steps (Feinman et al. 2017). A targeted attack goes down the loss of the target.

    Args:
        model: the victim.
        delta: largest change of any value, at least 0.
        steps: number of steps, at least 1; several numbers share one run.
        step_size: alpha; None is a tenth of delta.
        stops_at_success: whether a clip leaves at its first success.
        loss: ``"cross_entropy"``, or ``"margin"``, whose gradient does not vanish where the victim is very sure.
        bounds: lower and upper end of what an input may hold.
        seed: seed of the random targets.
        targeted: towards a random wrong label; else away from the label.

    References:
        A. Kurakin, I. Goodfellow and S. Bengio, "Adversarial examples in the physical world", ICLR Workshop 2017.
        R. Feinman et al., "Detecting adversarial samples from artifacts", 2017, for the names BIM-a and BIM-b.
    """

    nested = "steps"
    norm = "linf"

    def __init__(
        self,
        model: nn.Module,
        *,
        delta: float = 0.032,
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
        self.steps = steps
        self.step_size = step_size
        self.stops_at_success = stops_at_success
        self.loss = loss
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for a negative delta or step size, less than one step, or an unknown loss."""
        if not self.delta >= 0:
            raise ValueError(f"expected delta of at least 0, got {self.delta}")
        require_count("steps", self.steps, 1)
        if self.step_size is not None and not self.step_size > 0:
            raise ValueError(f"expected a step size above 0, got {self.step_size}")
        if self.loss not in LOSSES:
            raise ValueError(f"expected a loss among {list(LOSSES)}, got {self.loss!r}")

    def _begin(self, active: ActiveSet, logits: Tensor) -> None:
        active.memory["lowest"] = self.clip_to_bounds(active.inputs - self.delta)
        active.memory["highest"] = self.clip_to_bounds(active.inputs + self.delta)

    def _step(self, active: ActiveSet, points: Tensor, logits: Tensor, ledger: Ledger) -> Tensor:
        gradient = goal_gradient(self.loss, logits, points, active)
        ledger.spend(active.rows, gradients=1, full_jacobian_gradients=1, zero_gradients=is_zero(gradient))
        step_size = self.delta / 10 if self.step_size is None else self.step_size
        moved = torch.add(points.detach(), gradient.sign(), alpha=step_size)
        return torch.clamp(moved, active.memory["lowest"], active.memory["highest"])
