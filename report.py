"""Turn a folder of runs into tables, figures, tests and one page, with the paper's numbers for comparison.

python report.py runs --output report
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from commands.errors import run_command, starting

if TYPE_CHECKING:
    from reporting.page import Report


def main(args: Sequence[str] | None = None) -> "Report":
    """Read the runs, write the report, and print its path.

    Args:
        args: command line; that of the process by default.

    Returns:
        What was written.

    Raises:
        UsageError: if a flag is impossible, or no run has the wanted split or budgets.
        DataError: if there is no run, or a file of one cannot be read.
    """
    # PyTorch and pandas take seconds to import: the flags are checked before, and something is said meanwhile.
    with starting():
        from commands.report_cli import read_report_command

        command = read_report_command(args)
        from commands.report_command import write_report
    return write_report(command)


if __name__ == "__main__":
    run_command(main)
