"""The paper's claims about the sizes of other classifiers and their highest fooling rates: the rest of R12."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from metrics.intervals import Recordings, share_interval
from metrics.success import fooling_rate
from metrics.trust_checks import UNBOUNDED
from reporting.claims.claim import Claim, Finding
from reporting.estimates import Estimate, parameters
from reporting.names import CORPUS_NAMES, NAMES
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import STUDIES, Slice, slice_of
from reporting.verdicts import Ends, Verdict, basis_of, both_interval, few_models, over_recordings
from storage.rows import read_rows

NETS = ("resnet18", "resnet34", "resnet56", "googlenet", "alexnet")

ROUNDING = 0.05
"""Tolerance between a counted and a stated ratio of sizes, because the paper states them roughly, in percent."""

FOOLED = 0.95

COLUMNS = ["fold", "clip", "recording", "attack", "budget_index", "success"]

SIZES = {
    Claim(
        "R12a", "GoogLeNet has 1.41 times the parameters of ResNet-18", "parameters: GoogLeNet over ResNet-18", False
    ): (
        "googlenet",
        "resnet18",
        1.41,
    ),
    Claim("R12b", "AlexNet has 61 % fewer parameters than ResNet-18", "parameters: AlexNet over ResNet-18", False): (
        "alexnet",
        "resnet18",
        0.39,
    ),
    Claim("R12c", "ResNet-18 has half the parameters of ResNet-34", "parameters: ResNet-18 over ResNet-34", False): (
        "resnet18",
        "resnet34",
        0.5,
    ),
    Claim("R12c", "ResNet-18 has half the parameters of ResNet-56", "parameters: ResNet-18 over ResNet-56", False): (
        "resnet18",
        "resnet56",
        0.5,
    ),
}

R12F = Claim(
    "R12f",
    "Every ConvNet can be fooled on more than 95 % of clips",
    "lowest over nets of the highest fooling rate, %",
    False,
)


@dataclass(frozen=True)
class Strongest:
    """The highest fooling rate of a run, over all attacks and budgets.

    Attributes:
        estimate: the highest rate of the sample, its interval and its values by fold.
        attack: its attack and budget, in words.
        refutes: whether a low rate shows that the net cannot be fooled, as with the paper's budgets.
        candidates: the rates of all attacks and budgets.
        confidence: coverage of the interval of each candidate for which those of all runs together have 95 %.
    """

    estimate: Estimate
    attack: str
    refutes: bool
    candidates: tuple[Estimate, ...]
    confidence: float

    @property
    def both(self) -> Ends | None:
        """The interval of the highest rate over models and recordings."""
        return self._highest([both_interval(one, self.confidence) for one in self.candidates], self.estimate)

    @property
    def alone(self) -> Ends | None:
        """The interval of the highest rate over recordings alone."""
        return self._highest([over_recordings(one) for one in self.candidates], self.estimate)

    def _highest(self, intervals: Sequence[Ends | None], best: Estimate) -> Ends | None:
        """The highest lower and the highest upper end: if every interval covers its rate, this covers the highest."""
        if intervals[self.candidates.index(best)] is None:
            return None
        there = [ends for ends in intervals if ends is not None]
        return max(low for low, _ in there), max(high for _, high in there)


def model_findings(selection: Selection) -> list[Finding]:
    """Judge the paper's claims about sizes and about the highest fooling rates."""
    findings = [claim.stated(stated, "stated in the text; no data") for claim, (*_, stated) in SIZES.items()]
    findings.append(R12F.stated(FOOLED, "stated: higher than 95 %; no data", 100))
    study = STUDIES["section5a_classifiers"]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        slices = [slice_of(study, selection.runs, corpus, name) for name in study.representations]
        missing = selection.sweep_command(study.key, corpus) or ""
        findings += [_size(claim, pair, stated, slices, ours, missing) for claim, (*pair, stated) in SIZES.items()]
        findings.append(_highest_rate(slices, ours, missing))
    return findings


def _size(claim: Claim, pair: list[str], stated: float, slices: list[Slice], ours: str, missing: str) -> Finding:
    for found in slices:
        counts = [parameters(found.runs.get(name, [])) for name in pair]
        if counts[0] and counts[1]:
            ratio = counts[0].value / counts[1].value
            verdict: Verdict = "holds" if abs(ratio - stated) <= ROUNDING else "fails"
            note = f"counted: {counts[0].value:,.0f} and {counts[1].value:,.0f}; stated {stated} +- {ROUNDING}"
            runs = counts[0].runs + counts[1].runs
            return claim.finding(ours, (ratio, None, None), "exact", verdict, note, runs)
    return claim.missing(ours, missing)


def _highest_rate(slices: list[Slice], ours: str, missing: str) -> Finding:
    """Judge R12f from the attack and budget that fool each net most; the claim is about every net."""
    attacked = {
        (name, found.representation): some
        for found in slices
        for name in NETS
        if (some := [run for run in found.runs.get(name, []) if run.attacks])
    }
    compared = sum(map(len, attacked.values()))
    estimates: dict[tuple[str, str], Strongest] = {}
    for key, some in attacked.items():
        rates = [rate for run in some if (rate := strongest(run, compared)) is not None]
        if rates:
            # Of several seeds, the one that is fooled least.
            estimates[key] = min(rates, key=_lowest)
    if not estimates:
        return R12F.missing(ours, missing)
    name, representation = min(estimates, key=lambda key: _lowest(estimates[key]))
    least = estimates[name, representation]
    nets = {net for net, _ in estimates}
    whole = nets == set(NETS)
    verdict = _every([(one.both, one.refutes) for one in estimates.values()], whole=whole)
    for_these = _every([(one.alone, one.refutes) for one in estimates.values()], whole=whole)
    if verdict == "undecided" and for_these != "undecided":
        verdict = "for these models only"
    parts = [
        f"{NAMES[name]}, {representation}: the lowest lower end of {len(nets)} of {len(NETS)} nets",
        least.attack,
        _corrected_for(least, compared),
        basis_of(least.estimate) if least.both else few_models(least.estimate),
        "" if least.refutes else "a limited budget or an attack that a check calls in question refutes nothing",
        "holds if the intervals of all five lie above",
    ]
    runs = tuple(dict.fromkeys(run for one in estimates.values() for run in one.estimate.runs))
    low, high = least.both or least.alone or (None, None)
    n, note = least.estimate.counted, "; ".join(filter(None, parts))
    return R12F.finding(ours, (least.estimate.value, low, high), n, verdict, note, runs, 100)


