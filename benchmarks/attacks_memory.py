"""Peak memory of JSMA minus that of its victim: ``python -m benchmarks.attacks_memory CHECKPOINT victim|jsma``.

Each call measures one process, because the peak of a process never decreases; it prints the peak in GiB.
"""

import subprocess
import sys
from pathlib import Path

import torch

from attacks.jsma import JSMA
from lightning_modules.trained_classifier import load_classifier

CHECKOUT = Path(__file__).resolve().parent.parent
CLIPS, ITERATIONS = 32, 3


def peak_gib() -> float:
    """Largest resident memory that this process ever had.

    The kernel counts this figure from the program's start; that of ``getrusage`` may begin with the parent's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20


def measure(checkpoint: Path, what: str) -> float:
    """Run a fresh process and return its peak in GiB."""
    command = [sys.executable, "-m", "benchmarks.attacks_memory", str(checkpoint), what]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Run the victim, or JSMA on it, on a batch of random maps and print the peak."""
    checkpoint, what = sys.argv[1:]
    torch.set_num_threads(1)
    model = load_classifier(checkpoint).model
    maps = torch.rand(CLIPS, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    points = maps.clone().requires_grad_()
    logits = model(points)
    if what == "victim":
        for column in range(2):
            torch.autograd.grad(logits[:, column].sum(), points, retain_graph=column == 0)
    else:
        labels = logits.argmax(dim=1)
        # Free the first graph before the attack allocates its own.
        del logits, points
        outcome = JSMA(model, iterations=ITERATIONS).run(maps, labels)
        assert int(outcome.gradients.max()) > 0, "JSMA did not attack"
    print(peak_gib())


if __name__ == "__main__":
    main()
