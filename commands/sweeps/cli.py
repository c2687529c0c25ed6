"""The flags of sweep.py, and which points of a sweep they choose."""

from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import Namespace

from commands.errors import UsageError
from commands.sweeps.file import SweepFile
from commands.sweeps.point_cli import setting
from commands.train_cli import OneSentenceParser

# Given to every point as they stand.
FORWARDED = ("attacks", "budgets", "clips", "runs_dir")


class SweepCLI:
    """Parses the command line of a sweep; what follows ``--`` is for each point.

    Args:
        args: the command line.

    Raises:
        UsageError: if a flag or the sweep's file is impossible.
    """

    def __init__(self, args: Sequence[str]) -> None:
        args = list(args)
        place = args.index("--") if "--" in args else len(args)
        parser = OneSentenceParser(description="Run all points of a sweep here; `sweep.py point` runs one setting.")
        parser.add_argument("file", type=str, help="YAML of a W&B sweep, configs/sweeps/*.yaml")
        parser.add_argument("--jobs", type=int, default=1, help="points that run at once")
        parser.add_argument("--dry-run", action="store_true", help="list the commands, one line a point, and stop")
        parser.add_argument("--only", type=str, nargs="+", default=[], help="points with key=value, data=ESC10")
        parser.add_argument("--attacks", type=str | None, nargs="+", default=None, help="instead of the sweep's")
        parser.add_argument("--budgets", type=str | None, default=None, help="instead of the sweep's")
        parser.add_argument("--clips", type=int | None, default=None, help="clips of each test part, instead of all")
        parser.add_argument("--runs_dir", type=str | None, default=None, help="folder of all runs")
        settings: Namespace = parser.parse_args(args[:place])
        if settings.jobs < 1:
            raise UsageError(f"expected --jobs of at least 1, got {settings.jobs}")
        wrong = [condition for condition in settings.only if "=" not in condition]
        if wrong:
            raise UsageError(f"expected --only KEY=VALUE, data=ESC10 for example, got {wrong[0]!r}")
        self.sweep = SweepFile.read(settings.file)
        self.jobs: int = settings.jobs
        self.dry_run: bool = settings.dry_run
        self.only: list[str] = settings.only
        self.forwarded: list[str] = []
        for name in FORWARDED:
            value = settings[name]
            if value is not None:
                self.forwarded += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
        self.forwarded += args[place + 1 :]


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
