"""What the attacks of a run did to each clip, read once, and the questions that the page asks of it."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from metrics.intervals import FEWEST_RECORDINGS, effective_trials, mid_p_ends
from metrics.recordings import effective_number
from reporting.accuracy import Accuracies, TestedFold
from reporting.estimates import Estimate
from reporting.runs import Run
from storage.rows import read_rows

ROWS = ["fold", "attack", "budget_index", "budget", "clip", "name", "recording", "success", "linf", "l2", "snr_db"]
ROWS += ["gradients"]
CLIPS = ["fold", "clip", "name", "recording", "label", "clean_correct"]
SIZES = ("linf", "l2", "snr_db")
"""Columns of the size of a perturbation; a larger SNR is a smaller perturbation."""


@dataclass(frozen=True)
class Threat:
    """What an attacker does: one attack with one budget.

    Attributes:
        attack: name of the attack.
        budget: the settings that the budget fixes, as JSON with sorted names.
    """

    attack: str
    budget: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the budget."""
        return dict(json.loads(self.budget))

    @property
    def bounded(self) -> bool:
        """Whether the budget bounds the size of the perturbation; an attack without a bound finds its own size."""
        return "delta" in self.settings

    @property
    def in_words(self) -> str:
        """The settings of the budget as they are printed."""
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items()) or "no setting"


