"""The fast gradient sign method: one gradient, one step (Goodfellow et al. 2015, arXiv:1412.6572)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attacks.base import Attack
from attacks.ledger import ActiveSet, Ledger, Problem
from attacks.losses import LOSSES, at_least_float32, input_gradient, is_zero
from attacks.radii import broadcast, check_radius

NORMS = ("linf", "l2")


class FGSM(Attack):
    """One step of a given size along the gradient of the loss: x' = clip(x + delta * direction(g)).

    The direction is sign(g) in l_inf (Eq. 3 of the paper) and g / ||g||_2 in l_2 (Eq. 4). A targeted attack descends
    the loss of the target instead of ascending the loss of the label. Several sizes share one gradient.

    Args:
        model: the victim.
        delta: size of the step in the units of the input, at least 0.
        snr_db: size of the step as a signal-to-noise ratio in dB, see :func:`attacks.radii.snr_radii`; None uses delta.
        norm: ``"linf"`` or ``"l2"``.
        loss: ``"cross_entropy"``, or ``"margin"``, whose gradient does not vanish where the victim is very confident.
        bounds: smallest and largest value of an input.
        seed: seed of the random targets.
        targeted: towards a random wrong label; otherwise away from the label.

    References:
        I. Goodfellow, J. Shlens and C. Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015.
    """

    nested = "delta"

    def __init__(
        self,
        model: nn.Module,
        *,
        delta: float = 0.032,
        snr_db: float | None = None,
        norm: str = "linf",
        loss: str = "cross_entropy",
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        super().__init__("FGSM", model, bounds=bounds, seed=seed, targeted=targeted)
        self.delta = delta
        self.snr_db = snr_db
        self.norm = norm
        self.loss = loss
        self.check_settings()

    def nested_setting(self) -> str:
        """Name of the setting that gives the size of the step, ``delta`` or ``snr_db``."""
        return "delta" if self.snr_db is None else "snr_db"

    def check_settings(self) -> None:
        """Raise ``ValueError`` for an invalid size, an unknown norm or an unknown loss."""
        check_radius(self.delta, self.snr_db)
        if self.norm not in NORMS:
            raise ValueError(f"expected a norm among {list(NORMS)}, got {self.norm!r}")
        if self.loss not in LOSSES:
            raise ValueError(f"expected a loss among {list(LOSSES)}, got {self.loss!r}")

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        active = ActiveSet.of(problem)
        points = problem.inputs.detach().requires_grad_()
        logits = at_least_float32(self.logits(points))
        ledger.clean(logits)
        ledger.spend(active.rows, forward_rows=1)
        wrong = self.wrong_already(logits, active.labels)
        staying = ledger.settle(-torch.inf, active.rows, points, logits, wrong)
        if staying is not None:
            active.keep(staying)
            if not len(active):
                return
            points = active.points.requires_grad_()
            logits = at_least_float32(self.logits(points))
        gradient = goal_gradient(self.loss, logits, points, active)
        ledger.spend(
            active.rows, iterations=1, gradients=1, full_jacobian_gradients=1, zero_gradients=is_zero(gradient)
        )
        direction = gradient.sign() if self.norm == "linf" else unit_l2(gradient)
        ledger.spend(active.rows, forward_rows=1)
        for budget, size in enumerate(ledger.budgets):
            radii = self.with_settings(**{self.nested_setting(): size}).radii(active.inputs)
            with torch.no_grad():
                adversarial = self.clip_to_bounds(active.inputs + broadcast(radii, direction) * direction)
                ledger.record(budget, active.rows, adversarial, self.logits(adversarial))


def goal_gradient(loss: str, logits: Tensor, points: Tensor, active: ActiveSet) -> Tensor:
    """Gradient towards the goal: ascent of the label's loss or, in a targeted attack, descent of the target's.

    Args:
        loss: name of the loss.
        logits: the victim's logits for ``points``, with the graph.
        points: ``(running, ...)``, a leaf that requires a gradient.
        active: the running clips, with their labels and targets.

    Returns:
        ``(running, ...)``.
    """
    if active.targets is None:
        return input_gradient(LOSSES[loss](logits, active.labels), points)
    return -input_gradient(LOSSES[loss](logits, active.targets), points)


def unit_l2(gradient: Tensor) -> Tensor:
    """Scale the gradient of each clip to Euclidean norm 1; a zero gradient stays zero.

    It is first divided by its largest entry, because the squares of small float32 gradients underflow to zero.
    """
    flat = gradient.flatten(1)
    largest = flat.abs().amax(dim=1, keepdim=True)
    flat = flat / torch.where(largest > 0, largest, 1.0)
    norm = flat.norm(dim=1, keepdim=True)
    return (flat / torch.where(norm > 0, norm, 1.0)).view_as(gradient)
