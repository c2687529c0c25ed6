"""Claims about the cost of attacks: the cost parts of R7 and R12, C2, C5 and C6."""

import math
import statistics
from collections.abc import Sequence

from reporting.claims.claim import DESCRIPTIVE, Claim, Finding, beside, of_equal_subsets, paper_contrast, units_differ
from reporting.claims.cost_ratio import by_free_attacks, cost_ratio, fold_costs, folds_in_words
from reporting.claims.costliest_attack import costliest_attack, paper_costliest
from reporting.estimates import Estimate
from reporting.names import CORPUS_NAMES, label
from reporting.paper_numbers import ITERATIVE, PaperSetting, Setting, paper_settings
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import REPRESENTATIONS, STUDIES, TABLES, Slice, slice_of

COST = "batch gradients, five iterative attacks"

R7C = Claim("R7c", "Without an orthonormal DCT attacks are cheaper", f"{COST}: ortho over no norm", False)

R12G = Claim("R12g", "ResNet-18 is costlier to attack than GoogLeNet", f"{COST}: ResNet-18 over GoogLeNet", False)

R12H = Claim("R12h", "GoogLeNet is costlier to attack than AlexNet", f"{COST}: GoogLeNet over AlexNet", False)

C2 = Claim("C2", "Settings change the cost of attacks", f"{COST}: costliest over cheapest setting", False)

C5A = Claim("C5a", "DWT is costlier to attack than STFT", f"{COST}: DWT over STFT", False)

C5B = Claim("C5b", "DWT is costlier to attack than MFCC", f"{COST}: DWT over MFCC", False)

PAIRS: dict[Claim, tuple[str, Setting, Setting]] = {
    R7C: ("figure2_dct_norm", "ortho", None),
    R12G: ("section5a_classifiers", "resnet18", "googlenet"),
    R12H: ("section5a_classifiers", "googlenet", "alexnet"),
}


def cost_findings(selection: Selection) -> list[Finding]:
    """Judge every claim about cost, on the paper's numbers and on each of our corpora."""
    findings = [R7C.stated(1 / (1 - 0.085), "stated: 8.5 % cheaper; no data")]
    findings += [claim.stated(None, "stated in the text; no data") for claim in (R12G, R12H)]
    findings += [_paper_spread(), _paper_ratio(C5A, 2), _paper_ratio(C5B, 1), paper_costliest()]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        for claim, (key, first, second) in PAIRS.items():
            slices = [slice_of(STUDIES[key], selection.runs, corpus, name) for name in STUDIES[key].representations]
            # Only representations attacked on both sides; otherwise the sides would be averages over different ones.
            both = [f for f in slices if all(fold_costs(f.runs.get(value, [])) for value in (first, second))]
            sides = [[found.runs[value] for found in both] for value in (first, second)]
            finding = _judge_ratio(claim, ours, sides, _command(selection, key, corpus))
            # The norm of the DCT scales coefficients, and with them what a delta changes in the sound.
            finding = units_differ(finding) if claim is R7C else finding
            findings.append(beside(finding, sides, varied=STUDIES[key].varied))
        tables = [
            slice_of(STUDIES[key], selection.runs, corpus, r) for key, r in zip(TABLES, REPRESENTATIONS, strict=False)
        ]
        findings += [_spread(found, ours, selection) for found in tables]
        for claim, other in ((C5A, 1), (C5B, 0)):
            sides = [list(tables[place].runs.values()) for place in (2, other)]
            key = TABLES[2 if not sides[0] else other]
            finding = units_differ(_judge_ratio(claim, ours, sides, _command(selection, key, corpus)))
            findings.append(beside(finding, sides))
        findings.append(
            costliest_attack([run for run in selection.runs if run.corpus == corpus], ours, selection.profile)
        )
    return findings


def _judge_ratio(claim: Claim, ours: str, sides: Sequence[Sequence[Sequence[Run]]], missing: str) -> Finding:
    found = cost_ratio(*sides)
    finding = claim.judge(ours, found, folds_in_words(found), null=1.0, logarithmic=True, missing=missing)
    return of_equal_subsets(by_free_attacks(finding, sides), sides)


def _spread(found: Slice, ours: str, selection: Selection) -> Finding:
    """The finding on C2 from the costliest and the cheapest setting, an extreme pair among all pairs."""
    costs = {value: fold_costs(runs) for value, runs in found.runs.items()}
    costs = {value: folds for value, folds in costs.items() if folds}
    study = found.study
    numbers = f"{ours}, {found.representation}"
    if len(costs) < 2:
        return C2.missing(numbers, _command(selection, study.key, found.corpus))
    common = sorted(set.intersection(*(set(folds) for folds in costs.values())))
    if not common:
        return C2.missing(numbers, "no fold on which two settings are attacked")
    ordered = sorted(costs, key=lambda value: statistics.fmean(costs[value][fold] for fold in common))
    cheapest, costliest = ordered[0], ordered[-1]
    sides = [[found.runs[costliest]], [found.runs[cheapest]]]
    ratio = cost_ratio(*sides)
    pairs = math.comb(len(costs), 2)
    note = f"{study.label} {label(costliest)} over {label(cheapest)}"
    if pairs > 1:
        note += f", the extreme of {pairs} pairs (Bonferroni)"
    n = f"{len(costs)} settings, {folds_in_words(ratio)}"
    confidence = 1 - 0.05 / pairs
    finding = C2.judge(numbers, ratio, n, note, null=1.0, confidence=confidence, logarithmic=True)
    finding = by_free_attacks(finding, sides, confidence)
    return of_equal_subsets(finding, [[runs] for runs in found.runs.values() if any(run.attacks for run in runs)])


def _paper_spread() -> Finding:
    ratios = []
    for table in (1, 2, 3):
        for corpus in PAPER_CORPORA:
            costs = [_log_cost(row) for row in paper_settings(table) if row.corpus == corpus]
            ratios.append(math.exp(max(costs) - min(costs)))
    median = statistics.median(ratios)
    note = "median and range over strata; one number per setting, so chance is not excluded"
    return C2.described(Estimate(median, min(ratios), max(ratios), None, len(ratios), ()), "9 strata", note)


def _paper_ratio(claim: Claim, other: int) -> Finding:
    """The paper's ratio of geometric means over settings, averaged over corpora."""
    logs, _ = paper_contrast(3, other, _log_cost)
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    found = Estimate(math.exp(logs.value), low, high, None, logs.n, ())
    return claim.described(found, f"{logs.n} settings", DESCRIPTIVE)


def _log_cost(row: PaperSetting) -> float:
    return statistics.fmean(math.log(row.gradients[attack]) for attack in ITERATIVE)


def _command(selection: Selection, key: str, corpus: str) -> str:
    return selection.sweep_command(key, corpus) or ""
