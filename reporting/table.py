"""What a table consists of, and the names that are printed in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reporting.estimates import Estimate
from reporting.paper_numbers import Setting

Kind = Literal["percent", "auc", "count", "ratio"]

IMPOSSIBLE = "–"  # noqa: RUF001
"""Printed where there can be no number, so that nobody waits for one."""

CORPUS_NAMES = {"ESC10": "ESC-10", "ESC50": "ESC-50", "UrbanSound8K": "UrbanSound8K", "SyntheticSounds": "synthetic"}
NAMES = {
    "fgsm": "FGSM",
    "deepfool": "DeepFool",
    "bim_a": "BIM-a",
    "bim_b": "BIM-b",
    "jsma": "JSMA",
    "cwa": "CWA",
    "lbfgs": "L-BFGS",
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet56": "ResNet-56",
    "googlenet": "GoogLeNet",
    "alexnet": "AlexNet",
    "linear_svm": "linear SVM",
    "rbf_svm": "RBF SVM",
    "random_forest": "random forest",
    "haar": "Haar",
    "mexican_hat": "Mexican hat",
    "morlet": "complex Morlet",
}


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


def describe(settings: dict[str, object], without: Sequence[str] = ()) -> str:
    """Settings of a run in one line: the representation, then what is not the same for every run of this project."""
    hidden = {"representation", "architecture", "resize", "align_corners", *without}
    shown = [f"{key} {value}" for key, value in settings.items() if key not in hidden]
    return f"{settings['representation']}: {', '.join(shown)}"


def label(value: Setting) -> str:
    """A setting's value as it is printed."""
    return "none" if value is None else NAMES.get(str(value), f"{value:,}" if isinstance(value, int) else str(value))
