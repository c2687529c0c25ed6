"""The paper's claims, each with an effect, an interval and a verdict, on the paper's numbers and on ours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reporting.controls import note_of, runs_of
from reporting.estimates import Estimate
from reporting.runs import Run
from reporting.verdicts import Verdict, judge

UNITS_DIFFER = (
    "delta is a share of the range of a map and means another change of sound in each representation; to be judged at "
    "equal decibels of sound"
)


@dataclass(frozen=True)
class Finding:
    """What some numbers say of a claim.

    Attributes:
        claim: its number in the list of claims, ``C1``, with a letter where it has several parts.
        statement: what the paper says.
        numbers: whose numbers they are: ``paper``, or ``ours`` and the corpus.
        effect: what was measured, in words with its unit.
        value: the effect; None where it is missing.
        low: lower end of its interval.
        high: upper end of its interval.
        n: how many units it was computed from, in words.
        verdict: whether the claim holds.
        note: how it was judged, or what is missing.
        runs: runs it came from.
        scale: factor for printing, 100 for shares.
        signed: whether the effect is a difference, printed with its sign.
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

    @property
    def interval(self) -> str:
        """The interval as it is printed."""
        if self.low is None or self.high is None:
            return "-"
        return f"[{self._printed(self.low)}, {self._printed(self.high)}]"

    @property
    def shown(self) -> str:
        """The effect as it is printed."""
        return "-" if self.value is None else self._printed(self.value)

    def _printed(self, value: float) -> str:
        digits = 2 if abs(self.scale * value) < 10 else 1
        return f"{self.scale * value:{'+' if self.signed else ''}.{digits}f}"


@dataclass(frozen=True)
class Claim:
    """A statement of the paper.

    Attributes:
        number: ``C1`` for example.
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
        """Nothing to judge it by."""
        return self.finding(numbers, (None, None, None), "0", "missing", note)

    def stated(self, value: float | None, note: str, scale: float = 1.0) -> Finding:
        """The paper says so without numbers that could be tested."""
        return self.finding("paper", (value, None, None), "not given", "stated only", note, (), scale)

    def described(self, found: Estimate, n: str, note: str, scale: float = 1.0) -> Finding:
        """What the paper's own numbers look like, where they are too few to judge by."""
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
        """It holds where the whole interval over models and recordings lies above the null value, fails where below.

        Args:
            numbers: whose numbers they are.
            found: the effect, positive where the claim is right.
            n: what it was computed from.
            note: what else a reader has to know.
            null: value of no effect.
            scale: factor for printing.
            confidence: coverage of the interval.
            logarithmic: whether the effect is a ratio, whose logarithms are averaged.
            missing: what to say where there is nothing.
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
        if judged.alone:
            parts.append(f"for these models it {judged.alone}")
        return replace(finding, note="; ".join(filter(None, parts)))


def beside(finding: Finding, sides: Sequence[Sequence[Sequence[Run]]], varied: str | None = None) -> Finding:
    """Say beside a verdict in what else the two sides differ, and name the run that would tell it apart.

    Args:
        finding: what was judged.
        sides: runs of each setting, of the two sides.
        varied: the setting that the claim is about; None for the representation.
    """
    if finding.verdict == "missing":
        return finding
    said = note_of(runs_of(sides[0]), runs_of(sides[1]), varied)
    return replace(finding, note="; ".join(filter(None, (said, finding.note)))) if said else finding


def units_differ(finding: Finding) -> Finding:
    """Decide nothing about numbers at equal delta of two representations."""
    if finding.verdict == "missing":
        return finding
    return replace(finding, verdict="undecided: units differ", note=f"{UNITS_DIFFER}; {finding.note}")
