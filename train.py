"""Train and cross-validate a sound classifier: corpus + representation + architecture -> a checkpoint per fold.

python train.py --data ESC10 --data.root DIR --data.representation STFT --model.architecture resnet18
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands.allocator import keep_freed_memory
from commands.errors import run_command, starting

if TYPE_CHECKING:
    from storage.summaries import RetestRecord, RunSummary


def main(args: Sequence[str] | None = None) -> "RunSummary | RetestRecord":
    """Train the folds that are not finished yet, test each on its test part, and summarise.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of the run's ``summary.json``, or the result of ``--test-only``.

    Raises:
        UsageError: if a flag or a combination of flags is invalid.
        DataError: if a recording or a checkpoint is missing or broken.
    """
    # PyTorch takes seconds to import: the flags are checked and a first line is printed before that.
    with starting():
        from commands.start import look_at_train_flags

        look_at_train_flags(args)
        from commands.train_command import train
    return train(args)


if __name__ == "__main__":
    keep_freed_memory()
    run_command(main)
