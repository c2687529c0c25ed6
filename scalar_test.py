"""Multiply stored adversarials by scalars and count the labels that are restored (section V-C of the paper).

python scalar_test.py --checkpoints runs/esc10-stft
"""

from collections.abc import Sequence
from typing import Any

from commands.allocator import keep_freed_memory
from commands.errors import run_command, starting


def main(args: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Multiply the adversarial maps stored by attack.py, and their sounds, by scalars.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of each run's ``scalar-test/summary.json``, by the name of the run.

    Raises:
        UsageError: if a flag or a combination of flags is invalid.
        DataError: if a checkpoint, an adversarial or a recording is missing or broken.
    """
    with starting():
        from commands.sound_flags import read_scalar_flags

        flags = read_scalar_flags(args)
        from commands.scalar_run import run_scalar_test
    return run_scalar_test(flags)


if __name__ == "__main__":
    keep_freed_memory()
    run_command(main)
