"""Tables of words and printed numbers: claims, tests, leakage, trust checks, deviations."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reporting.association import FEWEST_STRATA, SIGNIFICANT, Association, holm
from reporting.claims import Finding
from reporting.selection import Selection
from reporting.table import CORPUS_NAMES
from reporting.trust import DEVIATIONS, leakage, run_deviations, trust_checks
from storage import write_text

SHOWN_CHECKS = 200
"""Failed checks shown on the page; the CSV holds all of them."""


@dataclass(frozen=True)
class PlainTable:
    """Headings and cells as they are printed."""

    key: str
    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [self.headings, ("---",) * len(self.headings), *self.rows]
        body = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
        return "\n".join([f"### {self.title}", "", self.caption, "", *body]) + "\n"

    def csv(self) -> str:
        """The table as CSV."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.headings, *self.rows])
        return file.getvalue()

    def write(self, folder: Path) -> None:
        """Write both."""
        write_text(folder / f"{self.key}.md", self.markdown())
        write_text(folder / f"{self.key}.csv", self.csv())


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
    )


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
    return PlainTable(
        "trust_checks",
        "Can the attacks be trusted?",
        "Hard checks hold clip by clip for any classifier; soft ones may miss by 2 % or one clip.",
        ("run", "checks that hold", "result", "kind", "check", "where", "what was found, and what to do"),
        tuple(rows),
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
