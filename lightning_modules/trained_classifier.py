"""A checkpoint read back: the classifier, and the corpus and representation it was trained on."""

import inspect
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

from datamodules import SoundDataModule
from datamodules.split_record import SplitRecord
from lightning_modules.sound_classifier import SoundClassifier
from storage import DataError


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier as a checkpoint keeps it.

    Args:
        path: the checkpoint file.
        model: the classifier on the CPU, in evaluation mode, its parameters frozen.
        recipe: plain settings of ``data`` and ``model`` that it was trained with.
        fold: which fold's model it is, from 1.
        split: which clips it was trained, validated and tested on.
    """

    path: Path
    model: SoundClassifier
    recipe: dict[str, Any]
    fold: int
    split: SplitRecord

    def data(self, **settings: Any) -> SoundDataModule:
        """Rebuild the fold's data, with some settings replaced (``root`` or ``cache_dir`` on another machine).

        Its parts are those that the fold recorded, whatever the table has become since.
        """
        init_args = {**self.recipe["data"]["init_args"], "fold": self.fold, **settings}
        data = build_data({"class_path": self.recipe["data"]["class_path"], "init_args": init_args})
        data.follow(self.split)
        return data


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint of train.py; nothing in it is executed.

    Raises:
        DataError: if the file is missing, broken, or not a checkpoint of train.py.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"expected a checkpoint at {path}, found {'a folder' if path.is_dir() else 'no file'}")
    if path.suffix == ".skops":
        raise DataError(f"expected a checkpoint of a ConvNet, found the baseline {path}, which has no gradients")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, KeyError, ValueError) as error:
        raise DataError(f"expected a checkpoint at {path}, found a file that cannot be read as one") from error
    if not isinstance(checkpoint, dict) or not {"recipe", "fold", "state_dict"} <= checkpoint.keys():
        raise DataError(f"expected a checkpoint of train.py at {path}, found one of another program")
    return checkpoint


def recorded_split(checkpoint: dict[str, Any], path: Path | str) -> SplitRecord:
    """Which clips a checkpoint was trained, validated and tested on.

    Args:
        checkpoint: what :func:`read_checkpoint` has read.
        path: its file, for error messages.

    Raises:
        DataError: if the checkpoint does not say it, as those of older versions, or says something impossible.
    """
    if "clips" not in checkpoint:
        raise DataError(
            f"expected a record of the clips that the model was trained on in {path}, found a checkpoint of an older "
            "version, which does not say them: its test clips cannot be told from its training clips; train again"
        )
    return SplitRecord.from_plain(checkpoint["clips"], path)


def load_classifier(path: Path | str) -> TrainedClassifier:
    """Load a trained classifier, frozen and in evaluation mode.

    Raises:
        DataError: if the file is missing, broken, not a checkpoint of train.py, or without a record of its clips.
    """
    checkpoint = read_checkpoint(path)
    split = recorded_split(checkpoint, path)
    settings = {**checkpoint["hyper_parameters"], "pretrained": False}
    known = inspect.signature(SoundClassifier).parameters
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise DataError(
            f"expected a checkpoint of this version at {path}, found one with settings that it does not have "
            f"({', '.join(unknown)}); use the version that wrote it, or train again"
        )
    model = SoundClassifier(**settings)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        raise DataError(f"expected the weights of a {settings['architecture']} in {path}, found others") from error
    model.eval().requires_grad_(False)
    return TrainedClassifier(Path(path), model, checkpoint["recipe"], checkpoint["fold"], split)


def build_data(recipe: dict[str, Any]) -> SoundDataModule:
    """Build a DataModule from plain settings: ``class_path`` and ``init_args``, representation included.

    Raises:
        ValueError: if a class refuses its settings.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(SoundDataModule, "data", required=True)
    return parser.instantiate_classes(parser.parse_object({"data": recipe}))["data"]
