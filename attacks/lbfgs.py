"""Szegedy et al.'s attack (2014): box-constrained L-BFGS on distance plus cross-entropy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from attacks.base import Attack
from attacks.batch_checks import require_count
from attacks.batched_lbfgsb import Array, minimise_in_lock_step
from attacks.ledger import ActiveSet, Ledger, Problem
from attacks.losses import at_least_float32, cross_entropy, input_gradient, is_zero
from attacks.penalty_search import ConstantSearch, Nearest


class LBFGS(Attack):
    r"""Minimise :math:`\|r\|_2^2 + c\,CE(x + r, t)` within the bounds for the smallest c whose minimiser hits t.

    Every clip has its own search over c (Szegedy et al. search likewise, with c on the distance), and each search step
    restarts from the input. The minimiser is SciPy's L-BFGS-B, with all solvers synchronised so that one pass of the
    victim serves all clips. Each evaluation of a clip's objective costs one gradient. If the line search of a clip
    fails, its best point so far is kept.

    The search over c counts a c as successful if its minimiser hits the target. On the way to a minimiser the solver
    also evaluates nearer points that hit the target. With ``every_query`` the nearest of all these points is returned;
    without it, the minimiser of the smallest successful c. If no point hits the target, the last minimiser is returned.

    Args:
        model: the victim; its output is logits.
        search_steps: number of values of c tried per clip, at least 1.
        iterations: largest number of iterations of L-BFGS-B per c, at least 1.
        every_query: return the nearest of all evaluated points that hit, not only of the minimisers.
        value_tolerance: ``ftol``: a solver ends when an iteration lowers its objective by less than this share of it,
            or by less than this value if the objective is below 1. A smaller tolerance would be lost in float32 noise.
        gradient_tolerance: ``gtol``: a solver ends when no entry of the projected gradient exceeds this.
        bounds: smallest and largest value of an input.
        seed: seed of the random targets.
        targeted: always True; present so that all attacks have the same constructor arguments.

    References:
        C. Szegedy et al., "Intriguing properties of neural networks", ICLR 2014.
    """

    nested = "search_steps"
    modes = ("targeted",)

    def __init__(
        self,
        model: nn.Module,
        *,
        search_steps: int = 9,
        iterations: int = 100,
        every_query: bool = True,
        value_tolerance: float = 1e-6,
        gradient_tolerance: float = 1e-6,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = True,
    ) -> None:
        super().__init__("LBFGS", model, bounds=bounds, seed=seed, targeted=targeted)
        self.search_steps = search_steps
        self.iterations = iterations
        self.every_query = every_query
        self.value_tolerance = value_tolerance
        self.gradient_tolerance = gradient_tolerance
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for a setting out of range."""
        require_count("search_steps", self.search_steps, 1)
        require_count("iterations", self.iterations, 1)
        if not (self.value_tolerance >= 0 and self.gradient_tolerance >= 0):
            raise ValueError(
                f"expected tolerances of at least 0, got {self.value_tolerance} and {self.gradient_tolerance}"
            )

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        active = ActiveSet.of(problem)
        with torch.no_grad():
            logits = at_least_float32(self.logits(problem.inputs))
        ledger.spend(active.rows, forward_rows=1)
        ledger.clean(logits)
        staying = ledger.settle(0, active.rows, active.inputs, logits, self.wrong_already(logits, active.labels))
        if staying is not None:
            active.keep(staying)
        if len(active) == 0:
            return
        nearest = Nearest(problem.inputs, logits)
        search = ConstantSearch(len(active), problem.inputs.device)
        for step in range(1, int(ledger.budgets[-1]) + 1):
            hit = self._minimise(active, search.constants, nearest, ledger)
            ledger.settle(step, active.rows, nearest.points[active.rows], nearest.logits[active.rows], None)
            search.advance(hit)

    def _minimise(self, active: ActiveSet, constants: Tensor, nearest: Nearest, ledger: Ledger) -> Tensor:
        """Minimise with one c per clip and return whether each minimiser hits its target, bool ``(clips,)``."""
        assert active.targets is not None, "L-BFGS always has a target"
        targets = active.targets
        clean = active.inputs.flatten(1).double().cpu().numpy()

        def objective(problems: list[int], states: Array) -> tuple[Array, Array]:
            asking = torch.tensor(problems, device=targets.device)
            points = self._points(active, asking, states).requires_grad_(True)
            logits = at_least_float32(self.logits(points))
            losses = constants[asking] * cross_entropy(logits.double(), targets[asking])
            gradient = input_gradient(losses, points)
            ledger.spend(
                active.rows[asking],
                gradients=1,
                full_jacobian_gradients=1,
                forward_rows=1,
                zero_gradients=is_zero(gradient),
            )
            if self.every_query:
                self._offer(active, asking, points, logits, nearest)
            difference = states - clean[problems]
            values = np.square(difference).sum(axis=1) + losses.detach().cpu().numpy()
            return values, 2 * difference + gradient.flatten(1).double().cpu().numpy()

        options = {
            "maxiter": self.iterations,
            # SciPy's default limit of 15000 evaluations could end a run before the limit of iterations.
            "maxfun": 25 * self.iterations,
            "ftol": self.value_tolerance,
            "gtol": self.gradient_tolerance,
        }
        results = minimise_in_lock_step(objective, clean, self.bounds, options)
        everyone = torch.arange(len(active), device=targets.device)
        points = self._points(active, everyone, np.stack([result.x for result in results]))
        with torch.no_grad():
            logits = at_least_float32(self.logits(points))
        ledger.spend(active.rows, forward_rows=1)
        iterations = torch.tensor([int(result.nit) for result in results], device=targets.device)
        ledger.counts["iterations"][active.rows] += iterations
        self._offer(active, everyone, points, logits, nearest)
        return self.reached(logits, active.labels, targets)

    def _points(self, active: ActiveSet, positions: Tensor, states: Array) -> Tensor:
        """Inputs of the victim ``(positions, ...)`` at the float64 states of the solvers ``(positions, features)``."""
        inputs = active.inputs
        points = torch.from_numpy(states).to(inputs.device, inputs.dtype).view(len(positions), *inputs.shape[1:])
        return self.clip_to_bounds(points)

    def _offer(self, active: ActiveSet, positions: Tensor, points: Tensor, logits: Tensor, nearest: Nearest) -> None:
        squares = (points.detach() - active.inputs[positions]).flatten(1).double().square().sum(dim=1)
        assert active.targets is not None
        reached = self.reached(logits, active.labels[positions], active.targets[positions])
        nearest.offer(active.rows[positions], points, logits, squares, reached)
