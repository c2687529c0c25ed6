"""A figure of the report: the drawing, its numbers, and the commands that produce missing ones."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from storage import write_atomically, write_text

COLOURS = {"MFCC": "#D55E00", "STFT": "#0072B2", "DWT": "#009E73", "LogMel": "#CC79A7"}
"""Okabe and Ito's palette (2008), which colour-blind readers can distinguish; line styles and markers differ too."""
MARKERS = {"MFCC": "o", "STFT": "s", "DWT": "^", "LogMel": "D"}
LINES = {"MFCC": "-", "STFT": "--", "DWT": "-.", "LogMel": ":"}
DOTS_PER_INCH = 110


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes:
        key: name of its files, without suffix.
        title: heading.
        caption: what it shows.
        alt: alternative text for readers who cannot see it.
        drawing: the figure; None if there is nothing to draw.
        numbers: one dictionary per plotted point, with the runs that it was computed from.
        commands: commands that produce what is missing.
        why: why there is nothing to draw; empty if there is, or if no run belongs to the figure.
    """

    key: str
    title: str
    caption: str
    alt: str
    drawing: Figure | None
    numbers: list[dict[str, Any]] = field(repr=False)
    commands: tuple[str, ...] = ()
    why: str = ""

    def png(self, colours: int | None = None) -> bytes:
        """The drawing as PNG; empty without one.

        Args:
            colours: size of a palette, at most 256, which makes the file of a drawing with few colours several times
                smaller; by default every colour is kept.
        """
        if self.drawing is None:
            return b""
        file = io.BytesIO()
        _lay_out(self.drawing)
        # Without the program's version, so that the same numbers give the same file.
        self.drawing.savefig(file, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        return file.getvalue() if colours is None else _with_palette(file, colours)

    def pdf(self) -> bytes:
        """The drawing as PDF with TrueType fonts, which journals require; empty without one."""
        if self.drawing is None:
            return b""
        file = io.BytesIO()
        _lay_out(self.drawing)
        # By default matplotlib embeds Type 3 fonts, which many journals refuse.
        with rc_context({"pdf.fonttype": 42}):
            self.drawing.savefig(file, format="pdf", metadata={"CreationDate": None, "Producer": None})
        return file.getvalue()

    def csv(self) -> str:
        """The plotted numbers as CSV, one row per point."""
        file = io.StringIO()
        names = list(dict.fromkeys(key for row in self.numbers for key in row))
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.numbers)
        return file.getvalue()

    def write(self, folder: Path) -> tuple[bytes, bytes]:
        """Write PNG, PDF and CSV; without a drawing, remove those of an earlier report.

        Returns:
            The PNG and the PDF; both empty if there is nothing to draw.
        """
        png, pdf = self.png(), self.pdf()
        if self.drawing is not None:
            for suffix, content in (("png", png), ("pdf", pdf)):
                with write_atomically(folder / f"{self.key}.{suffix}") as temporary:
                    temporary.write_bytes(content)
            write_text(folder / f"{self.key}.csv", self.csv())
        else:
            # An earlier report may have drawn them from runs that no longer exist.
            for suffix in ("png", "pdf", "csv"):
                (folder / f"{self.key}.{suffix}").unlink(missing_ok=True)
        return png, pdf


def _with_palette(png: io.BytesIO, colours: int) -> bytes:
    file = io.BytesIO()
    with Image.open(png) as image:
        # Maximum coverage keeps rare colours, such as those of a quiet change, where others merge them.
        image.convert("RGB").quantize(colours, method=Image.Quantize.MAXCOVERAGE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _lay_out(figure: Figure) -> None:
    """Fix the places of the panels; done once for both files, because it takes as long as drawing them."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a width and height in inches, without a window or pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
