"""Shares and medians over clips with their intervals, for attacks on sounds made from maps or disturbed afterwards."""

from typing import Any, TypedDict

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from metrics.intervals import Recordings, median_interval, share_interval


class Share(TypedDict):
    """A share of clips with its 95 % interval over recordings.

    Attributes:
        share: in [0, 1]; None where no clip counts.
        low: lower end; None below ten effective recordings.
        high: upper end; None where ``low`` is.
        n: number of distinct clips that count, however many folds test them.
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
        n: number of distinct clips that count, however many folds test them.
    """

    median: float | None
    low: float | None
    high: float | None
    n: int


def share_among(rows: pd.DataFrame, happened: "pd.Series[Any]", counted: "pd.Series[bool]") -> Share:
    """Share of the counted rows for which a condition is true.

    Args:
        rows: ``clip`` and ``recording`` of each row.
        happened: whether the condition is true, per row, or the share in [0, 1] of its targets for which it is.
        counted: whether the row counts.

    Returns:
        The share in [0, 1] with its interval.
    """
    counts = counted.to_numpy(bool)
    if not counts.any():
        return {"share": None, "low": None, "high": None, "n": 0}
    hits = torch.from_numpy(happened.to_numpy(np.float64)[counts])
    recordings = Recordings(rows["recording"].to_numpy()[counts].tolist())
    ends = share_interval(lambda weights: weights @ hits / weights.sum(-1), recordings)
    return {"share": float(hits.mean()), **_ends(ends.low, ends.high), "n": _distinct(rows, counts)}


def median_among(
    rows: pd.DataFrame, values: "pd.Series[float]", counted: "pd.Series[bool]", confidence: float = 0.95
) -> Median:
    """Median of a number over the counted rows that have it.

    Args:
        rows: ``clip`` and ``recording`` of each row.
        values: one value per row, in any unit; NaN where it has none.
        counted: whether the row counts.
        confidence: nominal coverage of its interval, in (0, 1).

    Returns:
        The median in the unit of the values, with its interval.
    """
    chosen = counted.to_numpy(bool) & values.notna().to_numpy()
    if not chosen.any():
        return {"median": None, "low": None, "high": None, "n": 0}
    some = np.asarray(values, np.float64)[chosen]
    recordings = Recordings(rows["recording"].to_numpy()[chosen].tolist())
    ends = median_interval(torch.from_numpy(some), recordings, confidence)
    with np.errstate(invalid="ignore"):
        middle = float(np.median(some))
    # Between two infinities of opposite sign there is no number.
    return {"median": None if np.isnan(middle) else middle, **_ends(ends.low, ends.high), "n": _distinct(rows, chosen)}


def _distinct(rows: pd.DataFrame, counted: NDArray[np.bool_]) -> int:
    return int(rows.loc[counted, "clip"].nunique())


class _Ends(TypedDict):
    low: float | None
    high: float | None


def _ends(low: float, high: float) -> _Ends:
    return {"low": None if np.isnan(low) else low, "high": None if np.isnan(high) else high}
