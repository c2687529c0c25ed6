"""The table at the end of sweep.py: what each classifier of each point has found so far."""

import shlex
import statistics
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from commands.sweeps.point import Point, finished_json


def show_points(console: Console, points: Sequence[Point]) -> None:
    """Print a row per point and classifier, and the command that may follow.

    Args:
        console: where to print.
        points: the points, at least one.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), collapse_padding=True, pad_edge=False)
    table.add_column("point", overflow="fold")
    table.add_column("classifier", overflow="fold")
    for heading in ("accuracy\n%", "fooled\n%", "attacks", "transferred\n%"):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in points:
        for number, architecture in enumerate(point.architectures):
            table.add_row("" if number else point.name, architecture, *_found(point, architecture))
    console.print(table)
    console.print(
        "fooled: share of the correctly classified clips, mean over attacks and budgets; transferred: of the "
        "adversarials that fool the classifier, the share that also fools the other classifiers of the point, mean "
        "over these and over attacks; -: nothing measured",
        highlight=False,
    )
    folder = points[0].path.parent
    console.print(f"next: python report.py {shlex.quote(str(folder))} --output report", soft_wrap=True, highlight=False)


def _found(point: Point, architecture: str) -> list[str]:
    """Accuracy, fooling rate, number of attacks and transfer ratio of one classifier; rates in percent."""
    run = point.runs[architecture]
    accuracy = (finished_json(run.summary_file) or {}).get("accuracy_mean")
    attacks = (finished_json(run.path / "attacks" / "summary.json") or {}).get("means") or {}
    rates = [mean["fooling_rate"] for mean in attacks.values() if mean.get("fooling_rate") is not None]
    transfer = (point.transfer_summary(architecture) if point.settings["transfer"] else None) or {"rows": []}
    others = [
        row
        for row in transfer["rows"]
        if row["fold"] is None and row["target_architecture"] != architecture and row["ratio"] is not None
    ]
    # The mean over the six attacks where all of them ran, else over those that did.
    six = [row["ratio"] for row in others if row["attack"] is None]
    ratios = six or [row["ratio"] for row in others]
    return [
        "-" if accuracy is None else _percent([accuracy]),
        _percent(rates),
        str(len(rates)) if rates else "-",
        _percent(ratios),
    ]


def _percent(shares: Sequence[float]) -> str:
    return f"{100 * statistics.fmean(shares):.1f}" if shares else "-"
