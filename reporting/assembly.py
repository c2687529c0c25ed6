"""From runs to everything that a report consists of."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reporting.accuracy import Accuracies
from reporting.accuracy_differences import differences_table
from reporting.association import associate, paper_points, run_points
from reporting.association_figure import MEASURES, association_figure
from reporting.claims_on_relation import all_findings
from reporting.curves import cost_curves, security_curves
from reporting.figures import study_figure
from reporting.page import PageContent, write_page
from reporting.plain_tables import (
    PlainTable,
    association_table,
    claims_table,
    deviations_table,
    leakage_table,
    trust_table,
)
from reporting.report_figure import ReportFigure
from reporting.selection import Selection
from reporting.sounds import sound_pairs
from reporting.spectrogram_figure import spectrogram_figure
from reporting.studies import BEYOND, FIGURES
from reporting.table import Table
from reporting.table_formats import write_table
from reporting.tables import overview, paper_table, setting_table
from reporting.transfer_table import transfer_table


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        page: the HTML page.
        tables: Tables I to V.
        figures: all figures, also those with nothing to draw.
        plain: claims, differences, tests, leakage, checks and deviations by key.
        overview: every setting that was trained.
    """

    page: Path
    tables: tuple[Table, ...]
    figures: tuple[ReportFigure, ...]
    plain: dict[str, PlainTable]
    overview: Table


def build_report(selection: Selection, output: Path, *, label: int | None = None, seed: int = 0) -> Report:
    """Compute and write all tables, figures and the page.

    Args:
        selection: runs that may be compared.
        output: folder of the report.
        label: class of the clip in Figure 6; the dog bark by default.
        seed: seed of resampling and permutations.

    Returns:
        What was written.

    Raises:
        DataError: if a file of a run cannot be read.
    """
    accuracies = Accuracies(seed)
    tables = (*(paper_table(number, selection, accuracies) for number in (1, 2, 3, 4)), transfer_table(selection))
    more = [setting_table(key, selection, accuracies) for key in BEYOND]
    every = overview(selection, accuracies)
    paper, ours = paper_points(), run_points(selection.runs)
    findings = all_findings(selection, accuracies, paper, ours)
    tests = [
        (whose, words, associate(points, measure, seed))
        for whose, points in (("paper", paper), ("ours", ours))
        for measure, words in MEASURES.items()
    ]
    plain = [claims_table(findings), differences_table(selection, accuracies), association_table(tests)]
    plain += [leakage_table(selection), trust_table(selection), deviations_table(selection)]
    figures = []
    for figure in _figures(selection, accuracies, label):
        figures.append((figure, figure.write(output / "figures")))
    association = association_figure(selection, paper, ours)
    figures.append((association, association.write(output / "figures")))
    for table in (*tables, *more, every):
        write_table(table, output / "tables")
    for words in plain:
        words.write(output / "tables")
    by_key = {table.key: table for table in plain}
    content = PageContent(selection, tables, more, every, figures, findings, by_key, sound_pairs(selection.runs))
    write_page(content, output / "index.html")
    return Report(output / "index.html", tables, tuple(figure for figure, _ in figures), by_key, every)


def _figures(selection: Selection, accuracies: Accuracies, label: int | None) -> Iterator[ReportFigure]:
    for key in FIGURES:
        yield study_figure(key, selection, accuracies)
    yield spectrogram_figure(selection, label)
    yield cost_curves(selection)
    yield security_curves(selection)
