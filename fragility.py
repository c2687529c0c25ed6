"""Disturb adversarial sounds and their clean clips, and classify them again: noise, codecs, a room and more.

python fragility.py --checkpoints runs/esc10-stft --transforms noise mp3
"""

from collections.abc import Sequence
from typing import Any

from commands.allocator import keep_freed_memory
from commands.errors import run_command, starting


def main(args: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Convert the adversarial maps stored by attack.py to sounds, and disturb the sounds.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of each run's ``fragility/summary.json``, by the name of the run.

    Raises:
        UsageError: if a flag or a combination of flags is invalid.
        DataError: if a checkpoint, an adversarial or a recording is missing or broken.
    """
    # PyTorch takes seconds to import: the flags are checked and a first line is printed before that.
    with starting():
        from commands.sound_flags import read_fragility_flags

        flags = read_fragility_flags(args)
        from commands.sound_commands import run_fragility
    return run_fragility(flags)


if __name__ == "__main__":
    keep_freed_memory()
    run_command(main)
