"""Logging of training, attack and transfer runs to Weights & Biases, online or offline."""

import netrc
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import wandb
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from datamodules import Batch, SoundDataModule
from lightning_modules.attack_example import AttackExample
from lightning_modules.cross_validation import data_of
from lightning_modules.run_values import FoldLog, attack_numbers, transfer_numbers
from storage import RunFolder, write_text
from storage.provenance import is_first_process

WandbMode = Literal["auto", "online", "offline", "disabled"]

_staged_in: set[str] = set()
"""The values that loggers gave to WANDB_DATA_DIR; any other is the user's."""


def resolve_mode(mode: WandbMode) -> Literal["online", "offline", "disabled"]:
    """Resolve ``auto``: to WANDB_MODE if set, otherwise to online with an API key and to offline without one."""
    if mode != "auto":
        return mode
    match os.environ.get("WANDB_MODE"):
        case "online":
            return "online"
        case "offline":
            return "offline"
        case "disabled":
            return "disabled"
    return "online" if os.environ.get("WANDB_API_KEY") or _stored_key() else "offline"


def _stored_key() -> bool:
    # `wandb login` stores the key in the netrc file, as curl and others do.
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def run_tags(config: Mapping[str, Any]) -> list[str]:
    """Tags of a run, the same for every job type: corpus, split, representation and architecture."""
    return [str(config[name]) for name in ("corpus", "split", "representation", "architecture")]


def fold_logger(run: RunFolder, fold: int, *, project: str, mode: WandbMode) -> WandbLogger | None:
    """A logger with one W&B run per fold, grouped by the name of the cross-validation; None if disabled.

    A resumed fold continues its W&B run.
    """
    name = run.path.name
    place = run.fold(fold)
    return _logger(f"{name}-fold{fold}", run.path, place, group=name, job="train", project=project, mode=mode)


def attack_logger(run: str, folder: Path, *, project: str, mode: WandbMode, kind: str = "attack") -> WandbLogger | None:
    """A logger with one W&B run per results folder, grouped with the folds of the trained run; None if disabled.

    Args:
        run: name of the trained run.
        folder: folder of the results; later calls for the same folder continue the same W&B run.
        project: W&B project.
        mode: W&B mode.
        kind: job type, ``attack`` or ``transfer``.
    """
    name = f"{run}-{kind}" if folder.name == "attacks" or kind != "attack" else f"{run}-{folder.name}"
    return _logger(name, folder, folder, group=run, job=kind, project=project, mode=mode)


def _logger(
    name: str, folder: Path, place: Path, *, group: str, job: str, project: str, mode: WandbMode
) -> WandbLogger | None:
    resolved = resolve_mode(mode)
    if resolved == "disabled":
        return None
    # Artifacts are staged in the folder of the run, so that nothing is written elsewhere and a later sync finds them.
    if os.environ.get("WANDB_DATA_DIR") in (None, *_staged_in):
        os.environ["WANDB_DATA_DIR"] = str(folder.resolve() / "wandb")
        _staged_in.add(os.environ["WANDB_DATA_DIR"])
    os.environ.setdefault("WANDB_SILENT", "true")
    logger = WandbLogger(
        project=project,
        name=name,
        id=wandb_id(place),
        group=group,
        job_type=job,
        save_dir=folder,
        # Passed to wandb.init directly: the logger's own flag sets an environment variable, which W&B reads only once
        # per process.
        mode=resolved,
    )
    # Lightning passes this argument even if it was not given, and W&B then warns that it is deprecated.
    logger._wandb_init.pop("anonymous", None)
    return logger


def wandb_id(folder: Path) -> str:
    """Id of the W&B run of a folder, stored in ``wandb_id.txt``, so that later calls resume the run."""
    file = folder / "wandb_id.txt"
    known = file.read_text(encoding="ascii", errors="replace").strip() if file.is_file() else ""
    if re.fullmatch(r"[a-z0-9]{8,64}", known):
        return known
    new = secrets.token_hex(4)
    if is_first_process():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(file, new)
    return new


class WandbRecord(FoldLog):
    """Logs settings, example maps, the best validation epoch, the confusion matrix and the checkpoint of a fold.

    Args:
        run: folder of the run.
        settings: every flag of the command line, resolved; logged under a key of their own.
        examples: number of example maps to show.
    """

    def __init__(self, run: RunFolder, settings: Mapping[str, Any], *, examples: int = 10) -> None:
        super().__init__(run, settings)
        self.examples = examples
        self.shown = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the settings at the start, so that a killed run has them too."""
        experiment = self._experiment(trainer)
        if experiment is not None:
            data = data_of(trainer)
            more = {"settings": self.settings, "leakage": data.leakage, "parameters": pl_module.parameter_count}
            set_config(experiment, self.config(data), more)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show maps of the first validation batch, once, lowest frequency at the bottom."""
        experiment = self._experiment(trainer)
        if experiment is None or self.shown or batch.inputs.ndim != 4:
            return
        self.shown = True
        names = data_of(trainer).table.class_names
        images = [
            wandb.Image(image.flip(0).float().cpu().numpy(), caption=names[label], mode="L")
            for image, label in zip((batch.inputs[:, 0] * 255).round(), batch.labels.tolist(), strict=True)
        ]
        experiment.log({"example_maps": images[: self.examples]})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the numbers of the best validation epoch to the summary, where W&B itself keeps only the last ones."""
        super().on_validation_end(trainer, pl_module)
        experiment = self._experiment(trainer)
        if experiment is not None:
            experiment.summary.update(self.best)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the confusion matrix, the fold's record and its checkpoint."""
        experiment = self._experiment(trainer)
        if experiment is None:
            return
        data = data_of(trainer)
        log_test(experiment, self.run, data)
        experiment.summary.update(self.record(data))
        artifact = wandb.Artifact(f"{self.run.path.name}-fold{data.fold}", type="model", metadata=self.settings)
        # The file does not change after the test, so W&B can read it in place without keeping a copy.
        artifact.add_file(str(self.run.checkpoint(data.fold)), policy="immutable", skip_cache=True)
        experiment.log_artifact(artifact)

    def _experiment(self, trainer: Trainer) -> Any:
        # On processes other than the first, Lightning's experiment is a dummy.
        logger = trainer.logger
        return logger.experiment if isinstance(logger, WandbLogger) and trainer.is_global_zero else None


