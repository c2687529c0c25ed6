"""C4: adversarials of MFCC transfer least, judged over recordings."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from scipy.stats import ttest_1samp
from torch import Tensor

from classifiers.baselines import BASELINES
from metrics.attack_summary import THE_SIX
from metrics.intervals import TOO_FEW, Interval, Recordings, adjusted_t_ends, too_few
from metrics.model_variance import corrected_resampled_interval
from metrics.recordings import effective_number
from metrics.transfer_ratio import Counts, counts_by_recording, fools_source, mean_ratio_of
from reporting.claims.claim import Claim, Finding, beside, units_differ
from reporting.estimates import Estimate
from reporting.names import CORPUS_NAMES
from reporting.paper_numbers import paper_transfers
from reporting.runs import CarriedCell
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import TRANSFER_SWEEP
from reporting.transfers import Transfers, transfers_of
from storage.rows import read_rows

C4 = {
    "STFT": Claim("C4a", "MFCC transfers less than STFT", "transfer ratio: STFT minus MFCC"),
    "DWT": Claim("C4b", "MFCC transfers less than DWT", "transfer ratio: DWT minus MFCC"),
}

COLUMNS = ["fold", "attack", "clip", "recording", "target_run"]
COLUMNS += ["clean_correct_source", "clean_correct_target", "source_success", "target_success"]

Tables = list[list[list[pd.DataFrame]]]
"""Rows by side, pair of architectures and pair of runs, which are the seeds."""


@dataclass(frozen=True)
class TransferDifference:
    """Mean over pairs of architectures of the difference of two transfer ratios, each a mean over attacks.

    Attributes:
        estimate: the mean with its interval and number of clips.
        recordings: number of recordings of these clips.
        pairs: the difference for each pair of source and target.
        attacks: number of attacks that both representations have.
    """

    estimate: Estimate
    recordings: int
    pairs: tuple[float, ...]
    attacks: int


def transfer_findings(selection: Selection) -> list[Finding]:
    """Judge C4 on the pairs of different ConvNets that both representations have."""
    findings = [_paper(claim, other) for other, claim in C4.items()]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        missing = selection.sweep_command(TRANSFER_SWEEP, corpus) or ""
        mfcc = transfers_of(selection.runs, corpus, "MFCC")
        for other, claim in C4.items():
            theirs = transfers_of(selection.runs, corpus, other)
            # What is crafted at one delta is another size of change in each representation.
            finding = units_differ(_ours(claim, ours, theirs, mfcc, missing))
            sides = [[run for run in selection.runs if run.name in _names(side, finding)] for side in (theirs, mfcc)]
            findings.append(beside(finding, [[side] for side in sides]))
    return findings


def _ours(claim: Claim, numbers: str, other: Transfers | None, mfcc: Transfers | None, missing: str) -> Finding:
    """The finding on the transfer ratio of one representation minus that of MFCC."""
    found = transfer_difference(other, mfcc) if other and mfcc else None
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
    """Names of the runs of one side from which a finding was computed."""
    names = {run for estimate in side.ratios.values() for run in estimate.runs} if side else set()
    return names & set(finding.runs)


def _paper(claim: Claim, other: str) -> Finding:
    """The finding on the paper's ratios, with corpora as units, because the pairs of a corpus share models."""
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


