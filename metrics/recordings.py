"""Recordings as the unit of chance: how many there are in effect, draws of them, and what each one contributes."""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

Statistic = Callable[[Tensor], Tensor]
"""From weights ``(..., clips)``, how often each clip counts, to a number, float64 of the leading shape."""


class SourceResampling:
    """Draws of recordings with replacement, the same for every victim tested on the same clips.

    The draws are a function of the set of recordings and the seed alone: neither the order of the clips nor a victim's
    results enter. A victim that classifies only some of the clips correctly takes its columns with :meth:`of`, so that
    differences between victims can be formed resample by resample. Nothing is drawn before it is asked for.

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
        """Number of the recording of each clip ``(clips,)``, among all that may be drawn."""
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
        """Weights that leave out one recording each, float64 ``(recordings, clips)``, those without a clip included."""
        return (self._places != torch.arange(self._population[0])[:, None]).double()

    @classmethod
    def joined(cls, parts: Sequence["SourceResampling"]) -> "SourceResampling":
        """Put parts of one resampling side by side, for a number over several sets of clips.

        Args:
            parts: what :meth:`of` returned for each set.

        Raises:
            ValueError: if the parts are not of one resampling.
        """
        if len({part._population for part in parts}) != 1:
            raise ValueError("expected parts of one resampling, got parts with different numbers of draws or sources")
        return parts[0]._with_places(torch.cat([part._places for part in parts]))

    def of(self, clips: Tensor) -> "SourceResampling":
        """The same draws seen by some of the clips.

        Args:
            clips: bool or indices of the tested clips, for example S of one victim.

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
        r"""How a number changes with the weight of each recording.

        .. math:: U_r = \sum_{i \in r} \frac{\partial\hat\theta}{\partial w_i}

        Args:
            statistic: the number as a function of weights, differentiable in them.

        Returns:
            float64 ``(recordings,)``, for those that have a clip here.
        """
        weights = torch.ones(self.clips, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(statistic(weights), weights)
        total = torch.zeros(self._population[0], dtype=torch.float64)
        # A part in which the number does not exist (a fold with one clip) does not count, and has no slope.
        return total.index_add(0, self._places, slope.nan_to_num(0.0))[self._present]

    def variance(self, statistic: Statistic) -> float:
        r"""Variance of a number over recordings, :math:`\sum_r U_r^2`: the infinitesimal jackknife (Jaeckel 1972).

        For a mean over recordings of one clip each it is the plug-in variance, :math:`p (1 - p) / n` of a rate.

        Args:
            statistic: as for :meth:`influence`.
        """
        return float(self.influence(statistic).square().sum())


def effective_number(counts: Tensor) -> float:
    r"""Effective number of recordings, :math:`(\sum_r n_r)^2 / \sum_r n_r^2` (Kish 1965).

    It is the number of recordings where all have as many clips, and near 1 where one has nearly all of them.

    Args:
        counts: clips, or any other weight, of each recording ``(recordings,)``.

    Returns:
        A number from 1 to the number of recordings; 0 without a clip.
    """
    counts = counts.double()
    total = float(counts.square().sum())
    return float(counts.sum()) ** 2 / total if total else 0.0
