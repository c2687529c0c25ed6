"""The command line of report.py, read before anything heavy is imported."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from commands.errors import LARGEST_SEED, require_folder, require_number
from commands.flags import ReportFlags
from commands.help import Example, help_text
from commands.parser import OneSentenceParser, build, help_groups
from commands.signatures import Flag
from commands.start import say

EXAMPLES = (
    Example("python report.py runs --output report", "all runs below a folder; report/index.html is the page"),
    Example(
        "python report.py runs --split grouped --budgets smoke", "only runs of one split, attacked with one profile"
    ),
)


@dataclass
class ReportCommand(ReportFlags):
    """A whole command line of report.py.

    Args:
        runs: folder of runs.
    """

    runs: str = ""


def read_report_command(args: Sequence[str] | None) -> ReportCommand:
    """Read and check the command line of report.py.

    Raises:
        UsageError: if a flag is impossible.
    """
    parser = OneSentenceParser(prog="report.py")
    parser.add_argument("runs", type=str)
    parser.add_flags(ReportFlags)
    positional = [
        Flag("RUNS", None, None, "folder of runs, as train.py, attack.py and transfer.py write it", required=True)
    ]
    parser.page = lambda: help_text(
        "report.py",
        "Tables, figures and tests of a folder of runs, and one page.",
        EXAMPLES,
        help_groups(ReportFlags),
        positional,
    )
    command = build(ReportCommand, parser.parse_args(list(sys.argv[1:] if args is None else args)).as_dict())
    require_number("--seed", command.seed, 0, LARGEST_SEED)
    require_folder("--output", command.output)
    say(f"report.py: reading the runs in {command.runs}")
    return command
