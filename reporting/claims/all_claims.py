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
    selection: Selection, accuracies: Accuracies, paper: Sequence[Point], ours: Sequence[Point], seed: int = 0
) -> list[Finding]:
    """The findings of every claim, on the paper's numbers, then on ours, in the order R5, R7, R12, R19, C1 to C7.

    Args:
        selection: runs that may be compared.
        accuracies: their accuracies.
        paper: the paper's settings, for the relation of accuracy and robustness.
        ours: settings of our runs, for the same.
        seed: seed of permutations.
    """
    findings = accuracy_findings(selection, accuracies) + augmentation_findings(selection)
    findings += cost_findings(selection) + model_findings(selection)
    findings += transfer_findings(selection) + relation_findings(paper, ours, seed)
    findings += raw_audio_findings(selection)
    return sorted(findings, key=lambda finding: (_place(finding.claim), finding.numbers != "paper"))


def _place(claim: str) -> tuple[int, int, str]:
    number = int("".join(filter(str.isdigit, claim)))
    return "RC".index(claim[0]), number, claim
