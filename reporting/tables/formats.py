"""A table as Markdown, CSV and LaTeX."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from reporting.estimates import FOLDS, Estimate
from reporting.names import IMPOSSIBLE
from reporting.tables.table import Kind, Quantity, Table
from storage import write_text

MISSING = "missing"
LATEX = str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", ">": "$>$", "<": "$<$", IMPOSSIBLE: "--"})


def number(kind: Kind, value: float) -> str:
    """A formatted number: percent with one decimal, an area or ratio with three, whole gradients."""
    match kind:
        case "percent":
            return f"{100 * value:.1f}"
        case "count":
            return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"
        case _:
            return f"{value:.3f}"


def ours(quantity: Quantity) -> str:
    """The formatted measured value, with ≥ if it is a lower bound; ``missing``, or a dash if it cannot exist."""
    found = quantity.ours
    if found is None:
        return MISSING if quantity.possible else IMPOSSIBLE
    return f"{'≥ ' if found.censored else ''}{number(quantity.kind, found.value)}"


def interval(quantity: Quantity) -> str:
    """The formatted interval of the measured value, or its range over folds; empty without one."""
    found = quantity.ours
    if found is None or found.low is None or found.high is None:
        return ""
    if found.interval == FOLDS:
        low, high = (
            f"{'≥ ' if censored else ''}{number(quantity.kind, end)}"
            for end, censored in ((found.low, found.low_censored), (found.high, found.high_censored))
        )
        return f"(folds {low} … {high})"
    return f"[{number(quantity.kind, found.low)}, {number(quantity.kind, found.high)}]"


def counted(quantity: Quantity) -> str:
    """The number of distinct clips, and of their recordings if known, as text; empty if nothing was counted."""
    found = quantity.ours
    if found is None or found.n is None:
        return ""
    return f"n={found.n}" + (f" of {found.recordings} recordings" if found.recordings is not None else "")


def paper(quantity: Quantity) -> str:
    """The formatted number of the paper; empty without one."""
    return "" if quantity.paper is None else number(quantity.kind, quantity.paper)


def markdown(table: Table) -> str:
    """The table as Markdown: ours, interval, n and the paper's number in each cell, and commands for missing cells."""
    headings = [*table.headings, *table.columns, "runs"]
    lines = [f"### {table.title}", "", table.caption, "", _line(headings), _line(["---"] * len(headings))]
    for row in table.rows:
        cells = ["; ".join(_in_words(quantity) for quantity in cell) for cell in row.cells]
        lines.append(_line([*row.labels, *cells, ", ".join(row.runs) or MISSING]))
    if table.commands:
        lines += ["", "Missing cells are filled by", "", "```", *table.commands, "```"]
    return "\n".join(lines) + "\n"


def as_csv(table: Table) -> str:
    """The table as CSV: one row per number, at full precision, with the runs that it was computed from."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = ["value", "low", "high", "interval", "spread_over_folds", "n", "recordings", "censored", "paper", "runs"]
    writer.writerow([*table.headings, "quantity", *names])
    for row in table.rows:
        for quantity in (quantity for cell in row.cells for quantity in cell):
            found = quantity.ours
            printed = "" if quantity.paper is None else round(quantity.paper, 10)
            values = _columns(found) if found else [""] * 8
            labels = row.values or row.labels
            writer.writerow([*labels, quantity.name, *values, printed, " ".join(found.runs) if found else ""])
    return file.getvalue()


def latex(table: Table) -> str:
    """The table as a LaTeX float (booktabs): for each setting, lines of ours with n, intervals, and the paper's."""
    columns = "l" * (len(table.headings) + 1) + "r" * len(table.columns)
    heads = " & ".join(text.translate(LATEX) for text in (*table.headings, "", *table.columns))
    lines = [
        r"\begin{table*}",
        r"\centering\scriptsize",
        rf"\caption{{{_escaped(table.title)}. {_escaped(table.caption)} Subscripts: n.}}",
    ]
    lines += [
        rf"\label{{tab:{table.key}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        rf"{heads} \\",
        r"\midrule",
    ]
    for row in table.rows:
        for name, written in (("ours", _ours_with_n), ("interval", interval), ("paper", paper)):
            labels = row.labels if name == "ours" else ("",) * len(row.labels)
            cells = [", ".join(filter(None, map(written, cell))) for cell in row.cells]
            lines.append(" & ".join(map(_escaped, (*labels, name, *cells))) + r" \\")
        lines.append(r"\addlinespace")
    return "\n".join([*lines[:-1], r"\bottomrule", r"\end{tabular}", r"\end{table*}"]) + "\n"


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write ``<key>.md``, ``<key>.csv`` and ``<key>.tex``; returns their paths."""
    paths = []
    for suffix, text in ((".md", markdown(table)), (".csv", as_csv(table)), (".tex", latex(table))):
        paths.append(folder / f"{table.key}{suffix}")
        write_text(paths[-1], text)
    return paths


def _in_words(quantity: Quantity) -> str:
    return " ".join(_parts(quantity))


def _parts(quantity: Quantity) -> Iterator[str]:
    yield ours(quantity)
    if quantity.ours:
        if interval(quantity):
            yield interval(quantity)
        if quantity.ours.n is not None:
            yield counted(quantity)
    if quantity.paper is not None:
        yield f"(paper {paper(quantity)})"


def _ours_with_n(quantity: Quantity) -> str:
    """Our value with n as a LaTeX subscript, so that a column is no wider than its intervals."""
    found = quantity.ours
    n = rf"\textsubscript{{{found.n}}}" if found and found.n is not None else ""
    return ours(quantity) + n


def _columns(found: Estimate) -> list[object]:
    values: list[object] = [found.value, found.low, found.high, found.interval, found.spread, found.n, found.recordings]
    values.append(int(found.censored))
    return ["" if value is None else value for value in values]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _escaped(text: str) -> str:
    return text.translate(LATEX).replace("≥ ", r"$\geq$")
