"""Intervals of a mean over folds in which each fold is itself a mean over the seeds that were attacked on it."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from metrics.attacked_fold import AttackedFold
from metrics.intervals import Interval, Recordings, share_interval

Number = Literal["auc", "fooling_rate"]
"""A number of an attack that has an interval over recordings."""


def interval_over_seeds(
    seeds: Sequence[pd.DataFrame], attacks: Sequence[str], number: Number, folds: Sequence[int]
) -> Interval:
    r"""Interval over recordings, for these trained victims, of a number of one attack or of a mean over several.

    .. math:: \hat\theta = \frac{1}{F} \sum_f \frac{1}{|S_f|} \sum_{s \in S_f}
        \frac{1}{A} \sum_a \hat\theta_{f s a}

    with :math:`S_f` the seeds that were attacked on fold f. A clip counts once on a fold, however many seeds were
    attacked on it, so that further seeds add no recordings.

    Args:
        seeds: the rows of the attacked clips of each seed, each with one row per fold, attack, budget and clip.
        attacks: names of the attacks.
        number: AUC or fooling rate, as a mean over budgets.
        folds: the folds, each attacked on at least one seed with all of the attacks.

    Returns:
        The interval; both ends NaN below ten effective recordings and where the number is undefined.

    Raises:
        ValueError: if no seed was attacked on one of the folds.
    """
    parts: list[list[list[AttackedFold]]] = [[] for _ in folds]
    for rows in seeds:
        for place, fold in enumerate(folds):
            of_fold = rows[rows["fold"] == fold]
            there = [of_fold[of_fold["attack"] == attack] for attack in attacks]
            if all(map(len, there)):
                parts[place].append([AttackedFold.of(some) for some in there])
    missing = [fold for fold, some in zip(folds, parts, strict=True) if not some]
    if missing:
        raise ValueError(f"expected rows of {', '.join(attacks)} on every fold, got none on fold {missing[0]}")
    # All attacks of one seed and fold have the same clips, those classified correctly when clean.
    clips: dict[tuple[int, int], str] = {}
    for fold, some in zip(folds, parts, strict=True):
        for attacked in some:
            clips.update(((fold, clip), name) for clip, name in _clips(attacked))
    positions = {key: position for position, key in enumerate(clips)}
    places = [
        [torch.tensor([positions[fold, clip] for clip, _ in _clips(attacked)]) for attacked in some]
        for fold, some in zip(folds, parts, strict=True)
    ]
    recordings = Recordings(list(clips.values()))
    # Of the seeds of a fold, the one with the fewest effective recordings.
    least = [min(of_fold, key=lambda place: recordings.of(place).effective) for of_fold in places]

    def statistic(weights: Tensor) -> Tensor:
        of_folds = [
            torch.stack(
                [_mean(one, number, weights[..., place]) for one, place in zip(some, of_fold, strict=True)]
            ).mean(dim=0)
            for some, of_fold in zip(parts, places, strict=True)
        ]
        return torch.stack(of_folds).mean(dim=0)

    return share_interval(statistic, recordings.over_folds(least), area=number == "auc")


def _clips(attacked: Sequence[AttackedFold]) -> list[tuple[int, str]]:
    """Number and recording of each clip."""
    return list(zip(attacked[0].clips.tolist(), attacked[0].recordings, strict=True))


def _mean(attacked: Sequence[AttackedFold], number: Number, weights: Tensor) -> Tensor:
    values = [one.mean_area(weights) if number == "auc" else one.mean_rate("success", weights) for one in attacked]
    return torch.stack(values).mean(dim=0)
