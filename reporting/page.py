"""Everything on one page that needs nothing else: no network, no file beside it."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reporting import table_formats
from reporting.claims import Finding
from reporting.plain_tables import SHOWN_CHECKS, PlainTable
from reporting.report_figure import ReportFigure
from reporting.selection import Selection
from reporting.sounds import SoundPair
from reporting.table import CORPUS_NAMES, NAMES, Table
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
    formats = {name: getattr(table_formats, name) for name in ("ours", "interval", "paper")}
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
    clips = sum(run.attacks.n for run in runs if run.attacks)
    missing = sum(cell.ours is None and cell.paper is not None for cell in _quantities(content.tables))
    whole = sum(cell.paper is not None for cell in _quantities(content.tables))
    return [
        ("runs", f"{len(runs)}, {attacked} of them attacked"),
        ("corpora", ", ".join(corpora)),
        ("split", content.selection.split),
        ("budgets", content.selection.profile or "no attack yet"),
        ("attacked clips, right when clean", f"{clips:,}"),
        ("numbers of Tables I to V", f"{whole - missing} of {whole} measured"),
    ]


def _verdicts(content: PageContent) -> list[tuple[str, dict[str, int]]]:
    """How many claims hold, by whose numbers."""
    counted = {whose: Counter[str]() for whose in ("paper", "ours")}
    for finding in content.findings:
        counted["paper" if finding.numbers == "paper" else "ours"][finding.verdict] += 1
    return [(whose, {verdict: counts[verdict] for verdict in VERDICTS}) for whose, counts in counted.items()]


def _quantities(tables: Sequence[Table]) -> list[Any]:
    return [quantity for table in tables for row in table.rows for cell in row.cells for quantity in cell]
