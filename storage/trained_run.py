"""A trained run as later commands use it: its folder and the checkpoints of its folds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from storage import DataError, RunFolder


@dataclass
class TrainedRun:
    """Checkpoints of one cross-validation.

    Args:
        path: folder of the run, or the folder of a checkpoint that lies outside any run.
        checkpoints: checkpoint file of each fold.
    """

    path: Path
    checkpoints: dict[int, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.resolve().name

    @property
    def is_baseline(self) -> bool:
        """Whether this is an SVM or a random forest, which has no gradients."""
        return all(path.suffix == ".skops" for path in self.checkpoints.values())

    @classmethod
    def of(cls, path: Path, stored_fold: Callable[[Path], int]) -> TrainedRun:
        """Find the checkpoints at a path.

        Args:
            path: a checkpoint, or a run folder, from which all finished folds are taken.
            stored_fold: reads the fold that a checkpoint was trained on; called only for one outside a fold's folder.

        Raises:
            DataError: if there is none.
        """
        if path.is_dir():
            run = RunFolder(path)
            checkpoints = {fold: run.trained(fold) for fold in run.finished_folds()}
            if not checkpoints:
                inside = sorted(one.name for one in path.iterdir() if one.is_dir() and RunFolder(one).finished_folds())
                advice = f"name a run in it, such as {path / inside[0]}" if inside else "train it first"
                raise DataError(f"expected a run with a finished fold in {path}, found none; {advice}")
            return cls(path, checkpoints)
        if not path.is_file():
            raise DataError(f"expected a checkpoint or a run folder at {path}, found nothing there")
        folder = path.parent
        if fold := re.fullmatch(r"fold([1-9][0-9]*)", folder.name):
            return cls(folder.parent, {int(fold[1]): path})
        return cls(folder, {stored_fold(path): path})

    def keep_folds(self, folds: set[int]) -> None:
        """Drop all other folds.

        Raises:
            DataError: if a fold has no checkpoint.
        """
        missing = sorted(folds - set(self.checkpoints))
        if missing:
            there = ", ".join(str(fold) for fold in sorted(self.checkpoints))
            raise DataError(f"expected fold {missing[0]} in {self.path}, found these finished: {there}")
        self.checkpoints = {fold: path for fold, path in self.checkpoints.items() if fold in folds}


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 digest of a file, which tells checkpoints of the same name apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
