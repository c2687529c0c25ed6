"""Overhead of an attack: its time relative to its bare forward and backward passes, at the batch sizes it used."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmarks.attacks_peers import Attacker


@dataclass
class Pass:
    """One evaluation of a victim.

    Args:
        rows: batch size.
        graph: whether a gradient could follow.
        gradients: how many gradients did.
    """

    rows: int
    graph: bool
    gradients: int = 0


@dataclass
class Timing:
    """Seconds of an attack and of its bare passes, round by round.

    Args:
        wall: pairs (attack, passes) of wall time.
        cpu: the same pairs of CPU time of the process, which is not affected by other processes.
    """

    wall: list[tuple[float, float]] = field(default_factory=list)
    cpu: list[tuple[float, float]] = field(default_factory=list)

    @property
    def overhead(self) -> float:
        """Median ratio of wall times."""
        return statistics.median(attack / passes for attack, passes in self.wall)

    @property
    def cpu_overhead(self) -> float:
        """Median ratio of the process's own times."""
        return statistics.median(attack / passes for attack, passes in self.cpu)


class RecordedVictim(nn.Module):
    """A victim that records the batch size of every evaluation and the number of gradients taken through it."""

    def __init__(self, victim: nn.Module) -> None:
        super().__init__()
        self.victim = victim
        self.training = victim.training
        self.passes: list[Pass] = []

    def forward(self, inputs: Tensor) -> Tensor:
        """Evaluate the victim and record the pass."""
        logits = self.victim(inputs)
        noted = Pass(len(inputs), graph=logits.requires_grad)
        self.passes.append(noted)
        if logits.requires_grad:

            def count(_: Tensor) -> None:
                noted.gradients += 1

            logits.register_hook(count)
        return logits


def replay(victim: nn.Module, inputs: Tensor, passes: list[Pass]) -> None:
    """Repeat only forward and backward passes of these sizes."""
    for noted in passes:
        points = inputs[: noted.rows].detach().requires_grad_(noted.graph)
        with torch.set_grad_enabled(noted.graph):
            logits = victim(points)
        for gradient in range(noted.gradients):
            # Another class each time, as DeepFool has it.
            column = logits[:, gradient % logits.shape[1]].sum()
            torch.autograd.grad(column, points, retain_graph=gradient < noted.gradients - 1)


def measure_overhead(attack: Attacker, victim: nn.Module, inputs: Tensor, labels: Tensor, rounds: int) -> Timing:
    """Time an attack and its bare passes, taking turns.

    Args:
        attack: the attack.
        victim: the bare victim.
        inputs: the clips that are attacked in one batch.
        labels: their labels.
        rounds: pairs of measurements.
    """
    recorded = RecordedVictim(victim)
    attack(recorded, inputs, labels)
    passes = recorded.passes
    timing = Timing()
    for _ in range(rounds):
        spent = [_seconds(lambda: attack(victim, inputs, labels)), _seconds(lambda: replay(victim, inputs, passes))]
        timing.wall.append((spent[0][0], spent[1][0]))
        timing.cpu.append((spent[0][1], spent[1][1]))
    return timing


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
