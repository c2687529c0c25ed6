"""The project's requirements on its attacks in comparison with other libraries, and whether a benchmark meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.attacks_comparison import OUR_SIDES, OURS, Line
from benchmarks.attacks_overhead import Timing
from benchmarks.attacks_peers import ITERATIONS

LARGEST_SHARE_OF_TIME = {
    "deepfool": {"foolbox": 1 / 8, "art": 1 / 6, "torchattacks": 1.0},
    "cwa": {"torchattacks": 5.0, "art": 1 / 5},
}
"""Our time at most, in times of each peer."""

LOWEST_SUCCESS = {"deepfool": 1.0, "cwa": 1.0, "cwa_targeted": 0.95, "lbfgs": 1.0, "bim_a": 1.0, "bim_b": 1.0}
LARGEST_OVERHEAD = 1.10
LARGEST_MEMORY_GIB = 1.0


@dataclass(frozen=True)
class Demand:
    """A demand.

    Args:
        text: what is demanded.
        found: what was measured, in words.
        met: whether it is met.
    """

    text: str
    found: str
    met: bool


def demands(lines: Sequence[Line], overheads: Mapping[str, Timing], memory_gib: float | None) -> Iterator[Demand]:
    """Judge every demand that the run has measured something for."""
    for attack, lowest in LOWEST_SUCCESS.items():
        sides = {line.who: line for line in lines if line.attack == attack}
        if OURS not in sides:
            continue
        mine = sides[OURS]
        text = f"{attack}: success at least {lowest:.0%}"
        yield Demand(text, f"{mine.success:.1%}", mine.success >= lowest)
        yield from _against_peers(attack, sides)
    for attack, timing in overheads.items():
        found = f"{timing.overhead:.3f} (own time {timing.cpu_overhead:.3f})"
        text = f"{attack}: wall time at most {LARGEST_OVERHEAD:.2f} of its forwards and backwards"
        yield Demand(text, found, timing.overhead <= LARGEST_OVERHEAD)
    if memory_gib is not None:
        text = f"jsma: a batch of 32 within {LARGEST_MEMORY_GIB:g} GiB above the victim"
        yield Demand(text, f"{memory_gib:.2f} GiB", memory_gib <= LARGEST_MEMORY_GIB)


def _time_beside(attack: str, who: str, ours: Line, peer: str, theirs: Line, share: float) -> Demand:
    found = f"{ours.seconds / theirs.seconds:.3f}, of own times {ours.cpu_seconds / theirs.cpu_seconds:.3f}"
    if (attack, peer) == ("cwa", "torchattacks"):
        taken = theirs.gradient_rows / len(ours.l2)
        found += f" (it stopped after {taken:g} of {ITERATIONS} steps, with a success of {theirs.success:.0%})"
    met = ours.seconds <= share * theirs.seconds
    return Demand(f"{attack} ({who}): time at most {share:.3g} of {peer}'s", found, met)


def _against_peers(attack: str, sides: Mapping[str, Line]) -> Iterator[Demand]:
    peers = {who: line for who, line in sides.items() if who not in OUR_SIDES}
    for ours in OUR_SIDES:
        for peer, share in LARGEST_SHARE_OF_TIME.get(attack, {}).items():
            if ours in sides and peer in peers:
                yield _time_beside(attack, ours, sides[ours], peer, peers[peer], share)
    if peers:
        best = min(peers.values(), key=lambda line: line.median_l2)
        for who in OUR_SIDES:
            if who in sides:
                text = f"{attack} ({who}): median l2 not above the best peer's ({best.who})"
                found = f"{sides[who].median_l2:.5f} against {best.median_l2:.5f}"
                yield Demand(text, found, sides[who].median_l2 <= best.median_l2)
