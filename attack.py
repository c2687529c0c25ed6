"""Attack trained classifiers and count every gradient: checkpoints + attacks + budgets -> the outcome for every clip.

python attack.py --checkpoints runs/esc10-stft --attacks fgsm bim_a bim_b deepfool jsma cwa lbfgs --budgets reduced
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands.allocator import keep_freed_memory
from commands.errors import run_command, starting

if TYPE_CHECKING:
    from storage.summaries import AttackSummary


def main(args: Sequence[str] | None = None) -> "dict[str, AttackSummary]":
    """Attack what is not finished yet and summarise every run.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of each run's ``attacks/summary.json``, by the name of the run.

    Raises:
        UsageError: if a flag or a combination of flags is invalid.
        DataError: if a checkpoint or a recording is missing or broken.
    """
    # PyTorch takes seconds to import: the flags are checked and a first line is printed before that.
    with starting():
        from commands.start import read_attack_flags

        flags = read_attack_flags(args)
        from commands.attack_command import attack
    return attack(flags)


if __name__ == "__main__":
    keep_freed_memory()
    run_command(main)
