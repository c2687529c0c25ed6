"""Seconds from the start of train.py to the end of its first training step, with warm caches.

python benchmarks/start.py --config configs/train/esc10_stft.yaml --data.root DIR

The flags are those of train.py. The command is run once to fill the caches and then measured a few times.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ROUNDS = 3
# Runs the real script; the first step ends when the optimiser has updated the weights.
FIRST_STEP = """
import os, sys, time
import train
from lightning_modules import SoundClassifier

def stop(*_):
    print("first step at", time.time(), flush=True)
    os._exit(0)

SoundClassifier.on_train_batch_end = stop
train.main(sys.argv[1:])
"""


def seconds_to_first_step(flags: list[str]) -> float:
    """Run train.py until its first training step is done."""
    with tempfile.TemporaryDirectory() as runs:
        started = time.time()
        done = subprocess.run(
            [sys.executable, "-c", FIRST_STEP, *flags, "--runs_dir", runs],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            check=False,
        )
    reached = [line for line in done.stdout.splitlines() if line.startswith("first step at")]
    if not reached:
        sys.exit(f"train.py ended before its first step:\n{done.stderr}")
    return float(reached[0].rsplit(" ", 1)[1]) - started


def main() -> None:
    """Print every measured start and their median."""
    flags = sys.argv[1:]
    seconds_to_first_step(flags)
    measured = [seconds_to_first_step(flags) for _ in range(ROUNDS)]
    shown = ", ".join(f"{seconds:.1f}" for seconds in measured)
    print(f"start to first training step: {shown} s, median {statistics.median(measured):.1f} s")


if __name__ == "__main__":
    main()
