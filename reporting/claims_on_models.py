"""What the paper says of other classifiers' size and of how far they can be fooled: the rest of R12."""

import pandas as pd
import pyarrow
import torch

from metrics.intervals import SourceResampling, rate_interval
from reporting.claims import Claim, Finding, Verdict
from reporting.estimates import Estimate, parameters
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.slices import Slice, slice_of
from reporting.studies import STUDIES
from reporting.table import CORPUS_NAMES, NAMES
from storage import DataError

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
    estimates: dict[tuple[str, str], Estimate] = {}
    strongest: dict[tuple[str, str], str] = {}
    for found in slices:
        for name in NETS:
            rates = [_strongest(run, seed) for run in found.runs.get(name, []) if run.attacks]
            present = [rate for rate in rates if rate is not None]
            if present:
                # Of several seeds the one that is fooled least.
                estimate, attack = min(present, key=lambda rate: _lowest(rate[0]))
                estimates[name, found.representation], strongest[name, found.representation] = estimate, attack
    if not estimates:
        return R12F.missing(ours, missing)
    name, representation = min(estimates, key=lambda key: _lowest(estimates[key]))
    least = estimates[name, representation]
    nets = {net for net, _ in estimates}
    # About all of them: one that is surely below refutes it, and each has to be there and surely above to confirm it.
    below = any(estimate.high is not None and estimate.high < FOOLED for estimate in estimates.values())
    above = all(estimate.low is not None and estimate.low > FOOLED for estimate in estimates.values())
    verdict: Verdict = "fails" if below else "holds" if above and nets == set(NETS) else "undecided"
    note = (
        f"{NAMES[name]}, {representation}: the least sure of {len(nets)} of {len(NETS)} nets; "
        f"{strongest[name, representation]}; holds if all five surely are"
    )
    runs = tuple(dict.fromkeys(run for estimate in estimates.values() for run in estimate.runs))
    return R12F.finding(ours, (least.value, least.low, least.high), f"{least.n} clips", verdict, note, runs, 100)


def _lowest(estimate: Estimate) -> tuple[float, float]:
    return (estimate.low if estimate.low is not None else 0.0, estimate.value)


def _strongest(run: Run, seed: int) -> tuple[Estimate, str] | None:
    """Fooling rate of a run at the attack and budget that fool it most, and which these are."""
    points = [point for point in run.attacks.curve if point["fooling_rate"] is not None] if run.attacks else []
    if not points or run.attacks is None:
        return None
    # Of several that fool as many, the one over most clips.
    best = max(points, key=lambda point: (point["fooling_rate"], point["n"]))
    low, high = _interval(run, str(best["attack"]), int(best["budget"]), int(best["n"]), seed)
    estimate = Estimate(best["fooling_rate"], low, high, None, int(best["n"]), (run.name,))
    return estimate, f"{best['attack']} at its strongest budget of the profile {run.attacks.profile}"


def _interval(run: Run, attack: str, budget: int, n: int, seed: int) -> tuple[float | None, float | None]:
    """Ends of a rate's interval over all folds; none where the rows have moved on since the summary was written."""
    path = run.path / "attacks" / "outcomes.parquet"
    try:
        wanted = [("attack", "==", attack), ("budget", "==", budget)]
        rows = pd.read_parquet(path, columns=["source", "success"], filters=wanted)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"expected outcomes in {path}, found a file that cannot be read; attack again") from error
    if len(rows) != n:
        return None, None
    happened = torch.tensor(rows["success"].to_numpy(float))
    interval = rate_interval(happened, SourceResampling(rows["source"].tolist(), seed=seed))
    return interval.low, interval.high
