"""Every claim of the paper, judged on its numbers and on ours, in the order of the report."""

from collections.abc import Sequence

from reporting.accuracy import Accuracies
from reporting.association import Point
from reporting.claims.accuracy import accuracy_findings
from reporting.claims.accuracy_vs_robustness import relation_findings
from reporting.claims.augmentation import augmentation_findings
from reporting.claims.claim import Finding
from reporting.claims.cost import cost_findings
from reporting.claims.models import model_findings
from reporting.claims.raw_audio import raw_audio_findings
from reporting.claims.transfer import transfer_findings
from reporting.selection import Selection


def all_findings(
    selection: Selection, accuracies: Accuracies, paper: Sequence[Point], ours: Sequence[Point]
) -> list[Finding]:
    """The findings of every claim, on the paper's numbers, then on ours, in the order R5, R7, R12, R19, C1 to C7."""
    seed = accuracies.seed
    findings = accuracy_findings(selection, accuracies) + augmentation_findings(selection)
    findings += cost_findings(selection, seed) + model_findings(selection, seed)
    findings += transfer_findings(selection, seed) + relation_findings(paper, ours, seed)
    findings += raw_audio_findings(selection, seed)
    return sorted(findings, key=lambda finding: (_place(finding.claim), finding.numbers != "paper"))


def _place(claim: str) -> tuple[int, int, str]:
    number = int("".join(filter(str.isdigit, claim)))
    return "RC".index(claim[0]), number, claim
