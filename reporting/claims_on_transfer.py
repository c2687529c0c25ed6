"""What carries over: C4, that adversarials of MFCC transfer least."""

from collections.abc import Mapping

import torch

from metrics.intervals import SourceResampling, bca_interval
from reporting.claims import Claim, Finding
from reporting.estimates import Estimate
from reporting.paper_numbers import paper_transfers
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import TRANSFER_SWEEP
from reporting.table import CORPUS_NAMES
from reporting.transfer_table import transfers_of

Pair = tuple[str, str, str]

C4 = {
    "STFT": Claim("C4a", "MFCC transfers less than STFT", "transfer ratio: STFT less MFCC"),
    "DWT": Claim("C4b", "MFCC transfers less than DWT", "transfer ratio: DWT less MFCC"),
}


def transfer_findings(selection: Selection) -> list[Finding]:
    """Judge C4 over the pairs of different models that both representations have."""
    printed: dict[str, dict[Pair, float]] = {}
    for entry in paper_transfers():
        if entry.source != entry.target:
            printed.setdefault(entry.representation, {})[entry.corpus, entry.source, entry.target] = entry.ratio
    findings = [_judge(claim, "paper", printed["MFCC"], printed[other], (), "") for other, claim in C4.items()]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        missing = selection.sweep_command(TRANSFER_SWEEP, corpus) or ""
        found: dict[str, dict[Pair, float]] = {}
        names: list[str] = []
        for representation in ("MFCC", *C4):
            transfers = transfers_of(selection.runs, corpus, representation)
            for (source, target), ratio in (transfers.ratios if transfers else {}).items():
                if source != target:
                    found.setdefault(representation, {})[corpus, source, target] = ratio.value
                    names += ratio.runs
        for other, claim in C4.items():
            runs = tuple(dict.fromkeys(names))
            findings.append(_judge(claim, ours, found.get("MFCC", {}), found.get(other, {}), runs, missing))
    return findings


def _judge(
    claim: Claim,
    numbers: str,
    mfcc: Mapping[Pair, float],
    other: Mapping[Pair, float],
    runs: tuple[str, ...],
    missing: str,
) -> Finding:
    """Paired differences; pairs are resampled."""
    pairs = sorted(mfcc.keys() & other.keys())
    if not pairs:
        return claim.missing(numbers, missing)
    differences = torch.tensor([other[pair] - mfcc[pair] for pair in pairs], dtype=torch.float64)
    resampling = SourceResampling([f"{place:03d}" for place in range(len(pairs))])
    interval = bca_interval(lambda weights: weights @ differences / weights.sum(dim=-1), resampling)
    low, high = (None if end != end else end for end in (interval.low, interval.high))
    found = Estimate(float(differences.mean()), low, high, None, len(pairs), runs)
    less = int((differences > 0).sum())
    note = f"pairs of source and target resampled; MFCC lower in {less} of {len(pairs)}"
    return claim.judge(numbers, found, f"{len(pairs)} pairs", note, units=len(pairs))
