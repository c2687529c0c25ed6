"""One implementation's attack on some clips: its cost, and the quality of the points that it returns."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from attacks import ATTACKS
from attacks.gradient_counter import GradientCounter
from attacks.outcome import distances
from benchmarks.attacks_peers import DEEPFOOL_SETTINGS, ITERATIONS, SEARCH_SETTINGS, SEARCH_STEPS, STEPS, Attacker

LARGE_DELTA = 1.0
BISECTION_STEPS = 2
CANDIDATES = 5
OURS = "ours"
BISECTED, FEWER = f"ours, bisection {BISECTION_STEPS}", f"ours, {CANDIDATES} classes, bisection {BISECTION_STEPS}"
OUR_SIDES = (OURS, BISECTED, FEWER)


@dataclass
class Line:
    """One side of a comparison.

    Args:
        attack: what is compared.
        who: whose implementation it is.
        settings: in words.
        success: share of clips whose returned point has another label or, with a target, the target.
        seconds: wall time.
        cpu_seconds: the process's own time, which does not see what else runs on the machine.
        forward_rows: clips in all evaluations of the victim.
        gradient_rows: clips in all gradients.
        l2: distance of every clip from its clean input, infinite where the attack failed.
    """

    attack: str
    who: str
    settings: str
    success: float
    seconds: float
    cpu_seconds: float
    forward_rows: int
    gradient_rows: int
    l2: list[float]

    @property
    def median_l2(self) -> float:
        """Median over all clips."""
        return statistics.median(self.l2)

    def median_where_both_fool(self, other: Line) -> tuple[float, float]:
        """Median l_2 of this and of the other side over the clips that both fool."""
        pairs = [pair for pair in zip(self.l2, other.l2, strict=True) if math.isfinite(max(pair))]
        if not pairs:
            return math.nan, math.nan
        return statistics.median(mine for mine, _ in pairs), statistics.median(theirs for _, theirs in pairs)


def compare(
    attack: str,
    who: str,
    settings: str,
    run: Attacker,
    victim: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    targets: Tensor | None = None,
) -> Line:
    """Attack all clips in one batch and judge the points that come back."""
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        wall, cpu = time.perf_counter(), time.process_time()
        adversarial = run(counter, inputs.clone(), labels.clone()).detach()
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    with torch.no_grad():
        predictions = victim(adversarial).argmax(dim=1)
    success = predictions != labels if targets is None else predictions == targets
    return Line(
        attack=attack,
        who=who,
        settings=settings,
        success=float(success.double().mean()),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        forward_rows=counts.forward_rows,
        gradient_rows=counts.backward_rows,
        l2=distances(adversarial, inputs)[0].masked_fill(~success, math.inf).tolist(),
    )


def our_attack(name: str, targets: Tensor | None = None, **settings: Any) -> Attacker:
    """Make one of our attacks a function like those of the peers."""

    def attack(victim: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        return ATTACKS[name](victim, **settings).run(inputs, labels, targets=targets).adversarial

    return attack


OURS_BESIDE_PEERS: dict[str, tuple[tuple[str, str, Attacker], ...]] = {
    "deepfool": (
        (OURS, DEEPFOOL_SETTINGS, our_attack("deepfool", iterations=STEPS)),
        (BISECTED, DEEPFOOL_SETTINGS, our_attack("deepfool", iterations=STEPS, bisection_steps=BISECTION_STEPS)),
        (
            FEWER,
            f"l2, {STEPS} steps, {CANDIDATES} classes",
            our_attack("deepfool", iterations=STEPS, bisection_steps=BISECTION_STEPS, candidates=CANDIDATES),
        ),
    ),
    "cwa": ((OURS, SEARCH_SETTINGS, our_attack("cwa_untargeted", search_steps=SEARCH_STEPS, iterations=ITERATIONS)),),
}
"""Name of the side, its settings and the attack."""

OURS_ALONE: dict[str, tuple[bool, str, Callable[[Tensor | None], Attacker]]] = {
    "cwa_targeted": (True, "3 x 100", partial(our_attack, "cwa", search_steps=3, iterations=100)),
    "lbfgs": (True, "targeted, 3 x 50", partial(our_attack, "lbfgs", search_steps=3, iterations=50)),
    "bim_a": (False, f"delta {LARGE_DELTA:g}, 20 steps", partial(our_attack, "bim_a", delta=LARGE_DELTA, steps=20)),
    "bim_b": (False, f"delta {LARGE_DELTA:g}, 20 steps", partial(our_attack, "bim_b", delta=LARGE_DELTA, steps=20)),
}
"""Whether it has targets, its settings, and the attack made from them."""

OVERHEAD_OF: dict[str, Attacker] = {
    "bim_b": our_attack("bim_b", delta=0.016, steps=20),
    "deepfool": OURS_BESIDE_PEERS["deepfool"][0][2],
    "cwa": our_attack("cwa_untargeted", search_steps=2, iterations=40),
}
"""Attacks whose time beside the victim's is measured; shorter where that changes nothing but the waiting."""
