"""95 % intervals over recordings, for shares and areas in [0, 1] and for paired differences in [-1, 1].

Clips cut from one recording resemble each other, so recordings, not clips, are the independent units. The intervals
are conditional on the trained victims. Below ten effective recordings (:func:`metrics.recordings.effective_number`) no
interval is given. ``benchmarks/coverage.py`` prints their coverage.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, ndtri
from scipy.stats import t as student
from torch import Tensor

from metrics.recordings import Recordings, Statistic, effective_number
from metrics.success import fooling_rate

__all__ = [
    "FEWEST_RECORDINGS",
    "PRIOR_OF_AREAS",
    "TOO_FEW",
    "Interval",
    "Recordings",
    "difference_interval",
    "effective_trials",
    "influence_kurtosis",
    "median_interval",
    "mid_p_ends",
    "rate_interval",
    "require_confidence",
    "share_ends",
    "share_interval",
    "too_few",
]

FEWEST_RECORDINGS = 10
"""Below this effective number of recordings no interval is given."""

TOO_FEW: Literal["fewer than 10 recordings"] = "fewer than 10 recordings"

BELIEVED = 0.5
"""Weight of the prior design effect, in recordings that say something of it: the prior counts as half of one."""

NO_INFLUENCE = 1e-24
"""Mean square below which influences are rounding: one pair of 10,000 clips that changes its order has 1e-20."""

PRIOR_OF_AREAS = 0.75
"""Prior design effect of an area; that of a share of clips is 1. An area is a mean over pairs: near 1 its variance is
half of that of a share of independent clips, (1 - A) / 2n to first order for the scores of Hanley and McNeil (1982),
and more where only some of the adversarials move. ``benchmarks/coverage.py`` has areas of both kinds."""


def too_few(recordings: Any) -> Any:
    """Whether an effective number of recordings, or each of several, is below ten, so that no interval is given."""
    # Rounding may put the ratio of sums just below a whole number.
    return np.asarray(recordings) < FEWEST_RECORDINGS - 1e-9


@dataclass(frozen=True)
class Interval:
    """A confidence interval and its method; both ends are NaN where there is none.

    Attributes:
        low: lower end.
        high: upper end.
        method: name of the method, or ``fewer than 10 recordings``.
    """

    low: float
    high: float
    method: Literal["mid_p", "adjusted_t", "order_statistics", "fewer than 10 recordings"]


def share_interval(
    statistic: Statistic,
    recordings: Recordings,
    confidence: float = 0.95,
    counts: Tensor | None = None,
    *,
    area: bool = False,
) -> Interval:
    r"""Interval of a number in [0, 1] that is a mean over clips or over pairs of clips: a rate, an area, a ratio.

    The number is treated as the share of successes in :math:`n^*` independent trials, where :math:`n^*` follows from
    its variance over recordings (:func:`effective_trials`), and gets the mid-p interval of such a share.

    Args:
        statistic: the number as a function of how much each clip counts, for example
            ``lambda weights: auc(clean, adversarial, labels, weights)``.
        recordings: of the same clips.
        confidence: nominal coverage, in (0, 1).
        counts: weight of each recording in the number ``(recordings,)``, where clips have unequal weights.
        area: whether the number is a mean over pairs of clips.

    Returns:
        The interval; both ends NaN below ten effective recordings and where the number is undefined.

    Raises:
        ValueError: for a confidence outside (0, 1).
    """
    require_confidence(confidence)
    effective = recordings.effective if counts is None else effective_number(counts)
    if too_few(effective):
        return Interval(np.nan, np.nan, TOO_FEW)
    estimate = float(statistic(torch.ones(recordings.clips, dtype=torch.float64)))
    if np.isnan(estimate):
        return Interval(np.nan, np.nan, "mid_p")
    influence = recordings.influence(statistic).numpy()
    kurtosis = influence_kurtosis(influence) if area else None
    low, high = share_ends(estimate, np.square(influence).sum(), effective, confidence, kurtosis=kurtosis)
    return Interval(float(low), float(high), "mid_p")


def influence_kurtosis(influence: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Kurtosis of the influences of R recordings on a number, :math:`R \sum U_r^4 / (\sum U_r^2)^2`.

    Args:
        influence: of each recording, along the last axis (:meth:`metrics.recordings.Recordings.influence`).

    Returns:
        At least 1: 3 for normal influences, large where a few recordings decide; infinite where none has an influence
        beyond rounding.
    """
    squares = np.square(influence)
    second, fourth = np.asarray(squares.mean(-1)), np.asarray(np.square(squares).mean(-1))
    return np.divide(fourth, np.square(second), out=np.full(second.shape, np.inf), where=second > NO_INFLUENCE)


