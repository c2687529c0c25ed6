"""C3, that accuracy and robustness are inversely related, and the order in which all claims are shown."""

from collections.abc import Sequence

from reporting.accuracy import Accuracies
from reporting.association import FEWEST_STRATA, SIGNIFICANT, Point, associate, holm
from reporting.claims import Claim, Finding
from reporting.claims_on_accuracy import accuracy_findings
from reporting.claims_on_augmentation import augmentation_findings
from reporting.claims_on_cost import cost_findings
from reporting.claims_on_models import model_findings
from reporting.claims_on_transfer import transfer_findings
from reporting.selection import Selection
from reporting.verdicts import Verdict

C3A = Claim("C3a", "More accurate models are fooled more", "r of accuracy and AUC within strata")
C3B = Claim("C3b", "More accurate models are cheaper to fool", "r of accuracy and log gradients within strata")


def all_findings(
    selection: Selection, accuracies: Accuracies, paper: Sequence[Point], ours: Sequence[Point]
) -> list[Finding]:
    """Every claim on the paper's numbers, then on ours, in the order R5, R7, R12, C1 to C7."""
    seed = accuracies.seed
    findings = accuracy_findings(selection, accuracies) + augmentation_findings(selection)
    findings += cost_findings(selection, seed) + model_findings(selection, seed)
    findings += transfer_findings(selection, seed) + relation_findings(paper, ours, seed)
    return sorted(findings, key=lambda finding: (_place(finding.claim), finding.numbers != "paper"))


def relation_findings(paper: Sequence[Point], ours: Sequence[Point], seed: int = 0) -> list[Finding]:
    """Judge C3 for AUC and for cost; the seed is that of permutations and of the resampling of strata."""
    findings = []
    tests = [
        (claim, wanted, numbers, points, associate(points, measure, seed))
        for claim, measure, wanted in ((C3A, "auc", "positive"), (C3B, "log_gradients", "negative"))
        for numbers, points in (("paper", paper), ("ours", ours))
    ]
    adjusted = holm([test[-1] for test in tests])
    for (claim, wanted, numbers, points, found), p in zip(tests, adjusted, strict=True):
        if found is None or p is None:
            findings.append(claim.missing(numbers, "fewer than two strata have two attacked settings"))
            continue
        verdict: Verdict = "undecided"
        if found.verdict != "undecided" and p < SIGNIFICANT:
            verdict = "holds" if found.verdict == wanted else "fails"
        few = f"; fewer than {FEWEST_STRATA} strata decide nothing" if found.strata < FEWEST_STRATA else ""
        note = (
            f"stratified permutation p = {found.p:.2g} (Holm {p:.2g}), smallest attainable {found.smallest_p:.2g}{few}"
        )
        n = f"{found.points} settings in {found.strata} strata"
        runs = tuple(dict.fromkeys(run for point in points for run in point.runs))
        low, high = (None if end != end else end for end in (found.low, found.high))
        findings.append(claim.finding(numbers, (found.within, low, high), n, verdict, note, runs))
    return findings


def _place(claim: str) -> tuple[int, int, str]:
    number = int("".join(filter(str.isdigit, claim)))
    return "RC".index(claim[0]), number, claim
