"""Loading a checkpoint: the classifier, and the corpus and representation on which it was trained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from classifiers import find_architecture
from datamodules import CORPORA, SoundDataModule
from datamodules.split_record import SplitRecord
from datamodules.windows import LONGEST_CLIP, SHORTEST_CLIP
from lightning_modules.sound_classifier import SoundClassifier
from representations import REPRESENTATIONS, Representation
from storage import DataError
from storage.untrusted import check_values, constructor_types, named_class, shortened

MOST_CELLS = 4096 * 4096
"""Cells of the largest map that a representation may compute."""
NOT_FROM_A_FILE = ("cache_dir", "download")
"""Settings that would let a recipe cause files to be written; they are taken only from a command line."""


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier loaded from a checkpoint.

    Args:
        path: the checkpoint file.
        model: the classifier on the CPU, in evaluation mode, its parameters frozen.
        recipe: plain settings of ``data`` and ``model`` that it was trained with.
        fold: fold of the model, from 1.
        split: the clips on which it was trained, validated and tested.
        allowed: packages from which the recipe may name classes, beside the project's own.
        recorded_seconds: length of the training clips in seconds; None if an earlier version did not record it.
    """

    path: Path
    model: SoundClassifier
    recipe: dict[str, Any]
    fold: int
    split: SplitRecord
    allowed: tuple[str, ...] = ()
    recorded_seconds: float | None = None

    def clip_seconds(self, data: SoundDataModule) -> float:
        """Length of the clips that the classifier takes, in seconds, determined without reading the corpus.

        Raises:
            DataError: if neither the file nor the class of the corpus states it.
        """
        seconds = self.recorded_seconds or data.clip_seconds or data.default_clip_seconds
        if seconds is None:
            raise DataError(
                f"expected the length of the clips in {self.path}, found one of an earlier version, which does not "
                "say it; train again"
            )
        return seconds

    def data(self, **settings: Any) -> SoundDataModule:
        """Rebuild the fold's data, with some settings replaced (``root`` or ``cache_dir`` on another machine).

        Its parts are those recorded by the fold, even if the table has changed since. The recorded folder of the corpus
        is read, never written to; caches lie in ``cache_dir`` or in the user's cache folder, whatever the recipe says.

        Raises:
            DataError: if the recipe names a class that is not allowed, or a class rejects its settings.
        """
        try:
            data = data_of_recipe(self.recipe, {"fold": self.fold, **settings}, self.allowed)
        except ValueError as error:
            raise DataError(f"{self.path}: {error}") from error
        data.follow(self.split)
        return data

    def check_fold(self, data: SoundDataModule) -> None:
        """Raise ``DataError`` unless the corpus on this machine has the fold that the file names."""
        try:
            count = data.number_of_folds
        except ValueError as error:
            raise DataError(f"{self.path}: {error}") from error
        if self.fold > count:
            raise DataError(
                f"expected the checkpoint of a fold in 1..{count} of {data.corpus} in {self.path}, found fold "
                f"{self.fold}; give the corpus that it was trained on with --data.root"
            )


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Content of a checkpoint of train.py; no code in it is executed.

    Raises:
        DataError: if the file is missing, broken, or not a checkpoint of train.py.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder; name a file in it, such as fold1/best.ckpt" if path.is_dir() else "no file"
        raise DataError(f"expected a checkpoint at {path}, found {found}")
    if path.suffix == ".skops":
        raise DataError(f"expected a checkpoint of a ConvNet, found the baseline {path}, which has no gradients")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    # The unpickler may raise any kind of exception on a broken or forged archive.
    except Exception as error:
        raise DataError(
            f"expected a checkpoint at {path}, found a file that cannot be read as one; train the fold again"
        ) from error
    if not isinstance(checkpoint, dict) or not {"recipe", "fold", "state_dict"} <= checkpoint.keys():
        raise DataError(f"expected a checkpoint of train.py at {path}, found one of another program")
    try:
        _check_form(checkpoint)
    except ValueError as error:
        raise DataError(f"expected a checkpoint of train.py at {path}, found another content: {error}") from error
    return checkpoint


