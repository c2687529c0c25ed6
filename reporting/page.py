"""From runs to a report: every table and figure as files, and one page that needs no network and no other file."""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reporting.accuracy import Accuracies
from reporting.association import associate, paper_points, run_points
from reporting.claims.all_claims import all_findings
from reporting.claims.claim import Finding
from reporting.distinct_clips import attacked_clips
from reporting.figures.association import MEASURES, association_figure
from reporting.figures.curves import cost_curves, security_curves
from reporting.figures.figure import ReportFigure
from reporting.figures.paper_figures import study_figure
from reporting.figures.spectrograms import spectrogram_figure
from reporting.names import CORPUS_NAMES, NAMES
from reporting.selection import Selection
from reporting.sounds import SoundPair, sound_pairs
from reporting.studies import BEYOND, FIGURES
from reporting.tables import formats as table_formats
from reporting.tables.formats import write_table
from reporting.tables.paper_tables import overview, paper_table, setting_table
from reporting.tables.plain import PlainTable, association_table, claims_table, differences_table
from reporting.tables.table import Table
from reporting.tables.transfer import transfer_table
from reporting.tables.trust import SHOWN_CHECKS, deviations_table, leakage_table, trust_table
from reporting.verdicts import VERDICTS
from storage import write_text


@dataclass(frozen=True)
class PageContent:
    """What the page shows.

    Attributes:
        selection: runs that it is made of.
        tables: Tables I to V.
        more_tables: comparisons beyond them.
        overview: every setting.
        figures: figures with their PNG.
        findings: judged claims.
        plain: claims, differences, tests, leakage, checks and deviations by key.
        sounds: clips to listen to.
    """

    selection: Selection
    tables: Sequence[Table]
    more_tables: Sequence[Table]
    overview: Table
    figures: Sequence[tuple[ReportFigure, bytes]]
    findings: Sequence[Finding]
    plain: dict[str, PlainTable]
    sounds: Sequence[SoundPair]


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


def write_page(content: PageContent, path: Path) -> None:
    """Write the page to a file.

    Args:
        content: what it shows.
        path: the HTML file.
    """
    environment = Environment(
        loader=PackageLoader("reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": data_uri, "file_uri": lambda file, kind: data_uri(file.read_bytes(), kind)}
    formats = {name: getattr(table_formats, name) for name in ("ours", "interval", "counted", "paper")}
    environment.globals |= {"formats": formats, "names": NAMES, "shown_checks": SHOWN_CHECKS}
    text = environment.get_template("report.html").render(
        **vars(content), facts=_facts(content), verdicts=_verdicts(content)
    )
    write_text(path, text)


def data_uri(content: bytes, kind: str) -> str:
    """Content as part of the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _facts(content: PageContent) -> list[tuple[str, str]]:
    runs = content.selection.runs
    corpora = dict.fromkeys(CORPUS_NAMES.get(run.corpus, run.corpus) for run in runs)
    attacked = sum(run.attacks is not None for run in runs)
    counted = attacked_clips(runs)
    printed = [cell for cell in _quantities(content.tables) if cell.paper is not None]
    measured = sum(cell.ours is not None for cell in printed)
    # Of someone's own runs the paper has no numbers.
    compared = [("numbers of Tables I to V", f"{measured} of {len(printed)} measured")] if measured else []
    left_out = content.selection.left_out
    return [
        ("runs", f"{len(runs)}, {attacked} of them attacked"),
        ("corpora", ", ".join(corpora)),
        ("split", content.selection.split),
        ("budgets", content.selection.profile or "no attack yet"),
        (
            "attacked clips, right when clean",
            f"{counted.clips:,}" + (f" of {counted.recordings:,} recordings" if counted.recordings else ""),
        ),
        *compared,
        *([("left out", f"{len(left_out)} runs or their attacks, named under Deviations")] if left_out else []),
    ]


def _verdicts(content: PageContent) -> list[tuple[str, dict[str, int]]]:
    """How many claims hold, by whose numbers."""
    counted = {whose: Counter[str]() for whose in ("paper", "ours")}
    for finding in content.findings:
        counted["paper" if finding.numbers == "paper" else "ours"][finding.verdict] += 1
    return [(whose, {verdict: counts[verdict] for verdict in VERDICTS}) for whose, counts in counted.items()]


def _quantities(tables: Sequence[Table]) -> list[Any]:
    return [quantity for table in tables for row in table.rows for cell in row.cells for quantity in cell]


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
