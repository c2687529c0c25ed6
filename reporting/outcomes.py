"""What the attacks of a run did to each clip, read once, and the questions that the page asks of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from reporting.accuracy import Accuracies, TestedFold
from reporting.runs import Run
from storage import read_rows

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
        found = {Threat(str(attack), _sorted(str(budget))): rows for (attack, budget), rows in ordered}
        return {threat: rows for threat, rows in found.items() if not threat.attack.startswith("check_")}

    def still_right(self, threat: Threat) -> list[TestedFold]:
        """Whether each attacked test clip is right when clean and stays right, by fold."""
        rows = self.by_threat[threat].set_index(["fold", "clip"])["success"]
        folds = []
        for _, clips in self.clips.groupby("fold"):
            keys = pd.MultiIndex.from_arrays([clips["fold"], clips["clip"]])
            # Where an attack is averaged over targets, success is a share of them.
            right = clips["clean_correct"].to_numpy(float) * (1 - rows.reindex(keys).fillna(0).to_numpy(float))
            folds.append(_tested(clips, right))
        return folds

    def fooled(self, threat: Threat) -> list[TestedFold]:
        """Whether each clip that is right when clean is fooled, by fold."""
        return [_tested(rows, rows["success"].to_numpy(float)) for _, rows in self.by_threat[threat].groupby("fold")]

    def smallest_sizes(self, attack: str, size: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The share of clips that an attack fools with a perturbation of at most a size, over all of its budgets.

        Each clip counts with the smallest perturbation of any budget that fools it, and folds count alike.

        Args:
            attack: name of the attack.
            size: one of ``SIZES``.

        Returns:
            Sizes from small to large perturbations, and the mean over folds of the share fooled at each.
        """
        rows = self.rows[self.rows["attack"] == attack]
        sign = -1.0 if size == "snr_db" else 1.0
        there = rows.assign(size=np.where(rows["success"] > 0, sign * rows[size], np.inf))
        smallest = there.groupby(["fold", "clip"])["size"].min()
        folds = smallest.index.get_level_values("fold")
        weights = 1 / (folds.nunique() * smallest.groupby(folds).transform("size"))
        order = np.argsort(smallest.to_numpy(), kind="stable")
        sizes, shares = smallest.to_numpy()[order], np.cumsum(weights.to_numpy()[order])
        finite = np.isfinite(sizes)
        return sign * sizes[finite], shares[finite]

    def right_by_class(self, threat: Threat, classes: int) -> list[float]:
        """Number of attacked test clips of each class that are right when clean and stay right, over all folds."""
        right = np.concatenate([fold.correct.numpy() for fold in self.still_right(threat)])
        labels = np.concatenate([clips["label"].to_numpy(int) for _, clips in self.clips.groupby("fold")])
        return [float(value) for value in np.bincount(labels, weights=right, minlength=classes)]


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
    """Robust accuracies of runs under one threat: the share of test clips that are right when clean and stay right.

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
        return list(self._folds(run)) if self.threat in self.attacked[run.name].by_threat else []

    def _folds(self, run: Run) -> Iterator[TestedFold]:
        yield from self.attacked[run.name].still_right(self.threat)


class FoolingRates(RobustAccuracies):
    """Fooling rates of runs under one threat: of the clips that are right when clean, the share that is fooled."""

    def _folds(self, run: Run) -> Iterator[TestedFold]:
        yield from self.attacked[run.name].fooled(self.threat)


def _tested(clips: pd.DataFrame, right: NDArray[np.float64]) -> TestedFold:
    """What became of the clips of one fold."""
    return TestedFold(int(clips["fold"].iloc[0]), tuple(clips["name"]), tuple(clips["recording"]), torch.tensor(right))


def _sorted(budget: str) -> str:
    return json.dumps(json.loads(budget), sort_keys=True)
