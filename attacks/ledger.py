"""The clips that an attack still works on, and what it has spent on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Problem:
    """One batch to attack, checked and on the victim's device.

    Args:
        inputs: clean inputs ``(clips, ...)`` within the bounds.
        labels: true labels ``(clips,)``.
        targets: labels to reach ``(clips,)``, or None in an untargeted attack.
        ids: identity of each clip ``(clips,)``, the same in whatever batch it comes; randomness is drawn from it.
        arrived: bool ``(clips,)``, clips whose clean prediction, which stands for their label, is their target already.
            Their entry in ``labels`` is another class, so that every attack takes them for wrong and leaves them alone;
            None where there can be none.
    """

    inputs: Tensor
    labels: Tensor
    targets: Tensor | None
    ids: Tensor
    arrived: Tensor | None = None

    @property
    def true_labels(self) -> Tensor:
        """Labels as the outcome says them, those of arrived clips included."""
        if self.arrived is None or self.targets is None:
            return self.labels
        return torch.where(self.arrived, self.targets, self.labels)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class ActiveSet:
    """The clips that are still running, as rows that are physically gathered when others leave.

    Args:
        rows: positions of the running clips in the batch.
        points: their current iterates ``(running, ...)``.
        inputs: their clean inputs.
        labels: their true labels.
        targets: their targets, or None.
        memory: whatever else an attack keeps per clip (first dimension = running clips); gathered with the rest.
        stopped: bool ``(running,)``; an attack sets it for a clip that cannot go on, which then leaves at the next
            judgement.
    """

    rows: Tensor
    points: Tensor
    inputs: Tensor
    labels: Tensor
    targets: Tensor | None
    stopped: Tensor
    memory: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem) -> ActiveSet:
        """Start with every clip of a batch at its clean input."""
        device = problem.inputs.device
        return cls(
            rows=torch.arange(len(problem), device=device),
            points=problem.inputs,
            inputs=problem.inputs,
            labels=problem.labels,
            targets=problem.targets,
            stopped=torch.zeros(len(problem), dtype=torch.bool, device=device),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def keep(self, positions: Tensor) -> None:
        """Go on with the clips at these positions (0 .. running - 1) only."""
        self.rows = self.rows[positions]
        self.points = self.points.detach()[positions]
        self.inputs = self.inputs[positions]
        self.labels = self.labels[positions]
        self.targets = None if self.targets is None else self.targets[positions]
        self.stopped = self.stopped[positions]
        self.memory = {name: value[positions] for name, value in self.memory.items()}


class Ledger:
    """Counts of every clip while an attack runs, and what stood at each budget.

    One run serves several budgets where one is a prefix of the other. The running counts of a clip are copied at the
    moment a budget is recorded for it, so every budget has the counts of a run of its own.

    Args:
        problem: the batch.
        budgets: values of the attack's nested parameter, ascending and distinct.
    """

    COUNTS = ("iterations", "gradients", "full_jacobian_gradients", "forward_rows", "zero_gradients")

    def __init__(self, problem: Problem, budgets: Sequence[float]) -> None:
        device, clips = problem.inputs.device, len(problem)
        self.budgets = tuple(budgets)
        self.counts = {name: torch.zeros(clips, dtype=torch.long, device=device) for name in self.COUNTS}
        self.recorded_counts = {
            name: torch.zeros(len(self.budgets), clips, dtype=torch.long, device=device) for name in self.COUNTS
        }
        self.adversarial = problem.inputs.repeat(len(self.budgets), *(1 for _ in problem.inputs.shape))
        self.adversarial = self.adversarial.view(len(self.budgets), *problem.inputs.shape)
        self.logits_clean: Tensor | None = None
        self.logits: Tensor | None = None

    def clean(self, logits: Tensor) -> None:
        """Take the victim's logits for the clean inputs of the whole batch; to be called once, before any record."""
        self.logits_clean = logits.detach().clone()
        self.logits = self.logits_clean.expand(len(self.budgets), *self.logits_clean.shape).clone()

    def spend(
        self,
        rows: Tensor,
        *,
        iterations: int = 0,
        gradients: int = 0,
        full_jacobian_gradients: int = 0,
        forward_rows: int = 0,
        zero_gradients: Tensor | int = 0,
    ) -> None:
        """Add to the running counts of the clips at ``rows`` (positions in the batch).

        Args:
            rows: distinct positions in the batch.
            iterations: updates made.
            gradients: gradient rows computed for each of the clips.
            full_jacobian_gradients: what an implementation with full Jacobians would have computed.
            forward_rows: forward rows computed for each of the clips.
            zero_gradients: how many of ``gradients`` were exactly zero, ``(len(rows),)`` or one number.
        """
        spent = (iterations, gradients, full_jacobian_gradients, forward_rows, zero_gradients)
        for name, amount in zip(self.COUNTS, spent, strict=True):
            if isinstance(amount, Tensor) or amount:
                self.counts[name][rows] += amount

    def record(self, budget: int, rows: Tensor, adversarial: Tensor, logits: Tensor) -> None:
        """Write down what the clips at ``rows`` have reached at one budget, with their counts so far.

        Args:
            budget: index into ``budgets``.
            rows: positions in the batch.
            adversarial: their adversarials ``(len(rows), ...)``.
            logits: the victim's logits for those adversarials.
        """
        assert self.logits is not None, "clean logits come first"
        self.adversarial[budget, rows] = adversarial.detach()
        self.logits[budget, rows] = logits.detach()
        for name, counts in self.counts.items():
            self.recorded_counts[name][budget, rows] = counts[rows]

    def settle(
        self, value: float, rows: Tensor, adversarial: Tensor, logits: Tensor, finished: Tensor | None
    ) -> Tensor | None:
        """Record the budget that is reached and the clips that are finished.

        Args:
            value: how much of the nested parameter has been used so far (steps made, searches made).
            rows: positions in the batch of the running clips.
            adversarial: what they have reached.
            logits: the victim's logits for it.
            finished: bool ``(running,)``, clips whose result does not change any more: it is recorded for every budget
                still to come. None where no clip can be finished, which spares the device a synchronisation.

        Returns:
            Positions among the running clips that go on, or None when all do.
        """
        for budget, limit in enumerate(self.budgets):
            if limit == value:
                self.record(budget, rows, adversarial, logits)
        leaving = 0 if finished is None else int(finished.sum())
        if finished is None or leaving == 0:
            return None
        order = finished.to(torch.uint8).argsort(stable=True)
        staying, left = order[: len(order) - leaving], order[len(order) - leaving :]
        for budget, limit in enumerate(self.budgets):
            if limit > value:
                self.record(budget, rows[left], adversarial[left], logits[left])
        return staying