def recorded_split(checkpoint: dict[str, Any], path: Path | str) -> SplitRecord:
    """The clips on which the model of a checkpoint was trained, validated and tested.

    Args:
        checkpoint: content returned by :func:`read_checkpoint`.
        path: its file, for error messages.

    Raises:
        DataError: if the checkpoint has no record of its clips, as in older versions, or an invalid one.
    """
    if "clips" not in checkpoint:
        raise DataError(
            f"expected a record of the clips that the model was trained on in {path}, found a checkpoint of an older "
            "version, which does not say them: its test clips cannot be told from its training clips; train again"
        )
    return SplitRecord.from_plain(checkpoint["clips"], path)


def load_classifier(path: Path | str, allowed: Sequence[str] = ()) -> TrainedClassifier:
    """Load a trained classifier, frozen and in evaluation mode.

    Args:
        path: the checkpoint.
        allowed: packages from which the checkpoint may name classes (``--allow-import``), beside the project's own.

    Raises:
        DataError: if the file is missing, broken, not a checkpoint of train.py, has no record of its clips, has weights
            that are not finite, or names a class that is not allowed.
    """
    checkpoint = read_checkpoint(path)
    split = recorded_split(checkpoint, path)
    # All weights come from the checkpoint itself: nothing that it names is read or downloaded.
    settings = {**checkpoint["hyper_parameters"], "pretrained": False, "weights": None}
    known = constructor_types(SoundClassifier)
    del known["allow_import"]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise DataError(
            f"expected a checkpoint of this version at {path}, found one with settings that it does not have "
            f"({', '.join(unknown)}); use the version that wrote it, or train again"
        )
    weights = checkpoint["state_dict"]
    try:
        check_recipe(checkpoint["recipe"], allowed)
        check_values(settings, known, "the classifier")
        _check_architecture(settings, checkpoint.get("class_names"), allowed)
        model = SoundClassifier(**settings, allow_import=allowed)
    except ValueError as error:
        raise DataError(f"expected a checkpoint that can be rebuilt at {path}, found another: {error}") from error
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"expected the weights of a {settings['architecture']} in {path}, found others") from error
    broken = sorted(name for name, values in weights.items() if not bool(values.isfinite().all()))
    if broken:
        raise DataError(
            f"expected finite weights in {path}, found NaN or infinity in {broken[0]} and {len(broken) - 1} other "
            "tensors; train again with a smaller --model.learning_rate or --trainer.precision 32-true"
        )
    model.eval().requires_grad_(False)
    return TrainedClassifier(
        Path(path),
        model,
        checkpoint["recipe"],
        checkpoint["fold"],
        split,
        allowed=tuple(allowed),
        recorded_seconds=checkpoint.get("clip_seconds"),
    )


