"""Transfer: how much of the fooling of one victim carries over to another (Table V)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor


def transfer_counts(carries_source: Tensor, carries_target: Tensor, clean_correct: Tensor) -> tuple[int, int]:
    r"""Numerator and denominator of a transfer ratio at one budget.

    .. math:: (|\{i : c_i, s_i, t_i\}|,\ |\{i : c_i, s_i\}|)

    With target hits in place of successes the same counts give target-hit transfer.

    Args:
        carries_source: bool ``(clips,)``: the adversarial fools the source victim it was made for.
        carries_target: bool ``(clips,)``: the same adversarial fools the target victim.
        clean_correct: bool ``(clips,)``: both victims classify the clip correctly when clean.

    Returns:
        The clips that fool both, and the clips that fool the source.

    Raises:
        ValueError: if the three are for different numbers of clips.
    """
    if not carries_source.shape == carries_target.shape == clean_correct.shape:
        raise ValueError(
            f"expected both victims to judge the same clips, got {tuple(carries_source.shape)}, "
            f"{tuple(carries_target.shape)} and {tuple(clean_correct.shape)}"
        )
    fools_source = carries_source & clean_correct
    return int((fools_source & carries_target).sum()), int(fools_source.sum())


def transfer_ratio(numerators: Tensor, denominators: Tensor) -> float:
    r"""Ratio of one attack, numerators and denominators summed over its budgets: :math:`\sum_k a_k / \sum_k b_k`.

    Args:
        numerators: clips that fool both victims at each budget ``(budgets,)``.
        denominators: clips that fool the source at each budget ``(budgets,)``.

    Returns:
        The ratio in [0, 1]. Where nothing fools the source it is NaN: a missing cell, not a zero.

    Raises:
        ValueError: for different numbers of budgets, or a numerator above its denominator.
    """
    if numerators.shape != denominators.shape or bool((numerators > denominators).any()):
        raise ValueError(
            f"expected numerators not above their denominators, got {numerators.tolist()} of {denominators.tolist()}"
        )
    carried = int(denominators.sum())
    return int(numerators.sum()) / carried if carried else math.nan


def mean_transfer_ratio(ratios: Tensor) -> tuple[float, int]:
    r"""Plain mean over attacks, :math:`\frac{1}{m} \sum_a r_a`, and the number m of attacks that have a ratio.

    Args:
        ratios: ratio of each attack ``(attacks,)``, NaN = missing.

    Returns:
        The mean, NaN where all are missing, and the number of attacks with a ratio.
    """
    return float(ratios.double().nanmean()), int((~ratios.isnan()).sum())


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
    at = torch.tensor([place[recording] for recording in rows["recording"]], dtype=torch.long)
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
