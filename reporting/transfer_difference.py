"""How much more one representation's adversarials carry over than another's, with recordings resampled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import torch
from torch import Tensor

from classifiers.baselines import BASELINES
from metrics.attack_summary import THE_SIX
from metrics.intervals import SourceResampling, bca_interval
from metrics.transfer_ratio import counts_by_recording, fools_source, mean_ratio_of
from reporting.estimates import Estimate
from reporting.transfer_table import Transfers
from storage import DataError

COLUMNS = ["fold", "attack", "clip", "source", "target_run"]
COLUMNS += ["clean_correct_source", "clean_correct_target", "source_success", "target_success"]


@dataclass(frozen=True)
class TransferDifference:
    """Mean over pairs of architectures of the difference of two transfer ratios, each a mean over attacks.

    Attributes:
        estimate: the mean, its interval, and the clips that it counts.
        recordings: number of recordings that these clips were cut from.
        pairs: the difference of each pair of source and target.
        attacks: number of attacks that both representations were judged on.
    """

    estimate: Estimate
    recordings: int
    pairs: tuple[float, ...]
    attacks: int


def transfer_difference(first: Transfers, second: Transfers, seed: int = 0) -> TransferDifference | None:
    """Ratios of one representation less those of another, on the pairs of ConvNets, folds and attacks that both have.

    Args:
        first: ratios of one representation.
        second: ratios of the other, on the same test clips.
        seed: seed of the resampling.

    Returns:
        The difference; None without a pair, a fold and an attack that both have.

    Raises:
        DataError: if the rows of a transfer are missing or cannot be read.
    """
    # As in the paper's Table V: ConvNets among themselves, not what SVMs and forests make of their adversarials.
    shared = first.cells.keys() & second.cells.keys()
    pairs = sorted(pair for pair in shared if pair[0] != pair[1] and pair[1] not in BASELINES)
    # Of each representation and pair one table of rows for every pair of runs, which are the seeds.
    tables = [[[_rows(cell) for cell in side.cells[pair]] for pair in pairs] for side in (first, second)]
    judged = [rows for side in tables for models in side for rows in models]
    folds = set.intersection(*(set(rows["fold"]) for rows in judged)) if judged else set()
    # An attack that some model was not judged on, or on some folds only, would make the two means different ones.
    places = [set(zip(rows["attack"], rows["fold"], strict=True)) for rows in judged]
    attacks = [name for name in THE_SIX if folds and all((name, fold) in had for had in places for fold in folds)]
    if not attacks:
        return None
    tables = [
        [[rows[rows["fold"].isin(folds) & rows["attack"].isin(attacks)] for rows in models] for models in side]
        for side in tables
    ]
    everything = pd.concat([rows for side in tables for models in side for rows in models])
    recordings = sorted(everything["source"].unique())
    ratios = [
        [[mean_ratio_of([counts_by_recording(a, recordings) for _, a in rows.groupby("attack")]) for rows in models]
         for models in side]
        for side in tables
    ]  # fmt: skip

    def differences(weights: Tensor) -> Tensor:
        """Of each pair, ``(pairs, ...)``; the ratio of a pair is the mean over its runs."""
        one, other = (
            torch.stack([torch.stack([ratio(weights) for ratio in models]).mean(dim=0) for models in side])
            for side in ratios
        )
        return one - other

    single = differences(torch.ones(len(recordings), dtype=torch.float64))
    if single.isnan().any():
        return None
    interval = bca_interval(lambda weights: differences(weights).mean(dim=0), SourceResampling(recordings, seed=seed))
    low, high = (None if end != end else end for end in (interval.low, interval.high))
    counted = everything[fools_source(everything)]
    runs = dict.fromkeys(run for side in (first, second) for pair in pairs for run in side.ratios[pair].runs)
    estimate = Estimate(float(single.mean()), low, high, None, counted["clip"].nunique(), tuple(runs))
    return TransferDifference(estimate, counted["source"].nunique(), tuple(single.tolist()), len(attacks))


def _rows(cell: dict[str, Any]) -> pd.DataFrame:
    """What a cell of Table V was computed from: one row a fold, attack, budget and clip."""
    path: Path = cell["file"]
    try:
        wanted = [("target_run", "==", cell["target_run"]), ("attack", "in", THE_SIX)]
        return pd.read_parquet(path, columns=COLUMNS, filters=wanted)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(
            f"expected a judgement of each adversarial in {path}, found no file that can be read; run transfer.py again"
        ) from error