def share_ends(
    estimate: Any, variance: Any, recordings: Any, confidence: float = 0.95, *, kurtosis: Any = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of :func:`share_interval` from shares, their variances over recordings and effective numbers of recordings.

    Args:
        estimate: the share, in [0, 1]; arrays are handled elementwise.
        variance: its variance over recordings.
        recordings: effective number of recordings.
        confidence: nominal coverage, in (0, 1).
        kurtosis: for an area, that of the influences of recordings (:func:`influence_kurtosis`).

    Returns:
        Lower and upper ends in [0, 1], NaN below ten effective recordings.
    """
    share, few = np.asarray(estimate, dtype=np.float64), too_few(recordings)
    known = np.where(few, FEWEST_RECORDINGS, recordings)
    trials = effective_trials(share, variance, known, confidence, kurtosis=kurtosis)
    low, high = mid_p_ends(share * trials, trials, confidence)
    return np.where(few, np.nan, low), np.where(few, np.nan, high)


def rate_interval(happened: Tensor, recordings: Recordings, confidence: float = 0.95) -> Interval:
    """:func:`share_interval` of a rate.

    Args:
        happened: bool ``(clips,)``, over S, or the share in [0, 1] of each clip's targets for which it happened.
        recordings: of the same clips.
        confidence: nominal coverage, in (0, 1).

    Returns:
        The interval, as in :func:`share_interval`.
    """
    return share_interval(lambda weights: fooling_rate(happened, weights), recordings, confidence)


def difference_interval(statistic: Statistic, recordings: Recordings, confidence: float = 0.95) -> Interval:
    r"""Interval of a difference in [-1, 1] between two numbers over the same clips.

    Two recordings are added, one for which the difference is 1 and one for which it is -1 (Bonett and Price 2012 do so
    for single clips), so that two models that never disagree do not get an interval of zero width:

    .. math:: \tilde\delta = \frac{m \hat\delta}{m + 2},\quad
              \tilde v = \frac{m^2 v + m (\hat\delta - \tilde\delta)^2 + 2 (1 + \tilde\delta^2)}{(m + 2)^2},\quad
              \tilde\delta \pm t_{m - 1} \sqrt{\tilde v}

    with m the effective number of recordings and v the variance over recordings.

    Args:
        statistic: the difference as a function of how much each clip counts.
        recordings: of the same clips.
        confidence: nominal coverage, in (0, 1).

    Returns:
        The interval within [-1, 1]; both ends NaN below ten effective recordings and where the difference is undefined.

    Raises:
        ValueError: for a confidence outside (0, 1).
    """
    require_confidence(confidence)
    effective = recordings.effective
    if too_few(effective):
        return Interval(np.nan, np.nan, TOO_FEW)
    estimate = float(statistic(torch.ones(recordings.clips, dtype=torch.float64)))
    if np.isnan(estimate):
        return Interval(np.nan, np.nan, "adjusted_t")
    low, high = adjusted_t_ends(estimate, recordings.variance(statistic), effective, confidence)
    return Interval(float(low), float(high), "adjusted_t")


def median_interval(values: Tensor, recordings: Recordings, confidence: float = 0.95) -> Interval:
    r"""Interval of a median between two of the values: order statistics (Woodruff 1952).

    Below the lower end, and above the upper one, lies the largest share :math:`k / n^*` of the clips with
    :math:`P(X \le k) \le \alpha / 2`, where X counts the successes in :math:`n^*` trials of probability 1/2 and
    :math:`n^*` is the effective number of trials behind the share of clips up to the median
    (:func:`effective_trials`). For n clips of n recordings it is the interval of the sign test.

    Args:
        values: one per clip ``(clips,)``; they may be infinite.
        recordings: of the same clips.
        confidence: nominal coverage, in (0, 1).

    Returns:
        The interval; both ends NaN below ten effective recordings. An end may be infinite, and both are where so few
        values have no interval of this confidence.

    Raises:
        ValueError: for a confidence outside (0, 1).
    """
    require_confidence(confidence)
    effective = recordings.effective
    if too_few(effective):
        return Interval(np.nan, np.nan, TOO_FEW)
    ordered = values.double().sort().values
    middle = ordered[(len(ordered) - 1) // 2]
    # Clips that share the value of the median are on either side of it.
    designs = []
    for side in (values.double() <= middle, values.double() < middle):
        share = float(side.double().mean())
        if 0 < share < 1:
            designs.append(recordings.variance(partial(fooling_rate, side)) / (share * (1 - share)))
    half_variance = max(designs, default=1 / effective) / 4
    trials = float(effective_trials(0.5, half_variance, effective, confidence))
    # P(X <= k) of k successes in n trials of probability 1/2, for fractional numbers too.
    few = brentq(lambda k: betainc(trials - k, k + 1, 0.5) - (1 - confidence) / 2, -1 + 1e-9, trials / 2)
    if few < 0:
        # Even the smallest and the largest value exclude the median more often than the confidence allows.
        return Interval(-math.inf, math.inf, "order_statistics")
    below = math.floor(len(ordered) * few / trials + 1e-9)
    return Interval(float(ordered[below]), float(ordered[len(ordered) - below - 1]), "order_statistics")


def effective_trials(
    estimate: Any, variance: Any, recordings: Any, confidence: float = 0.95, *, kurtosis: Any = None
) -> NDArray[np.float64]:
    r"""Effective number of independent trials behind a share.

    .. math:: d = \frac{m v}{\hat p (1 - \hat p)},\quad k = m \min(\hat p, 1 - \hat p),\quad
              d^* = \frac{k d + 0.5 d_0}{k + 0.5},\quad
              n^* = m \max\Big(\frac{z^2}{t_{m-1}^2 d^*}, \min\big(1, \tfrac{1}{d^*}\big)\Big)

    The design effect d divides the variance by that of m trials, one per effective recording, which is the largest
    variance possible, reached when all clips of a recording have the same outcome. Shares near 0 and 1 hold little
    information about it, so it is shrunk towards a prior :math:`d_0`. Where it claims more than one trial per
    recording, its own uncertainty is corrected for as by Korn and Graubard (1998).

    Args:
        estimate: the share, in [0, 1]; arrays are handled elementwise.
        variance: its variance over recordings.
        recordings: effective number of recordings m, above 1.
        confidence: nominal coverage, in (0, 1).
        kurtosis: :math:`\kappa` of an area (:func:`influence_kurtosis`), whose prior is ``PRIOR_OF_AREAS``; None for a
            share.

    Returns:
        :math:`n^*`, float64, fractional in general.
    """
    p, m = np.asarray(estimate, dtype=np.float64), np.asarray(recordings, dtype=np.float64)
    binomial = p * (1 - p) / m
    found = np.divide(variance, binomial, out=np.ones_like(binomial + variance), where=binomial > 0)
    k, prior = (m * np.minimum(p, 1 - p), 1.0) if kurtosis is None else (m / kurtosis, PRIOR_OF_AREAS)
    shrunk = (k * found + BELIEVED * prior) / (k + BELIEVED)
    quantile = (1 + confidence) / 2
    price = (ndtri(quantile) / student.ppf(quantile, m - 1)) ** 2
    return m * np.maximum(price / shrunk, np.minimum(1.0, 1 / shrunk))


def mid_p_ends(
    successes: Any, trials: Any, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Ends of the mid-p interval of a binomial share (Lancaster 1961), for integer and fractional counts.

    The ends are where :math:`f(p) = P(X > x) + \tfrac12 P(X = x)` is :math:`\alpha / 2` and :math:`1 - \alpha / 2`. The
    sums are incomplete beta functions, :math:`P(X \ge x) = I_p(x, n - x + 1)`, which are defined for fractional counts
    too.

    Args:
        successes: x, from 0 to n; arrays are handled elementwise.
        trials: n, above 0.
        confidence: nominal coverage, in (0, 1).

    Returns:
        Lower and upper ends in [0, 1]; the lower end is 0 without a success, the upper 1 without a failure.
    """
    x, n = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64))
    x = np.clip(x, 0.0, n)
    tiny = 1e-12
    ends = []
    for goal in ((1 - confidence) / 2, (1 + confidence) / 2):
        below, above = np.zeros(x.shape), np.ones(x.shape)
        for _ in range(60):
            p = (below + above) / 2
            at_least = betainc(np.maximum(x, tiny), n - x + 1, p)
            more = betainc(x + 1, np.maximum(n - x, tiny), p)
            low = (at_least + more) / 2 < goal
            below, above = np.where(low, p, below), np.where(low, above, p)
        ends.append((below + above) / 2)
    return np.where(x <= tiny * n, 0.0, ends[0]), np.where(n - x <= tiny * n, 1.0, ends[1])


def adjusted_t_ends(
    estimate: Any, variance: Any, recordings: Any, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of :func:`difference_interval` from a difference, its variance over recordings and their effective number.

    Args:
        estimate: the difference, in [-1, 1]; arrays are handled elementwise.
        variance: its variance over recordings.
        recordings: effective number of recordings, above 1.
        confidence: nominal coverage, in (0, 1).

    Returns:
        Lower and upper ends within [-1, 1].
    """
    delta, m = np.asarray(estimate, dtype=np.float64), np.asarray(recordings, dtype=np.float64)
    centre = m * delta / (m + 2)
    spread = (m**2 * variance + m * (delta - centre) ** 2 + 2 * (1 + centre**2)) / (m + 2) ** 2
    reach = student.ppf((1 + confidence) / 2, m - 1) * np.sqrt(spread)
    return np.maximum(centre - reach, -1.0), np.minimum(centre + reach, 1.0)


def require_confidence(confidence: float) -> None:
    """Raise ``ValueError`` unless a confidence lies in (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"expected confidence in (0, 1), got {confidence}")
