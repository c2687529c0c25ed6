"""What carries over: C4, that adversarials of MFCC transfer least."""

import statistics
from dataclasses import replace

from scipy.stats import ttest_1samp

from metrics.attack_summary import THE_SIX
from metrics.model_variance import corrected_resampled_interval
from reporting.claims import Claim, Finding, beside
from reporting.estimates import Estimate
from reporting.paper_numbers import paper_transfers
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import TRANSFER_SWEEP
from reporting.table import CORPUS_NAMES
from reporting.transfer_difference import transfer_difference
from reporting.transfer_table import Transfers, transfers_of

C4 = {
    "STFT": Claim("C4a", "MFCC transfers less than STFT", "transfer ratio: STFT less MFCC"),
    "DWT": Claim("C4b", "MFCC transfers less than DWT", "transfer ratio: DWT less MFCC"),
}


def transfer_findings(selection: Selection, seed: int = 0) -> list[Finding]:
    """Judge C4 over the pairs of different ConvNets that both representations have."""
    findings = [_paper(claim, other) for other, claim in C4.items()]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        missing = selection.sweep_command(TRANSFER_SWEEP, corpus) or ""
        mfcc = transfers_of(selection.runs, corpus, "MFCC")
        for other, claim in C4.items():
            theirs = transfers_of(selection.runs, corpus, other)
            finding = _ours(claim, ours, theirs, mfcc, missing, seed)
            sides = [[run for run in selection.runs if run.name in _names(side, finding)] for side in (theirs, mfcc)]
            findings.append(beside(finding, [[side] for side in sides]))
    return findings


def _ours(
    claim: Claim, numbers: str, other: Transfers | None, mfcc: Transfers | None, missing: str, seed: int
) -> Finding:
    """The ratio of one representation less that of the other, judged as any other difference."""
    found = transfer_difference(other, mfcc, seed) if other and mfcc else None
    if found is None:
        return claim.missing(numbers, missing)
    less = sum(difference > 0 for difference in found.pairs)
    spread = f"{min(found.pairs):+.2f} to {max(found.pairs):+.2f}"
    note = f"MFCC lower in {less} of {len(found.pairs)} pairs ({spread})"
    if found.attacks < len(THE_SIX):
        note += f"; mean of {found.attacks} of the six attacks"
    n = f"{found.estimate.n} clips of {found.recordings} recordings, {len(found.pairs)} pairs"
    return claim.judge(numbers, found.estimate, n, note)


def _names(side: Transfers | None, finding: Finding) -> set[str]:
    """Names of the runs of one side that a finding is made of."""
    names = {run for estimate in side.ratios.values() for run in estimate.runs} if side else set()
    return names & set(finding.runs)


def _paper(claim: Claim, other: str) -> Finding:
    """The paper prints a ratio a pair and nothing of its clips; pairs of a corpus share models: corpora are units."""
    printed: dict[str, dict[tuple[str, str, str], float]] = {}
    for entry in paper_transfers():
        if entry.source != entry.target:
            printed.setdefault(entry.representation, {})[entry.corpus, entry.source, entry.target] = entry.ratio
    corpora: dict[str, list[float]] = {}
    for pair, ratio in printed[other].items():
        corpora.setdefault(pair[0], []).append(ratio - printed["MFCC"][pair])
    means = [statistics.fmean(values) for values in corpora.values()]
    low, high = corrected_resampled_interval(means, 0.0)
    p = float(ttest_1samp(means, 0.0).pvalue)
    values = [value for some in corpora.values() for value in some]
    less = sum(value > 0 for value in values)
    note = (
        f"t over the {len(means)} corpora, p = {p:.3f}; MFCC lower in {less} of {len(values)} pairs, which share models"
    )
    found = Estimate(statistics.fmean(means), low, high, None, len(values), ())
    finding = claim.described(found, f"{len(values)} pairs of {len(means)} corpora", note)
    if low <= 0 <= high:
        return replace(finding, verdict="undecided")
    few = f"{len(means)} corpora are too few to decide"
    return replace(finding, note=f"{note}; {few}")
