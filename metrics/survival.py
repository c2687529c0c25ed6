"""Shares and medians over clips with their intervals, for attacks on sounds made from maps or disturbed afterwards."""

from typing import Any, TypedDict

import numpy as np
import pandas as pd
import torch

from metrics.intervals import SourceResampling, median_interval, share_interval


class Share(TypedDict):
    """A share of clips with its 95 % interval over recordings.

    Attributes:
        share: in [0, 1]; None where no clip counts.
        low: lower end; None below ten effective recordings.
        high: upper end; None where ``low`` is.
        n: number of clips that count, each once per fold that tests it.
    """

    share: float | None
    low: float | None
    high: float | None
    n: int


class Median(TypedDict):
    """A median over clips with its 95 % interval over recordings (:func:`metrics.intervals.median_interval`).

    Attributes:
        median: None where no clip counts; may be infinite.
        low: lower end; None below ten effective recordings; may be infinite.
        high: upper end; None where ``low`` is; may be infinite.
        n: number of clips that count, each once per fold that tests it.
    """

    median: float | None
    low: float | None
    high: float | None
    n: int


def share_among(
    happened: "pd.Series[Any]", counted: "pd.Series[bool]", recordings: "pd.Series[str]", *, seed: int = 0
) -> Share:
    """Share of the counted clips for which a condition is true.

    Args:
        happened: whether the condition is true, per clip, or the share in [0, 1] of its targets for which it is.
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
    hits = torch.from_numpy(happened.to_numpy(np.float64)[counts])
    resampling = SourceResampling(recordings.to_numpy()[counts].tolist(), seed=seed)
    ends = share_interval(lambda weights: weights @ hits / weights.sum(-1), resampling)
    return {"share": float(hits.mean()), **_ends(ends.low, ends.high), "n": n}


def median_among(values: "pd.Series[float]", counted: "pd.Series[bool]", recordings: "pd.Series[str]") -> Median:
    """Median of a number over the counted clips that have it.

    Args:
        values: one value per clip, in any unit; NaN where a clip has none.
        counted: whether the clip counts, per clip.
        recordings: recording that each clip was cut from.

    Returns:
        The median in the unit of the values, with its interval.
    """
    chosen = counted.to_numpy(bool) & values.notna().to_numpy()
    n = int(chosen.sum())
    if not n:
        return {"median": None, "low": None, "high": None, "n": 0}
    some = np.asarray(values, np.float64)[chosen]
    ends = median_interval(torch.from_numpy(some), SourceResampling(recordings.to_numpy()[chosen].tolist()))
    with np.errstate(invalid="ignore"):
        middle = float(np.median(some))
    # Between two infinities of opposite sign there is no number.
    return {"median": None if np.isnan(middle) else middle, **_ends(ends.low, ends.high), "n": n}


class _Ends(TypedDict):
    low: float | None
    high: float | None


def _ends(low: float, high: float) -> _Ends:
    return {"low": None if np.isnan(low) else low, "high": None if np.isnan(high) else high}