def _corrected_for(least: Strongest, runs: int) -> str:
    """In words, what the interval of a net is corrected for; empty for a single number."""
    several = [f"{len(least.candidates)} attacks and budgets"] if len(least.candidates) > 1 else []
    several += [f"{runs} runs"] if runs > 1 else []
    return f"interval for the extreme of several: Bonferroni over {' and '.join(several)}" if several else ""


def _every(nets: Sequence[tuple[Ends | None, bool]], *, whole: bool) -> Verdict:
    """``fails`` if an interval that may refute lies below the claimed rate, ``holds`` if all five nets' lie above."""
    if any(ends is not None and refutes and ends[1] < FOOLED for ends, refutes in nets):
        return "fails"
    return "holds" if whole and all(ends is not None and ends[0] > FOOLED for ends, _ in nets) else "undecided"


def _lowest(found: Strongest) -> tuple[float, float]:
    estimate = found.estimate
    return (estimate.low if estimate.low is not None else 0.0, estimate.value)


def strongest(run: Run, runs: int = 1) -> Strongest | None:
    """The highest fooling rate of a run, over the budgets of its profile and BIM-b without a bound, if that was run.

    A limited profile shows only what an attacker within these budgets can do, so a low rate refutes nothing. BIM-b
    without a bound is a check of ``attack.py``: where it does not fool every clip, gradients may be masked, and low
    rates of any profile then say as much about the attacks as about the net.

    Args:
        run: an attacked run.
        runs: number of runs whose rates are considered together.

    Returns:
        The rate; None if the run was not attacked. The estimate has no interval if the rows have changed since the
        summary was written.

    Raises:
        DataError: if the outcomes of the attacks cannot be read.
    """
    points = [
        (rate, point["n"], point["tests"], point["attack"], point["budget_index"])
        for point in (run.attacks.curve if run.attacks else [])
        if (rate := point["fooling_rate"]) is not None
    ]
    if not points or run.attacks is None:
        return None
    profile = run.attacks.profile
    outcomes = read_rows(run.path / "attacks" / "outcomes.parquet", "attack again", COLUMNS)
    unbounded = outcomes[outcomes["attack"] == UNBOUNDED]
    # The summary does not include the rows of a check, so the rate is computed here.
    check = float(unbounded.groupby("fold")["success"].mean().mean()) if len(unbounded) else None
    candidates = len(points) + (check is not None)
    compared = candidates * runs
    by_budget = dict(iter(outcomes.groupby(["attack", "budget_index"])))
    nothing = outcomes.iloc[:0]
    found = [
        (rate, n, _estimate(run, by_budget.get((attack, budget), nothing), rate, n, tests, compared),
         f"{NAMES.get(attack, attack)} at its strongest budget of the profile {profile}")
        for rate, n, tests, attack, budget in points
    ]  # fmt: skip
    if check is not None:
        clips = int(unbounded["clip"].nunique())
        estimate = _estimate(run, unbounded, check, clips, len(unbounded), compared)
        found.append((check, clips, estimate, "BIM-b without a bound"))
    # Of several with the same rate, the one over most clips; of those the last, which is the check.
    _, _, best, said = max(reversed(found), key=lambda one: one[:2])
    refutes = profile == "paper" and check in (None, 1.0)
    return Strongest(best, said, refutes, tuple(one for *_, one, _ in found), 1 - 0.05 / compared)


def _estimate(run: Run, rows: pd.DataFrame, rate: float, n: int, tests: int, compared: int) -> Estimate:
    """A rate of ``n`` distinct clips, which folds that share them test ``tests`` times in all."""
    if len(rows) != tests:
        return Estimate(rate, None, None, None, n, (run.name,))
    success = torch.tensor(rows["success"].to_numpy(float))
    places = [torch.from_numpy(place) for place in rows.groupby("fold").indices.values()]
    recordings = Recordings(rows["recording"].tolist()).over_folds(places)

    def mean_of_folds(weights: Tensor) -> Tensor:
        rates = [fooling_rate(success[place], weights[..., place]) for place in places]
        return torch.stack(rates).mean(0)

    # Bonferroni: the interval of an extreme of several is that of the rate itself, at a share of the error probability.
    ends = share_interval(mean_of_folds, recordings, 1 - 0.05 / compared)
    low, high = (None if end != end else end for end in (ends.low, ends.high))
    folds = rows.groupby("fold")
    return Estimate(
        value=rate,
        low=low,
        high=high,
        spread=None,
        n=n,
        runs=(run.name,),
        by_fold=tuple(float(value) for value in folds["success"].mean()),
        same_recordings=int(folds["recording"].nunique().sum()) > recordings.number,
        recordings=recordings.number,
        bounds=(0.0, 1.0),
    )
