"""Tables of words and printed numbers: claims, tests, leakage, trust checks, deviations."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reporting.association import FEWEST_STRATA, SIGNIFICANT, Association, holm
from reporting.claims import Finding
from reporting.selection import Selection
from reporting.table import CORPUS_NAMES
from reporting.trust import DEVIATIONS, leakage, run_deviations, trust_checks
from storage import write_text

PRINTED_NUMBER = re.compile(r"[+-]?(\d+(,\d{3})*(\.\d+)?|inf)")
WITH_COMMAS = re.compile(r"\d{1,3}(,\d{3})+")
INTERVAL = re.compile(r"\[([^ ]+), ([^ ]+)\]")
NUMBERS = re.compile(r"[+-]\d+\.\d+( [+-]\d+\.\d+)+")
"""Several differences in one cell, one for each fold."""
SHOWN_CHECKS = 200
"""Failed checks shown on the page; the CSV holds all of them."""


@dataclass(frozen=True)
class PlainTable:
    """A table of words and printed numbers.

    Attributes:
        key: name of the files it is written to.
        title: heading.
        caption: what it holds.
        headings: headings of the columns.
        rows: cells as they are printed.
        plain_headings: headings of the CSV, where its columns are not those that are printed.
        plain_rows: cells of the CSV, numbers as numbers; without them they are read from the printed ones.
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
        """The table as CSV: plain numbers in columns of numbers, both ends of an interval in columns of their own."""
        file = io.StringIO()
        if self.plain_headings:
            headings, rows = self.plain_headings, self.plain_rows
        else:
            headings, rows = _without_print(self.headings, self.rows)
        csv.writer(file, lineterminator="\n").writerows([headings, *rows])
        return file.getvalue()

    def write(self, folder: Path) -> None:
        """Write both."""
        write_text(folder / f"{self.key}.md", self.markdown())
        write_text(folder / f"{self.key}.csv", self.csv())


def _without_print(
    headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], tuple[tuple[object, ...], ...]]:
    """Headings and cells with an interval as its two ends, and no sign, comma or dash for print among numbers."""
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
            # A setting is a number in one line and a name in another.
            columns.append((heading, [_plain(cell) if WITH_COMMAS.fullmatch(cell) else cell for cell in cells]))
    plain = zip(*(cells for _, cells in columns), strict=True)
    return tuple(heading for heading, _ in columns), tuple(plain)


def _plain(printed: str) -> int | float:
    text = printed.replace(",", "")
    return float(text) if "." in text or "inf" in text else int(text)


def _number(value: float | None) -> float | str:
    return "" if value is None or math.isnan(value) else value


