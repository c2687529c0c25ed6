"""Classify sound files: checkpoint + files or folders -> the most probable classes with their probabilities.

python predict.py runs/esc10-stft/fold1/best.ckpt rain.wav dog.ogg recordings/
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands.errors import run_command, starting

if TYPE_CHECKING:
    from commands.predict_command import FilePrediction


def main(args: Sequence[str] | None = None) -> "list[FilePrediction]":
    """Classify every file; unreadable files are reported, and the others are classified.

    Args:
        args: command line; that of the process by default.

    Returns:
        The prediction for each usable file.

    Raises:
        UsageError: if a flag is invalid.
        DataError: if the checkpoint cannot be used; or, after the others are classified, if a file cannot.
    """
    # PyTorch takes seconds to import: the flags are checked and a first line is printed before that.
    with starting():
        from commands.predict_cli import read_predict_command

        command = read_predict_command(args)
        from commands.predict_command import predict
    return predict(command)


if __name__ == "__main__":
    run_command(main)
