"""Runs the comparison of our attacks with those of other libraries, and prints and writes the results."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from attacks.clip_random import random_targets
from benchmarks.attacks_comparison import OURS, OURS_ALONE, OURS_BESIDE_PEERS, OVERHEAD_OF, Line, compare, our_attack
from benchmarks.attacks_demands import demands
from benchmarks.attacks_memory import measure
from benchmarks.attacks_overhead import Timing, measure_overhead
from benchmarks.attacks_peers import PEERS, Attacker
from classifiers.sound_victim import SoundVictim
from lightning_modules.trained_classifier import load_classifier
from storage import write_json

PARTS = ("deepfool", "cwa", "own", "overhead", "memory", "jsma")
JSMA_ITERATIONS = (123, 154, 205, 307, 614)
COLUMNS = ("attack", "who", "settings", "success", "median l2", "where both fool", "seconds", "own time", "x ours")


def clean_correct(
    checkpoint: Path, root: str | None, cache_dir: str | None, clips: int, *, sounds: bool = False
) -> tuple[nn.Module, Tensor, Tensor]:
    """Load a victim, and inputs and labels of test clips that it gets right, taking the classes in turn.

    Args:
        checkpoint: a fold's best.ckpt.
        root: folder of the corpus; None for that of the training.
        cache_dir: folder of the caches.
        clips: how many.
        sounds: the victim takes waveforms ``(batch, 1, time)``, not maps.
    """
    trained = load_classifier(checkpoint)
    replaced = {name: value for name, value in (("root", root), ("cache_dir", cache_dir)) if value is not None}
    data = trained.data(**replaced)
    victim: nn.Module = trained.model
    if sounds:
        data.serve_sounds()
        victim = SoundVictim(data.representation, trained.model.classifier)
    data.prepare_data()
    data.setup("test")
    kept_maps, kept_labels = [], []
    with torch.no_grad():
        for loaded in data.test_dataloader():
            batch = data.on_after_batch_transfer(loaded, 0)
            right = victim(batch.inputs).argmax(dim=1) == batch.labels
            kept_maps.append(batch.inputs[right])
            kept_labels.append(batch.labels[right])
    maps, labels = torch.cat(kept_maps), torch.cat(kept_labels)
    if len(labels) < clips:
        raise ValueError(f"expected {clips} test clips that {checkpoint} gets right, got {len(labels)}")
    turns = torch.stack([(labels[:place] == label).sum() for place, label in enumerate(labels)])
    chosen = (turns * (int(labels.max()) + 1) + labels).argsort(stable=True)[:clips]
    return victim, maps[chosen].contiguous(), labels[chosen]


class Run:
    """All measurements of one call, printed as they become available."""

    def __init__(
        self, victim: nn.Module, inputs: Tensor, labels: Tensor, console: Console, output: Path | None
    ) -> None:
        self.victim, self.inputs, self.labels = victim, inputs, labels
        self.console = console
        self.output = output
        self.lines: list[Line] = []
        self.overheads: dict[str, Timing] = {}
        self.memory_gib: float | None = None
        # Warm up, because the first passes of a process are slow.
        points = inputs.clone().requires_grad_()
        logits = victim(points)
        torch.autograd.grad(logits.sum(), points)
        classes = logits.shape[1]
        self.targets = random_targets(torch.arange(len(inputs)), labels, classes, 0)

    def side(self, attack: str, who: str, settings: str, run: Attacker, *, targets: Tensor | None = None) -> None:
        """Measure one side."""
        line = compare(attack, who, settings, run, self.victim, self.inputs, self.labels, targets)
        self.lines.append(line)
        self._tell(
            f"{line.attack}, {line.who}: success {line.success:.0%}, median l2 {line.median_l2:.5f}, "
            f"{line.seconds:.1f} s (own time {line.cpu_seconds:.1f} s), {line.gradient_rows} gradient rows"
        )

    def beside_peers(self, attack: str, libraries: list[str]) -> None:
        """Measure our attacks and those of the other libraries."""
        for who, settings, run in OURS_BESIDE_PEERS[attack]:
            self.side(attack, who, settings, run)
        for peer in PEERS[attack]:
            if peer.library in libraries:
                try:
                    self.side(attack, peer.library, peer.settings, peer.attack)
                except ImportError:
                    self.console.print(f"{peer.library}: not installed: pip install -e '.\\[peers]'")

    def alone(self) -> None:
        """Measure those of our attacks for which a success rate is required."""
        for attack, (aimed, settings, build) in OURS_ALONE.items():
            targets = self.targets if aimed else None
            self.side(attack, OURS, settings, build(targets), targets=targets)

    def jsma(self) -> None:
        """Measure JSMA at the iterations of the paper."""
        for iterations in JSMA_ITERATIONS:
            run = our_attack("jsma", self.targets, iterations=iterations)
            self.side(f"jsma {iterations}", OURS, "targeted", run, targets=self.targets)

    def overhead(self, rounds: int) -> None:
        """Measure the overhead of the attacks over the passes through their victim."""
        for attack, run in OVERHEAD_OF.items():
            timing = measure_overhead(run, self.victim, self.inputs, self.labels, rounds)
            self.overheads[attack] = timing
            self._tell(f"{attack}: overhead {timing.overhead:.3f}, of its own time {timing.cpu_overhead:.3f}")

    def memory(self, checkpoint: Path) -> None:
        """Measure the peak memory of JSMA minus that of the victim."""
        self.memory_gib = measure(checkpoint, "jsma") - measure(checkpoint, "victim")
        self._tell(f"jsma: {self.memory_gib:.2f} GiB above the victim")

    def table(self) -> Table:
        """A table of all measured attacks."""
        table = Table(*COLUMNS, "forward rows", "gradient rows")
        for line in self.lines:
            mine = next(other for other in self.lines if other.attack == line.attack and other.who == OURS)
            both = "{:.5f} / {:.5f}".format(*mine.median_where_both_fool(line)) if line is not mine else ""
            table.add_row(
                line.attack,
                line.who,
                line.settings,
                f"{line.success:.0%}",
                f"{line.median_l2:.5f}",
                both,
                f"{line.seconds:.1f}",
                f"{line.cpu_seconds:.1f}",
                f"{line.seconds / mine.seconds:.2f}",
                str(line.forward_rows),
                str(line.gradient_rows),
            )
        return table

    def _tell(self, text: str) -> None:
        """Print the latest measurement, and write all so far, because other libraries take long."""
        self.console.log(text)
        if self.output is not None:
            write_json(self.output, self.report())

    def report(self) -> dict[str, Any]:
        """Everything as JSON holds it; infinite distances are written as null."""
        judged = list(demands(self.lines, self.overheads, self.memory_gib))
        return {
            "clips": len(self.inputs),
            "lines": [
                asdict(line) | {"l2": [value if value < float("inf") else None for value in line.l2]}
                for line in self.lines
            ],
            "overheads": {attack: asdict(timing) for attack, timing in self.overheads.items()},
            "jsma_memory_gib": self.memory_gib,
            "demands": [asdict(demand) for demand in judged],
        }


def main(description: str | None) -> None:
    """Measure what is asked for, print a table and the requirements met, and write both if ``--output`` is given.

    Args:
        description: description for ``--help``.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a fold's best.ckpt of train.py")
    parser.add_argument("--data.root", dest="root", help="folder of the corpus; that of the training by default")
    parser.add_argument("--data.cache_dir", dest="cache_dir", help="folder of the caches")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--attacks", nargs="+", choices=PARTS, default=PARTS[:-1], help="jsma takes long")
    parser.add_argument("--peers", nargs="*", choices=("torchattacks", "foolbox", "art"))
    parser.add_argument("--rounds", type=int, default=3, help="pairs of measurements of the overhead")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="JSON file")
    arguments = parser.parse_args()
    libraries = ["torchattacks", "foolbox", "art"] if arguments.peers is None else arguments.peers

    torch.set_num_threads(arguments.threads)
    console = Console(width=None if sys.stdout.isatty() else 180)
    victim, inputs, labels = clean_correct(arguments.checkpoint, arguments.root, arguments.cache_dir, arguments.clips)
    run = Run(victim, inputs, labels, console, arguments.output)
    for part in PARTS:
        if part not in arguments.attacks:
            continue
        if part in PEERS:
            run.beside_peers(part, libraries)
        elif part == "own":
            run.alone()
        elif part == "overhead":
            run.overhead(arguments.rounds)
        elif part == "memory":
            run.memory(arguments.checkpoint.resolve())
        else:
            run.jsma()
    if run.lines:
        console.print(run.table())
    for demand in demands(run.lines, run.overheads, run.memory_gib):
        console.print(f"{'met    ' if demand.met else 'NOT MET'}  {demand.text}: {demand.found}")
