"""The command line of sweep.py, parsed before any slow import."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commands.errors import UsageError, require_number
from commands.flags import SweepFlags, check_attack_numbers
from commands.help import Example, help_text
from commands.parser import OneSentenceParser, build, help_groups
from commands.signatures import Flag

EXAMPLES = (
    Example("python sweep.py configs/sweeps/demo.yaml --jobs 2", "what `make demo` runs"),
    Example(
        "python sweep.py configs/study_esc10.yaml --dry-run",
        "which points of a study are finished, and how long the rest takes",
    ),
    Example(
        "python sweep.py configs/sweeps/table3_dwt_sampling_rate.yaml --budgets reduced --only data=ESC10 -- --folds 1",
        "behind --: flags of train.py for every point; `sweep.py point --help` lists them",
    ),
)
# Passed on to every point unchanged.
FORWARDED = ("attacks", "budgets", "clips", "runs_dir", "logger")


@dataclass
class SweepCommand(SweepFlags):
    """A whole command line of sweep.py.

    Args:
        file: YAML of a W&B sweep, or of a study.
        forwarded: flags for every point.
    """

    file: str = ""
    forwarded: list[str] = field(default_factory=list)


def read_sweep_command(args: Sequence[str] | None) -> SweepCommand:
    """Read the command line of a sweep; what follows ``--`` is for each point.

    Raises:
        UsageError: if a flag is invalid.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    place = arguments.index("--") if "--" in arguments else len(arguments)
    parser = OneSentenceParser(prog="sweep.py")
    parser.add_argument("file", type=str)
    parser.add_flags(SweepFlags)
    file = Flag("FILE", None, None, "a sweep, configs/sweeps/*.yaml, or a study, configs/study_*.yaml", required=True)
    parser.page = lambda: help_text(
        "sweep.py", "Run all points of a sweep or a study on this machine.", EXAMPLES, help_groups(SweepFlags), [file]
    )
    settings = parser.parse_args(arguments[:place]).as_dict()
    command = build(SweepCommand, settings)
    require_number("--jobs", command.jobs, 1)
    wrong = [condition for condition in command.only if "=" not in condition]
    if wrong:
        raise UsageError(f"expected --only KEY=VALUE, data=ESC10 for example, got {wrong[0]!r}")
    check_attack_numbers(command.attacks or [], command.clips)
    if not Path(command.file).is_file():
        found = "a folder" if Path(command.file).is_dir() else "No such file"
        raise UsageError(f"expected a sweep in {command.file}, found: {found}")
    for name in FORWARDED:
        value = getattr(command, name)
        if value is not None:
            command.forwarded += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    command.forwarded += arguments[place + 1 :]
    return command
