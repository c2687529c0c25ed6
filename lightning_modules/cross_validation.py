"""The folds of a cross-validation: the record of each, and the summary of all."""

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

import numpy as np
import pandas as pd
import torch
import torch.distributed
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from datamodules import Batch, SoundDataModule
from lightning_modules.sound_classifier import SoundClassifier
from metrics.classification import class_scores, log_probabilities, mean_by_file
from storage import SCHEMA_VERSION, DataError, RunFolder, write_atomically, write_json
from storage.columns import columns_of
from storage.provenance import git_commit, is_first_process, package_versions
from storage.rows import with_label_names
from storage.summaries import FoldRecord, RunSummary


class CrossValidation(Callback):
    """Shared by the Trainers of all folds: adds the recipe to checkpoints, collects results, writes the summary.

    A fold's record is written when its test ends and marks the fold as finished; the summary is rewritten after each
    fold, so that an interrupted cross-validation has one too.

    Args:
        run: folder of the run.
        recipe: plain settings (``data``, ``model``) from which a checkpoint's corpus and representation are rebuilt.
        training: settings of the training (epochs, batch size, precision and others), recorded beside the recipe.
        seed: seed of the run.
        folds: number of folds of the whole cross-validation.
    """

    def __init__(
        self, run: RunFolder, recipe: Mapping[str, Any], *, training: Mapping[str, Any], seed: int, folds: int
    ) -> None:
        self.run = run
        self.recipe = dict(recipe)
        self.training = dict(training)
        self.seed = seed
        self.folds = folds
        self.started = time.monotonic()
        self.seconds_before = 0.0
        self.epochs = 0
        self.rows: list[tuple[int, list[float]]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Reset the time of a new fold, before Lightning restores that of an interrupted one."""
        if stage == "fit":
            self.seconds_before = 0.0

    def state_dict(self) -> dict[str, Any]:
        """The time of the fold so far, in seconds, which ``last.ckpt`` stores for a restart."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time of an interrupted fold."""
        self.seconds_before = float(state_dict["seconds"])

    @property
    def seconds(self) -> float:
        """Time of the fold so far in seconds, from the start of its training on, earlier sessions included.

        In the fold's record it therefore covers the test too. Time that a killed program spent after its last full
        epoch is lost.
        """
        return self.seconds_before + time.monotonic() - self.started

    def record_clips(self, data: SoundDataModule) -> None:
        """Record the clips on which the fold is trained, validated and tested."""
        data.record.write_csv(self.run.split_file(data.fold))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the fold's time, record its clips, and describe its data to the model for its checkpoints."""
        self.begin_fold(trainer, pl_module)

    def begin_fold(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do what :meth:`on_fit_start` does, also for a model trained elsewhere, whose fold begins with its test."""
        self.started = time.monotonic()
        data = data_of(trainer)
        if trainer.is_global_zero:
            self.record_clips(data)
        if isinstance(pl_module, SoundClassifier):
            pl_module.provenance = {
                "recipe": settled_recipe(self.recipe, data),
                "fold": data.fold,
                "class_names": list(data.table.class_names),
                "clips": data.record.as_plain(),
                "clip_seconds": float(data.table.clip_seconds),
            }

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the number of epochs, because testing resets the Trainer's counters."""
        self.epochs = trainer.current_epoch

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Discard the clips of an earlier test."""
        self.rows = []

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect the log-probabilities of each test clip."""
        self.rows += zip(batch.clips.tolist(), log_probabilities(outputs).tolist(), strict=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the fold's predictions and its record, then the summary."""
        rows = self.rows
        if trainer.world_size > 1:
            gathered: list[list[tuple[int, list[float]]]] = [[] for _ in range(trainer.world_size)]
            torch.distributed.all_gather_object(gathered, rows)
            rows = [row for part in gathered for row in part]
        if trainer.is_global_zero:
            data = data_of(trainer)
            clips, scores = zip(*sorted(rows), strict=True)
            record = self.record(data, clips, torch.tensor(scores, dtype=torch.float64))
            record |= {"epochs": self.epochs, "seconds": round(self.seconds, 1)}
            record["parameters"] = int(getattr(pl_module, "parameter_count", 0))
            self.finish(data, record)
        # From here on every process finds the fold finished.
        trainer.strategy.barrier()

    def record(self, data: SoundDataModule, clips: Sequence[int], scores: Tensor) -> dict[str, Any]:
        """Write a fold's predictions, one for each file, and describe its test.

        Args:
            data: the fold's data.
            clips: each test clip once, ascending.
            scores: ``(clips, classes)``; log-probabilities of a network, or votes. The predicted class of a file has
                the largest mean over its clips; with ``windows=all`` a file may have several.

        Returns:
            The part of :class:`storage.summaries.FoldRecord` that describes the test: the fold's number, accuracy,
            scores of :func:`~metrics.classification.class_scores`, sizes of the parts (the test part in files and in
            clips, the others in clips), leakage and whether recordings are known, whether a fold was held out for
            validation, which epoch's weights were kept, the path of the checkpoint, and the commit of the program.
        """
        table, split = data.table, data.split
        tested = np.asarray(clips, dtype=np.int64)
        _, means = mean_by_file(scores, torch.from_numpy(table.file_numbers[tested]))
        firsts = table.first_clips(tested)
        # In the order of the files' numbers, as the means are.
        firsts = firsts[np.argsort(table.file_numbers[firsts])]
        predictions = pd.DataFrame(
            {
                "clip": [table.file_name(clip) for clip in firsts.tolist()],
                "recording": table.sources[firsts],
                "label": table.labels[firsts],
                "prediction": means.argmax(dim=1).tolist(),
            }
        )
        with write_atomically(self.run.fold(data.fold) / "predictions.csv") as file:
            with_label_names(predictions, table.class_names).to_csv(file, index=False)
        return {
            "fold": data.fold,
            "accuracy": float((predictions["label"] == predictions["prediction"]).mean()),
            **class_scores(predictions["label"], predictions["prediction"], table.class_names),
            "n_test": len(predictions),
            "n_test_clips": len(tested),
            "n_train": len(split.train),
            "n_validation": len(split.validation),
            "leakage": data.leakage,
            "recordings_known": table.recordings_known,
            "validation": data.validation,
            "weights": self._weights(data),
            "checkpoint": str(self.run.checkpoint(data.fold).relative_to(self.run.path)),
            "git_commit": git_commit(),
        }

    def _weights(self, data: SoundDataModule) -> str:
        if self.training["trainer"]["max_epochs"] == 0:
            return "trained elsewhere"
        return "lowest validation loss" if data.validation == "fold" else "last epoch"

    def finish(self, data: SoundDataModule, record: dict[str, Any]) -> None:
        """Mark the fold as finished and update the summary."""
        self.run.write_record(data.fold, record)
        self.write_summary(data)

    def write_summary(self, data: SoundDataModule) -> RunSummary:
        """Summarise the records of all finished folds; the first of a Trainer's processes writes ``summary.json``.

        Returns:
            The summary: mean and sample standard deviation of the accuracy over folds (None with one fold), the means
            of balanced accuracy, of macro-F1 and of each class's recall over the folds that have the class (None if a
            fold was finished by a version that did not record them), the folds' records, leakage, number of test files,
            parameters, seed, versions and commit.
        """
        rows = [self._finished(fold, data.table.class_names) for fold in self.run.finished_folds()]
        accuracies = [row["accuracy"] for row in rows]
        summary = {
            "schema_version": SCHEMA_VERSION,
            "corpus": data.corpus,
            "num_classes": data.num_classes,
            "class_names": list(data.table.class_names),
            "clip_seconds": data.table.clip_seconds,
            "table_digest": data.table.digest,
            "split": data.split_protocol,
            "representation": data.representation.settings,
            "architecture": self.recipe["model"]["architecture"],
            "accuracy_mean": statistics.fmean(accuracies) if accuracies else None,
            "accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
            **mean_scores(rows, data.table.class_names),
            "folds_finished": len(rows),
            "folds_in_all": self.folds,
            "folds": rows,
            "leakage": statistics.fmean(row["leakage"] for row in rows) if rows else None,
            # Official folds test different clips; with any other split, all folds are tested on the same ones.
            "n_test": (sum if data.split_protocol == "official" else max)([0, *(row["n_test"] for row in rows)]),
            "parameters": rows[0]["parameters"] if rows else None,
            "seed": self.seed,
            "versions": package_versions(),
            "git_commit": git_commit(),
            "recipe": self.recipe,
            "training": self.training,
        }
        if is_first_process():
            write_json(self.run.summary_file, summary)
        return cast(RunSummary, summary)

    def _finished(self, fold: int, class_names: Sequence[str]) -> FoldRecord:
        """The record of a finished fold.

        Raises:
            DataError: if the file lacks a required key.
        """
        record = self.run.record(fold) or {}
        missing = [column.name for column in columns_of(FoldRecord) if column.required and column.name not in record]
        if missing:
            raise DataError(
                f"expected {missing[0]} in the record of a fold in {self.run.record_file(fold)}, found none; "
                "remove that file to train the fold again"
            )
        if isinstance(record.get("recall"), list):
            # Version 2 stored recalls as a list, in the order of the labels.
            record["recall"] = dict(zip(class_names, record["recall"], strict=False))
        return cast(FoldRecord, record)


def settled_recipe(recipe: Mapping[str, Any], data: SoundDataModule) -> dict[str, Any]:
    """A recipe with the length of the clips in seconds, if it was derived from the files, because others may differ."""
    init_args = recipe["data"]["init_args"]
    if (
        data.default_clip_seconds is not None
        or "clip_seconds" not in init_args
        or init_args["clip_seconds"] is not None
    ):
        return dict(recipe)
    settled = {**init_args, "clip_seconds": data.table.clip_seconds}
    return {**recipe, "data": {**recipe["data"], "init_args": settled}}


class MeanScores(TypedDict):
    """Means over folds, in [0, 1] or None: three of the keys of :class:`storage.summaries.RunSummary`."""

    balanced_accuracy_mean: float | None
    macro_f1_mean: float | None
    recall_mean: dict[str, float | None]


def mean_scores(records: Sequence[Mapping[str, Any]], class_names: Sequence[str]) -> MeanScores:
    """Means over folds of the scores of :func:`~metrics.classification.class_scores`; None if no fold has one.

    Args:
        records: the folds' records.
        class_names: names of the classes, in the order of their numbers.

    Returns:
        ``balanced_accuracy_mean``, ``macro_f1_mean`` and ``recall_mean``, the last by the name of the class.
    """

    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if known else None

    scored = records if all("recall" in record for record in records) else []
    return {
        "balanced_accuracy_mean": mean([record["balanced_accuracy"] for record in scored]),
        "macro_f1_mean": mean([record["macro_f1"] for record in scored]),
        "recall_mean": {name: mean([record["recall"][name] for record in scored]) for name in class_names},
    }


def data_of(trainer: Trainer) -> SoundDataModule:
    """The DataModule of a Trainer.

    Raises:
        TypeError: if it is not a SoundDataModule.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, SoundDataModule):
        raise TypeError(f"expected a Trainer with a SoundDataModule, got {type(data).__name__}")
    return data
