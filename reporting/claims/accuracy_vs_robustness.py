"""C3: accuracy and robustness are inversely related, judged for AUC and for cost."""

from collections.abc import Sequence

from reporting.association import FEWEST_STRATA, SIGNIFICANT, Point, associate, holm
from reporting.claims.claim import Claim, Finding
from reporting.verdicts import Verdict

C3A = Claim("C3a", "More accurate models are fooled more", "r of accuracy and AUC within strata")
C3B = Claim("C3b", "More accurate models are cheaper to fool", "r of accuracy and log gradients within strata")


def relation_findings(paper: Sequence[Point], ours: Sequence[Point], seed: int = 0) -> list[Finding]:
    """Judge C3 for AUC and for cost.

    Args:
        paper: the paper's settings.
        ours: settings of our runs.
        seed: seed of permutations.
    """
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
        findings.append(claim.finding(numbers, (found.within, None, None), n, verdict, note, runs))
    return findings
