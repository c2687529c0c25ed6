"""A minimal-norm attack: DeepFool to the boundary, then along it to the point nearest to the input."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from attacks.base import Attack
from attacks.batch_checks import require_count
from attacks.box_projection import project
from attacks.deepfool import nearest_boundary
from attacks.false_position import draw_nearer
from attacks.fgsm import NORMS
from attacks.ledger import ActiveSet, Ledger, Problem
from attacks.penalty_search import Nearest

FIRST_PULL, LEAST_PULL, PULL_GROWTH, PULL_DECAY = 0.3, 0.02, 1.2, 0.5
TOLERANCE = 1e-4
"""Relative increase of the distance to the boundary that does not halve alpha, so that rounding does not decide."""
FIRST_OVERSHOOT, LEAST_OVERSHOOT, MOST_OVERSHOOT = 0.02, 1e-3, 0.1
OVERSHOOT_GROWTH, OVERSHOOT_DECAY = 2.0, 0.7
LEAST_DISTANCE = {"l2": 1e-4, "linf": 1e-5}
"""Smallest distance, by norm, of which the overshoot is a share, because silence may lie on a boundary."""
LEAST_GAIN = 1e-3
"""Relative decrease of the distance that resets the patience of a clip with an adversarial."""


class MinimalNorm(Attack):
    r"""Find the nearest adversarial inside the bounds with few gradients, in l_2 or l_inf.

    Each iteration linearises the victim once at the iterate z and computes two projections onto the linearised
    boundary, both exact inside the bounds: Q, the point of the boundary nearest to z, and P, the point nearest to the
    input x. The next iterate lies between the two,

    .. math:: z' = Q + \alpha (P - Q).

    At the nearest adversarial, z, Q and P coincide: the perturbation is orthogonal to the boundary, as far as the
    bounds allow, which is the condition towards which SuperDeepFool corrects DeepFool. P alone diverges where the
    boundary is curved, and a small :math:`\alpha`, as in FAB, is slow. Here every clip has its own :math:`\alpha`, from
    0.02 to 1: it is halved when Q moves away from x and grows by a fifth otherwise.

    Both projections aim beyond the boundary by a share :math:`\gamma` of the distance between the input and the
    boundary. This overshoot, between 0.1 % and 10 %, is set per clip too and follows the rule of DDN and FMN for the
    norm: it shrinks after an iterate that reached the goal and grows after one that did not. No schedule depends on the
    number of iterations, so a smaller budget is an intermediate state of a larger one.

    Until the first iterate that reaches the goal, :math:`\alpha` is 0, which is DeepFool. The first iteration considers
    all ``candidates`` and costs one gradient for each except the label; every later iteration considers the strongest
    rival at z only and costs one gradient. In a targeted attack the target is the only rival, against the strongest
    other class.

    The result is the nearest iterate that reached the goal, moved towards x along the line between the two with
    ``line_steps`` forward passes. A clip that never reached the goal is returned as its last iterate. A clip whose
    gradients are all zero stops.

    Args:
        model: the victim; its output is logits.
        iterations: largest number of steps, at least 1; several numbers share one run.
        norm: ``"l2"`` or ``"linf"``, the norm that is minimised.
        candidates: number of classes that the first iteration considers, including the label: those with the largest
            clean logits; None means all. It has no effect in a targeted attack.
        patience: a clip that has an adversarial stops after this many iterations, at least 1, in which the distance has
            not decreased by a thousandth in total; None never stops early.
        line_steps: steps of false position on the margin, along the line from the input to the adversarial after the
            attack; each costs one forward pass and no gradient.
        bounds: smallest and largest value of an input.
        seed: seed of the random targets.
        targeted: towards a random wrong label; otherwise away from the label.

    References:
        S. Moosavi-Dezfooli, A. Fawzi and P. Frossard, "DeepFool", CVPR 2016 (the way to the boundary).
        A. Abdolahpourrostam, M. Abroshan and S. Moosavi-Dezfooli, "SuperDeepFool: a new fast and accurate minimal
        adversarial attack", NeurIPS 2024, arXiv:2303.12481 (the orthogonal correction).
        F. Croce and M. Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack", ICML
        2020, arXiv:1907.02044 (projections inside the box, combination of P and Q).
        J. Rony et al., "Decoupling direction and norm for efficient gradient-based l_2 adversarial attacks and
        defenses", CVPR 2019, arXiv:1811.09600, and M. Pintor et al., "Fast minimum-norm adversarial attacks through
        adaptive norm constraints", NeurIPS 2021, arXiv:2102.12827 (the schedule of the norm).
        The schedules of alpha and gamma and the combination of these parts are this project's own.
    """

    nested = "iterations"

    def __init__(
        self,
        model: nn.Module,
        *,
        iterations: int = 100,
        norm: str = "l2",
        candidates: int | None = 10,
        patience: int | None = 15,
        line_steps: int = 3,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        super().__init__("MinimalNorm", model, bounds=bounds, seed=seed, targeted=targeted)
        self.iterations = iterations
        self.norm = norm
        self.candidates = candidates
        self.patience = patience
        self.line_steps = line_steps
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for a setting out of range."""
        require_count("iterations", self.iterations, 1)
        if self.norm not in NORMS:
            raise ValueError(f"expected a norm among {list(NORMS)}, got {self.norm!r}")
        if self.candidates is not None:
            require_count("candidate classes, the label included,", self.candidates, 2)
        if self.patience is not None:
            require_count("patience", self.patience, 1)
        require_count("line_steps", self.line_steps, 0)

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        self._iterate(problem, ledger)
        if self.line_steps:
            for budget in range(len(ledger.budgets)):
                # Unlike in DeepFool, adversarials differ between budgets, so each budget needs its own line search.
                draw_nearer(self, problem, _one_budget(ledger, budget), self.line_steps)

    def _iterate(self, problem: Problem, ledger: Ledger) -> None:
        active = ActiveSet.of(problem)
        last = int(ledger.budgets[-1])
        logits = self.evaluate(active, graph=True)
        ledger.spend(active.rows, forward_rows=1)
        ledger.clean(logits)
        nearest = Nearest(problem.inputs, logits)
        reached = self.reached(logits, active.labels, active.targets)
        active.stopped = self.wrong_already(logits, active.labels) | reached
        for iteration in range(last + 1):
            if iteration > 0:
                logits = self.evaluate(active, graph=iteration < last)
                ledger.spend(active.rows, forward_rows=1)
                reached = self.reached(logits, active.labels, active.targets)
                self._offer(active, logits, reached, nearest)
            rows = active.rows
            staying = ledger.settle(iteration, rows, nearest.points[rows], nearest.logits[rows], active.stopped)
            if iteration == last or (staying is not None and len(staying) == 0):
                return
            if staying is not None:
                active.keep(staying)
                reached = reached[staying]
                # One forward pass costs less than gradients of rows that are not needed.
                logits = self.evaluate(active, graph=True)
            if iteration == 0:
                self._begin(active)
            rivals, owners = self._contest(active, logits, first=iteration == 0)
            gradient, deficit, zeros = nearest_boundary(active.points, logits, rivals, owners, self.bounds, self.norm)
            spent = rivals.shape[1]
            # Only the first iteration of an untargeted attack considers every candidate; a Jacobian has the label too.
            whole = iteration == 0 and active.targets is None
            ledger.spend(
                active.rows,
                iterations=1,
                gradients=spent,
                full_jacobian_gradients=spent + 1 if whole else spent,
                zero_gradients=zeros,
            )
            active.stopped = active.stopped | (gradient == 0).all(dim=1)
            active.points = self._step(active, gradient, deficit, reached)

    def _begin(self, active: ActiveSet) -> None:
        """Initialise the state kept per running clip."""
        unknown = torch.full((len(active),), torch.inf, dtype=torch.float64, device=active.rows.device)
        active.memory = {
            # Whether any iterate has reached the goal, and the two schedules: alpha and gamma of the class.
            "crossed": torch.zeros_like(active.stopped),
            "pull": torch.full_like(unknown, FIRST_PULL),
            "overshoot": torch.full_like(unknown, FIRST_OVERSHOOT),
            # Distance of the last Q from the input.
            "boundary": unknown,
            # Distance at the last reset of the patience, and the number of iterations since.
            "gained": unknown,
            "waited": torch.zeros_like(active.rows),
        }

    def _offer(self, active: ActiveSet, logits: Tensor, reached: Tensor, nearest: Nearest) -> None:
        """Keep the nearest iterates so far, and stop the clips whose patience is exhausted."""
        distances = self._length(active.points.detach().double() - active.inputs.double())
        nearest.offer(active.rows, active.points, logits, distances, reached)
        memory, kept = active.memory, nearest.distances[active.rows]
        gains = kept < memory["gained"] * (1 - LEAST_GAIN)
        memory["gained"] = torch.where(gains, kept, memory["gained"])
        memory["waited"] = torch.where(gains | kept.isinf(), 0, memory["waited"] + 1)
        if self.patience is not None:
            active.stopped = active.stopped | (memory["waited"] >= self.patience)

    def _contest(self, active: ActiveSet, logits: Tensor, *, first: bool) -> tuple[Tensor, Tensor]:
        """Choose the rivals ``(running, rivals)`` and the class that they have to overtake ``(running, 1)``."""
        if active.targets is not None:
            return active.targets[:, None], _strongest(logits, active.targets, 1)
        kept = logits.shape[1] if self.candidates is None else min(self.candidates, logits.shape[1])
        return _strongest(logits, active.labels, kept - 1 if first else 1), active.labels[:, None]

    def _step(self, active: ActiveSet, gradient: Tensor, deficit: Tensor, reached: Tensor) -> Tensor:
        """Make the next iterate from the boundary linearised at this one.

        Args:
            active: the running clips.
            gradient: gradient of f_rival - f_owner ``(running, features)``.
            deficit: f_owner - f_rival ``(running,)``, negative where the boundary has been crossed.
            reached: bool ``(running,)``, whether the current iterate reaches the goal.

        Returns:
            The next iterates ``(running, ...)``, within the bounds.
        """
        memory = active.memory
        clean, here = active.inputs.flatten(1).to(gradient.dtype), active.points.detach().flatten(1).to(gradient.dtype)
        memory["crossed"] = crossed = memory["crossed"] | reached
        factor = torch.where(reached, OVERSHOOT_DECAY, OVERSHOOT_GROWTH)
        # The input itself was not made with an overshoot, so it does not change it.
        factor = torch.where((here == clean).all(dim=1), 1.0, factor)
        memory["overshoot"] = overshoot = (memory["overshoot"] * factor).clamp(LEAST_OVERSHOOT, MOST_OVERSHOOT)

        missing = deficit + torch.linalg.vecdot(gradient, here - clean)
        dual_norm = gradient.norm(dim=1) if self.norm == "l2" else gradient.abs().sum(dim=1)
        depth = torch.maximum(missing.abs(), LEAST_DISTANCE[self.norm] * dual_norm)
        aim = deficit + overshoot.to(deficit.dtype) * depth
        # For an iterate beyond the hyperplane aimed at, the projection goes backwards.
        sense = torch.where(aim < 0, -1.0, 1.0).to(aim.dtype)
        step, _ = project(here, gradient * sense[:, None], aim.abs(), self.bounds, self.norm)
        nearest_to_iterate = here + step - clean
        missing = (missing + aim - deficit).clamp(min=0.0)
        nearest_to_clean, _ = project(clean, gradient, missing, self.bounds, self.norm)

        length = self._length(nearest_to_iterate.double()) / (1 + overshoot)
        factor = torch.where(length < memory["boundary"] * (1 + TOLERANCE), PULL_GROWTH, PULL_DECAY)
        factor = torch.where(memory["boundary"].isinf(), 1.0, factor)
        pull = (memory["pull"] * factor).clamp(LEAST_PULL, 1.0)
        memory["pull"] = torch.where(crossed, pull, memory["pull"])
        memory["boundary"] = torch.where(crossed, length, memory["boundary"])

        share = torch.where(crossed, memory["pull"], 0.0).to(gradient.dtype)[:, None]
        total = torch.lerp(nearest_to_iterate, nearest_to_clean, share)
        return self.clip_to_bounds(active.inputs + total.to(active.inputs.dtype).view_as(active.inputs)).detach()

    def _length(self, change: Tensor) -> Tensor:
        """Length of the change per clip ``(clips,)``, in the norm that is minimised."""
        flat = change.flatten(1)
        return flat.norm(dim=1) if self.norm == "l2" else flat.abs().amax(dim=1)


def _strongest(logits: Tensor, excluded: Tensor, count: int) -> Tensor:
    """Classes with the largest logits apart from the excluded one of each clip, ``(clips, count)``."""
    others = logits.detach().scatter(1, excluded[:, None], -torch.inf)
    return others.argsort(dim=1, descending=True, stable=True)[:, :count]


def _one_budget(ledger: Ledger, budget: int) -> Ledger:
    """A view of one budget of a ledger, which shares its memory."""
    assert ledger.logits is not None, "clean logits come first"
    view = copy.copy(ledger)
    only = slice(budget, budget + 1)
    view.budgets = ledger.budgets[only]
    view.adversarial, view.logits = ledger.adversarial[only], ledger.logits[only]
    view.recorded_counts = {name: counts[only] for name, counts in ledger.recorded_counts.items()}
    return view
