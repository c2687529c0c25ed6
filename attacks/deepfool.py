"""DeepFool: the nearest decision boundary, linearised again and again (Moosavi-Dezfooli et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from attacks.base import Attack
from attacks.batch_checks import require_count
from attacks.box_projection import box_distance, project
from attacks.false_position import draw_nearer
from attacks.fgsm import NORMS
from attacks.iterative import StepwiseAttack
from attacks.ledger import ActiveSet, Ledger, Problem
from attacks.losses import at_least_float32, input_gradient, is_zero
from attacks.outcome import Outcome, average_over_targets

SHORTEST_STEP = {"l2": 1e-4, "linf": 1e-5}
"""Default length below which no step falls after the first; 1e-4 would be a few per cent of a typical l_inf."""


class DeepFool(StepwiseAttack):
    """Step to the nearest linearised boundary until the label changes.

    At the iterate x_i, with w_k the gradient of f_k - f_label, the step is the smallest r (l_2 or l_inf) that reaches
    the hyperplane f_k - f_label + w_k . r = 0 of the nearest class k *inside the bounds*. The original divides by the
    norm of w_k and clips afterwards, which falls short wherever values lie at their bounds, as the silence of a
    spectrogram does: it stalls, or spends more than it needs. The next iterate is
    x_{i+1} = clip(x + (1 + overshoot) * sum of steps). A targeted attack steps towards f_target = f_current, where
    current is the class predicted at x_i.

    K candidate classes cost K - 1 gradients an iteration, a target costs one. A clip whose gradients are all zero
    stops, because it would stay where it is.

    Args:
        model: the victim.
        iterations: number of steps at most, at least 1; several numbers share one run.
        norm: ``"l2"`` or ``"linf"``, the norm that is kept small.
        overshoot: relative excess of the total perturbation, at least 0.
        shortest_step: least length (in ``norm``) of every step after the first, so that an iterate on the wrong
            side by rounding does not creep towards the boundary for ever; None is 1e-4 in l_2, 1e-5 in l_inf. The
            original adds such a constant to every step, which costs distance where nothing creeps.
        candidates: how many classes are looked at, the label included: those with the largest clean logits; None means
            all. It is of no use in a targeted attack.
        bisection_steps: divisions of the line from the input to the adversarial after the attack, by false position on
            the margin, which cost a forward each and no gradient.
        bounds: lower and upper end of what an input may hold.
        seed: seed of the random targets.
        targeted: towards a random wrong label; else to the nearest.

    References:
        S. Moosavi-Dezfooli, A. Fawzi and P. Frossard, "DeepFool", CVPR 2016. The projection onto hyperplane and box is
        the problem of F. Croce and M. Hein, "Minimally distorted adversarial examples with a fast adaptive boundary
        attack", ICML 2020.
    """

    nested = "iterations"

    def __init__(
        self,
        model: nn.Module,
        *,
        iterations: int = 100,
        norm: str = "l2",
        overshoot: float = 0.02,
        shortest_step: float | None = None,
        candidates: int | None = None,
        bisection_steps: int = 0,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        super().__init__("DeepFool", model, bounds=bounds, seed=seed, targeted=targeted)
        self.iterations = iterations
        self.norm = norm
        self.overshoot = overshoot
        self.shortest_step = shortest_step
        self.candidates = candidates
        self.bisection_steps = bisection_steps
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for a setting out of its range."""
        require_count("iterations", self.iterations, 1)
        if self.norm not in NORMS:
            raise ValueError(f"expected a norm among {list(NORMS)}, got {self.norm!r}")
        if not self.overshoot >= 0:
            raise ValueError(f"expected an overshoot of at least 0, got {self.overshoot}")
        if self.shortest_step is not None and not self.shortest_step >= 0:
            raise ValueError(f"expected a shortest step of at least 0, got {self.shortest_step}")
        if self.candidates is not None:
            require_count("candidate classes, the label included,", self.candidates, 2)
        require_count("bisection_steps", self.bisection_steps, 0)

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        super()._perturb(problem, ledger)
        if self.bisection_steps:
            draw_nearer(self, problem, ledger, self.bisection_steps)

    def _begin(self, active: ActiveSet, logits: Tensor) -> None:
        # The label comes last of all classes, so the first ones are the candidates beside it.
        others = logits.scatter(1, active.labels[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
        kept = logits.shape[1] if self.candidates is None else min(self.candidates, logits.shape[1])
        active.memory["others"] = others[:, : kept - 1]
        active.memory["total"] = torch.zeros_like(active.inputs).flatten(1)
        active.memory["shortest"] = logits.new_zeros(len(active))

    def _step(self, active: ActiveSet, points: Tensor, logits: Tensor, ledger: Ledger) -> Tensor:
        gradient, deficit = self._boundary(active, points, logits, ledger)
        deficit = torch.maximum(deficit, active.memory["shortest"] * self._dual_norm(gradient))
        clean, here = active.inputs.flatten(1), points.detach().flatten(1)
        step, _ = project(here, gradient, deficit, self.bounds, self.norm)
        active.stopped = active.stopped | (gradient == 0).all(dim=1)
        total = self.clip_to_bounds(clean + active.memory["total"] + step.to(clean.dtype)) - clean
        active.memory["total"] = total
        active.memory["shortest"] = torch.full_like(
            deficit, SHORTEST_STEP[self.norm] if self.shortest_step is None else self.shortest_step
        )
        return self.clip_to_bounds(clean + (1 + self.overshoot) * total).view_as(active.inputs)

    def _boundary(self, active: ActiveSet, points: Tensor, logits: Tensor, ledger: Ledger) -> tuple[Tensor, Tensor]:
        """Find the nearest boundary of every clip: its gradient ``(running, features)`` and deficit ``(running,)``."""
        if active.targets is not None:
            current = logits.argmax(dim=1)
            rivals, owners = active.targets[:, None], current[:, None]
            jacobian = 1
        else:
            rivals, owners = active.memory["others"], active.labels[:, None]
            jacobian = rivals.shape[1] + 1
        gradient, deficit, zero_gradients = nearest_boundary(points, logits, rivals, owners, self.bounds, self.norm)
        ledger.spend(
            active.rows,
            gradients=rivals.shape[1],
            full_jacobian_gradients=jacobian,
            zero_gradients=zero_gradients,
        )
        return gradient, deficit

    def _dual_norm(self, gradient: Tensor) -> Tensor:
        return gradient.norm(dim=1) if self.norm == "l2" else gradient.abs().sum(dim=1)


def nearest_boundary(
    points: Tensor, logits: Tensor, rivals: Tensor, owners: Tensor, bounds: tuple[float, float], norm: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the nearest linearised boundary f_owner = f_rival of every clip, inside the bounds.

    Args:
        points: where the victim is linearised ``(clips, ...)``, a leaf that requires a gradient.
        logits: the victim's logits for them ``(clips, classes)``, with the graph, which is freed.
        rivals: classes that may take over ``(clips, rivals)``; each costs a gradient.
        owners: the class that each of them is to overtake ``(clips, 1)``.
        bounds: lower and upper end of the box.
        norm: ``"l2"`` or ``"linf"``, in which distances are compared.

    Returns:
        The gradient of f_rival - f_owner of the nearest rival ``(clips, features)``; what that rival lacks, f_owner -
        f_rival, negative where it leads ``(clips,)``; and how many of the gradients were exactly zero, int64
        ``(clips,)``.
    """
    lacking = logits.gather(1, owners) - logits.gather(1, rivals)
    here, values = points.detach().flatten(1), lacking.detach()
    best_gradient = torch.zeros_like(here, dtype=values.dtype)
    best_deficit = torch.zeros_like(values[:, 0])
    best_distance = torch.full_like(best_deficit, torch.inf)
    zero_gradients = torch.zeros_like(owners[:, 0])
    # One rival at a time: memory stays that of one gradient, however many classes there are.
    for rival in range(rivals.shape[1]):
        last = rival == rivals.shape[1] - 1
        gradient = input_gradient(-lacking[:, rival], points, retain_graph=not last)
        gradient = at_least_float32(gradient.flatten(1))
        zero_gradients += is_zero(gradient)
        if rivals.shape[1] == 1:
            best_gradient, best_deficit = gradient, values[:, 0]
            break
        distance = box_distance(here, gradient, values[:, rival].clamp(min=0.0), bounds, norm)
        nearer = distance < best_distance
        best_distance = torch.where(nearer, distance, best_distance)
        best_deficit = torch.where(nearer, values[:, rival], best_deficit)
        best_gradient = torch.where(nearer[:, None], gradient, best_gradient)
    return best_gradient, best_deficit, zero_gradients


class DeepFoolOverTargets(DeepFool):
    """Targeted DeepFool towards every wrong label in turn, averaged over them.

    The outcome's success, target hit, counts and distances are means over the K - 1 wrong labels of a clip; its
    adversarial is the nearest that hit its target, and ``per_target`` holds the single outcomes, where entry j of a
    clip has the target (label + 1 + j) mod K.

    Args:
        model: the victim.
        settings: those of :class:`DeepFool` but ``targeted``.
    """

    modes = ("targeted",)

    def __init__(self, model: nn.Module, **settings: Any) -> None:
        super().__init__(model, targeted=True, **settings)

    def run_budgets(
        self,
        inputs: Tensor,
        labels: Tensor | None,
        budgets: Sequence[Mapping[str, Any]],
        *,
        targets: Tensor | None = None,
        ids: Tensor | None = None,
    ) -> list[Outcome]:
        """Attack one batch towards every wrong label; see :meth:`Attack.run_budgets`.

        Raises:
            ValueError: as there, and for given targets, because all are used.
        """
        if targets is not None:
            raise ValueError("expected no targets, because every wrong label is one, got some")
        attacks: list[Attack] = [self.with_settings(**budget) for budget in budgets]
        with self._session():
            problem = self._problem(inputs, labels, None, ids)
            classes = self._class_count(problem.inputs)
            labels = problem.true_labels
            runs = []
            for offset in range(classes - 1):
                aimed = Problem(problem.inputs, labels, (labels + 1 + offset) % classes, problem.ids)
                runs.append(self._run_groups(aimed, attacks))
        return [average_over_targets([run[index] for run in runs]) for index in range(len(attacks))]
