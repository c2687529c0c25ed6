"""Transfer counted by recording: the sums that intervals draw from."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

Counts = tuple[Tensor, Tensor]
"""Of each recording, rows that fool source and target, and rows that fool the source, float64 ``(recordings,)``."""


def fools_source(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Rows that count in a denominator: both victims are right when clean, and the source is fooled."""
    right = rows["clean_correct_source"] & rows["clean_correct_target"]
    return right & rows["source_success"].astype(bool)


def counts_by_recording(rows: pd.DataFrame, recordings: Sequence[str]) -> Counts:
    """Numerator and denominator of each recording, summed over the folds, budgets and clips of the rows.

    Args:
        rows: one row a fold, budget and clip of one attack, source and target.
        recordings: names of the recordings, those of the rows among them.
    """
    place = {recording: position for position, recording in enumerate(recordings)}
    at = torch.tensor([place[recording] for recording in rows["source"]], dtype=torch.long)
    fools = fools_source(rows)
    both = fools & rows["target_success"].astype(bool)
    zero = torch.zeros(len(recordings), dtype=torch.float64)
    return zero.index_add(0, at, _ones(both)), zero.index_add(0, at, _ones(fools))


def mean_ratio_of(attacks: Sequence[Counts]) -> Callable[[Tensor], Tensor]:
    r"""The transfer ratio, averaged over attacks, as a function of how often each recording counts.

    .. math:: w \mapsto \frac{1}{m} \sum_a \frac{\sum_r w_r a_r}{\sum_r w_r b_r}

    Args:
        attacks: what :func:`counts_by_recording` returned for each attack; those without a denominator are left out.

    Returns:
        A function from weights ``(..., recordings)`` to the ratio, NaN where no attack has a denominator.
    """

    def statistic(weights: Tensor) -> Tensor:
        return torch.stack([(weights @ both) / (weights @ fools) for both, fools in attacks]).nanmean(dim=0)

    return statistic


def _ones(values: "pd.Series[Any]") -> Tensor:
    return torch.from_numpy(values.to_numpy(bool).copy()).double()
