"""What sweep.py is asked for, and which points of a sweep that chooses."""

from collections.abc import Mapping, Sequence
from typing import Any

from commands.errors import UsageError
from commands.sweeps.file import SweepFile
from commands.sweeps.flags import SweepCommand
from commands.sweeps.point_cli import setting


class SweepCLI:
    """The flags of a sweep, with its file read.

    Args:
        command: the flags.

    Raises:
        UsageError: if the sweep's file is impossible.
    """

    def __init__(self, command: SweepCommand) -> None:
        self.sweep = SweepFile.read(command.file)
        self.jobs = command.jobs
        self.dry_run = command.dry_run
        self.only = command.only
        self.forwarded = command.forwarded


def matches(only: Sequence[str], parameters: Mapping[str, Any], settings: dict[str, Any]) -> bool:
    """Whether a point has all values that were asked for; a key is one of the sweep's or any flag of train.py.

    Args:
        only: conditions ``KEY=VALUE``.
        parameters: the sweep's keys and the point's values.
        settings: the point's resolved settings.

    Raises:
        UsageError: if there is no such key.
    """
    for condition in only:
        key, _, wanted = condition.partition("=")
        try:
            values = {str(parameters[key])} if key in parameters else {str(setting(settings, key))}
        except KeyError:
            keys = ", ".join([*parameters, "data", "data.representation", "model.architecture"])
            raise UsageError(f"expected --only with a key such as {keys}, got {key!r}") from None
        if wanted not in values:
            return False
    return True
