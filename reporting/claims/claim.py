"""A claim of the paper, a finding about it, and the guards against unfair comparisons."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reporting.controls import note_of, runs_of
from reporting.estimates import Estimate
from reporting.paper_numbers import PaperSetting, paper_settings
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA
from reporting.verdicts import Verdict, judge

UNITS_DIFFER = (
    "delta is a share of the range of a map and means a different change of the sound in each representation; to be "
    "judged at equal decibels of sound"
)

UNEQUAL = 1.25
"""Largest ratio of numbers of clips whose maxima are compared: maxima over twice the clips are 2 to 3 % larger (ESC-10,
``reduced``), and up to this ratio they differ by under 1 %."""

FOR_THESE_MODELS = "; for these models it "
"""Before what the interval over recordings alone says, at the end of a note."""

DESCRIPTIVE = "range over the corpora, which are too few for a test"


@dataclass(frozen=True)
class Finding:
    """The evidence on a claim from one set of numbers.

    Attributes:
        claim: its number in the list of claims, for example ``C1``, with a letter if it has several parts.
        statement: what the paper says.
        numbers: whose numbers were used: ``paper``, or ``ours`` and the corpus.
        effect: what was measured, in words with its unit.
        value: the effect; None if missing.
        low: lower end of its interval.
        high: upper end of its interval.
        n: in words, from how many units it was computed.
        verdict: whether the claim holds.
        note: how it was judged, or what is missing.
        runs: names of the runs that it was computed from.
        scale: factor for display, 100 for shares in percent.
        signed: whether the effect is a difference, displayed with its sign.
    """

    claim: str
    statement: str
    numbers: str
    effect: str
    value: float | None
    low: float | None
    high: float | None
    n: str
    verdict: Verdict
    note: str
    runs: tuple[str, ...] = ()
    scale: float = 1.0
    signed: bool = True

    def withdrawn(self, *reasons: str) -> "Finding":
        """The same finding undecided, with the reasons; what it would say "for these models" is withdrawn too."""
        kept = self.note.split(FOR_THESE_MODELS)[0]
        return replace(self, verdict="undecided", note="; ".join(filter(None, (kept, *reasons))))

    @property
    def interval(self) -> str:
        """The formatted interval; a dash without one."""
        if self.low is None or self.high is None:
            return "-"
        return f"[{self._printed(self.low)}, {self._printed(self.high)}]"

    @property
    def shown(self) -> str:
        """The formatted effect; a dash if missing."""
        return "-" if self.value is None else self._printed(self.value)

    def _printed(self, value: float) -> str:
        digits = 2 if abs(self.scale * value) < 10 else 1
        return f"{self.scale * value:{'+' if self.signed else ''}.{digits}f}"


@dataclass(frozen=True)
class Claim:
    """A statement of the paper.

    Attributes:
        number: for example ``C1``.
        statement: what the paper says, in our words.
        effect: what is measured, with its unit.
        signed: whether the effect is a difference.
    """

    number: str
    statement: str
    effect: str
    signed: bool = True

    def finding(
        self,
        numbers: str,
        ends: tuple[float | None, float | None, float | None],
        n: str,
        verdict: Verdict,
        note: str,
        runs: tuple[str, ...] = (),
        scale: float = 1.0,
    ) -> Finding:
        """A finding about this claim; ``ends`` are the effect and the two ends of its interval."""
        return Finding(
            self.number, self.statement, numbers, self.effect, *ends, n, verdict, note, runs, scale, self.signed
        )

    def missing(self, numbers: str, note: str) -> Finding:
        """A finding without data."""
        return self.finding(numbers, (None, None, None), "0", "missing", note)

    def stated(self, value: float | None, note: str, scale: float = 1.0) -> Finding:
        """A finding for a statement that the paper makes without numbers that could be tested."""
        return self.finding("paper", (value, None, None), "not given", "stated only", note, (), scale)

    def described(self, found: Estimate, n: str, note: str, scale: float = 1.0) -> Finding:
        """A finding that describes the paper's own numbers without a verdict, because they are too few."""
        ends = (found.value, found.low, found.high)
        return self.finding("paper", ends, n, "descriptive", note, (), scale)

    def judge(
        self,
        numbers: str,
        found: Estimate | None,
        n: str,
        note: str = "",
        *,
        null: float = 0.0,
        scale: float = 1.0,
        confidence: float = 0.95,
        logarithmic: bool = False,
        missing: str = "no runs of it yet",
    ) -> Finding:
        """Judge the claim: it holds if the whole interval over models and recordings lies above the null value.

        Args:
            numbers: whose numbers are used.
            found: the effect, above the null value if the claim is right; None if missing.
            n: in words, from how many units it was computed.
            note: further remarks for the reader.
            null: value of no effect.
            scale: factor for display.
            confidence: coverage of the interval.
            logarithmic: whether the effect is a ratio, which is averaged by its logarithms.
            missing: the note if ``found`` is None.

        Returns:
            The finding; its verdict is ``fails`` if the whole interval lies below the null value.
        """
        if found is None:
            return self.missing(numbers, missing)
        judged = judge(found, null, confidence=confidence, logarithmic=logarithmic)
        low, high = judged.ends or (None, None)
        finding = self.finding(numbers, (found.value, low, high), n, judged.verdict, "", found.runs, scale)
        parts = [note, judged.basis]
        if judged.recordings and judged.recordings != judged.ends:
            alone = replace(finding, low=judged.recordings[0], high=judged.recordings[1]).interval
            parts.append(f"recordings alone: {alone}")
        alone = f"{FOR_THESE_MODELS}{judged.alone}" if judged.alone else ""
        return replace(finding, note="; ".join(filter(None, parts)) + alone)


