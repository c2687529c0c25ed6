"""The outcomes of a run's attacks on each clip, read once, and the statistics that the page needs."""

import json
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from metrics.attack_summary import CHECK
from metrics.intervals import share_ends
from metrics.recordings import effective_number, effective_over_folds
from reporting.accuracy import Accuracies, TestedFold
from reporting.estimates import Estimate
from reporting.runs import Run
from storage import DataError
from storage.rows import read_rows

ROWS = ["fold", "attack", "budget_index", "budget", "clip", "success", "linf", "l2", "snr_db"]
CLIPS = ["fold", "clip", "name", "recording", "label", "clean_correct"]
SIZES = ("linf", "l2", "snr_db")
"""Columns of the size of a perturbation; a larger SNR is a smaller perturbation."""


@dataclass(frozen=True)
class Threat:
    """A threat model: one attack with one budget.

    Attributes:
        attack: name of the attack.
        budget: the settings of the budget, as JSON with sorted keys.
    """

    attack: str
    budget: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the budget."""
        return dict(json.loads(self.budget))

    @property
    def bounded(self) -> bool:
        """Whether the budget bounds the size of the perturbation."""
        return "delta" in self.settings

    @property
    def in_words(self) -> str:
        """The settings of the budget as text."""
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items()) or "no setting"


@dataclass(frozen=True)
class _Population:
    """The folds and recordings of the clips that a share is taken over.

    Attributes:
        fold: position of each clip's fold among the folds ``(clips,)``.
        folds: number of folds.
        weights: weight of each clip in a mean over folds ``(clips,)``.
        recording: position of each clip's recording among the recordings ``(clips,)``.
        recordings: number of recordings.
        clips: number of distinct clips.
        effective: effective number of recordings, of a mean over folds.
    """

    fold: NDArray[np.intp]
    folds: int
    weights: NDArray[np.float64]
    recording: NDArray[np.intp]
    recordings: int
    clips: int
    effective: float

    @classmethod
    def of(cls, fold: NDArray[np.int64], name: NDArray[np.intp], recording: NDArray[np.intp]) -> "_Population":
        """The population of some clips, from the fold and the numbers of the name and of the recording of each."""
        folds, place, counts = np.unique(fold, return_inverse=True, return_counts=True)
        recordings, of_recording = np.unique(recording, return_inverse=True)
        distinct = np.unique(name, return_index=True)[1]
        clips = np.unique(recording[distinct], return_counts=True)[1]
        weights = 1 / (len(folds) * counts[place])
        of_folds = [
            effective_number(torch.from_numpy(np.unique(recording[fold == one], return_counts=True)[1]))
            for one in folds
        ]
        effective = min(effective_number(torch.from_numpy(clips)), effective_over_folds(of_folds))
        return cls(place, len(folds), weights, of_recording, len(recordings), len(distinct), effective)


@dataclass(frozen=True)
class _Share:
    """A mean over folds of a share of clips, its variance over recordings, and the clips that it is taken over."""

    value: float
    variance: float
    population: _Population


@dataclass(frozen=True)
class AttackedClips:
    """The test clips of a run, and the outcomes of its attacks on those classified correctly when clean.

    Attributes:
        threats: each attack and budget, in the order of the profile; attacks of the trust checks are left out.
        success: float64 ``(clips, threats)``, 1 where the attack fools the clip, a fraction if it is averaged over
            target labels; NaN where the clip was not attacked.
        smallest: for each of ``SIZES``, float64 ``(clips, attacks)``: the smallest perturbation of any budget that
            fools the clip, infinite if none does. An SNR is negated, so that smaller is smaller.
        attacks: names of the attacks, in the order of their columns.
        fold: number of the fold of each test clip ``(clips,)``.
        label: its true class ``(clips,)``.
        clean_correct: 1 if it is classified correctly when clean, else 0, float64 ``(clips,)``.
        names: its file name.
        recordings: the recording that it was cut from.
        order: positions of the clips sorted by fold and number ``(clips,)``.
    """

    threats: tuple[Threat, ...]
    success: NDArray[np.float64] = field(repr=False)
    smallest: dict[str, NDArray[np.float64]] = field(repr=False)
    attacks: tuple[str, ...]
    fold: NDArray[np.int64] = field(repr=False)
    label: NDArray[np.int64] = field(repr=False)
    clean_correct: NDArray[np.float64] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    recordings: tuple[str, ...] = field(repr=False)
    order: NDArray[np.intp] = field(repr=False)

    def still_right(self, threat: Threat) -> list[TestedFold]:
        """Per attacked fold, whether each test clip is classified correctly both when clean and after the attack."""
        success = self.success[:, self.threats.index(threat)]
        stays = self.clean_correct * (1 - np.nan_to_num(success))
        folds = []
        for fold in np.unique(self.fold[~np.isnan(success)]).tolist():
            places = np.flatnonzero(self.fold == fold)
            names, recordings = (tuple(said[place] for place in places) for said in (self.names, self.recordings))
            folds.append(TestedFold(fold, names, recordings, torch.from_numpy(stays[places])))
        return folds

    def rates(self) -> dict[Threat, tuple[Estimate, Estimate]]:
        """Robust accuracy and fooling rate under every attack and budget, as means over folds with intervals.

        Returns:
            For each threat, the two estimates in [0, 1].
        """
        threats: list[Threat] = []
        stays: list[_Share] = []
        fooled: list[_Share] = []
        for attack in self.attacks:
            columns = [column for column, threat in enumerate(self.threats) if threat.attack == attack]
            threats += [self.threats[column] for column in columns]
            attacked = self._attacked(columns)
            fooled += _shares(self.success[:, columns][attacked].T, self._population(attacked))
            tested = np.flatnonzero(np.isin(self.fold, self.fold[attacked]))
            success = np.nan_to_num(self.success[:, columns][tested]).T
            stays += _shares(self.clean_correct[tested] * (1 - success), self._population(tested))
        found = _with_ends([*stays, *fooled])
        return dict(zip(threats, zip(found[: len(threats)], found[len(threats) :], strict=True), strict=True))

    def smallest_sizes(self, attack: str, size: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The share of clips that an attack fools as a function of perturbation size, over all of its budgets.

        Each clip is represented by the smallest perturbation of any budget that fools it, and folds have equal weight.

        Args:
            attack: name of the attack.
            size: one of ``SIZES``.

        Returns:
            Sizes, from small to large perturbations, and for each the mean over folds of the share fooled up to it.
        """
        attacked = self._attacked([column for column, threat in enumerate(self.threats) if threat.attack == attack])
        smallest = self.smallest[size][attacked, self.attacks.index(attack)]
        shares = self._population(attacked).weights
        order = np.argsort(smallest, kind="stable")
        finite = np.isfinite(smallest[order])
        sign = -1.0 if size == "snr_db" else 1.0
        return sign * smallest[order][finite], np.cumsum(shares[order])[finite]

    def right_by_class(self, threat: Threat, classes: int) -> list[float]:
        """Number of test clips per class that are classified correctly both when clean and attacked, over all folds."""
        stays = self.clean_correct * (1 - np.nan_to_num(self.success[:, self.threats.index(threat)]))
        return [float(value) for value in np.bincount(self.label, stays, minlength=classes)]

    def _attacked(self, columns: list[int]) -> NDArray[np.intp]:
        """Positions of the clips attacked with any of these threats, sorted by fold and number."""
        there = np.asarray(~np.isnan(self.success[:, columns]).all(axis=1))
        return self.order[there[self.order]]

    def _population(self, places: NDArray[np.intp]) -> _Population:
        """The folds and recordings of some of the clips; nearly all attacks of a run have the same clips."""
        key = places.tobytes()
        if key not in self._populations:
            self._populations[key] = _Population.of(
                self.fold[places], self._numbers[0][places], self._numbers[1][places]
            )
        return self._populations[key]

    @cached_property
    def _populations(self) -> dict[bytes, _Population]:
        return {}

    @cached_property
    def _numbers(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """A number for the name and one for the recording of each clip, ascending with it."""
        names, recordings = (
            pd.factorize(np.array(said, dtype=object), sort=True)[0] for said in (self.names, self.recordings)
        )
        return names, recordings


def read_attacked(run: Run) -> AttackedClips | None:
    """Read the rows of a run's attacks; None if it was not attacked.

    Raises:
        DataError: if one of the two files is missing or cannot be read, or they do not have the same clips.
    """
    if run.attacks is None:
        return None
    folder = run.path / "attacks"
    rows = read_rows(folder / "outcomes.parquet", "attack again", ROWS)
    clips = read_rows(folder / "clips.parquet", "attack again", CLIPS)
    place, order = _places(rows, clips, folder)
    threat, threats = _threats(rows)
    # Without those of the trust checks.
    kept = np.flatnonzero(threat >= 0)
    place, threat = place[kept], threat[kept]
    attacks = tuple(dict.fromkeys(one.attack for one in threats))
    success = np.full((len(clips), len(threats)), np.nan)
    success[place, threat] = rows["success"].to_numpy(float)[kept]
    fools = success[place, threat] > 0
    attack = np.array([attacks.index(one.attack) for one in threats], dtype=np.intp)[threat]
    smallest = {size: np.full((len(clips), len(attacks)), np.inf) for size in SIZES}
    for size, least in smallest.items():
        values = (-1.0 if size == "snr_db" else 1.0) * rows[size].to_numpy(float)[kept]
        np.minimum.at(least, (place[fools], attack[fools]), values[fools])
    # Interned, because many runs are tested on the same clips.
    names, recordings = (tuple(sys.intern(str(said)) for said in clips[column]) for column in ("name", "recording"))
    fold, label = (clips[column].to_numpy(np.int64) for column in ("fold", "label"))
    right = clips["clean_correct"].to_numpy(float)
    return AttackedClips(threats, success, smallest, attacks, fold, label, right, names, recordings, order)


def _places(rows: pd.DataFrame, clips: pd.DataFrame, folder: Path) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The position among the clips of each row's clip, and the positions of the clips sorted by fold and number."""
    # Numbers of clips are below 2**32, so a fold and a number make one key.
    key, keys = ((some["fold"].to_numpy(np.int64) << 32) + some["clip"].to_numpy(np.int64) for some in (rows, clips))
    order = np.argsort(keys, kind="stable")
    place = np.searchsorted(keys[order], key)
    if len(keys) == 0 or place.max(initial=0) == len(keys) or not np.array_equal(keys[order[place]], key):
        raise DataError(
            f"expected every clip of outcomes.parquet in clips.parquet in {folder}, found one without; attack again"
        )
    return order[place], order


def _threats(rows: pd.DataFrame) -> tuple[NDArray[np.intp], tuple[Threat, ...]]:
    """The number of each row's threat, -1 for an attack of the trust checks, and the threats in the profile's order."""
    attack, attacks = pd.factorize(rows["attack"])
    budget, budgets = pd.factorize(rows["budget"])
    pair = attack * len(budgets) + budget
    in_profile = np.argsort(rows["budget_index"].to_numpy(np.int64), kind="stable")
    threats: list[Threat] = []
    numbers = np.full(len(attacks) * len(budgets), -1, dtype=np.intp)
    for one in pd.unique(pair[in_profile]).tolist():
        name = str(attacks[one // len(budgets)])
        if not name.startswith(CHECK):
            numbers[one] = len(threats)
            settings = json.loads(budgets[one % len(budgets)])
            threats.append(Threat(name, json.dumps(settings, sort_keys=True)))
    return numbers[pair], tuple(threats)


class RobustAccuracies(Accuracies):
    """Robust accuracies of runs under one threat, with which two runs are compared clip by clip.

    Args:
        attacked: the attacked clips of each run, by its name.
        threat: the attack and budget.
    """

    def __init__(self, attacked: dict[str, AttackedClips], threat: Threat) -> None:
        super().__init__()
        self.attacked = attacked
        self.threat = threat

    def tested(self, run: Run) -> list[TestedFold]:
        """Per fold, which clips of a run stay correctly classified; empty if it was not attacked with this threat."""
        found = self.attacked[run.name]
        return found.still_right(self.threat) if self.threat in found.threats else []


def _shares(happened: NDArray[np.float64], clips: _Population) -> list[_Share]:
    """Means over folds of shares of clips, with their variances over recordings.

    Args:
        happened: indicator in [0, 1] of an event for each clip, ``(shares, clips)``.
        clips: the clips.

    Returns:
        One share per row of ``happened``.
    """
    values = happened @ clips.weights
    in_fold = np.stack([happened[:, clips.fold == k].mean(axis=1) for k in range(clips.folds)], axis=1)
    # The derivative of the mean with respect to the weight of each clip, summed for each recording.
    influence = (happened - in_fold[:, clips.fold]) * clips.weights
    of_recording = np.stack([np.bincount(clips.recording, one, minlength=clips.recordings) for one in influence])
    variances = np.square(of_recording).sum(axis=1)
    return [_Share(*pair, clips) for pair in zip(values.tolist(), variances.tolist(), strict=True)]


def _with_ends(shares: list[_Share]) -> list[Estimate]:
    """Shares with the interval of :func:`metrics.intervals.share_interval`, all computed together."""
    low, high = share_ends(
        np.array([share.value for share in shares]),
        np.array([share.variance for share in shares]),
        np.array([share.population.effective for share in shares]),
    )
    return [
        Estimate(
            share.value,
            _end(low[k]),
            _end(high[k]),
            None,
            share.population.clips,
            (),
            recordings=share.population.recordings,
        )
        for k, share in enumerate(shares)
    ]


def _end(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
