"""DeepFool: repeated steps to the nearest linearised decision boundary (Moosavi-Dezfooli et al. 2016)."""

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
"""Default minimum length of steps after the first, by norm; 1e-4 would be a few per cent of a typical l_inf norm."""


class DeepFool(StepwiseAttack):
    """Step to the nearest linearised boundary until the label changes.

    At the iterate x_i, with w_k the gradient of f_k - f_label, the step is the smallest r (l_2 or l_inf) that reaches
    the hyperplane f_k - f_label + w_k . r = 0 of the nearest class k *inside the bounds*. The original divides by the
    norm of w_k and clips afterwards, which falls short where values lie at their bounds, as silence in a spectrogram
    does: it stalls, or needs more iterations than necessary. The next iterate is
    x_{i+1} = clip(x + (1 + overshoot) * sum of steps). A targeted attack steps towards f_target = f_current, where
    current is the class predicted at x_i.

    K candidate classes cost K - 1 gradients per iteration, a target costs one. A clip whose gradients are all zero
    stops, because it could not move.

    Args:
        model: the victim.
        iterations: largest number of steps, at least 1; several numbers share one run.
        norm: ``"l2"`` or ``"linf"``, the norm that is minimised.
        overshoot: relative excess of the total perturbation, at least 0.
        shortest_step: minimum length (in ``norm``) of every step after the first, so that an iterate that rounding
            keeps on the wrong side does not creep towards the boundary forever; None is 1e-4 in l_2, 1e-5 in l_inf. The
            original adds such a constant to every step, which increases the distance even where it is not needed.
        candidates: number of classes considered, including the label: those with the largest clean logits; None means
            all. It has no effect in a targeted attack.
        bisection_steps: steps of false position on the margin, along the line from the input to the adversarial after
            the attack; each costs one forward pass and no gradient.
        bounds: smallest and largest value of an input.
        seed: seed of the random targets.
        targeted: towards a random wrong label; otherwise towards the nearest class.

    References:
        S. Moosavi-Dezfooli, A. Fawzi and P. Frossard, "DeepFool", CVPR 2016. The projection onto the intersection of
        hyperplane and box is that of F. Croce and M. Hein, "Minimally distorted adversarial examples with a fast
        adaptive boundary attack", ICML 2020.
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
        """Raise ``ValueError`` for a setting out of range."""
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
        # The label is sorted last, so the first classes are the other candidates.
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
        """Find the nearest boundary per clip: its gradient ``(running, features)`` and deficit ``(running,)``."""
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
    """Find the nearest linearised boundary f_owner = f_rival of each clip, inside the bounds.

    Args:
        points: where the victim is linearised ``(clips, ...)``, a leaf that requires a gradient.
        logits: the victim's logits for them ``(clips, classes)``, with the graph, which is freed.
        rivals: classes that may become the prediction ``(clips, rivals)``; each costs a gradient.
        owners: the class that the rivals have to overtake ``(clips, 1)``.
        bounds: lower and upper end of the box.
        norm: ``"l2"`` or ``"linf"``, in which distances are compared.

    Returns:
        The gradient of f_rival - f_owner for the nearest rival ``(clips, features)``; the deficit of that rival,
        f_owner - f_rival, negative where it leads ``(clips,)``; and the number of gradients that were exactly zero,
        int64 ``(clips,)``.
    """
    lacking = logits.gather(1, owners) - logits.gather(1, rivals)
    here, values = points.detach().flatten(1), lacking.detach()
    best_gradient = torch.zeros_like(here, dtype=values.dtype)
    best_deficit = torch.zeros_like(values[:, 0])
    best_distance = torch.full_like(best_deficit, torch.inf)
    zero_gradients = torch.zeros_like(owners[:, 0])
    # One rival at a time, so that memory is that of one gradient, however many classes there are.
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

    Success, target hit, counts and distances of the outcome are means over the K - 1 wrong labels of a clip. The
    adversarial is the nearest one that hit its target, and ``per_target`` holds the individual outcomes; in entry j, a
    clip has the target (label + 1 + j) mod K.

    Args:
        model: the victim.
        settings: those of :class:`DeepFool` except ``targeted``.
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
            ValueError: as there, and if targets are given, because every wrong label is used.
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