def transfer_difference(first: Transfers, second: Transfers) -> TransferDifference | None:
    """Ratios of one representation minus those of another, on their common pairs of ConvNets, folds and attacks.

    Args:
        first: ratios of one representation.
        second: ratios of the other, on the same test clips.

    Returns:
        The difference; None without a common pair, fold and attack.

    Raises:
        DataError: if the rows of a transfer are missing or cannot be read.
    """
    # Transfers between ConvNets only, as in the paper's Table V, and not to SVMs or random forests.
    shared = first.cells.keys() & second.cells.keys()
    pairs = sorted(pair for pair in shared if pair[0] != pair[1] and pair[1] not in BASELINES)
    # For each representation and pair of architectures, one table of rows per pair of runs, which are the seeds.
    tables = [[[_rows(cell) for cell in side.cells[pair]] for pair in pairs] for side in (first, second)]
    judged = [rows for side in tables for models in side for rows in models]
    folds = set.intersection(*(set(rows["fold"]) for rows in judged)) if judged else set()
    # Attacks missing for some model or fold, and those that do not fool some source, are excluded, so that both means
    # are over the same attacks.
    places = [set(zip(rows["attack"], rows["fold"], strict=True)) for rows in judged]
    fooling = [set(rows.loc[fools_source(rows) & rows["fold"].isin(folds), "attack"]) for rows in judged]
    attacks = [
        name
        for name in THE_SIX
        if folds
        and all((name, fold) in had for had in places for fold in folds)
        and all(name in had for had in fooling)
    ]
    if not attacks:
        return None
    tables = [
        [[rows[rows["fold"].isin(folds) & rows["attack"].isin(attacks)] for rows in models] for models in side]
        for side in tables
    ]
    everything = pd.concat([rows for side in tables for models in side for rows in models])
    recordings = sorted(everything["recording"].unique())
    difference = _difference(tables, recordings)
    pairwise = difference(torch.ones(len(recordings), dtype=torch.float64))
    if pairwise.isnan().any():
        return None
    interval = _interval(tables, recordings)
    low, high = (None if end != end else end for end in (interval.low, interval.high))
    counted = everything[fools_source(everything)]
    runs = dict.fromkeys(run for side in (first, second) for pair in pairs for run in side.ratios[pair].runs)
    estimate = Estimate(
        value=float(pairwise.mean()),
        low=low,
        high=high,
        spread=None,
        n=counted["clip"].nunique(),
        runs=tuple(runs),
        by_fold=_by_fold(tables, sorted(folds)),
        same_recordings=int(everything.groupby("fold")["recording"].nunique().sum()) > len(recordings),
        recordings=len(recordings),
    )
    return TransferDifference(estimate, counted["recording"].nunique(), tuple(pairwise.tolist()), len(attacks))


def _difference(tables: Tables, recordings: Sequence[str]) -> Callable[[Tensor], Tensor]:
    """A function from weights of recordings to the difference of each pair ``(pairs, ...)``, as a mean over runs."""
    ratios = [[[mean_ratio_of(counts) for counts in models] for models in side] for side in _counts(tables, recordings)]

    def differences(weights: Tensor) -> Tensor:
        one, other = (
            torch.stack([torch.stack([ratio(weights) for ratio in models]).mean(dim=0) for models in side])
            for side in ratios
        )
        return one - other

    return differences


def _counts(tables: Tables, recordings: Sequence[str]) -> list[list[list[list[Counts]]]]:
    """The counts of every attack, by side, pair and run."""
    return [
        [[[counts_by_recording(some, recordings) for _, some in rows.groupby("attack")] for rows in models]
         for models in side]
        for side in tables
    ]  # fmt: skip


def _interval(tables: Tables, recordings: Sequence[str]) -> Interval:
    """:func:`metrics.intervals.difference_interval`, with recordings weighted by their share of the denominators.

    The effective number of recordings is the smallest of any ratio in the difference.
    """
    counts = [one for side in _counts(tables, recordings) for models in side for run in models for one in run]
    effective = min(effective_number(fools) for _, fools in counts)
    if too_few(effective):
        return Interval(math.nan, math.nan, TOO_FEW)
    difference = _difference(tables, recordings)

    def mean(weights: Tensor) -> Tensor:
        return difference(weights).mean(dim=0)

    value = float(mean(torch.ones(len(recordings), dtype=torch.float64)))
    variance = Recordings(recordings).variance(mean)
    low, high = adjusted_t_ends(value, variance, effective)
    return Interval(float(low), float(high), "adjusted_t")


def _by_fold(tables: Tables, folds: Sequence[int]) -> tuple[float, ...]:
    """The mean difference on each fold; empty if it is undefined on any fold."""
    found = []
    for fold in folds:
        some = [[[rows[rows["fold"] == fold] for rows in models] for models in side] for side in tables]
        recordings = sorted(set().union(*(rows["recording"] for side in some for models in side for rows in models)))
        found.append(float(_difference(some, recordings)(torch.ones(len(recordings), dtype=torch.float64)).mean()))
    return () if any(math.isnan(value) for value in found) else tuple(found)


def _rows(cell: CarriedCell) -> pd.DataFrame:
    """The rows from which a cell of Table V was computed: one per fold, attack, budget and clip."""
    wanted = [("target_run", "==", cell["target_run"]), ("attack", "in", THE_SIX)]
    return read_rows(cell["file"], "run transfer.py again", COLUMNS, wanted)
