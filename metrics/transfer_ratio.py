"""Transfer ratios: the share of adversarials made for one victim that fool another too (Table V)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor


def transfer_counts(carries_source: Tensor, carries_target: Tensor, clean_correct: Tensor) -> tuple[int, int]:
    r"""Numerator and denominator of a transfer ratio at one budget.

    .. math:: (|\{i : c_i, s_i, t_i\}|,\ |\{i : c_i, s_i\}|)

    With target hits in place of successes, the same counts give the transfer of target hits.

    Args:
        carries_source: bool ``(clips,)``: whether the adversarial fools the source victim, for which it was made.
        carries_target: bool ``(clips,)``: whether the same adversarial fools the target victim.
        clean_correct: bool ``(clips,)``: whether both victims classify the clean clip correctly.

    Returns:
        The number of clips that fool both victims, and the number that fool the source.

    Raises:
        ValueError: if the three differ in length.
    """
    if not carries_source.shape == carries_target.shape == clean_correct.shape:
        raise ValueError(
            f"expected both victims' results on the same clips, got {tuple(carries_source.shape)}, "
            f"{tuple(carries_target.shape)} and {tuple(clean_correct.shape)}"
        )
    fools_source = carries_source & clean_correct
    return int((fools_source & carries_target).sum()), int(fools_source.sum())


def transfer_ratio(numerators: Tensor, denominators: Tensor) -> float:
    r"""Transfer ratio of one attack, pooled over its budgets: :math:`\sum_k a_k / \sum_k b_k`.

    Args:
        numerators: clips that fool both victims at each budget ``(budgets,)``.
        denominators: clips that fool the source at each budget ``(budgets,)``.

    Returns:
        The ratio in [0, 1]; NaN, a missing number, if no adversarial fools the source.

    Raises:
        ValueError: if the numbers of budgets differ, or a numerator exceeds its denominator.
    """
    if numerators.shape != denominators.shape or bool((numerators > denominators).any()):
        raise ValueError(
            f"expected numerators not above their denominators, got {numerators.tolist()} of {denominators.tolist()}"
        )
    carried = int(denominators.sum())
    return int(numerators.sum()) / carried if carried else math.nan


def mean_transfer_ratio(ratios: Tensor) -> tuple[float, int]:
    r"""Unweighted mean over the attacks that have a ratio, :math:`\frac{1}{m} \sum_a r_a`, and their number m.

    Args:
        ratios: ratio of each attack ``(attacks,)``, NaN where it is missing.

    Returns:
        The mean in [0, 1], NaN if all ratios are missing, and the number of attacks with a ratio.
    """
    return float(ratios.double().nanmean()), int((~ratios.isnan()).sum())


Counts = tuple[Tensor, Tensor]
"""Numbers of rows per recording that fool both source and target, and that fool the source, float64."""


def fools_source(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each row counts in the denominator: both victims are right when clean, and the source is fooled."""
    right = rows["clean_correct_source"] & rows["clean_correct_target"]
    return right & rows["source_success"].astype(bool)


def counts_by_recording(rows: pd.DataFrame, recordings: Sequence[str]) -> Counts:
    """Numerator and denominator of each recording, summed over the folds, budgets and clips of the rows.

    Args:
        rows: one row per fold, budget and clip, all of one attack, source and target.
        recordings: names of the recordings, a superset of those in the rows.

    Returns:
        Counts per recording, in the order of ``recordings``.
    """
    place = {recording: position for position, recording in enumerate(recordings)}
    at = torch.tensor([place[recording] for recording in rows["recording"]], dtype=torch.long)
    fools = fools_source(rows)
    both = fools & rows["target_success"].astype(bool)
    zero = torch.zeros(len(recordings), dtype=torch.float64)
    return zero.index_add(0, at, _ones(both)), zero.index_add(0, at, _ones(fools))


def mean_ratio_of(attacks: Sequence[Counts]) -> Callable[[Tensor], Tensor]:
    r"""Build the function from the weights of recordings to the transfer ratio averaged over attacks.

    .. math:: w \mapsto \frac{1}{m} \sum_a \frac{\sum_r w_r a_r}{\sum_r w_r b_r}

    Args:
        attacks: what :func:`counts_by_recording` returned for each attack.

    Returns:
        A function from weights ``(..., recordings)`` to the ratio, NaN where any denominator is 0: a mean over the
        other attacks would not be comparable with means over all.
    """

    def statistic(weights: Tensor) -> Tensor:
        return torch.stack([(weights @ both) / (weights @ fools) for both, fools in attacks]).mean(dim=0)

    return statistic


def _ones(values: "pd.Series[Any]") -> Tensor:
    return torch.from_numpy(values.to_numpy(bool).copy()).double()
