"""The command line of predict.py, parsed before any slow import."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from commands.errors import packages_to_import, quieten, require_number
from commands.flags import PredictFlags
from commands.help import Example, help_text
from commands.parser import OneSentenceParser, build, help_groups
from commands.signatures import Flag
from commands.start import say

EXAMPLES = (
    Example("python predict.py runs/esc10-stft/fold1/best.ckpt rain.wav dog.ogg", ""),
    Example(
        "python predict.py runs/esc10-stft/fold1/best.ckpt recordings --each-window --format csv --output out.csv",
        "all audio files below a folder, a row for each window",
    ),
)


@dataclass
class PredictCommand(PredictFlags):
    """A whole command line of predict.py.

    Args:
        checkpoint: a checkpoint of train.py.
        files: audio files, or folders of them.
    """

    checkpoint: str = ""
    files: list[str] = field(default_factory=list)


def read_predict_command(args: Sequence[str] | None) -> PredictCommand:
    """Read and check the command line of predict.py.

    Raises:
        UsageError: if a flag is invalid.
    """
    quieten()
    parser = OneSentenceParser(prog="predict.py")
    parser.add_argument("checkpoint", type=str)
    parser.add_argument("files", type=str, nargs="+")
    parser.add_flags(PredictFlags)
    positional = [
        Flag("CHECKPOINT", None, None, "a checkpoint of train.py, runs/NAME/fold1/best.ckpt", required=True),
        Flag("FILE", None, None, "audio files, or folders whose audio files are all taken", required=True),
    ]
    parser.page = lambda: help_text(
        "predict.py", "Classify sound files.", EXAMPLES, help_groups(PredictFlags), positional
    )
    command = build(PredictCommand, parser.parse_args(list(sys.argv[1:] if args is None else args)).as_dict())
    require_number("--top", command.top, 1)
    packages_to_import(command.allow_import)
    many = f"{len(command.files)} files and folders" if len(command.files) > 1 else command.files[0]
    say(f"predict.py: {command.checkpoint} on {many}")
    return command
