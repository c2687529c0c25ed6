"""Peak memory of a gradient through representation and classifier: ``python -m benchmarks.sound_memory``.

A batch of 32 clips of 5 s at 22,050 Hz, ResNet-18, one thread. Each representation is measured in a process of its own,
because the peak of a process never decreases; the memory that it holds before the batch is evaluated is subtracted.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.attacks_memory import peak_gib
from classifiers import build_classifier
from classifiers.sound_victim import SoundVictim
from representations import DWT, STFT, Representation

CHECKOUT = Path(__file__).resolve().parent.parent
CLIPS, SECONDS, SAMPLE_RATE = 32, 5, 22_050
REPRESENTATIONS: dict[str, Callable[[], Representation]] = {
    "STFT": lambda: STFT(sample_rate=SAMPLE_RATE),
    "morlet": lambda: DWT(sample_rate=SAMPLE_RATE, mother="morlet"),
    "mexican_hat": lambda: DWT(sample_rate=SAMPLE_RATE, mother="mexican_hat"),
    "haar": lambda: DWT(sample_rate=SAMPLE_RATE, mother="haar"),
}
"""STFT, and DWT by its mother."""


def measure(name: str) -> None:
    """Differentiate one batch; print the chunk, the peak above the memory before in GiB, and seconds."""
    torch.set_num_threads(1)
    victim = SoundVictim(REPRESENTATIONS[name](), build_classifier("resnet18", 10).eval()).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    points = (0.1 * torch.randn(CLIPS, 1, SECONDS * SAMPLE_RATE, generator=generator)).requires_grad_()
    before, started = peak_gib(), time.perf_counter()
    chunk = victim.clips_at_once(points)
    (gradient,) = torch.autograd.grad(victim(points)[:, 0].sum(), points)
    assert bool(gradient.isfinite().all()), "the gradient is not finite"
    print(chunk, peak_gib() - before, time.perf_counter() - started)


def main() -> None:
    """Print the table, or measure the representation that is named."""
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    table = Table("representation", "clips in a chunk", "GiB", "s")
    for name in REPRESENTATIONS:
        command = [sys.executable, "-m", "benchmarks.sound_memory", name]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
        chunk, peak, seconds = done.stdout.split()
        table.add_row(name, chunk, f"{float(peak):.2f}", f"{float(seconds):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
