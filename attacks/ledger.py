"""The clips that an attack is still working on, and the cost spent on each."""

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
        ids: identity of each clip ``(clips,)``, the same in every batch; its random numbers are drawn from it.
        arrived: bool ``(clips,)``, clips whose clean prediction, used as their label, is their target already. Their
            entry in ``labels`` is another class, so that every attack treats them as misclassified and does not change
            them; None if there cannot be any.
    """

    inputs: Tensor
    labels: Tensor
    targets: Tensor | None
    ids: Tensor
    arrived: Tensor | None = None

    @property
    def true_labels(self) -> Tensor:
        """Labels ``(clips,)`` as the outcome reports them, including those of arrived clips."""
        if self.arrived is None or self.targets is None:
            return self.labels
        return torch.where(self.arrived, self.targets, self.labels)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class ActiveSet:
    """The clips that are still running, as rows that are gathered anew when others leave.

    Args:
        rows: positions of the running clips in the batch ``(running,)``.
        points: their current iterates ``(running, ...)``.
        inputs: their clean inputs ``(running, ...)``.
        labels: their true labels ``(running,)``.
        targets: their targets ``(running,)``, or None.
        memory: other state of the attack per clip (first dimension = running clips); gathered with the rest.
        stopped: bool ``(running,)``; an attack sets it for a clip that cannot make progress, which then leaves when
            the iterate is next tested.
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
        """All clips of a batch, each at its clean input."""
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
        """Keep only the clips at these positions (0 .. running - 1)."""
        self.rows = self.rows[positions]
        self.points = self.points.detach()[positions]
        self.inputs = self.inputs[positions]
        self.labels = self.labels[positions]
        self.targets = None if self.targets is None else self.targets[positions]
        self.stopped = self.stopped[positions]
        self.memory = {name: value[positions] for name, value in self.memory.items()}


class Ledger:
    """Counts per clip while an attack runs, and the results recorded for each budget.

    One run serves several budgets if smaller ones are intermediate states of larger ones. The running counts of a clip
    are copied when a budget is recorded for it, so that every budget has the counts of a separate run.

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
        """Record the logits of the clean inputs of the whole batch; called once, before any other record."""
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
            iterations: number of updates per clip.
            gradients: number of gradient rows computed per clip.
            full_jacobian_gradients: number that an implementation with full Jacobians would have computed.
            forward_rows: number of forward rows computed per clip.
            zero_gradients: number of ``gradients`` that were exactly zero, ``(len(rows),)`` or one for all.
        """
        spent = (iterations, gradients, full_jacobian_gradients, forward_rows, zero_gradients)
        for name, amount in zip(self.COUNTS, spent, strict=True):
            if isinstance(amount, Tensor) or amount:
                self.counts[name][rows] += amount

    def record(self, budget: int, rows: Tensor, adversarial: Tensor, logits: Tensor) -> None:
        """Record the current results of the clips at ``rows`` for one budget, with their counts so far.

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
        """Record the results of the running clips for the budget just reached, and those of finished clips for all.

        Args:
            value: value of the nested parameter reached so far (number of steps or searches).
            rows: positions in the batch of the running clips.
            adversarial: their current points ``(running, ...)``.
            logits: the victim's logits for these points.
            finished: bool ``(running,)``, clips whose result does not change any more and is recorded for every larger
                budget too. None if no clip can be finished, which avoids a synchronisation with the device.

        Returns:
            Positions among the running clips that continue, or None if all do.
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
