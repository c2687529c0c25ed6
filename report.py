"""Turn a folder of runs into tables, figures, tests and one page, with the paper's numbers for comparison.

python report.py runs --output report
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commands.errors import LARGEST_SEED, UsageError, require_folder, require_number, run_command
from commands.parser import OneSentenceParser
from reporting.estimates import attack_fooling_rate
from reporting.own_runs import in_percent
from reporting.page import Report, build_report
from reporting.runs import Run, read_runs
from reporting.selection import Selection, select_runs
from reporting.tables.table import Table as PaperTable


def main(args: Sequence[str] | None = None) -> Report:
    """Read the runs, write the report, and print its path.

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
    parser = OneSentenceParser(
        prog="report.py", description="Tables, figures and tests of a folder of runs, and one page."
    )
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
    """Print the runs, the most robust one, the numbers of the paper, what is left out and why, and the path."""
    console = Console()
    console.print(_own_runs(selection, report))
    if report.answer:
        console.print(report.answer, highlight=False, markup=False)
    measured = [(table.title, *_measured(table)) for table in report.tables]
    if any(number for _, number, _ in measured):
        summary = Table(title="The paper's tables")
        for heading in ("table", "numbers measured"):
            summary.add_column(heading)
        for title, number, whole in measured:
            if number:
                summary.add_row(title, f"{number} of {whole}")
        console.print(summary)
        # Of runs that measure nothing of the paper's tables its claims say nothing either.
        for row in report.plain["claims"].rows:
            if row[1] != "paper" and row[2] != "missing":
                said = f"{row[0]:5} {row[2]:10} {row[3]} ({row[1]}: {row[5]} {row[6]})"
                console.print(said, highlight=False, markup=False)
    for name, why in sorted(selection.left_out.items()):
        console.print(f"left out of the paper's tables: {name}: {why}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"report in {report.page}", soft_wrap=True)


def _own_runs(selection: Selection, report: Report) -> Table:
    """The table of runs: one row per run, with its settings and results."""
    attacked = sum(one.run.attacks is not None for one in report.own)
    budgets = selection.profile or "none"
    title = f"{len(report.own)} runs, {attacked} attacked; tables: split={selection.split}, budgets: {budgets}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("run", "corpus", "representation", "classifier", "folds", "accuracy %", "fooled % (attacks)"):
        table.add_column(heading, overflow="fold", min_width=12 if heading == "run" else None)
    for one in report.own:
        words = (one.run.name, one.corpus, one.representation, one.architecture, one.folds)
        table.add_row(*map(escape, words), in_percent(one.accuracy), _fooled(one.run))
    return table


def _fooled(run: Run) -> str:
    """Mean fooling rate over the attacks that ran, with their number; a dash without one."""
    attacks = run.attacks.means if run.attacks else {}
    rates = [rate.value for attack in attacks if (rate := attack_fooling_rate([run], attack)) is not None]
    if not rates:
        return "-"
    return f"{100 * statistics.fmean(rates):.1f} ({len(rates)})"


def _measured(table: PaperTable) -> tuple[int, int]:
    """Number of the paper's numbers in a table that were measured here, and number of all of them."""
    cells = [quantity for row in table.rows for cell in row.cells for quantity in cell if quantity.paper is not None]
    return sum(cell.ours is not None for cell in cells), len(cells)


if __name__ == "__main__":
    run_command(main)