@dataclass(frozen=True)
class AttackedClips:
    """The attacked test clips of a run and what each attack did to those that are right when clean.

    Attributes:
        rows: one row per fold, attack, budget and clip, with the columns of ``ROWS``.
        clips: one row per fold and attacked test clip, with the columns of ``CLIPS``.
    """

    rows: pd.DataFrame = field(repr=False)
    clips: pd.DataFrame = field(repr=False)

    @cached_property
    def by_threat(self) -> dict[Threat, pd.DataFrame]:
        """Rows of each attack and budget, in the order of the profile."""
        ordered = self.rows.sort_values("budget_index", kind="stable").groupby(["attack", "budget"], sort=False)
        found = {
            Threat(str(attack), json.dumps(json.loads(str(budget)), sort_keys=True)): rows
            for (attack, budget), rows in ordered
        }
        return {threat: rows for threat, rows in found.items() if not threat.attack.startswith("check_")}

    def still_right(self, threat: Threat) -> list[TestedFold]:
        """Whether each attacked test clip is right when clean and stays right, on the folds that were attacked so."""
        rows = self.by_threat[threat].set_index(["fold", "clip"])["success"]
        there = set(rows.index.get_level_values("fold"))
        folds = []
        for fold, clips in self.clips.groupby("fold"):
            if fold in there:
                keys = pd.MultiIndex.from_arrays([clips["fold"], clips["clip"]])
                # Where an attack is averaged over targets, success is a share of them.
                right = clips["clean_correct"].to_numpy(float) * (1 - rows.reindex(keys).fillna(0).to_numpy(float))
                folds.append(
                    TestedFold(
                        int(clips["fold"].iloc[0]), tuple(clips["name"]), tuple(clips["recording"]), torch.tensor(right)
                    )
                )
        return folds

    def rates(self, attack: str) -> dict[Threat, tuple[Estimate, Estimate]]:
        """Robust accuracy and fooling rate under each budget of an attack, means over folds with their intervals.

        Args:
            attack: name of the attack.
        """
        threats = [threat for threat in self.by_threat if threat.attack == attack]
        rows = pd.concat([self.by_threat[threat].assign(place=k) for k, threat in enumerate(threats)])
        success = rows.pivot_table(index=["fold", "clip"], columns="place", values="success", sort=True)
        right = self.clips.set_index(["fold", "clip"])
        fooled = _shares(success.to_numpy().T, right.loc[success.index])
        tested = right[right.index.get_level_values("fold").isin(success.index.get_level_values("fold"))]
        stays = tested["clean_correct"].to_numpy(float) * (1 - success.reindex(tested.index).fillna(0).to_numpy().T)
        return dict(zip(threats, zip(_shares(stays, tested), fooled, strict=True), strict=True))

    def smallest_sizes(self, attack: str, size: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The share of clips that an attack fools with a perturbation of at most a size, over all of its budgets.

        Each clip counts with the smallest perturbation of any budget that fools it, and folds count alike.

        Args:
            attack: name of the attack.
            size: one of ``SIZES``.

        Returns:
            Sizes from small to large perturbations, and the mean over folds of the share fooled at each.
        """
        rows = self._by_attack[attack]
        sign = -1.0 if size == "snr_db" else 1.0
        clips, place = np.unique(rows[["fold", "clip"]].to_numpy(np.int64), axis=0, return_inverse=True)
        smallest = np.full(len(clips), np.inf)
        sizes = np.where(rows["success"].to_numpy() > 0, sign * rows[size].to_numpy(float), np.inf)
        np.minimum.at(smallest, place.reshape(-1), sizes)
        folds, fold, counts = np.unique(clips[:, 0], return_inverse=True, return_counts=True)
        order = np.argsort(smallest, kind="stable")
        shares = np.cumsum(1 / (len(folds) * counts[fold.reshape(-1)[order]]))
        finite = np.isfinite(smallest[order])
        return sign * smallest[order][finite], shares[finite]

    @cached_property
    def _by_attack(self) -> dict[str, pd.DataFrame]:
        return {str(attack): rows for attack, rows in self.rows.groupby("attack")}

    def right_by_class(self, threat: Threat, classes: int) -> list[float]:
        """Number of attacked test clips of each class that are right when clean and stay right, over all folds."""
        success = self.by_threat[threat].set_index(["fold", "clip"])["success"]
        clips = self.clips.set_index(["fold", "clip"])
        stays = clips["clean_correct"].to_numpy(float) * (1 - success.reindex(clips.index).fillna(0).to_numpy(float))
        return [float(value) for value in np.bincount(clips["label"].to_numpy(int), stays, minlength=classes)]


def read_attacked(run: Run) -> AttackedClips | None:
    """Read the rows of a run's attacks; None where it was not attacked.

    Raises:
        DataError: if one of the two files is missing or cannot be read.
    """
    if run.attacks is None:
        return None
    folder = run.path / "attacks"
    rows = read_rows(folder / "outcomes.parquet", "attack again", ROWS)
    clips = read_rows(folder / "clips.parquet", "attack again", CLIPS)
    return AttackedClips(rows, clips)


class RobustAccuracies(Accuracies):
    """Robust accuracies of runs under one threat, so that two runs are compared clip by clip.

    Args:
        attacked: what was read of each run, by name.
        threat: the attack and budget.
        seed: seed of the resampling.
    """

    def __init__(self, attacked: dict[str, AttackedClips], threat: Threat, seed: int = 0) -> None:
        super().__init__(seed)
        self.attacked = attacked
        self.threat = threat

    def tested(self, run: Run) -> list[TestedFold]:
        """Which clips of a run stay right; nothing where it was not attacked so."""
        found = self.attacked[run.name]
        return found.still_right(self.threat) if self.threat in found.by_threat else []


def _shares(happened: NDArray[np.float64], clips: pd.DataFrame) -> list[Estimate]:
    """Means over folds of shares of clips, with the interval of :func:`metrics.intervals.share_interval`.

    Args:
        happened: whether it happened to a clip, in [0, 1], ``(shares, clips)``.
        clips: the clips, by fold and clip, with their ``name`` and ``recording``.
    """
    folds, fold, counts = np.unique(clips.index.get_level_values("fold"), return_inverse=True, return_counts=True)
    weights = 1 / (len(folds) * counts[fold])
    values = happened @ weights
    in_fold = np.stack([happened[:, fold == k].mean(axis=1) for k in range(len(folds))], axis=1)
    recordings, recording = np.unique(clips["recording"], return_inverse=True)
    # How the mean changes with the weight of each clip, and so of each recording.
    influence = (happened - in_fold[:, fold]) * weights
    of_recording = np.stack([np.bincount(recording, one, minlength=len(recordings)) for one in influence])
    distinct = clips.drop_duplicates("name")
    effective = effective_number(torch.tensor(distinct.groupby("recording").size().to_numpy()))
    low, high = np.full((2, len(values)), np.nan)
    if effective >= FEWEST_RECORDINGS - 1e-9:
        trials = effective_trials(values, np.square(of_recording).sum(axis=1), effective)
        low, high = mid_p_ends(values * trials, trials)
    return [
        Estimate(value, _end(low[k]), _end(high[k]), None, len(distinct), (), recordings=len(recordings))
        for k, value in enumerate(values.tolist())
    ]


def _end(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