def set_config(experiment: Any, config: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    """Set the config of a W&B run to the settings of :func:`run_config` and further ones, and add its tags.

    Args:
        experiment: the W&B run.
        config: settings returned by :func:`run_config`.
        more: further settings, nested ones too.
    """
    experiment.config.update({**more, **config}, allow_val_change=True)
    experiment.tags = tuple(dict.fromkeys([*(experiment.tags or ()), *run_tags(config)]))


def log_test(experiment: Any, run: RunFolder, data: SoundDataModule) -> None:
    """Log a fold's confusion matrix from its predictions."""
    predictions = pd.read_csv(run.fold(data.fold) / "predictions.csv")
    experiment.log(
        {
            "test/confusion_matrix": wandb.plot.confusion_matrix(
                y_true=predictions["label"].tolist(),
                preds=predictions["prediction"].tolist(),
                class_names=list(data.table.class_names),
            )
        }
    )


def log_attacks(experiment: Any, summary: Mapping[str, Any], folder: Path) -> None:
    """Log the attacks on a trained run: means, a table of budgets, security curves, checks and a picture per attack.

    Args:
        experiment: the W&B run.
        summary: content of ``summary.json`` in the folder.
        folder: folder of the results.
    """
    experiment.summary.update(attack_numbers(summary))
    budgets = pd.json_normalize(summary["budgets"])
    # An infinite median is a string in JSON; here it becomes a number again.
    budgets["median_l2_all"] = budgets["median_l2_all"].astype(float)
    log: dict[str, Any] = {"attack/budgets": wandb.Table(dataframe=budgets)}
    log["attack/checks"] = wandb.Table(dataframe=pd.DataFrame(summary["checks"]).fillna({"attack": ""}))
    log |= {
        f"attack/{picture.stem}/example": wandb.Image(str(picture))
        for picture in sorted((folder / "pictures").glob("*.png"))
    }
    for axis, title in (("budget.delta", "delta"), ("batch_gradients", "batch gradients")):
        curves = _curves(budgets, axis)
        if curves:
            log[f"attack/fooling_rate_over_{title.replace(' ', '_')}"] = wandb.plot.line_series(
                xs=[list(curve.index) for curve in curves.values()],
                ys=[curve.tolist() for curve in curves.values()],
                keys=list(curves),
                title=f"fooling rate over {title}",
                xname=title,
            )
    experiment.log(log)


def save_examples(folder: Path, examples: Mapping[str, AttackExample]) -> None:
    """Write a picture of each attack beside the run's numbers.

    Args:
        folder: folder of the results.
        examples: one attacked clip of each attack.
    """
    for name, example in examples.items():
        example.save(folder / "pictures" / f"{name}.png")


def _curves(budgets: pd.DataFrame, axis: str) -> dict[str, Any]:
    """Mean fooling rate as a function of an axis, by attack, for attacks with at least two values on it."""
    if axis not in budgets:
        return {}
    curves = {}
    for attack, rows in budgets.dropna(subset=[axis]).groupby("attack"):
        curve = rows.groupby(axis)["fooling_rate"].mean()
        if len(curve) > 1:
            curves[str(attack)] = curve
    return curves


def log_transfer(experiment: Any, summary: Mapping[str, Any]) -> None:
    """Log every transfer from one source: ratio, AUC and n for each attack and target.

    Args:
        experiment: the W&B run.
        summary: content of the transfer's ``summary.json``.
    """
    cells = [cell for cell in summary["rows"] if cell["fold"] is None]
    experiment.summary.update(transfer_numbers(summary))
    frame = pd.DataFrame(summary["rows"]).fillna({"attack": "six"})
    experiment.log({"transfer/cells": wandb.Table(dataframe=frame), "transfer/heat_map": wandb.Image(heat_map(cells))})


def heat_map(cells: list[dict[str, Any]]) -> Figure:
    """Transfer ratios of one source, with one row per attack and one column per target; missing ratios are blank."""
    attacks = list(dict.fromkeys(cell["attack"] or "mean of the six" for cell in cells))
    targets = list(dict.fromkeys(cell["target_run"] for cell in cells))
    ratios = np.full((len(attacks), len(targets)), np.nan)
    for cell in cells:
        if cell["ratio"] is not None:
            place = attacks.index(cell["attack"] or "mean of the six"), targets.index(cell["target_run"])
            ratios[place] = cell["ratio"]
    figure = Figure(figsize=(1.8 + 1.4 * len(targets), 1.2 + 0.4 * len(attacks)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(ratios, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(targets)), targets, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(attacks)), attacks, fontsize=8)
    for (row, column), ratio in np.ndenumerate(ratios):
        if not np.isnan(ratio):
            axes.text(column, row, f"{ratio:.2f}", ha="center", va="center", color="white" if ratio < 0.6 else "black")
    axes.set_title("share that fools the target too", fontsize=9)
    return figure
