"""A figure of the report: the drawing, the numbers in it, and what to do where there are none."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from storage import write_atomically, write_text

COLOURS = {"MFCC": "#D55E00", "STFT": "#0072B2", "DWT": "#009E73", "LogMel": "#CC79A7"}
"""Okabe and Ito's palette (2008), told apart by readers who lack a kind of cone; line styles and markers say it too."""
MARKERS = {"MFCC": "o", "STFT": "s", "DWT": "^", "LogMel": "D"}
LINES = {"MFCC": "-", "STFT": "--", "DWT": "-.", "LogMel": ":"}
DOTS_PER_INCH = 110


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        key: name of the files it is written to.
        title: heading.
        caption: what it shows.
        alt: what a reader who does not see it has to know.
        drawing: the figure, None where there is nothing to draw.
        numbers: one dictionary a drawn point, with the runs it came from.
        commands: what fills what is missing.
        why: why there is nothing to draw; empty where there is, or where no run belongs to it.
    """

    key: str
    title: str
    caption: str
    alt: str
    drawing: Figure | None
    numbers: list[dict[str, Any]] = field(repr=False)
    commands: tuple[str, ...] = ()
    why: str = ""

    def png(self) -> bytes:
        """The drawing as a picture; empty without one."""
        if self.drawing is None:
            return b""
        file = io.BytesIO()
        # Without the program's version, so that the same numbers give the same file.
        self.drawing.savefig(file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        return file.getvalue()

    def pdf(self) -> bytes:
        """The drawing with TrueType fonts, as journals ask for; empty without one."""
        if self.drawing is None:
            return b""
        file = io.BytesIO()
        # By default matplotlib embeds Type 3 fonts, which many journals refuse.
        with rc_context({"pdf.fonttype": 42}):
            self.drawing.savefig(file, format="pdf", metadata={"CreationDate": None, "Producer": None})
        return file.getvalue()

    def csv(self) -> str:
        """The numbers that are drawn, one line per point."""
        file = io.StringIO()
        names = list(dict.fromkeys(key for row in self.numbers for key in row))
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.numbers)
        return file.getvalue()

    def write(self, folder: Path) -> tuple[bytes, bytes]:
        """Write PNG, PDF and CSV, where there is something to draw.

        Returns:
            The PNG and the PDF; both empty where there is nothing to draw.
        """
        png, pdf = self.png(), self.pdf()
        if self.drawing is not None:
            for suffix, content in (("png", png), ("pdf", pdf)):
                with write_atomically(folder / f"{self.key}.{suffix}") as temporary:
                    temporary.write_bytes(content)
            write_text(folder / f"{self.key}.csv", self.csv())
        else:
            # What an earlier report drew from runs that are no longer there.
            for suffix in ("png", "pdf", "csv"):
                (folder / f"{self.key}.{suffix}").unlink(missing_ok=True)
        return png, pdf


def new_figure(width: float, height: float) -> Figure:
    """An empty drawing of a size in inches, without a window or global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
