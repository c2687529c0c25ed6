"""Turn a folder of runs into tables, figures, tests and one page, beside the paper's numbers.

python report.py runs --output report
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.table import Table

from commands.errors import LARGEST_SEED, UsageError, require_folder, require_number, run_command
from commands.parser import one_sentence
from reporting.assembly import Report, build_report
from reporting.runs import read_runs
from reporting.selection import Selection, select_runs


class ReportParser(ArgumentParser):
    """The flags of report.py; an error is one sentence."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise instead of printing a page of usage."""
        raise UsageError(one_sentence(message))


def main(args: Sequence[str] | None = None) -> Report:
    """Read the runs, write the report, and say where it lies.

    Args:
        args: command line; that of the process by default.

    Returns:
        What was written.

    Raises:
        UsageError: if a flag is impossible, or no run has the wanted split or budgets.
        DataError: if there is no run, or a file of one cannot be read.
    """
    settings = parse(args)
    require_number("--seed", settings["seed"], 0, LARGEST_SEED)
    require_folder("--output", settings["output"])
    runs = read_runs(Path(settings["runs"]))
    try:
        selection = select_runs(runs, settings["split"], settings["budgets"])
    except ValueError as error:
        raise UsageError(str(error)) from error
    report = build_report(selection, Path(settings["output"]), label=settings["figure6_label"], seed=settings["seed"])
    show(selection, report)
    return report


def parse(args: Sequence[str] | None = None) -> dict[str, Any]:
    """Parse the command line."""
    parser = ReportParser(prog="report.py", description="Tables, figures and tests of a folder of runs, and one page.")
    parser.add_argument("runs", type=str, help="folder of runs, as train.py, attack.py and transfer.py write it")
    parser.add_argument("--output", type=str, default="report", help="folder of the report")
    parser.add_argument("--split", type=str | None, default=None, help="only runs of this split; the most frequent one")
    parser.add_argument(
        "--budgets",
        type=str | None,
        default=None,
        help="only attacks of this profile of budgets; the most frequent one",
    )
    parser.add_argument(
        "--figure6_label", type=int | None, default=None, help="class of the clip in Figure 6; the dog bark"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of resampling and permutations")
    return parser.parse_args(list(sys.argv[1:] if args is None else args)).as_dict()


def show(selection: Selection, report: Report) -> None:
    """Print how full each table is, the verdicts on our numbers, and the path of the page."""
    console = Console()
    attacked = sum(run.attacks is not None for run in selection.runs)
    summary = Table(
        title=f"{len(selection.runs)} runs, {attacked} attacked; split={selection.split}, budgets: {selection.profile}"
    )
    for heading in ("table", "numbers measured"):
        summary.add_column(heading)
    for table in report.tables:
        cells = [
            quantity for row in table.rows for cell in row.cells for quantity in cell if quantity.paper is not None
        ]
        measured = sum(cell.ours is not None for cell in cells)
        summary.add_row(table.title, f"{measured} of {len(cells)}")
    console.print(summary)
    for row in report.plain["claims"].rows:
        if row[1] != "paper" and row[2] != "missing":
            console.print(
                f"{row[0]:5} {row[2]:10} {row[3]} ({row[1]}: {row[5]} {row[6]})", highlight=False, markup=False
            )
    console.print(f"report in {report.page}", soft_wrap=True)


if __name__ == "__main__":
    run_command(main)
