"""95 % intervals: bootstrap over sources as clusters, and Clopper-Pearson where a rate is near 0 or 1.

Clips cut from one recording resemble each other, so a source is drawn with all its clips. The intervals are conditional
on the trained victims.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import beta
from torch import Tensor

from metrics.rates import fooling_rate

NEAR_THE_END = 3
"""A count within this of 0 or n has too few opposite outcomes for a bootstrap."""


@dataclass(frozen=True)
class Interval:
    """An interval for a number and how it was found; both ends NaN where it cannot be had."""

    low: float
    high: float
    method: Literal["bca", "clopper_pearson"]


class SourceResampling:
    """Draws of sources with replacement, the same for every victim tested on the same clips.

    The draws are a function of the set of sources and the seed alone: neither the order of the clips nor a victim's
    results enter. A victim that classifies only some of the clips correctly takes its columns with :meth:`of`, so that
    differences between victims can be formed resample by resample.

    Args:
        sources: recording that each tested clip was cut from ``(clips,)``.
        resamples: number of draws.
        seed: seed of the draws.

    Attributes:
        weights: how often each clip is drawn, float64 ``(resamples, clips)``.
        without_one: weights that leave out one source each, float64 ``(sources, clips)``, for the jackknife.
        sources: number of sources that have a clip here.

    Raises:
        ValueError: without a clip or a draw.
    """

    def __init__(self, sources: Sequence[Hashable], resamples: int = 2000, seed: int = 0) -> None:
        if not len(sources) or resamples < 1:
            raise ValueError(
                f"expected clips and at least one resample, got {len(sources)} clips, {resamples} resamples"
            )
        names, source_of_clip = np.unique([str(source) for source in sources], return_inverse=True)
        number = len(names)
        drawn = np.random.default_rng(seed).integers(0, number, size=(resamples, number))
        rows = number * np.arange(resamples)[:, None]
        counts = np.bincount((drawn + rows).ravel(), minlength=resamples * number).reshape(resamples, number)
        self.weights: Tensor = torch.from_numpy(counts[:, source_of_clip].astype(np.float64))
        self.without_one: Tensor = torch.from_numpy(1.0 - np.eye(number)[:, source_of_clip])
        self.sources: int = number

    @classmethod
    def joined(cls, parts: Sequence["SourceResampling"]) -> "SourceResampling":
        """Put parts of one resampling side by side, for a number over several sets of clips.

        Args:
            parts: what :meth:`of` returned for each set.

        Raises:
            ValueError: if the parts are not of one resampling.
        """
        if len({(len(part.weights), len(part.without_one)) for part in parts}) != 1:
            raise ValueError("expected parts of one resampling, got parts with different numbers of draws or sources")
        joined = object.__new__(cls)
        joined.weights = torch.cat([part.weights for part in parts], dim=1)
        joined.without_one = torch.cat([part.without_one for part in parts], dim=1)
        joined.sources = int((joined.without_one == 0).any(dim=1).sum())
        return joined

    def of(self, clips: Tensor) -> "SourceResampling":
        """The same draws seen by some of the clips.

        Args:
            clips: bool or indices of the tested clips, for example S of one victim.

        Returns:
            A resampling whose weights have only these columns.
        """
        chosen = object.__new__(SourceResampling)
        chosen.weights = self.weights[:, clips]
        chosen.without_one = self.without_one[:, clips]
        chosen.sources = int((chosen.without_one == 0).any(dim=1).sum())
        return chosen


def bca_interval(
    statistic: Callable[[Tensor], Tensor], resampling: SourceResampling, confidence: float = 0.95
) -> Interval:
    r"""Bias-corrected and accelerated bootstrap interval (Efron 1987).

    .. math:: [\hat\theta^*_{(\alpha_1)}, \hat\theta^*_{(\alpha_2)}],\quad
              \alpha_{1, 2} = \Phi\Big(\hat z_0 + \frac{\hat z_0 + z}{1 - \hat a (\hat z_0 + z)}\Big),\
              z = \Phi^{-1}(\tfrac{1 \mp 0.95}{2})

    with :math:`\hat z_0 = \Phi^{-1}(P(\theta^* < \hat\theta) + \tfrac12 P(\theta^* = \hat\theta))` and
    :math:`\hat a = \sum_i u_i^3 / (6 (\sum_i u_i^2)^{3/2})`, where :math:`u_i` is the mean of the leave-one-source-out
    estimates less the i-th of them.

    Args:
        statistic: from weights ``(..., clips)`` to the number, float64 of the leading shape, for example
            ``lambda weights: auc(clean, adversarial, labels, weights)``.
        resampling: draws over the same clips.
        confidence: coverage aimed at, in (0, 1).

    Returns:
        The interval. Both ends are the estimate where every draw gives the same number, and NaN with fewer than two
        sources or where the number does not exist. Draws in which it does not exist (no clip of S) are left out.

    Raises:
        ValueError: for a confidence outside (0, 1).
    """
    _require_confidence(confidence)
    clips = resampling.weights.shape[1]
    estimate = float(statistic(torch.ones(clips, dtype=torch.float64))) if clips else float("nan")
    if resampling.sources < 2 or np.isnan(estimate):
        return Interval(float("nan"), float("nan"), "bca")
    drawn = _numbers(statistic(resampling.weights))
    if not len(drawn):
        return Interval(float("nan"), float("nan"), "bca")
    if np.ptp(drawn) == 0:
        return Interval(float(drawn[0]), float(drawn[0]), "bca")
    # A draw that gives the estimate again may miss it by rounding and is a tie all the same.
    rounding = 1e-12 * np.ptp(drawn)
    below = (np.mean(drawn < estimate - rounding) + np.mean(drawn <= estimate + rounding)) / 2
    # An estimate outside all draws would put both ends at infinity; half a draw is the resolution there is.
    half = 0.5 / len(drawn)
    bias = ndtri(np.clip(below, half, 1 - half))
    left_out = _numbers(statistic(resampling.without_one))
    influence = left_out.mean() - left_out if len(left_out) else left_out
    spread = np.sum(influence**2)
    acceleration = np.sum(influence**3) / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = bias + ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    low, high = np.quantile(drawn, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return Interval(float(low), float(high), "bca")


def clopper_pearson(successes: float, clips: int, sources: int, confidence: float = 0.95) -> Interval:
    r"""Exact binomial interval (Clopper and Pearson 1934) with sources, not clips, as the independent trials.

    .. math:: [B_{\alpha/2}(x, m - x + 1),\ B_{1 - \alpha/2}(x + 1, m - x)],\quad x = m k / n

    with k successes among n clips of m sources and B the quantile of the beta distribution, which also takes the
    fractional x that uneven sources give.

    Args:
        successes: k, clips that were fooled; fractional where a rate is a mean over budgets.
        clips: n.
        sources: m, at most n.
        confidence: coverage aimed at, in (0, 1).

    Returns:
        The interval within [0, 1]; NaN without a clip.

    Raises:
        ValueError: for counts that cannot be, or a confidence outside (0, 1).
    """
    _require_confidence(confidence)
    if not (0 <= successes <= clips and min(clips, 1) <= sources <= clips):
        raise ValueError(f"expected successes and sources within {clips} clips, got {successes} and {sources}")
    if clips == 0:
        return Interval(float("nan"), float("nan"), "clopper_pearson")
    tail = (1 - confidence) / 2
    equivalent = sources * successes / clips
    low = float(beta.ppf(tail, equivalent, sources - equivalent + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, equivalent + 1, sources - equivalent)) if successes < clips else 1.0
    return Interval(low, high, "clopper_pearson")


def near_the_end(successes: float, clips: int) -> bool:
    """Whether a count is within 3 of 0 or n; a rate times n that misses it by rounding is the count all the same."""
    return min(successes, clips - successes) <= NEAR_THE_END + 1e-9 * clips


def rate_interval(happened: Tensor, resampling: SourceResampling, confidence: float = 0.95) -> Interval:
    """Interval of a rate: :func:`clopper_pearson` for a count within 3 of 0 or n, :func:`bca_interval` between.

    Args:
        happened: bool ``(clips,)``, over S, or the share in [0, 1] of a clip's targets for which it happened.
        resampling: draws over the same clips.
        confidence: coverage aimed at, in (0, 1).

    Returns:
        The interval, with the method it came from.
    """
    # A sum of shares is no whole number, and what follows takes it as it is.
    successes, clips = float(happened.double().sum()), happened.numel()
    if near_the_end(successes, clips):
        return clopper_pearson(successes, clips, resampling.sources, confidence)
    return bca_interval(lambda weights: fooling_rate(happened, weights), resampling, confidence)


def _numbers(values: Tensor) -> NDArray[np.float64]:
    return values[~values.isnan()].numpy()


def _require_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"expected confidence in (0, 1), got {confidence}")
