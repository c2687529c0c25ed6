"""Recordings as the independent units: their effective number, and the influence of each on a number."""

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

FEWEST_OF_A_FOLD = 8
"""Below this effective number of recordings in one of several folds, their mean has no interval."""

Statistic = Callable[[Tensor], Tensor]
"""From weights ``(..., clips)``, how much each clip counts, to a number, float64 with the leading shape."""


class Recordings:
    """The recordings that some clips were cut from, as the units over which a number of those clips varies.

    For a victim that classifies only some of the clips correctly, :meth:`of` selects them.

    Args:
        recordings: recording that each clip was cut from ``(clips,)``.

    Attributes:
        number: number of recordings that have a clip here.

    Raises:
        ValueError: without a clip.
    """

    def __init__(self, recordings: Sequence[Hashable]) -> None:
        if not len(recordings):
            raise ValueError("expected the recording of each clip, got no clip")
        self._names, places = np.unique([str(name) for name in recordings], return_inverse=True)
        self._place_of(torch.from_numpy(places))

    def _place_of(self, places: Tensor) -> None:
        """Set the recording of each clip ``(clips,)``, as its place among the names."""
        self._of_folds = math.inf
        self._places = places
        self._present, self._clips = places.unique(return_counts=True)
        self.number: int = len(self._present)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self._places)

    @property
    def effective(self) -> float:
        """Effective number of the recordings (:func:`effective_number`); after :meth:`over_folds` at most its bound."""
        return min(effective_number(self._clips), self._of_folds)

    @classmethod
    def joined(cls, parts: Sequence["Recordings"]) -> "Recordings":
        """Concatenate parts of one set of recordings, for a mean over folds.

        Args:
            parts: what :meth:`of` returned for the clips of each fold.

        Raises:
            ValueError: if the parts are not of one set.
        """
        if any(part._names is not parts[0]._names for part in parts):
            raise ValueError("expected parts of one set of recordings, got parts of several")
        together = parts[0]._with_places(torch.cat([part._places for part in parts]))
        together._of_folds = effective_over_folds([part.effective for part in parts])
        return together

    def over_folds(self, folds: Sequence[Tensor | slice]) -> "Recordings":
        """The same clips, for a mean over folds in which each fold counts alike, however few clips it has.

        Args:
            folds: what :meth:`of` takes, for the clips of each fold.

        Returns:
            Recordings whose effective number is at most :func:`effective_over_folds`.
        """
        same = self._with_places(self._places)
        same._of_folds = effective_over_folds([self.of(fold).effective for fold in folds])
        return same

    def of(self, clips: Tensor | slice) -> "Recordings":
        """The recordings of some of the clips.

        Args:
            clips: a bool mask, indices or a slice of the clips, for example S of one victim.
        """
        return self._with_places(self._places[clips])

    def _with_places(self, places: Tensor) -> "Recordings":
        chosen = object.__new__(Recordings)
        chosen._names = self._names
        chosen._place_of(places)
        return chosen

    def influence(self, statistic: Statistic) -> Tensor:
        r"""Derivative of a number with respect to the weight of each recording.

        .. math:: U_r = \sum_{i \in r} \frac{\partial\hat\theta}{\partial w_i}

        Args:
            statistic: the number as a function of weights, differentiable in them.

        Returns:
            float64 ``(recordings,)``, for the recordings that have a clip here.
        """
        weights = torch.ones(self.clips, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(statistic(weights), weights)
        total = torch.zeros(len(self._names), dtype=torch.float64)
        # Where the number is undefined (a fold with a single clip) the gradient is NaN and counts as 0.
        return total.index_add(0, self._places, slope.nan_to_num(0.0))[self._present]

    def variance(self, statistic: Statistic) -> float:
        r"""Variance of a number over recordings, :math:`\sum_r U_r^2`: the infinitesimal jackknife (Jaeckel 1972).

        For a rate over n recordings of one clip each it is the plug-in variance, :math:`p (1 - p) / n`.

        Args:
            statistic: as for :meth:`influence`.

        Returns:
            The variance, in the squared unit of the number.
        """
        return float(self.influence(statistic).square().sum())


def effective_over_folds(folds: Sequence[float]) -> float:
    r"""Largest effective number of recordings of a mean over folds in which each fold counts alike.

    .. math:: F \min_f m_f

    with :math:`m_f` the effective number of the recordings of fold f. A mean over 40 clips and over 10 varies about as
    much as one over twenty: the fold of 10 has half of the weight, and the variance on it is hardly known. Where the
    smallest fold has fewer than eight, it counts alone, so that there is no interval: its variance is not known at all.

    Args:
        folds: effective number of recordings of each fold.

    Returns:
        The bound, which the effective number of all recordings together is below where folds are about equal or test
        the same recordings; infinite without a fold.
    """
    if not folds:
        return math.inf
    smallest = min(folds)
    return smallest if smallest < FEWEST_OF_A_FOLD - 1e-9 else len(folds) * smallest


def effective_number(counts: Tensor) -> float:
    r"""Effective number of recordings, :math:`(\sum_r n_r)^2 / \sum_r n_r^2` (Kish 1965).

    It equals the number of recordings if all have the same number of clips, and approaches 1 if one has nearly all of
    the clips.

    Args:
        counts: number of clips, or any other weight, of each recording ``(recordings,)``.

    Returns:
        A number from 1 to the number of recordings; 0 without a clip.
    """
    counts = counts.double()
    total = float(counts.square().sum())
    return float(counts.sum()) ** 2 / total if total else 0.0
