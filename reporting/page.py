"""From runs to a report: every table and figure as files, and one self-contained page that needs no network."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from reporting.accuracy import Accuracies
from reporting.association import associate, paper_points, run_points
from reporting.claims.all_claims import all_findings
from reporting.claims.claim import Finding
from reporting.figures.association import MEASURES, association_figure
from reporting.figures.curves import cost_curves, security_curves
from reporting.figures.figure import ReportFigure
from reporting.figures.fragility_curves import fragility_curves
from reporting.figures.paper_figures import study_figure
from reporting.figures.sound_curves import sound_curves
from reporting.figures.sound_pairs import PICTURE_COLOURS, pair_figure
from reporting.figures.spectrograms import spectrogram_figure
from reporting.names import NAMES
from reporting.own_runs import OwnRun, ends_in_percent, in_percent, own_runs, run_tables
from reporting.page_data import page_data
from reporting.ranking import Ranking, most_telling, rankings
from reporting.selection import Selection
from reporting.sounds import SoundPair, sound_pairs
from reporting.studies import BEYOND, FIGURES
from reporting.tables import formats as table_formats
from reporting.tables.accuracy_differences import run_differences_table, setting_differences_table
from reporting.tables.decibels import sound_attacks_table, sound_differences_table
from reporting.tables.formats import write_table
from reporting.tables.paper_tables import overview, paper_table, setting_table
from reporting.tables.plain import PlainTable, association_table, claims_table
from reporting.tables.provenance import provenance_table
from reporting.tables.sound import fragility_table, round_trip_table, scalar_table, sound_transfer_table
from reporting.tables.table import Table
from reporting.tables.transfer import transfer_table
from reporting.tables.trust import SHOWN_CHECKS, deviations_table, leakage_table, trust_table
from reporting.verdicts import VERDICTS
from storage import write_text

PICKED = 6
"""Number of runs compared when the page is opened; more curves would be hard to distinguish."""

SHOWN_ATTACKS = 2500
"""Largest number of rows of the table of attacks and budgets on the page; its CSV contains all of them."""

Drawn = tuple[ReportFigure, bytes, bytes]
"""A figure with its PNG and PDF."""


@dataclass(frozen=True)
class PageContent:
    """The content of the page.

    Attributes:
        selection: the runs that it compares.
        own: every run that was read, with its measurements.
        ranked: rankings of the runs of each corpus under each attack and budget.
        tables: Tables I to V.
        more_tables: comparisons beyond the paper's tables.
        overview: table of all settings.
        own_figures: example maps and curves of the runs.
        paper_figures: counterparts of the paper's figures.
        findings: judged claims.
        plain: claims, differences, tests, leakage, checks and deviations by key.
        sounds: pairs of sounds to listen to, each with its spectrograms and their PNG.
        sound_curves: fooling against SNR, of attacks on sounds.
        fragility_curves: what disturbances leave of the fooling.
    """

    selection: Selection
    own: Sequence[OwnRun]
    ranked: Sequence[Ranking]
    tables: Sequence[Table]
    more_tables: Sequence[Table]
    overview: Table
    own_figures: Sequence[Drawn]
    paper_figures: Sequence[Drawn]
    findings: Sequence[Finding]
    plain: dict[str, PlainTable]
    sounds: Sequence[tuple[SoundPair, ReportFigure, bytes]]
    sound_curves: Drawn
    fragility_curves: Drawn


@dataclass(frozen=True)
class Report:
    """The files and tables of a finished report.

    Attributes:
        page: the HTML page.
        tables: Tables I to V.
        figures: all figures, those without data included.
        plain: claims, differences, tests, leakage, checks and deviations by key.
        overview: table of all trained settings.
        own: every run that was read, with its measurements.
        answer: which run is most robust, in a sentence; None if no run was attacked.
    """

    page: Path
    tables: tuple[Table, ...]
    figures: tuple[ReportFigure, ...]
    plain: dict[str, PlainTable]
    overview: Table
    own: tuple[OwnRun, ...]
    answer: str | None


def build_report(selection: Selection, output: Path, *, label: int | None = None, seed: int = 0) -> Report:
    """Compute and write all tables, figures and the page.

    Args:
        selection: runs that may be compared.
        output: folder of the report.
        label: class of the clip in Figure 6; the dog bark by default.
        seed: seed of permutations.

    Returns:
        The tables and figures, and the path of the page.

    Raises:
        DataError: if a file of a run cannot be read.
    """
    accuracies = Accuracies()
    own = own_runs(selection, accuracies)
    ranked = rankings(own)
    tables = (*(paper_table(number, selection, accuracies) for number in (1, 2, 3, 4)), transfer_table(selection))
    more = [setting_table(key, selection, accuracies) for key in BEYOND]
    every = overview(selection, accuracies)
    paper, ours = paper_points(), run_points(selection.runs, accuracies)
    findings = all_findings(selection, accuracies, paper, ours, seed)
    tests = [
        (whose, words, associate(points, measure, seed))
        for whose, points in (("paper", paper), ("ours", ours))
        for measure, words in MEASURES.items()
    ]
    plain = [claims_table(findings), association_table(tests)]
    plain += [setting_differences_table(selection, accuracies), run_differences_table(selection.found, accuracies)]
    plain += [leakage_table(selection), trust_table(selection), deviations_table(selection)]
    plain += [provenance_table(selection.found)]
    plain += [sound_attacks_table(selection.found), sound_differences_table(selection.found)]
    plain += [round_trip_table(selection.found)]
    plain += [fragility_table(selection.found), scalar_table(selection.found), sound_transfer_table(selection.found)]
    own_figures = [spectrogram_figure(selection, label), security_curves(selection), cost_curves(selection)]
    of_sounds, disturbed = sound_curves(selection.found), fragility_curves(selection.found)
    of_pairs = [(pair, pair_figure(pair)) for pair in sound_pairs(selection.found)]
    paper_figures = [study_figure(key, selection, accuracies) for key in FIGURES]
    paper_figures.append(association_figure(selection, paper, ours))
    for table in (*tables, *more, every):
        write_table(table, output / "tables")
    for words in plain:
        words.write(output / "tables")
    by_key = {table.key: table for table in plain}
    content = PageContent(
        selection,
        own,
        ranked,
        tables,
        more,
        every,
        [(figure, *figure.write(output / "figures")) for figure in own_figures],
        [(figure, *figure.write(output / "figures")) for figure in paper_figures],
        findings,
        by_key,
        [(pair, figure, figure.png(PICTURE_COLOURS)) for pair, figure in of_pairs],
        (of_sounds, *of_sounds.write(output / "figures")),
        (disturbed, *disturbed.write(output / "figures")),
    )
    write_page(content, output / "index.html")
    chosen = most_telling(ranked)
    answer = chosen.sentence if chosen else None
    figures = (*own_figures, of_sounds, disturbed, *paper_figures)
    return Report(output / "index.html", tables, figures, by_key, every, tuple(own), answer)


def write_page(content: PageContent, path: Path) -> None:
    """Write the page to a file.

    Args:
        content: its content.
        path: the HTML file.
    """
    environment = Environment(
        loader=PackageLoader("reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": data_uri,
        "file_uri": lambda file, kind: data_uri(file.read_bytes(), kind),
        "text_uri": lambda text, kind: data_uri(text.encode(), kind),
    }
    formats = {name: getattr(table_formats, name) for name in ("ours", "interval", "counted", "paper", "as_csv")}
    environment.globals |= {
        "formats": formats,
        "names": NAMES,
        "shown_checks": SHOWN_CHECKS,
        "percent": in_percent,
        "ends": ends_in_percent,
    }
    chosen = most_telling(content.ranked)
    numbers = [q for table in content.tables for row in table.rows for cell in row.cells for q in cell]
    printed = [quantity for quantity in numbers if quantity.paper is not None]
    text = environment.get_template("report.html").render(
        runs=content.own,
        chosen=chosen,
        other_answers=[
            one.sentence for one in content.ranked if chosen and one.threat == chosen.threat and one is not chosen
        ],
        threats=list(dict.fromkeys(threat for run in content.own for threat in run.threats)),
        picked=_picked(content.own, chosen),
        attack_rows=[(run, *row) for run in content.own for row in run.threats.items()],
        shown_attacks=SHOWN_ATTACKS,
        data=page_data(content.own, content.ranked, chosen),
        downloads={name: data_uri(csv.encode(), "text/csv") for name, csv in run_tables(content.own).items()},
        own_figures=content.own_figures,
        paper_figures=content.paper_figures,
        sounds=content.sounds,
        sound_curves=content.sound_curves,
        fragility_curves=content.fragility_curves,
        plain=content.plain,
        overview=content.overview,
        overview_open=len(content.overview.rows) < len(content.own),
        tables=content.tables,
        more_tables=content.more_tables,
        verdicts=_verdicts(content.findings),
        measured=sum(quantity.ours is not None for quantity in printed),
        printed=len(printed),
    )
    write_text(path, text)


def data_uri(content: bytes, kind: str) -> str:
    """A data URI that embeds content of a MIME type in the page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _picked(runs: Sequence[OwnRun], chosen: Ranking | None) -> set[int]:
    """Positions of the runs that are compared when the page is opened: the most robust ones."""
    best = chosen.runs[:PICKED] if chosen else ()
    return {place for place, run in enumerate(runs) if any(run is one for one in best)}


def _verdicts(findings: Sequence[Finding]) -> list[tuple[str, dict[str, int]]]:
    """Number of claims with each verdict, on the paper's numbers and on ours."""
    counted = {whose: Counter[str]() for whose in ("paper", "ours")}
    for finding in findings:
        counted["paper" if finding.numbers == "paper" else "ours"][finding.verdict] += 1
    return [(whose, {verdict: counts[verdict] for verdict in VERDICTS}) for whose, counts in counted.items()]
