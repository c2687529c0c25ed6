"""Carlini and Wagner's l_2 attack (2017): the nearest adversarial by gradient descent on distance plus margin."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attacks.base import Attack
from attacks.batch_checks import require_count
from attacks.box_smoother import BoxSmoother
from attacks.ledger import ActiveSet, Ledger, Problem
from attacks.losses import at_least_float32, input_gradient, is_zero, margin
from attacks.penalty_search import ConstantSearch, Nearest

DECAYS = (0.9, 0.999)
EPSILON = 1e-8
SHORTEST_WINDOW = 10
PROGRESS = 1e-4


class CWA(Attack):
    r"""Minimise the squared distance plus c times the margin, for a search over c.

    .. math:: \min_w \|x' - x\|_2^2 + c \max(0, M(x') + \kappa),\quad x' = x'(w) \text{ of the box smoother}

    with :math:`M = \max_{j \ne t} Z_j - Z_t` towards a target and :math:`Z_l - \max_{j \ne l} Z_j` away from the label.
    Every clip has its own search over c, and Adam restarts from the input at each search step. The nearest of all
    iterates that reach the goal with a margin of kappa is returned; a clip without one is returned as its last iterate.

    A run with fewer search steps is an intermediate state of a longer one. That does not hold for iterations, because c
    of the second search step depends on the outcome of all iterations of the first, so budgets that differ in
    ``iterations`` are run separately.

    Args:
        model: the victim; its output is logits.
        search_steps: number of values of c tried per clip, at least 1.
        iterations: largest number of gradients per search step, at least 1.
        learning_rate: step size of Adam in the variable of the smoother.
        kappa: margin in logits that a success must have, at least 0.
        smoothness: s of the box smoother, in (0, 1).
        early_stopping: end the search step of a clip when the lowest loss of a window (a tenth of the iterations, at
            least ten) is not lower than that of the previous window by a relative 1e-4. The first window counts for no
            comparison: Adam's first steps have the same length in every pixel and lead beyond a near adversarial, so
            the loss may be lowest at the input.
        bounds: smallest and largest value of an input.
        seed: seed of the random targets.
        targeted: towards a random wrong label; otherwise away from the label.

    References:
        N. Carlini and D. Wagner, "Towards evaluating the robustness of neural networks", IEEE S&P 2017.
    """

    nested = "search_steps"

    def __init__(
        self,
        model: nn.Module,
        *,
        search_steps: int = 9,
        iterations: int = 1000,
        learning_rate: float = 0.01,
        kappa: float = 0.0,
        smoothness: float = 0.999,
        early_stopping: bool = True,
        bounds: tuple[float, float] = (0.0, 1.0),
        seed: int = 0,
        targeted: bool = False,
    ) -> None:
        super().__init__("CWA", model, bounds=bounds, seed=seed, targeted=targeted)
        self.search_steps = search_steps
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.kappa = kappa
        self.smoothness = smoothness
        self.early_stopping = early_stopping
        self.check_settings()

    def check_settings(self) -> None:
        """Raise ``ValueError`` for a setting out of range."""
        require_count("search_steps", self.search_steps, 1)
        require_count("iterations", self.iterations, 1)
        if not self.learning_rate > 0:
            raise ValueError(f"expected a learning rate above 0, got {self.learning_rate}")
        if not self.kappa >= 0:
            raise ValueError(f"expected kappa of at least 0, got {self.kappa}")
        BoxSmoother(self.bounds, self.smoothness)

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
        rows, search = active.rows, ConstantSearch(len(active), problem.inputs.device)
        attacked = Problem(active.inputs, active.labels, active.targets, problem.ids[rows])
        for step in range(1, int(ledger.budgets[-1]) + 1):
            success = self._descend(attacked, rows, search.constants, nearest, ledger)
            ledger.settle(step, rows, nearest.points[rows], nearest.logits[rows], None)
            search.advance(success)

    def _descend(self, problem: Problem, rows: Tensor, constants: Tensor, nearest: Nearest, ledger: Ledger) -> Tensor:
        """Run one search step and return whether each clip reached the goal in it, bool ``(clips,)``."""
        smoother = BoxSmoother(self.bounds, self.smoothness)
        success = torch.zeros_like(problem.labels, dtype=torch.bool)
        active = ActiveSet.of(problem)
        variables = smoother.variables(problem.inputs)
        active.memory = {
            "batch_rows": rows,
            "constants": constants,
            "variables": variables,
            "start": variables.tanh(),
            "first_moment": torch.zeros_like(variables),
            "second_moment": torch.zeros_like(variables),
            "lowest_loss": torch.full_like(constants, torch.inf),
            "loss_before": torch.full_like(constants, torch.inf),
        }
        window = max(self.iterations // 10, SHORTEST_WINDOW)
        for iteration in range(1, self.iterations + 1):
            if self.early_stopping and iteration > 1 and (iteration - 1) % window == 0:
                self._let_go(active, first=iteration - 1 == window)
                if len(active) == 0:
                    return success
            slope, logits, difference, squares = self._evaluate(active, smoother, graph=True)
            loss, reached = self._judge(active, logits, squares)
            self._offer(active, logits, squares, reached, success, nearest)
            gradient = input_gradient(loss, active.points)
            # The hinge of a satisfied margin has a zero gradient by design, which says nothing about the victim.
            vanished = is_zero(gradient) * (loss > 0)
            ledger.spend(
                active.memory["batch_rows"],
                iterations=1,
                gradients=1,
                full_jacobian_gradients=1,
                forward_rows=1,
                zero_gradients=vanished,
            )
            lowest = torch.minimum(active.memory["lowest_loss"], squares + loss.detach().double())
            active.memory["lowest_loss"] = lowest
            self._adam(active, slope.mul_(gradient.to(slope.dtype).add_(difference, alpha=2)), iteration)
            smoother.confine(active.memory["variables"])
        _, logits, _, squares = self._evaluate(active, smoother, graph=False)
        ledger.spend(active.memory["batch_rows"], forward_rows=1)
        _, reached = self._judge(active, logits, squares)
        self._offer(active, logits, squares, reached, success, nearest)
        return success

    def _evaluate(
        self, active: ActiveSet, smoother: BoxSmoother, *, graph: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Evaluate the victim: slope of the smoother, logits, difference from the input, and its squared length."""
        points, slope = smoother.points(active.memory["variables"], active.inputs, active.memory["start"])
        active.points = points.to(active.inputs.dtype).requires_grad_(graph)
        with torch.set_grad_enabled(graph):
            logits = at_least_float32(self.logits(active.points))
        difference = active.points.detach() - active.inputs
        exact = difference.flatten(1).double()
        squares = torch.linalg.vecdot(exact, exact)
        return slope, logits, difference.to(slope.dtype), squares

    def _judge(self, active: ActiveSet, logits: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted margin loss per clip, and whether the clip reaches the goal with a margin of kappa."""
        targets = active.targets
        wanted = -margin(logits, active.labels) if targets is None else margin(logits, targets)
        loss = active.memory["constants"].to(logits.dtype) * (self.kappa - wanted).clamp(min=0)
        reached = self.reached(logits, active.labels, active.targets) & (wanted.detach() >= self.kappa)
        return loss, reached

    @staticmethod
    def _offer(
        active: ActiveSet, logits: Tensor, squares: Tensor, reached: Tensor, success: Tensor, nearest: Nearest
    ) -> None:
        success[active.rows] |= reached
        nearest.offer(active.memory["batch_rows"], active.points, logits, squares, reached)

    def _adam(self, active: ActiveSet, gradient: Tensor, iteration: int) -> None:
        """Update the variables in place (Kingma and Ba 2015, algorithm 1)."""
        first, second = active.memory["first_moment"], active.memory["second_moment"]
        first.lerp_(gradient, 1 - DECAYS[0])
        second.mul_(DECAYS[1]).addcmul_(gradient, gradient, value=1 - DECAYS[1])
        corrections = [1 - decay**iteration for decay in DECAYS]
        denominator = (second / corrections[1]).sqrt_().add_(EPSILON)
        active.memory["variables"].addcdiv_(first, denominator, value=-self.learning_rate / corrections[0])

    @staticmethod
    def _let_go(active: ActiveSet, *, first: bool) -> None:
        """Drop the clips whose loss has stagnated since the last window; the only synchronisation with the device."""
        lowest = active.memory["lowest_loss"]
        going_on = lowest <= (1 - PROGRESS) * active.memory["loss_before"]
        infinite = torch.full_like(lowest, torch.inf)
        active.memory["loss_before"] = infinite if first else lowest
        active.memory["lowest_loss"] = infinite
        staying = going_on.nonzero().squeeze(1)
        if len(staying) < len(active):
            active.keep(staying)
