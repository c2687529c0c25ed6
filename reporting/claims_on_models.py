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
"""A counted ratio that misses the stated one by less than this share is called the same."""
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
            verdict: Verdict = "holds" if abs(ratio / stated - 1) <= ROUNDING else "fails"
            note = f"counted: {counts[0].value:,.0f} and {counts[1].value:,.0f}; stated {stated}"
            runs = counts[0].runs + counts[1].runs
            return claim.finding(ours, (ratio, None, None), "exact", verdict, note, runs)
    return claim.missing(ours, missing)


def _highest_rate(slices: list[Slice], ours: str, missing: str, seed: int) -> Finding:
    """The net that is fooled least, at the attack and budget that fool it most."""
    least: tuple[float, Run, dict[str, object]] | None = None
    nets = set()
    for found in slices:
        for name in NETS:
            for run in found.runs.get(name, []):
                points = (
                    [point for point in run.attacks.curve if point["fooling_rate"] is not None] if run.attacks else []
                )
                if points:
                    nets.add(name)
                    best = max(points, key=lambda point: point["fooling_rate"])
                    if least is None or best["fooling_rate"] < least[0]:
                        least = (best["fooling_rate"], run, best)
    if least is None:
        return R12F.missing(ours, missing)
    rate, run, best = least
    interval = _interval(run, str(best["attack"]), int(str(best["budget"])), seed)
    estimate = Estimate(rate, interval[0], interval[1], None, interval[2], (run.name,))
    note = (
        f"{NAMES[str(run.settings['architecture'])]}, least of {len(nets)} nets, {run.representation}; {best['attack']}"
    )
    note += f" at its strongest budget of the profile {run.attacks.profile if run.attacks else '-'}"
    return R12F.judge(ours, estimate, f"{interval[2]} clips", note, null=FOOLED, scale=100)


def _interval(run: Run, attack: str, budget: int, seed: int) -> tuple[float, float, int]:
    path = run.path / "attacks" / "outcomes.parquet"
    try:
        wanted = [("attack", "==", attack), ("budget", "==", budget)]
        rows = pd.read_parquet(path, columns=["source", "success"], filters=wanted)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"expected outcomes in {path}, found a file that cannot be read; attack again") from error
    happened = torch.tensor(rows["success"].to_numpy(float))
    interval = rate_interval(happened, SourceResampling(rows["source"].tolist(), seed=seed))
    return interval.low, interval.high, len(rows)
