"""What the paper says of other classifiers' size and of how far they can be fooled: the rest of R12."""

from reporting.claims import Claim, Finding
from reporting.estimates import parameters
from reporting.highest_rate import Strongest, strongest
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.slices import Slice, slice_of
from reporting.studies import STUDIES
from reporting.table import CORPUS_NAMES, NAMES
from reporting.verdicts import Verdict, both_interval, judge, over_recordings

NETS = ("resnet18", "resnet34", "resnet56", "googlenet", "alexnet")
ROUNDING = 0.05
"""A counted ratio within so much of the stated one is called the same: the paper states sizes in rough percent."""
FOOLED = 0.95
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
    "least, over nets, of the highest fooling rate, %",
    False,
)


def model_findings(selection: Selection, seed: int = 0) -> list[Finding]:
    """Judge what the paper says of sizes and of the highest fooling rates."""
    findings = [claim.stated(stated, "stated in the text; no data") for claim, (*_, stated) in SIZES.items()]
    findings.append(R12F.stated(FOOLED, "stated: higher than 95 %; no data", 100))
    study = STUDIES["section5a_classifiers"]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        slices = [slice_of(study, selection.runs, corpus, name) for name in study.representations]
        missing = selection.sweep_command(study.key, corpus) or ""
        findings += [_size(claim, pair, stated, slices, ours, missing) for claim, (*pair, stated) in SIZES.items()]
        findings.append(_highest_rate(slices, ours, missing, seed))
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


def _highest_rate(slices: list[Slice], ours: str, missing: str, seed: int) -> Finding:
    """Each net at the attack and budget that fool it most; every net has to be fooled more than the paper says."""
    estimates: dict[tuple[str, str], Strongest] = {}
    for found in slices:
        for name in NETS:
            rates = [strongest(run, seed) for run in found.runs.get(name, []) if run.attacks]
            present = [rate for rate in rates if rate is not None]
            if present:
                # Of several seeds the one that is fooled least.
                estimates[name, found.representation] = min(present, key=_lowest)
    if not estimates:
        return R12F.missing(ours, missing)
    name, representation = min(estimates, key=lambda key: _lowest(estimates[key]))
    least = estimates[name, representation]
    nets = {net for net, _ in estimates}
    both = [both_interval(one.estimate, one.confidence) for one in estimates.values() if one.decides]
    alone = [over_recordings(one.estimate) for one in estimates.values() if one.decides]
    whole = nets == set(NETS) and len(both) == len(estimates)
    verdict = _every(both, whole=whole)
    if verdict == "undecided" and _every(alone, whole=whole) != "undecided":
        verdict = "for these models only"
    judged = judge(least.estimate, FOOLED, confidence=least.confidence)
    parts = [
        f"{NAMES[name]}, {representation}: the least sure of {len(nets)} of {len(NETS)} nets",
        least.attack,
        f"interval for a maximum: Bonferroni over {least.candidates} attacks and budgets"
        if least.candidates > 1
        else "",
        judged.basis
        if least.decides
        else "a limited budget refutes nothing: only budgets=paper or BIM-b without a "
        "bound (a check of attack.py) can decide",
        "holds if all five surely are",
    ]
    runs = tuple(dict.fromkeys(run for one in estimates.values() for run in one.estimate.runs))
    low, high = judged.ends or (None, None)
    n, note = f"{least.estimate.n} clips", "; ".join(filter(None, parts))
    return R12F.finding(ours, (least.estimate.value, low, high), n, verdict, note, runs, 100)


def _every(intervals: list[tuple[float, float] | None], *, whole: bool) -> Verdict:
    """One that is surely below refutes it; to confirm it each has to be there and surely above."""
    there = [ends for ends in intervals if ends is not None]
    if any(high < FOOLED for _, high in there):
        return "fails"
    return "holds" if whole and len(there) == len(intervals) and all(low > FOOLED for low, _ in there) else "undecided"


def _lowest(found: Strongest) -> tuple[float, float]:
    estimate = found.estimate
    return (estimate.low if estimate.low is not None else 0.0, estimate.value)
