"""Tables of text and formatted numbers: claims, tests of accuracy against robustness."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reporting.association import FEWEST_STRATA, SIGNIFICANT, Association, holm
from reporting.claims.claim import Finding
from storage import write_text

PRINTED_NUMBER = re.compile(r"[+-]?(\d+(,\d{3})*(\.\d+)?|inf)")

WITH_COMMAS = re.compile(r"\d{1,3}(,\d{3})+")

INTERVAL = re.compile(r"\[([^ ]+), ([^ ]+)\]")

NUMBERS = re.compile(r"[+-]\d+\.\d+( [+-]\d+\.\d+)+")
"""Several differences in one cell, one per fold."""

WORDS = {"holds": "higher", "fails": "lower"}
"""What a verdict says of a difference."""


@dataclass(frozen=True)
class PlainTable:
    """A table of text and formatted numbers.

    Attributes:
        key: name of its files, without suffix.
        title: heading.
        caption: explanation of the columns.
        headings: headings of the columns.
        rows: cells as formatted text.
        plain_headings: headings of the CSV, if its columns differ from the formatted ones.
        plain_rows: cells of the CSV, with numbers as numbers; by default they are parsed from the formatted ones.
    """

    key: str
    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    plain_headings: tuple[str, ...] = ()
    plain_rows: tuple[tuple[object, ...], ...] = ()

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [self.headings, ("---",) * len(self.headings), *self.rows]
        body = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
        return "\n".join([f"### {self.title}", "", self.caption, "", *body]) + "\n"

    def csv(self) -> str:
        """The table as CSV, with plain numbers and each end of an interval in a column of its own."""
        file = io.StringIO()
        if self.plain_headings:
            headings, rows = self.plain_headings, self.plain_rows
        else:
            headings, rows = _without_print(self.headings, self.rows)
        csv.writer(file, lineterminator="\n").writerows([headings, *rows])
        return file.getvalue()

    def write(self, folder: Path) -> None:
        """Write Markdown and CSV."""
        write_text(folder / f"{self.key}.md", self.markdown())
        write_text(folder / f"{self.key}.csv", self.csv())


def _without_print(
    headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """Headings and cells without formatting: an interval as its two ends, numbers without plus sign, comma or dash."""
    columns: list[tuple[str, list[object]]] = []
    for place, heading in enumerate(headings):
        cells = [row[place] for row in rows]
        ends = [INTERVAL.fullmatch(cell) for cell in cells]
        if heading == "interval" or (
            any(ends) and all(found or cell == "-" for found, cell in zip(ends, cells, strict=True))
        ):
            prefix = "" if heading == "interval" else f"{heading} "
            columns += [
                (f"{prefix}{name}", [_plain(found[k]) if found else "" for found in ends])
                for k, name in ((1, "low"), (2, "high"))
            ]
        elif any(NUMBERS.fullmatch(cell) for cell in cells):
            columns.append((heading, [cell.replace("+", "") if NUMBERS.fullmatch(cell) else cell for cell in cells]))
        elif cells and all(PRINTED_NUMBER.fullmatch(cell) or cell in ("", "-") for cell in cells):
            columns.append((heading, ["" if cell in ("", "-") else _plain(cell) for cell in cells]))
        else:
            # A setting may be a number in one row and a name in another.
            columns.append((heading, [_plain(cell) if WITH_COMMAS.fullmatch(cell) else cell for cell in cells]))
    plain = zip(*(cells for _, cells in columns), strict=True)
    return tuple(heading for heading, _ in columns), tuple(plain)


def _plain(printed: str) -> int | float:
    text = printed.replace(",", "")
    return float(text) if "." in text or "inf" in text else int(text)


def _number(value: float | None) -> float | str:
    return "" if value is None or math.isnan(value) else value


def claims_table(findings: Sequence[Finding]) -> PlainTable:
    """The table of all claims, each with its effect, interval, n and verdict."""
    rows = [
        (f.claim, f.numbers, f.verdict, f.statement, f.effect, f.shown, f.interval, f.n, f.note, " ".join(f.runs))
        for f in findings
    ]
    return PlainTable(
        "claims",
        "Which of the paper's claims hold",
        "A claim holds if the whole 95 % interval of its effect lies on the claimed side, and fails if it lies on the "
        "other. The interval covers the variation of recordings and of models, which requires five folds or three "
        "seeds; if only the interval over recordings excludes zero effect, the verdict is valid for these models only. "
        "Costs are maxima, capped by the budgets; with fewer than five folds they have a range, which decides nothing. "
        "At equal delta, units differ between representations. Claims that the paper makes without data are stated "
        "only, and its two to four settings per corpus are descriptive. Accuracy against robustness (C3) has a "
        "permutation test, with Holm's p, in place of an interval. No other correction for the number of claims.",
        ("claim", "numbers", "verdict", "the paper says", "effect", "value", "interval", "n", "how judged", "runs"),
        tuple(rows),
        ("claim", "numbers", "verdict", "the paper says", "effect", "value", "low", "high", "n", "how judged", "runs"),
        tuple(
            (
                *(f.claim, f.numbers, f.verdict, f.statement, f.effect),
                *("" if value is None else _number(f.scale * value) for value in (f.value, f.low, f.high)),
                *(f.n, f.note, " ".join(f.runs)),
            )
            for f in findings
        ),
    )


def association_table(found: Sequence[tuple[str, str, Association | None]]) -> PlainTable:
    """The table of tests of accuracy against robustness, from triples of whose numbers, the measure and the result."""
    rows: list[tuple[str, ...]] = []
    plain: list[tuple[object, ...]] = []
    for (whose, measure, result), adjusted in zip(found, holm([test[-1] for test in found]), strict=True):
        if result is None or adjusted is None:
            plain.append((whose, measure, "missing", *("",) * 8))
            rows.append((whose, measure, "missing", *("-",) * 7, "fewer than two strata have two settings"))
            continue
        few = f"fewer than {FEWEST_STRATA} strata" if result.strata < FEWEST_STRATA else ""
        verdict = result.verdict if adjusted < SIGNIFICANT else "undecided"
        rows.append(
            (
                whose,
                measure,
                verdict,
                f"{result.within:+.2f}",
                f"{result.p:.2g}",
                f"{adjusted:.2g}",
                f"{result.smallest_p:.2g}",
                f"{result.points} in {result.strata}",
                _signed(result.pooled),
                "-" if math.isnan(result.pooled_p) else f"{result.pooled_p:.2g}",
                few,
            )
        )
        tested = (result.p, adjusted, result.smallest_p, result.points, result.strata)
        pooled = (_number(result.pooled), _number(result.pooled_p))
        plain.append((whose, measure, verdict, _number(result.within), *tested, *pooled))
    return PlainTable(
        "accuracy_against_robustness_tests",
        "Accuracy against robustness: tests",
        "Within: Pearson correlation of values centred within each stratum (representation, corpus), as means over the "
        "folds on which all settings of the stratum were tested and attacked, two-sided "
        "stratified permutation test; Holm's p is corrected for all tests shown, and the verdict follows it. There are "
        "too few strata for an interval. Pooled: Spearman correlation, which includes differences between "
        "representations.",
        (
            "numbers",
            "measure",
            "verdict",
            "r within",
            "p",
            "p (Holm)",
            "smallest attainable p",
            "settings in strata",
            "rho pooled",
            "p pooled",
            "note",
        ),
        tuple(rows),
        (
            *("numbers", "measure", "verdict", "r within", "p", "p (Holm)", "smallest attainable p", "settings"),
            *("strata", "rho pooled", "p pooled"),
        ),
        tuple(plain),
    )


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"