def claims_table(findings: Sequence[Finding]) -> PlainTable:
    """Every claim with its effect, interval, n and verdict."""
    rows = [
        (f.claim, f.numbers, f.verdict, f.statement, f.effect, f.shown, f.interval, f.n, f.note, " ".join(f.runs))
        for f in findings
    ]
    return PlainTable(
        "claims",
        "What holds of the paper's claims",
        "A claim holds where the whole 95 % interval of its effect lies on the claimed side, and fails where it lies "
        "on the other. The interval counts recordings and models, which takes five folds or three seeds; where only "
        "the interval over recordings excludes no effect, that is said of these models only. Costs are maxima, capped "
        "by the budgets; with fewer than five folds they have a range, which decides nothing. At equal delta units "
        "differ between representations. What the paper states without data is stated only, and what its two to four "
        "settings a corpus look like is descriptive. Nothing is corrected for the number of claims.",
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
    """Tests of accuracy against robustness; each entry is whose numbers, the measure, and the result."""
    rows = []
    for (whose, measure, result), adjusted in zip(found, holm([test[-1] for test in found]), strict=True):
        if result is None or adjusted is None:
            rows.append((whose, measure, "missing", *("-",) * 8, "fewer than two strata have two settings"))
            continue
        few = f"fewer than {FEWEST_STRATA} strata" if result.strata < FEWEST_STRATA else ""
        rows.append(
            (
                whose,
                measure,
                result.verdict if adjusted < SIGNIFICANT else "undecided",
                f"{result.within:+.2f}",
                "-" if math.isnan(result.low) else f"[{_signed(result.low)}, {_signed(result.high)}]",
                f"{result.p:.2g}",
                f"{adjusted:.2g}",
                f"{result.smallest_p:.2g}",
                f"{result.points} in {result.strata}",
                _signed(result.pooled),
                "-" if math.isnan(result.pooled_p) else f"{result.pooled_p:.2g}",
                few,
            )
        )
    return PlainTable(
        "accuracy_against_robustness_tests",
        "Accuracy against robustness: tests",
        "Within: Pearson correlation of values centred in each (representation, corpus), two-sided stratified "
        "permutation test, 95 % interval by resampling strata; Holm's p counts all tests shown, and the verdict "
        "follows it. Pooled: Spearman, which mixes differences between representations in.",
        (
            "numbers",
            "measure",
            "verdict",
            "r within",
            "interval",
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
            *("numbers", "measure", "verdict", "r within", "low", "high", "p", "smallest attainable p", "settings"),
            *("strata", "rho pooled", "p pooled"),
        ),
        tuple(
            (whose, measure, *(_association_numbers(result) if result else ("missing", *("",) * 9)))
            for whose, measure, result in found
        ),
    )


def _association_numbers(result: Association) -> tuple[object, ...]:
    ends = (_number(result.low), _number(result.high))
    tested = (result.p, result.smallest_p, result.points, result.strata)
    return (result.verdict, _number(result.within), *ends, *tested, _number(result.pooled), _number(result.pooled_p))


def leakage_table(selection: Selection) -> PlainTable:
    """Leakage of each corpus."""
    rows = [(CORPUS_NAMES.get(corpus, corpus), split, f"{share:.1%}") for corpus, split, share in leakage(selection)]
    return PlainTable(
        "leakage",
        "Leakage",
        "Share of test clips with a clip of the same recording in training or validation. With split=random it would "
        "be about 33 % on ESC-10 and ESC-50 and 95 % on UrbanSound8K.",
        ("corpus", "split", "test clips that leak"),
        tuple(rows),
        ("corpus", "split", "share of test clips that leak"),
        tuple((CORPUS_NAMES.get(corpus, corpus), split, share) for corpus, split, share in leakage(selection)),
    )


def trust_table(selection: Selection) -> PlainTable:
    """Checks of every attacked run; a line for each that failed, and one for each run that passed all."""
    rows = []
    for summary in trust_checks(selection):
        total = f"{summary.passed} of {summary.passed + len(summary.failed)}"
        if not summary.failed:
            rows.append((summary.run, total, "all hold", "", "", "", ""))
        for check in summary.failed:
            verdict = "not judged" if check["passed"] is None else "failed"
            place = f"fold {check['fold']}" + (f", {check['attack']}" if check["attack"] else "")
            rows.append(
                (
                    summary.run,
                    total,
                    verdict,
                    check["kind"],
                    check["name"],
                    place,
                    f"{check['found']}; {check['remedy']}",
                )
            )
    totals = {one.run: (one.passed, one.passed + len(one.failed)) for one in trust_checks(selection)}
    return PlainTable(
        "trust_checks",
        "Can the attacks be trusted?",
        "Hard checks hold clip by clip for any classifier; soft ones may miss by 2 % or one clip.",
        ("run", "checks that hold", "result", "kind", "check", "where", "what was found, and what to do"),
        tuple(rows),
        ("run", "checks that hold", "checks", "result", "kind", "check", "where", "what was found, and what to do"),
        tuple((row[0], *totals[row[0]], *row[2:]) for row in rows),
    )


def deviations_table(selection: Selection) -> PlainTable:
    """Deviations of these runs, then those of every run."""
    rows = [(what, "these runs", text) for what, text in run_deviations(selection)]
    rows += [(what, "always", text) for what, text in DEVIATIONS]
    return PlainTable(
        "deviations", "Deviations from the paper", "What changes a number.", ("what", "where", "how"), tuple(rows)
    )


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"
