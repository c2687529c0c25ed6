"""Intervals of a mean over folds, each of which may itself be a mean over attacks and over seeds."""

from collections.abc import Collection, Sequence
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from metrics.attacked_fold import AttackedFold
from metrics.intervals import Interval, Recordings, share_interval

Number = Literal["auc", "fooling_rate"]
"""A number of an attack that has an interval over recordings."""


def interval_over_folds(folds: Sequence[Sequence[Sequence[AttackedFold]]], number: Number) -> Interval:
    r"""Interval over recordings, for these trained victims, of a number of one attack or of a mean over several.

    .. math:: \hat\theta = \frac{1}{F} \sum_f \frac{1}{|S_f|} \sum_{s \in S_f}
        \frac{1}{A} \sum_a \hat\theta_{f s a}

    with :math:`S_f` the seeds that were attacked on fold f. A clip counts once on a fold, however many seeds were
    attacked on it, so that further seeds add no recordings.

    Args:
        folds: for each fold the seeds that were attacked on it, and of each seed its attacks, all on the same clips.
        number: AUC or fooling rate, as a mean over budgets.

    Returns:
        The interval; both ends NaN below ten effective recordings and where the number is undefined.
    """
    clips = {
        (one.fold, clip): recording
        for seeds in folds
        for one, *_ in seeds
        for clip, recording in zip(one.clips.tolist(), one.recordings, strict=True)
    }
    positions = {key: position for position, key in enumerate(clips)}
    places = [
        [torch.tensor([positions[one.fold, clip] for clip in one.clips.tolist()]) for one, *_ in seeds]
        for seeds in folds
    ]
    recordings = Recordings(list(clips.values()))
    # Of the seeds of a fold, the one with the fewest effective recordings.
    least = [min(of_fold, key=lambda place: recordings.of(place).effective) for of_fold in places]

    def statistic(weights: Tensor) -> Tensor:
        of_folds = [
            torch.stack([_mean(one, number, weights[..., place]) for one, place in zip(seeds, of_fold, strict=True)])
            for seeds, of_fold in zip(folds, places, strict=True)
        ]
        return torch.stack([of_fold.mean(dim=0) for of_fold in of_folds]).mean(dim=0)

    return share_interval(statistic, recordings.over_folds(least), area=number == "auc")


def interval_over_seeds(
    seeds: Sequence[tuple[pd.DataFrame, Collection[int]]], attacks: Sequence[str], number: Number
) -> Interval:
    """:func:`interval_over_folds` from the rows of each seed.

    Args:
        seeds: the rows of the attacked clips of each seed, one per fold, attack, budget and clip, and its folds in the
            mean, on all of which it was attacked with all of the attacks.
        attacks: names of the attacks.
        number: AUC or fooling rate, as a mean over budgets.

    Raises:
        ValueError: if a seed lacks an attack on one of its folds, or has other clips for one attack than for another.
    """
    folds: dict[int, list[list[AttackedFold]]] = {}
    for rows, chosen in seeds:
        for fold in chosen:
            folds.setdefault(fold, []).append(_attacked(rows[rows["fold"] == fold], attacks, fold))
    return interval_over_folds(list(folds.values()), number)


def _attacked(rows: pd.DataFrame, attacks: Sequence[str], fold: int) -> list[AttackedFold]:
    """The attacks of one seed on one fold, all on the clips that it classifies correctly when clean."""
    of_attacks = [rows[rows["attack"] == attack] for attack in attacks]
    missing = [attack for attack, some in zip(attacks, of_attacks, strict=True) if some.empty]
    if missing:
        raise ValueError(f"expected rows of {', '.join(missing)} on fold {fold}, got none")
    attacked = [AttackedFold.of(some) for some in of_attacks]
    if any(not torch.equal(one.clips, attacked[0].clips) for one in attacked):
        raise ValueError(f"expected the same clips for all attacks on fold {fold}, got others")
    return attacked


def _mean(attacked: Sequence[AttackedFold], number: Number, weights: Tensor) -> Tensor:
    values = [one.mean_area(weights) if number == "auc" else one.mean_rate("success", weights) for one in attacked]
    return torch.stack(values).mean(dim=0)
