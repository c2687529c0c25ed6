"""The parts of a table of numbers: rows of quantities, each with our value and the paper's."""

from dataclasses import dataclass
from typing import Literal

from reporting.estimates import Estimate
from reporting.paper_numbers import Setting

Kind = Literal["percent", "auc", "count", "ratio"]


@dataclass(frozen=True)
class Quantity:
    """One number of a cell.

    Attributes:
        name: its name in the CSV, for example ``accuracy`` or ``fgsm_auc``.
        kind: how it is formatted.
        ours: the measured value; None if missing.
        paper: the paper's value; None if it prints none.
        possible: whether such a number can exist; for a classifier without gradients, attacks yield none.
    """

    name: str
    kind: Kind
    ours: Estimate | None
    paper: float | None = None
    possible: bool = True


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        labels: its labels as formatted text.
        cells: one tuple of quantities per column.
        runs: names of the runs that it was computed from.
        values: the labels as plain values for the CSV, with numbers as numbers; the labels by default.
    """

    labels: tuple[str, ...]
    cells: tuple[tuple[Quantity, ...], ...]
    runs: tuple[str, ...]
    values: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Attributes:
        key: name of its files, without suffix.
        title: heading.
        caption: explanation of its numbers.
        headings: headings of the label columns.
        columns: headings of the columns of numbers.
        rows: rows in the paper's order.
        commands: commands that fill the missing cells.
    """

    key: str
    title: str
    caption: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    commands: tuple[str, ...]
