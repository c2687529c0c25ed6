"""Transfer: evaluate classifiers on the adversarials crafted for one another (Table V).

python transfer.py --checkpoints runs/esc10-stft runs/esc10-stft-googlenet runs/esc10-stft-alexnet --budgets reduced
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands.allocator import keep_freed_memory
from commands.errors import run_command, starting

if TYPE_CHECKING:
    from storage.summaries import TransferSummary


def main(args: Sequence[str] | None = None) -> "dict[str, TransferSummary]":
    """Attack every ConvNet that is not attacked yet, and evaluate all classifiers on the adversarials.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of each source's ``transfer/<name>/summary.json``, by the name of the source.

    Raises:
        UsageError: if a flag or a combination of flags is invalid, or the runs are not of one setting.
        DataError: if a checkpoint or a recording is missing or broken, or a run was trained on another's test clips.
    """
    # PyTorch takes seconds to import: the flags are checked and a first line is printed before that.
    with starting():
        from commands.start import read_transfer_flags

        flags = read_transfer_flags(args)
        from commands.transfer_command import transfer
    return transfer(flags)


if __name__ == "__main__":
    keep_freed_memory()
    run_command(main)
