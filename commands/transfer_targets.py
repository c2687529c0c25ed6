"""The classifiers that are evaluated on the adversarials of another, and what each predicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.baselines import Baseline, load_baseline
from commands.attack_run import AttackRun
from datamodules.audio import Waveform, fit_length, resample
from datamodules.split_record import SplitRecord
from lightning_modules.recorded_split import split_of_model
from lightning_modules.sound_classifier import SoundClassifier
from lightning_modules.trained_classifier import (
    check_recipe_form,
    data_of_recipe,
    load_classifier,
    read_checkpoint,
)
from representations import Representation
from storage import DataError, read_json
from storage.attack_store import CLEAN, AttackStore
from storage.trained_run import TrainedRun, sha256

CPU = torch.device("cpu")

Predictions = tuple[NDArray[np.int64], Tensor | None]
"""Predicted classes ``(inputs,)``, and logits ``(inputs, classes)`` where there are any."""


@dataclass(frozen=True)
class Target:
    """A classifier that is evaluated on the adversarials of another.

    Args:
        run: name of its run.
        architecture: name of its architecture.
        checkpoint: SHA-256 digest of its file.
        classifier: a ConvNet, or a baseline.
        split: which clips it was trained, validated and tested on.
        representation: what it sees of a sound.
        device: where sounds are represented and ConvNets classify.
    """

    run: str
    architecture: str
    checkpoint: str
    classifier: SoundClassifier | Baseline
    split: SplitRecord
    representation: Representation
    device: torch.device = CPU

    @torch.no_grad()
    def classify(self, inputs: Tensor) -> Predictions:
        """Classify maps ``(inputs, 1, rows, columns)``, or waveforms ``(inputs, 1, time)``."""
        inputs = inputs.float()
        if isinstance(self.classifier, Baseline):
            return self.classifier.predict(inputs.cpu().numpy()), None
        logits = torch.cat([self.classifier(part.to(self.device)).float().cpu() for part in inputs.split(32)])
        return logits.argmax(dim=1).numpy(), logits

    @torch.no_grad()
    def listen(self, sound: Waveform, sample_rate: int) -> Tensor:
        """What the classifier is given of a sound at any sample rate.

        Args:
            sound: ``(time,)``, full scale is [-1, 1]; resampled and clipped as the recordings of a corpus are.
            sample_rate: in Hz.

        Returns:
            A map ``(1, 1, rows, columns)``, or for a net on samples a waveform ``(1, 1, time)``.
        """
        own_rate = self.representation.sample_rate
        samples = round(len(sound) * own_rate / sample_rate)
        heard = fit_length(np.clip(resample(sound, sample_rate, own_rate), -1, 1), samples, "pad")
        return self.representation(torch.from_numpy(heard)[None, None].to(self.device))


def load_target(run: TrainedRun, fold: int, allowed: Sequence[str] = (), *, device: torch.device = CPU) -> Target:
    """Load what a run has trained on a fold; ``allowed`` as in :func:`load_classifier`.

    Raises:
        DataError: if the file is missing or broken, or the run has no such fold.
    """
    if fold not in run.checkpoints:
        raise DataError(f"expected fold {fold} in {run.path}, found the folds {sorted(run.checkpoints)}")
    path = run.checkpoints[fold]
    if path.suffix == ".skops":
        baseline = load_baseline(path)
        classifier: SoundClassifier | Baseline = baseline
        architecture, split = baseline.name, split_of_model(path)
    else:
        trained = load_classifier(path, allowed)
        classifier, architecture, split = trained.model, str(trained.model.hparams["architecture"]), trained.split
        classifier.to(device)
    try:
        representation = data_of_recipe(recipe_of(run), {"fold": fold}, allowed).representation
    except ValueError as error:
        raise DataError(f"{run.path}: {error}") from error
    return Target(run.name, architecture, sha256(path), classifier, split, representation.to(device), device)


def recipe_of(run: TrainedRun) -> dict[str, Any]:
    """Settings that a run was trained with.

    Raises:
        DataError: if neither the run's summary nor a checkpoint tells.
    """
    summary = run.path / "summary.json"
    if summary.is_file():
        recipe: Any = read_json(summary, "train the run again").get("recipe")
        try:
            check_recipe_form(recipe)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"expected the recipe of a run in {summary}, found another: {error}") from error
        return recipe
    return read_checkpoint(next(iter(run.checkpoints.values())))["recipe"]


class StoredMaps:
    """The adversarial maps of one fold, which targets take as they are.

    Args:
        attack: the finished attacks on the source, with stored adversarials.
        fold: number of the fold.
        clips: the attacked clips.
    """

    def __init__(self, attack: AttackRun, fold: int, clips: Iterable[int]) -> None:
        self.store, self.fold = attack.store, fold
        self._clean = _clean_maps(attack, fold, set(clips))

    def classify_clean(self, target: Target, names: Mapping[int, str]) -> Predictions:
        """What a target answers for clean clips, given by number with their file names, in this order."""
        return target.classify(torch.stack([self._clean[clip] for clip in names]))

    def classify(self, target: Target, attack: str, clip: int, name: str, budgets: Sequence[int]) -> Predictions:
        """What a target answers for the adversarials of a clip at some budgets.

        Raises:
            DataError: if they cannot be read.
        """
        stored = torch.from_numpy(self.store.read_adversarials(self.fold, attack, clip))
        return target.classify(stored[list(budgets)])


class StoredSounds:
    """The adversarial sounds of one fold, each of which a target resamples and represents for itself.

    Clean clips take the same path, from their file beside the adversarials. Every sound is classified alone, so that
    its answer does not depend on others.

    Args:
        store: the folder of attacks on sounds.
        fold: number of the fold.
    """

    def __init__(self, store: AttackStore, fold: int) -> None:
        self.sounds, self.fold = store.sounds, fold

    def classify_clean(self, target: Target, names: Mapping[int, str]) -> Predictions:
        """As :meth:`StoredMaps.classify_clean`."""
        return _together([self._classify(target, CLEAN, None, clip, name) for clip, name in names.items()])

    def classify(self, target: Target, attack: str, clip: int, name: str, budgets: Sequence[int]) -> Predictions:
        """As :meth:`StoredMaps.classify`."""
        return _together([self._classify(target, attack, budget, clip, name) for budget in budgets])

    def _classify(self, target: Target, attack: str, budget: int | None, clip: int, name: str) -> Predictions:
        return target.classify(target.listen(*self.sounds.read(self.fold, attack, budget, clip, name)))


def _together(predictions: Sequence[Predictions]) -> Predictions:
    logits = [one for _, one in predictions if one is not None]
    return np.concatenate([answers for answers, _ in predictions]), torch.cat(logits) if logits else None


def _clean_maps(attack: AttackRun, fold: int, wanted: set[int]) -> dict[int, Tensor]:
    data = attack.data[fold]
    # One process evaluates, whatever the attacks ran on, and it needs all clips.
    data.trainer = None
    data.prepare_data()
    data.setup("test")
    maps: dict[int, Tensor] = {}
    for batch in data.test_dataloader():
        batch = data.on_after_batch_transfer(batch, 0)
        maps |= {clip: one for clip, one in zip(batch.clips.tolist(), batch.inputs, strict=True) if clip in wanted}
    return maps