def beside(finding: Finding, sides: Sequence[Sequence[Sequence[Run]]], varied: str | None = None) -> Finding:
    """Add a note on the other settings in which the two sides differ, with the command of a control run.

    Args:
        finding: the finding.
        sides: runs of each setting, for the two sides.
        varied: the setting that the claim is about; None for the representation.
    """
    if finding.verdict == "missing":
        return finding
    said = note_of(runs_of(sides[0]), runs_of(sides[1]), varied)
    return replace(finding, note="; ".join(filter(None, (said, finding.note)))) if said else finding


def units_differ(finding: Finding) -> Finding:
    """Withdraw the verdict of a comparison of two representations at equal delta, because their units differ."""
    if finding.verdict == "missing":
        return finding
    withdrawn = finding.withdrawn()
    return replace(withdrawn, verdict="undecided: units differ", note=f"{UNITS_DIFFER}; {withdrawn.note}")


def of_equal_subsets(finding: Finding, sides: Sequence[Sequence[Sequence[Run]]]) -> Finding:
    """Withdraw the verdict if one side's maxima are over more clips than the other's, which alone makes them larger.

    Args:
        finding: the finding.
        sides: runs of each compared setting, one list per side.
    """
    attacked = [[run for runs in side for run in runs if run.attacks] for side in sides]
    subsets = {run.attacks.clips for side in attacked for run in side if run.attacks}
    if finding.verdict == "missing" or not all(attacked):
        return finding
    if len(subsets) > 1:
        named = " and ".join(sorted("all" if clips is None else str(clips) for clips in subsets))
        return finding.withdrawn(f"maxima over {named} clips per fold cannot be compared")
    # Maxima are over the clips that a model classifies correctly, of which a poor model has fewer.
    settings = [[row for run in runs if run.attacks for row in run.attacks.folds] for side in sides for runs in side]
    folds = [{row["fold"] for row in rows} for rows in settings if rows]
    common = set.intersection(*folds) if folds else set()
    clips = [
        [row["n"] for run in side if run.attacks for row in run.attacks.folds if row["fold"] in common]
        for side in attacked
    ]
    sizes = [statistics.fmean(side) for side in clips] if all(clips) else [1.0]
    if max(sizes) > UNEQUAL * min(sizes):
        clips_of = " and ".join(f"{size:.0f}" for size in sizes)
        return finding.withdrawn(
            f"maxima over {clips_of} clips per fold that are correct when clean cannot be compared"
        )
    return finding


def paper_contrast(
    first: int, second: int, measure: Callable[[PaperSetting], float]
) -> tuple[Estimate, dict[str, float]]:
    """Mean over corpora of the difference of means over settings, with the range over corpora.

    Args:
        first: number of a table.
        second: number of the table to subtract.
        measure: the number of a setting to compare.

    Returns:
        The difference, and the difference for each corpus by its name.
    """
    differences: dict[str, float] = {}
    n = 0
    for corpus in PAPER_CORPORA:
        sides = [[measure(row) for row in paper_settings(table) if row.corpus == corpus] for table in (first, second)]
        differences[corpus] = statistics.fmean(sides[0]) - statistics.fmean(sides[1])
        n += sum(map(len, sides))
    values = differences.values()
    return Estimate(statistics.fmean(values), min(values), max(values), None, n, ()), differences
