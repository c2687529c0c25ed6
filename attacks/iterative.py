"""Step-by-step attacks, which reuse one forward pass for testing an iterate and for the next gradient."""

from __future__ import annotations

from torch import Tensor

from attacks.base import Attack
from attacks.ledger import ActiveSet, Ledger, Problem


class StepwiseAttack(Attack):
    """A sequence of iterates x_0 = x, x_1, ... with one forward pass each; the nested parameter is the number of steps.

    A clip leaves the batch when it reaches its goal (unless ``stops_at_success`` is False), when it was misclassified
    before the attack, or when the attack sets its ``stopped``. The remaining rows are then evaluated again without it:
    one forward pass costs less than gradients of rows that are not needed, and every gradient row then belongs to a
    running clip.

    A subclass writes :meth:`_step` and, if it keeps a state per clip, :meth:`_begin`.
    """

    stops_at_success = True

    def _begin(self, active: ActiveSet, logits: Tensor) -> None:
        """Prepare ``active.memory`` from the clean logits, after the clips misclassified when clean have left."""

    def _step(self, active: ActiveSet, points: Tensor, logits: Tensor, ledger: Ledger) -> Tensor:
        """Make the next iterate.

        Args:
            active: the running clips; its memory may be updated in place.
            points: their iterates, a leaf that requires a gradient.
            logits: the victim's logits for ``points``, with the graph, at least float32.
            ledger: takes the cost of the step by ``ledger.spend(active.rows, gradients=..., ...)``; the caller counts
                forward passes and iterations.

        Returns:
            The next iterates, within the bounds.
        """
        raise NotImplementedError

    def _perturb(self, problem: Problem, ledger: Ledger) -> None:
        active = ActiveSet.of(problem)
        last = int(ledger.budgets[-1])
        for iteration in range(last + 1):
            logits = self.evaluate(active, graph=iteration < last)
            ledger.spend(active.rows, forward_rows=1)
            if iteration == 0:
                ledger.clean(logits)
                finished = self.wrong_already(logits, active.labels)
                finished |= self.reached(logits, active.labels, active.targets)
            elif self.stops_at_success:
                finished = self.reached(logits, active.labels, active.targets) | active.stopped
            else:
                finished = None
            staying = ledger.settle(iteration, active.rows, active.points, logits, finished)
            if iteration == last or (staying is not None and len(staying) == 0):
                return
            if staying is not None:
                active.keep(staying)
                logits = self.evaluate(active, graph=True)
            if iteration == 0:
                self._begin(active, logits.detach())
            points = active.points
            active.points = self._step(active, points, logits, ledger).detach()
            ledger.spend(active.rows, iterations=1)
