"""Recordings as the independent units: their effective number, draws of them, and the influence of each."""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

Statistic = Callable[[Tensor], Tensor]
"""From weights ``(..., clips)``, how often each clip counts, to a number, float64 with the leading shape."""


class SourceResampling:
    """Draws of recordings with replacement, the same for every victim tested on the same clips.

    The draws depend on the set of recordings and the seed alone, neither on the order of the clips nor on a victim's
    results. For a victim that classifies only some of the clips correctly, :meth:`of` selects its columns, so that
    differences between victims can be computed resample by resample. Draws are made lazily, on first use.

    Args:
        sources: recording that each tested clip was cut from ``(clips,)``.
        resamples: number of draws.
        seed: seed of the draws.

    Attributes:
        sources: number of recordings that have a clip here.

    Raises:
        ValueError: without a clip or a draw.
    """

    def __init__(self, sources: Sequence[Hashable], resamples: int = 2000, seed: int = 0) -> None:
        if not len(sources) or resamples < 1:
            raise ValueError(
                f"expected clips and at least one resample, got {len(sources)} clips, {resamples} resamples"
            )
        names, places = np.unique([str(source) for source in sources], return_inverse=True)
        self._population = (len(names), resamples, seed)
        self._place_of(torch.from_numpy(places))

    def _place_of(self, places: Tensor) -> None:
        """Set the recording of each clip ``(clips,)``, as its number among all that may be drawn."""
        self._places = places
        self._present, self._clips = places.unique(return_counts=True)
        self.sources: int = len(self._present)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self._places)

    @property
    def effective(self) -> float:
        """Effective number of the recordings (:func:`effective_number`)."""
        return effective_number(self._clips)

    @cached_property
    def weights(self) -> Tensor:
        """How often each clip is drawn, float64 ``(resamples, clips)``."""
        number, resamples, seed = self._population
        drawn = np.random.default_rng(seed).integers(0, number, size=(resamples, number))
        rows = number * np.arange(resamples)[:, None]
        counts = np.bincount((drawn + rows).ravel(), minlength=resamples * number).reshape(resamples, number)
        return torch.from_numpy(counts[:, self._places.numpy()].astype(np.float64))

    @cached_property
    def without_one(self) -> Tensor:
        """Weights that leave out one recording per row, float64 ``(recordings, clips)``, even those without a clip."""
        return (self._places != torch.arange(self._population[0])[:, None]).double()

    @classmethod
    def joined(cls, parts: Sequence["SourceResampling"]) -> "SourceResampling":
        """Concatenate parts of one resampling, for a number over several sets of clips.

        Args:
            parts: what :meth:`of` returned for each set.

        Raises:
            ValueError: if the parts do not come from one resampling.
        """
        if len({part._population for part in parts}) != 1:
            raise ValueError(
                "expected parts of one resampling, got parts with different seeds or numbers of draws or recordings"
            )
        return parts[0]._with_places(torch.cat([part._places for part in parts]))

    def of(self, clips: Tensor) -> "SourceResampling":
        """Restrict the draws to some of the clips.

        Args:
            clips: a bool mask or indices of the tested clips, for example S of one victim.

        Returns:
            A resampling whose weights have only these columns.
        """
        return self._with_places(self._places[clips])

    def _with_places(self, places: Tensor) -> "SourceResampling":
        chosen = object.__new__(SourceResampling)
        chosen._population = self._population
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
        total = torch.zeros(self._population[0], dtype=torch.float64)
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
