"""What a table of numbers consists of: quantities, ours beside the paper's, in rows."""

from dataclasses import dataclass
from typing import Literal

from reporting.estimates import Estimate
from reporting.paper_numbers import Setting

Kind = Literal["percent", "auc", "count", "ratio"]


@dataclass(frozen=True)
class Quantity:
    """One number of a cell.

    Attributes:
        name: what it is, as a column of the CSV: ``accuracy``, ``fgsm_auc``.
        kind: how it is printed.
        ours: what was measured, None where it is missing.
        paper: what the paper prints, None where it prints nothing.
        possible: whether there can be such a number; a classifier without gradients has none from an attack.
    """

    name: str
    kind: Kind
    ours: Estimate | None
    paper: float | None = None
    possible: bool = True


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        labels: its labels as they are printed.
        cells: one tuple of quantities a column.
        runs: the runs it came from.
        values: the labels as plain values, numbers where they are numbers, for the CSV; the labels by default.
    """

    labels: tuple[str, ...]
    cells: tuple[tuple[Quantity, ...], ...]
    runs: tuple[str, ...]
    values: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        key: name of the files it is written to.
        title: heading.
        caption: what its numbers are.
        headings: headings of the label columns.
        columns: headings of the columns of numbers.
        rows: lines in the paper's order.
        commands: what fills the missing cells.
    """

    key: str
    title: str
    caption: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    commands: tuple[str, ...]
