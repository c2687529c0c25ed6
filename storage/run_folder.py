"""The layout of a training run's folder, and which of its folds are finished."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from storage.atomic import write_text
from storage.errors import DataError
from storage.json_file import read_json, write_json

ADDED_LATER: dict[str, Any] = {
    "model.instance_norm": False,
    "model.weights": None,
    "model.frequency_masks": 0,
    "model.frequency_mask_width": 0.15,
    "model.time_masks": 0,
    "model.time_mask_width": 0.15,
    "model.class_weights": "none",
    "data.validation": "fold",
    "data.random_gain": 0.0,
    "data.noise_snr": None,
    "data.clip_seconds": None,
    "data.windows": "first",
}
"""Settings that runs of earlier versions do not record, each with the value that they effectively used."""


class RunFolder:
    """``runs/<name>/``: the resolved settings, one folder per fold, and the summary.

    ``config.yaml``, ``summary.json``, ``fold<k>/split.csv`` (written before training), ``fold<k>/best.ckpt``,
    ``fold<k>/last.ckpt`` (only until the fold is finished), ``fold<k>/record.json`` and ``fold<k>/predictions.csv``. A
    fold is finished when its record exists, because the record is written last.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def config_file(self) -> Path:
        """The resolved settings of the run."""
        return self.path / "config.yaml"

    @property
    def summary_file(self) -> Path:
        """Accuracy over the folds and its provenance."""
        return self.path / "summary.json"

    def fold(self, fold: int) -> Path:
        """Folder of a fold; folds are numbered from 1."""
        return self.path / f"fold{fold}"

    def checkpoint(self, fold: int) -> Path:
        """Path of the classifier of the best validation epoch, or of the last epoch if no fold validates."""
        return self.fold(fold) / "best.ckpt"

    def trained(self, fold: int) -> Path:
        """Path of the model of a finished fold: its best checkpoint, or the file of a baseline.

        Raises:
            DataError: if the fold is not finished, or its record is not readable.
        """
        record = self.record(fold)
        if record is None:
            raise DataError(f"expected fold {fold} of {self.path} to be finished, found no record of it")
        named = record.get("checkpoint")
        if not isinstance(named, str) or not (self.path / named).resolve().is_relative_to(self.path.resolve()):
            raise DataError(
                f"expected the checkpoint of fold {fold} in {self.path}, found {named!r} in {self.record_file(fold)}; "
                "remove that file to train the fold again"
            )
        return self.path / record["checkpoint"]

    def last_checkpoint(self, fold: int) -> Path:
        """Path of the training state from which an interrupted fold is resumed."""
        return self.fold(fold) / "last.ckpt"

    def split_file(self, fold: int) -> Path:
        """Path of the table of the clips on which a fold is trained, validated and tested."""
        return self.fold(fold) / "split.csv"

    def record_file(self, fold: int) -> Path:
        """Path of the result of a finished fold."""
        return self.fold(fold) / "record.json"

    def record(self, fold: int) -> dict[str, Any] | None:
        """Result of a fold, or None if it is not finished.

        Raises:
            DataError: if the file is not a readable JSON object.
        """
        path = self.record_file(fold)
        if not path.is_file():
            return None
        return read_json(path, "remove it to train the fold again")

    def begun_folds(self) -> list[int]:
        """Numbers of the folds whose training has begun, finished or not, in ascending order.

        Only what training writes counts: a logger leaves its files in the folder of a fold before that.
        """
        numbers = [int(path.name[4:]) for path in self.path.glob("fold*") if path.name[4:].isdigit()]
        return sorted(fold for fold in numbers if any(map(_of_training, self.fold(fold).iterdir())))

    def finished_folds(self) -> list[int]:
        """Numbers of the folds that have a record, in ascending order."""
        return [fold for fold in self.begun_folds() if self.record_file(fold).is_file()]

    @property
    def table_digest(self) -> str | None:
        """Digest of the metadata table with which the run was started; None before it is opened."""
        if not self.config_file.is_file():
            return None
        return (yaml.safe_load(self.config_file.read_text(encoding="utf-8")) or {}).get("table_digest")

    def remove(self) -> None:
        """Delete the run, for a new one under the same name."""
        if self.path.exists():
            shutil.rmtree(self.path)

    def open(self, config: dict[str, Any], *, identity: dict[str, Any], overwrite: bool) -> None:
        """Start the run, or continue it if it was started with the same settings.

        Args:
            config: resolved settings, written to ``config.yaml``.
            identity: the settings that determine the result; they must equal those with which the run was started.
            overwrite: first delete a run of this name.

        Raises:
            ValueError: if the run was started with different settings, which are named.
        """
        if overwrite:
            self.remove()
        if self.config_file.is_file():
            differing = self.differing_settings(identity)
            if differing:
                raise ValueError(
                    f"expected the settings that {self.path} was started with, got others for {', '.join(differing)}; "
                    "choose another --name, or --overwrite to delete that run"
                )
            return
        write_text(self.config_file, yaml.safe_dump({**config, "identity": identity}, sort_keys=False))

    def differing_settings(self, identity: dict[str, Any]) -> list[str]:
        """Dotted names of the settings that determine the result and differ from those the run was started with.

        Args:
            identity: as in :meth:`open`.

        Raises:
            DataError: if ``config.yaml`` cannot be read.
        """
        try:
            config = yaml.safe_load(self.config_file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"expected the settings of a run in {self.config_file}, found: {reason}") from error
        stored = config.get("identity", {}) if isinstance(config, dict) else None
        if not isinstance(stored, dict):
            raise DataError(
                f"expected the settings of a run in {self.config_file}, found something else; "
                "choose another --name, or --overwrite to delete that run"
            )
        for name, value in ADDED_LATER.items():
            group, key = name.split(".")
            if isinstance(stored.get(group), dict) and key in identity.get(group, {}):
                stored[group].setdefault(key, value)
        return sorted(differing_keys(stored, identity))

    def write_record(self, fold: int, record: dict[str, Any]) -> None:
        """Mark a fold as finished and delete the state needed only to resume it."""
        write_json(self.record_file(fold), record)
        self.last_checkpoint(fold).unlink(missing_ok=True)


def differing_keys(first: Any, second: Any, prefix: str = "") -> set[str]:
    """Dotted names of the settings in which two nested dictionaries differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = first.keys() | second.keys()
        return set().union(
            *(differing_keys(first.get(key), second.get(key), f"{prefix}.{key}".lstrip(".")) for key in keys)
        )
    return set() if first == second else {prefix}


def _of_training(file: Path) -> bool:
    return file.name in ("split.csv", "record.json") or file.suffix in (".ckpt", ".skops")
