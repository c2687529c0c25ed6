"""The paper's claims, each with an effect, an interval and a verdict, on the paper's numbers and on ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from reporting.estimates import Estimate

Verdict = Literal["holds", "fails", "undecided", "missing"]

FEWEST_UNITS = 5
"""With fewer models or pairs their range is no 95 % interval: five cover the median in 94 of 100 cases, four in 88."""


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
        return self.finding("paper", (value, None, None), "not given", "undecided", note, (), scale)

    def judge(
        self,
        numbers: str,
        found: Estimate | None,
        n: str,
        note: str = "",
        *,
        null: float = 0.0,
        scale: float = 1.0,
        units: int | None = None,
        missing: str = "no runs of it yet",
    ) -> Finding:
        """It holds where the whole interval lies above the null value, fails where it lies below.

        Args:
            numbers: whose numbers they are.
            found: the effect, positive where the claim is right.
            n: what it was computed from.
            note: what else a reader has to know.
            null: value of no effect.
            scale: factor for printing.
            units: number of units, for an interval that is a range over them; too few decide nothing.
            missing: what to say where there is nothing.
        """
        if found is None:
            return self.missing(numbers, missing)
        verdict = verdict_of(found.low, found.high, null)
        if units is not None and units < FEWEST_UNITS:
            verdict, note = "undecided", f"{note}; fewer than {FEWEST_UNITS} units decide nothing".lstrip("; ")
        return self.finding(numbers, (found.value, found.low, found.high), n, verdict, note, found.runs, scale)


def verdict_of(low: float | None, high: float | None, null: float = 0.0) -> Verdict:
    """Judge an interval of an effect that the claim wants above its null value."""
    if low is None or high is None:
        return "undecided"
    if low > null:
        return "holds"
    return "fails" if high < null else "undecided"


def range_of(values: Sequence[float], runs: Iterable[str] = ()) -> Estimate | None:
    """Mean and range of an effect over independent units, for numbers that are maxima and cannot be resampled."""
    if not values:
        return None
    mean = sum(values) / len(values)
    return Estimate(mean, min(values), max(values), None, len(values), tuple(runs), interval="range")
