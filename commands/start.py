"""The start of every command: its flags are parsed and a first line is printed before any slow import."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from commands.flags import AttackFlags, PointFlags, TransferFlags
from commands.help import Example
from commands.parser import read_flags
from commands.sweeps.flags import SweepCommand, read_sweep_command
from commands.train_flags import look_at

ATTACK_EXAMPLES = (
    Example("python attack.py --checkpoints runs/esc10-stft --attacks fgsm deepfool --budgets smoke", "takes a minute"),
    Example(
        "python attack.py --checkpoints runs/esc10-stft/fold1/best.ckpt --attacks deepfool cwa_untargeted --clips 20",
        "minimal adversarial perturbations of 20 clips",
    ),
)
TRANSFER_EXAMPLES = (
    Example("python transfer.py --checkpoints runs/esc10-stft runs/esc10-stft-googlenet --folds 1,2", ""),
    Example(
        "python transfer.py --checkpoints runs/esc10-stft runs/esc10-svm --attacks fgsm cwa --budgets smoke",
        "evaluate an SVM on adversarials of a ConvNet",
    ),
)
ABSENT_FROM_TRANSFER = {
    "output": "results lie in each source's run; --name names their folder",
    "save_adversarials": "transfer.py keeps every adversarial; leave it out",
}
"""Flags of attack.py that transfer.py does not have, and why."""


def say(line: str) -> None:
    """Print what starts, from the first process only, to standard error; standard output is for results."""
    if "LOCAL_RANK" not in os.environ and os.environ.get("SLURM_PROCID", "0") == "0":
        print(line, file=sys.stderr, flush=True)


def read_attack_flags(args: Sequence[str] | None) -> AttackFlags:
    """Read and check the flags of attack.py.

    Raises:
        UsageError: if one is invalid.
    """
    flags = read_flags(
        AttackFlags,
        "attack.py",
        args,
        description="Attack trained classifiers and count every gradient.",
        examples=ATTACK_EXAMPLES,
    )
    flags.check()
    say(f"attack.py: {_counted(flags.attacks, 'attack')} with budgets {flags.budgets} on {_named(flags.checkpoints)}")
    return flags


def read_transfer_flags(args: Sequence[str] | None) -> TransferFlags:
    """Read and check the flags of transfer.py.

    Raises:
        UsageError: if one is invalid.
    """
    flags = read_flags(
        TransferFlags,
        "transfer.py",
        args,
        description="Evaluate classifiers on the adversarials crafted for one another.",
        examples=TRANSFER_EXAMPLES,
        absent=ABSENT_FROM_TRANSFER,
    )
    flags.check()
    attacks = _counted(flags.attacks, "attack")
    say(f"transfer.py: {attacks} with budgets {flags.budgets} between {_named(flags.checkpoints)}")
    return flags


def look_at_train_flags(args: Sequence[str] | None) -> None:
    """Check the command line of train.py without importing PyTorch; Lightning's parser parses it again.

    Raises:
        UsageError: if a flag is invalid.
    """
    names = look_at("train.py", args)
    say(f"train.py: {names.what}")


def look_at_point_flags(args: Sequence[str]) -> None:
    """Check the command line of a sweep's point without importing PyTorch; Lightning's parser parses it again.

    Raises:
        UsageError: if a flag is invalid.
    """
    names = look_at("sweep.py point", args, PointFlags)
    say(f"sweep.py point: {names.what}")


def read_sweep_flags(args: Sequence[str]) -> SweepCommand:
    """Read and check the flags of sweep.py.

    Raises:
        UsageError: if one is invalid.
    """
    command = read_sweep_command(args)
    say(f"sweep.py: reading the points of {command.file}")
    return command


def _counted(names: Sequence[str], what: str) -> str:
    if len(names) <= 3:
        return ", ".join(names)
    return f"{len(names)} {what}s"


def _named(paths: Sequence[str]) -> str:
    shown = [Path(path).name for path in paths]
    return ", ".join(shown) if len(shown) <= 3 else f"{len(shown)} checkpoints"
