"""The request of a sweep.py command line: the sweep or study, and which of its points."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commands.errors import UsageError
from commands.sweeps.file import SweepFile
from commands.sweeps.flags import SweepCommand
from commands.sweeps.point_cli import setting
from commands.sweeps.study import Study, is_study
from commands.sweeps.unit_times import ONE_CORE, UnitTimes


class SweepCLI:
    """The flags of sweep.py, with its sweep or study read.

    Args:
        command: the flags.

    Raises:
        UsageError: if a file is invalid.
    """

    sweep: SweepFile
    study: Study | None = None

    def __init__(self, command: SweepCommand) -> None:
        if is_study(command.file):
            self.study = Study.read(command.file)
            self.name = self.study.name
        else:
            self.sweep = SweepFile.read(command.file)
            self.name = self.sweep.name
        self.unit_times = UnitTimes.read(Path(command.unit_times or ONE_CORE))
        self.jobs = command.jobs
        self.dry_run = command.dry_run
        self.only = command.only
        self.forwarded = command.forwarded

    @property
    def passes(self) -> list[list[int]]:
        """The passes of a study over the folds; one, with what the command line says, where it names folds itself."""
        named = any(argument.split("=", 1)[0] == "--folds" for argument in self.forwarded)
        return [[]] if self.study is None or named or not self.study.folds else self.study.folds


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
