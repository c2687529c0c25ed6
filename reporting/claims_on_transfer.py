"""What carries over: C4, that adversarials of MFCC transfer least."""

import torch

from metrics.attack_summary import THE_SIX
from metrics.intervals import SourceResampling, bca_interval
from reporting.claims import Claim, Finding
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
    findings = [_paper(claim, other, seed) for other, claim in C4.items()]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        missing = selection.sweep_command(TRANSFER_SWEEP, corpus) or ""
        mfcc = transfers_of(selection.runs, corpus, "MFCC")
        for other, claim in C4.items():
            findings.append(_ours(claim, ours, transfers_of(selection.runs, corpus, other), mfcc, missing, seed))
    return findings


def _ours(
    claim: Claim, numbers: str, other: Transfers | None, mfcc: Transfers | None, missing: str, seed: int
) -> Finding:
    """Recordings are resampled, as for every other rate; the models are given."""
    found = transfer_difference(other, mfcc, seed) if other and mfcc else None
    if found is None:
        return claim.missing(numbers, missing)
    less = sum(difference > 0 for difference in found.pairs)
    spread = f"{min(found.pairs):+.2f} to {max(found.pairs):+.2f}"
    note = f"recordings resampled, given the models; MFCC lower in {less} of {len(found.pairs)} pairs ({spread})"
    if found.attacks < len(THE_SIX):
        note += f"; mean of {found.attacks} of the six attacks"
    n = f"{found.estimate.n} clips of {found.recordings} recordings, {len(found.pairs)} pairs"
    return claim.judge(numbers, found.estimate, n, note)


def _paper(claim: Claim, other: str, seed: int) -> Finding:
    """The paper prints a ratio a pair and nothing of its clips, so pairs are resampled."""
    printed: dict[str, dict[tuple[str, str, str], float]] = {}
    for entry in paper_transfers():
        if entry.source != entry.target:
            printed.setdefault(entry.representation, {})[entry.corpus, entry.source, entry.target] = entry.ratio
    values = [ratio - printed["MFCC"][pair] for pair, ratio in sorted(printed[other].items())]
    differences = torch.tensor(values, dtype=torch.float64)
    resampling = SourceResampling([f"{place:03d}" for place in range(len(values))], seed=seed)
    interval = bca_interval(lambda weights: weights @ differences / weights.sum(dim=-1), resampling)
    found = Estimate(float(differences.mean()), interval.low, interval.high, None, len(values), ())
    less = int((differences > 0).sum())
    note = f"pairs of source and target resampled; MFCC lower in {less} of {len(values)}"
    return claim.judge("paper", found, f"{len(values)} pairs", note, units=len(values))
