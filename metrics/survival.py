"""Shares and medians over clips with their intervals, for attacks on sounds made from maps or disturbed afterwards."""

from collections.abc import Hashable, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from metrics.intervals import SourceResampling, bca_interval, share_interval, too_few


class Share(TypedDict):
    """A share of clips with its 95 % interval over recordings.

    Attributes:
        share: in [0, 1]; None where no clip counts.
        low: lower end; None below ten effective recordings.
        high: upper end; None where ``low`` is.
        n: number of clips that count.
    """

    share: float | None
    low: float | None
    high: float | None
    n: int


class Median(TypedDict):
    """A median over clips with its 95 % interval (BCa, over recordings).

    Attributes:
        median: None where no clip counts; may be infinite.
        low: lower end; None below ten effective recordings, or where a value is infinite.
        high: upper end; None where ``low`` is.
        n: number of clips that count.
    """

    median: float | None
    low: float | None
    high: float | None
    n: int


def share_among(
    happened: "pd.Series[bool]", counted: "pd.Series[bool]", recordings: "pd.Series[str]", *, seed: int = 0
) -> Share:
    """Share of the counted clips for which a condition is true.

    Args:
        happened: whether the condition is true, per clip.
        counted: whether the clip counts, per clip.
        recordings: recording that each clip was cut from.
        seed: seed of the resampling.

    Returns:
        The share in [0, 1] with its interval.
    """
    counts = counted.to_numpy(bool)
    n = int(counts.sum())
    if not n:
        return {"share": None, "low": None, "high": None, "n": 0}
    hits = torch.from_numpy(happened.to_numpy(bool)[counts].astype(np.float64))
    resampling = SourceResampling(recordings.to_numpy()[counts].tolist(), seed=seed)
    ends = share_interval(lambda weights: weights @ hits / weights.sum(-1), resampling)
    return {"share": float(hits.mean()), **_ends(ends.low, ends.high), "n": n}


def median_among(
    values: "pd.Series[float]", counted: "pd.Series[bool]", recordings: "pd.Series[str]", *, seed: int = 0
) -> Median:
    """Median of a number over the counted clips that have it.

    Args:
        values: one value per clip, in any unit; NaN where a clip has none.
        counted: whether the clip counts, per clip.
        recordings: recording that each clip was cut from.
        seed: seed of the resampling.

    Returns:
        The median in the unit of the values, with its interval.
    """
    chosen = counted.to_numpy(bool) & values.notna().to_numpy()
    n = int(chosen.sum())
    if not n:
        return {"median": None, "low": None, "high": None, "n": 0}
    some = np.asarray(values, np.float64)[chosen]
    low, high = _median_ends(some, recordings.to_numpy()[chosen].tolist(), seed)
    return {"median": float(np.median(some)), **_ends(low, high), "n": n}


def weighted_median(values: Tensor, weights: Tensor) -> Tensor:
    """Median of values with integer weights: ``numpy.median`` of each value repeated as often as it counts.

    Args:
        values: ``(clips,)`` float64.
        weights: ``(..., clips)``, integers of at least 0.

    Returns:
        float64 with the leading shape of the weights; NaN where no value counts.
    """
    ordered, order = values.sort()
    below = weights[..., order].cumsum(-1)
    total = below[..., -1:]
    ends = [(below > place).int().argmax(-1) for place in ((total - 1) // 2, total // 2)]
    # As with numpy.median, the mean of two infinities of opposite sign is NaN.
    middle = torch.where(ends[0] == ends[1], ordered[ends[0]], (ordered[ends[0]] + ordered[ends[1]]) / 2)
    return torch.where(total[..., 0] > 0, middle, torch.nan)


def _median_ends(values: NDArray[np.float64], recordings: Sequence[Hashable], seed: int) -> tuple[float, float]:
    resampling = SourceResampling(recordings, seed=seed)
    if too_few(resampling.effective) or not np.isfinite(values).all():
        return float("nan"), float("nan")
    ordered = torch.from_numpy(values)
    interval = bca_interval(lambda weights: weighted_median(ordered, weights), resampling)
    return interval.low, interval.high


class _Ends(TypedDict):
    low: float | None
    high: float | None


def _ends(low: float, high: float) -> _Ends:
    return {"low": None if np.isnan(low) else low, "high": None if np.isnan(high) else high}
