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

    with :math:`S_f` the seeds that were attacked on fold f. A recording counts once, however many seeds heard it: what
    it adds to the number is summed over seeds before it is squared (:func:`metrics.intervals.share_interval`).

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
    recordings = Recordings([name for some in parts for attacked in some for name in attacked[0].recordings])
    sizes = [len(attacked[0]) for some in parts for attacked in some]
    ends = torch.tensor(sizes).cumsum(0).tolist()
    places = iter([slice(end - size, end) for end, size in zip(ends, sizes, strict=True)])
    # Of the seeds of a fold, the one whose number is known least.
    least = [min((next(places) for _ in some), key=lambda part: recordings.of(part).effective) for some in parts]

    def statistic(weights: Tensor) -> Tensor:
        of_parts = iter(weights.split(sizes, dim=-1))
        of_folds = [
            torch.stack([_mean(attacked, number, next(of_parts)) for attacked in some]).mean(dim=0) for some in parts
        ]
        return torch.stack(of_folds).mean(dim=0)

    return share_interval(statistic, recordings.over_folds(least), area=number == "auc")


def _mean(attacked: Sequence[AttackedFold], number: Number, weights: Tensor) -> Tensor:
    values = [one.mean_area(weights) if number == "auc" else one.mean_rate("success", weights) for one in attacked]
    return torch.stack(values).mean(dim=0)
