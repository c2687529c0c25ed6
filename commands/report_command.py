"""What report.py does: a folder of runs into tables, figures and a page, and what stands in the terminal at the end."""

import statistics
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commands.errors import UsageError
from commands.report_cli import ReportCommand
from reporting.estimates import attack_fooling_rate
from reporting.own_runs import in_percent
from reporting.page import Report, build_report
from reporting.runs import Run, read_runs
from reporting.selection import Selection, select_runs
from reporting.tables.table import Table as PaperTable


def write_report(command: ReportCommand) -> Report:
    """Read the runs, write the report, and print its path.

    Args:
        command: the command line, checked.

    Returns:
        What was written.

    Raises:
        UsageError: if no run has the wanted split or budgets.
        DataError: if there is no run, or a file of one cannot be read.
    """
    runs = read_runs(Path(command.runs))
    try:
        selection = select_runs(runs, command.split, command.budgets)
    except ValueError as error:
        raise UsageError(str(error)) from error
    report = build_report(selection, Path(command.output), label=command.figure6_label, seed=command.seed)
    show(selection, report)
    return report


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
