"""Time of training and attack steps on the CPU with freed memory kept in the process, compared with glibc's defaults.

python benchmarks/allocator.py

Two processes take turns step by step, so that changes of the machine's speed affect both equally.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import torch
import torch.nn.functional as F

from commands.allocator import keep_freed_memory
from lightning_modules import SoundClassifier

CHECKOUT = Path(__file__).resolve().parent.parent
CLASSES = 10
TRAINING_BATCH, ATTACK_BATCH = 32, 24
WARM_UP_STEPS = 2


def take_steps() -> None:
    """One step of training and one gradient of an attack for every line that comes in; answer their seconds."""
    classifier = SoundClassifier(num_classes=CLASSES).classifier
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=2e-3, fused=True)
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(TRAINING_BATCH, 1, 128, 128, generator=generator)
    labels = torch.randint(CLASSES, (TRAINING_BATCH,), generator=generator)
    for _ in sys.stdin:
        started = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(classifier.train()(maps), labels).backward()
        optimizer.step()
        trained = time.perf_counter()
        attacked = maps[:ATTACK_BATCH].clone().requires_grad_()
        torch.autograd.grad(classifier.eval()(attacked).logsumexp(1).sum(), attacked)
        print(trained - started, time.perf_counter() - trained, flush=True)


def one_step(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Let a process take its next step and return the seconds of training and of the attack."""
    to_process, from_process = stream(process.stdin), stream(process.stdout)
    to_process.write("step\n")
    to_process.flush()
    training, attack = from_process.readline().split()
    return float(training), float(attack)


def stream(pipe: IO[str] | None) -> IO[str]:
    """The pipe of a process that was started with one."""
    assert pipe is not None
    return pipe


def main() -> None:
    """Time both and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--role", choices=("keep", "return"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        if arguments.role == "keep":
            keep_freed_memory()
        take_steps()
        return
    command = [sys.executable, "-m", "benchmarks.allocator", "--role"]
    keeping, returning = (
        subprocess.Popen([*command, role], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for role in ("keep", "return")
    )
    with keeping, returning:
        pairs = [(one_step(keeping), one_step(returning)) for _ in range(arguments.steps)][WARM_UP_STEPS:]
        stream(keeping.stdin).close()
        stream(returning.stdin).close()
    for index, name in enumerate(("training step", "gradient of an attack")):
        kept = statistics.median(pair[0][index] for pair in pairs)
        returned = statistics.median(pair[1][index] for pair in pairs)
        ratio = statistics.median(pair[0][index] / pair[1][index] for pair in pairs)
        print(
            f"{name}: {kept:.3f} s with freed memory kept, {returned:.3f} s without; median of the ratios {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
