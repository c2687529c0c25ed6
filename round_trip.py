"""Convert stored adversarial maps to sounds and classify them: how much of an attack survives in the sound.

python round_trip.py --checkpoints runs/esc10-stft --sounds wav
"""

from collections.abc import Sequence
from typing import Any

from commands.allocator import keep_freed_memory
from commands.errors import run_command, starting


def main(args: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Convert the adversarial maps stored by attack.py to sounds, and classify them.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of each run's ``round-trip/summary.json``, by the name of the run.

    Raises:
        UsageError: if a flag or a combination of flags is invalid.
        DataError: if a checkpoint, an adversarial or a recording is missing or broken.
    """
    # PyTorch takes seconds to import: the flags are checked and a first line is printed before that.
    with starting():
        from commands.sound_flags import read_round_trip_flags

        flags = read_round_trip_flags(args)
        from commands.sound_commands import run_round_trip
    return run_round_trip(flags)


if __name__ == "__main__":
    keep_freed_memory()
    run_command(main)