def build_data(recipe: dict[str, Any]) -> SoundDataModule:
    """Build a DataModule from the settings of a command line: ``class_path`` and ``init_args``, with representation.

    It imports any class that it is given; for settings from a file, use :meth:`TrainedClassifier.data`.

    Raises:
        ValueError: if a class rejects its settings.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(SoundDataModule, "data", required=True)
    return parser.instantiate_classes(parser.parse_object({"data": recipe}))["data"]


def check_recipe_form(recipe: Any) -> None:
    """Raise ``ValueError`` unless a recipe has the structure that its readers rely on; nothing is imported."""
    parts = recipe if isinstance(recipe, Mapping) else {}
    data, model = parts.get("data"), parts.get("model")
    if not isinstance(data, Mapping) or not isinstance(model, Mapping):
        raise ValueError(f"expected a recipe with data and model, got {shortened(recipe)}")
    if not isinstance(data.get("class_path"), str) or not isinstance(data.get("init_args"), Mapping):
        raise ValueError(f"expected class_path and init_args of the recipe's data, got {shortened(data)}")
    representation = data["init_args"].get("representation")
    if representation is not None and not (
        isinstance(representation, Mapping)
        and isinstance(representation.get("class_path"), str)
        and isinstance(representation.get("init_args") or {}, Mapping)
    ):
        raise ValueError(f"expected class_path and init_args of the representation, got {shortened(representation)}")
    if not isinstance(model.get("architecture"), str):
        raise ValueError(f"expected the name of an architecture, got {shortened(model.get('architecture'))}")


def check_recipe(recipe: dict[str, Any], allowed: Sequence[str] = ()) -> None:
    """Check a whole recipe before any part of it is built.

    Args:
        recipe: settings of ``data`` and ``model`` as stored in a checkpoint.
        allowed: packages from which it may name classes, beside the project's own.

    Raises:
        ValueError: if it names a class that is not allowed or of the wrong kind, or a value has the wrong type.
    """
    check_recipe_form(recipe)
    _parts_of(recipe, allowed)
    annotations = constructor_types(SoundClassifier)
    del annotations["allow_import"]
    model = {name: value for name, value in recipe["model"].items() if name != "architecture"}
    check_values(model, annotations, "the classifier")


def data_of_recipe(recipe: dict[str, Any], replaced: Mapping[str, Any], allowed: Sequence[str] = ()) -> SoundDataModule:
    """Build the DataModule described by a file's recipe, which can cause nothing else to be built or written.

    Args:
        recipe: as in :func:`check_recipe`.
        replaced: settings of the DataModule that override the recipe's.
        allowed: as in :func:`check_recipe`.

    Raises:
        ValueError: as :func:`check_recipe`, and if a class rejects its settings.
    """
    check_recipe_form(recipe)
    corpus, settings, representation, of_representation = _parts_of(recipe, allowed)
    settings = {name: value for name, value in settings.items() if name not in NOT_FROM_A_FILE}
    built = None if representation is None else representation(**of_representation)
    return corpus(**{**settings, "representation": built, **replaced})


def _parts_of(
    recipe: dict[str, Any], allowed: Sequence[str]
) -> tuple[type[SoundDataModule], dict[str, Any], type[Representation] | None, dict[str, Any]]:
    """The class of the corpus, its settings, the class of the representation and its settings, all checked."""
    corpus = named_class(recipe["data"]["class_path"], SoundDataModule, CORPORA.values(), allowed)
    settings = dict(recipe["data"]["init_args"])
    named = settings.pop("representation", None)
    check_values(settings, constructor_types(corpus), corpus.__name__)
    if named is None:
        return corpus, settings, None, {}
    representation = named_class(named["class_path"], Representation, REPRESENTATIONS.values(), allowed)
    init_args = dict(named.get("init_args") or {})
    check_values(init_args, constructor_types(representation), representation.__name__)
    return corpus, settings, representation, init_args


def _check_form(checkpoint: dict[str, Any]) -> None:
    check_recipe_form(checkpoint["recipe"])
    fold = checkpoint["fold"]
    if isinstance(fold, bool) or not isinstance(fold, int) or fold < 1:
        raise ValueError(f"expected the number of a fold from 1, got {shortened(fold)}")
    if not isinstance(checkpoint.get("hyper_parameters"), dict):
        raise ValueError(f"expected hyper_parameters by name, got {shortened(checkpoint.get('hyper_parameters'))}")
    weights = checkpoint["state_dict"]
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError("expected weights by name in state_dict, got something else")
    seconds = checkpoint.get("clip_seconds")
    if seconds is not None and not (isinstance(seconds, float) and SHORTEST_CLIP <= seconds <= LONGEST_CLIP):
        raise ValueError(
            f"expected clip_seconds from {SHORTEST_CLIP} to {LONGEST_CLIP:g} seconds, got {shortened(seconds)}"
        )
    names = checkpoint.get("class_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"expected the names of the classes, got {shortened(names)}")


def _check_architecture(settings: Mapping[str, Any], class_names: Any, allowed: Sequence[str]) -> None:
    """Check the numbers of classes and cells, which determine the memory needed, before anything is built."""
    find_architecture(settings.get("architecture", "resnet18"), allowed)
    classes, shape = settings.get("num_classes"), settings.get("input_shape")
    if classes != len(class_names):
        raise ValueError(f"expected num_classes of {len(class_names)}, as there are names, got {shortened(classes)}")
    if shape is not None and not (all(side > 0 for side in shape) and 0 < math.prod(shape) <= MOST_CELLS):
        raise ValueError(f"expected input_shape of at least 1 and at most {MOST_CELLS} cells, got {shortened(shape)}")
