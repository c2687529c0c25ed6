"""The outcomes of a run's attacks on each clip, read once, and the statistics that the page needs."""

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
class AttackedClips:
    """The test clips of a run, and the outcomes of its attacks on those classified correctly when clean.

    Attributes:
        rows: one row per fold, attack, budget and clip, with the columns of ``ROWS``.
        clips: one row per fold and test clip, with the columns of ``CLIPS``.
    """

    rows: pd.DataFrame = field(repr=False)
    clips: pd.DataFrame = field(repr=False)

    @cached_property
    def by_threat(self) -> dict[Threat, pd.DataFrame]:
        """Rows by attack and budget, in the order of the profile; attacks of the trust checks are left out."""
        ordered = self.rows.sort_values("budget_index", kind="stable").groupby(["attack", "budget"], sort=False)
        found = {
            Threat(str(attack), json.dumps(json.loads(str(budget)), sort_keys=True)): rows
            for (attack, budget), rows in ordered
        }
        return {threat: rows for threat, rows in found.items() if not threat.attack.startswith("check_")}

    def still_right(self, threat: Threat) -> list[TestedFold]:
        """Per attacked fold, whether each test clip is classified correctly both when clean and after the attack."""
        rows = self.by_threat[threat].set_index(["fold", "clip"])["success"]
        there = set(rows.index.get_level_values("fold"))
        folds = []
        for fold, clips in self.clips.groupby("fold"):
            if fold in there:
                keys = pd.MultiIndex.from_arrays([clips["fold"], clips["clip"]])
                # If an attack is averaged over target labels, success is a fraction of them.
                right = clips["clean_correct"].to_numpy(float) * (1 - rows.reindex(keys).fillna(0).to_numpy(float))
                folds.append(
                    TestedFold(
                        int(clips["fold"].iloc[0]), tuple(clips["name"]), tuple(clips["recording"]), torch.tensor(right)
                    )
                )
        return folds

    def rates(self, attack: str) -> dict[Threat, tuple[Estimate, Estimate]]:
        """Robust accuracy and fooling rate under each budget of an attack, as means over folds with intervals.

        Args:
            attack: name of the attack.

        Returns:
            For each threat, the two estimates in [0, 1].
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
        """The share of clips that an attack fools as a function of perturbation size, over all of its budgets.

        Each clip is represented by the smallest perturbation of any budget that fools it, and folds have equal weight.

        Args:
            attack: name of the attack.
            size: one of ``SIZES``.

        Returns:
            Sizes, from small to large perturbations, and for each the mean over folds of the share fooled up to it.
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
        """Number of test clips per class that are classified correctly both when clean and attacked, over all folds."""
        success = self.by_threat[threat].set_index(["fold", "clip"])["success"]
        clips = self.clips.set_index(["fold", "clip"])
        stays = clips["clean_correct"].to_numpy(float) * (1 - success.reindex(clips.index).fillna(0).to_numpy(float))
        return [float(value) for value in np.bincount(clips["label"].to_numpy(int), stays, minlength=classes)]


def read_attacked(run: Run) -> AttackedClips | None:
    """Read the rows of a run's attacks; None if it was not attacked.

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
    """Robust accuracies of runs under one threat, with which two runs are compared clip by clip.

    Args:
        attacked: the attacked clips of each run, by its name.
        threat: the attack and budget.
        seed: seed of the resampling.
    """

    def __init__(self, attacked: dict[str, AttackedClips], threat: Threat, seed: int = 0) -> None:
        super().__init__(seed)
        self.attacked = attacked
        self.threat = threat

    def tested(self, run: Run) -> list[TestedFold]:
        """Per fold, which clips of a run stay correctly classified; empty if it was not attacked with this threat."""
        found = self.attacked[run.name]
        return found.still_right(self.threat) if self.threat in found.by_threat else []


def _shares(happened: NDArray[np.float64], clips: pd.DataFrame) -> list[Estimate]:
    """Means over folds of shares of clips, with the interval of :func:`metrics.intervals.share_interval`.

    Args:
        happened: indicator in [0, 1] of an event for each clip, ``(shares, clips)``.
        clips: the clips, indexed by fold and clip, with their ``name`` and ``recording``.

    Returns:
        One estimate in [0, 1] per row of ``happened``.
    """
    folds, fold, counts = np.unique(clips.index.get_level_values("fold"), return_inverse=True, return_counts=True)
    weights = 1 / (len(folds) * counts[fold])
    values = happened @ weights
    in_fold = np.stack([happened[:, fold == k].mean(axis=1) for k in range(len(folds))], axis=1)
    recordings, recording = np.unique(clips["recording"], return_inverse=True)
    # The derivative of the mean with respect to the weight of each clip, summed for each recording.
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
