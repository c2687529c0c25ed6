"""What training, attack and transfer runs show in Weights & Biases, online or offline."""

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import wandb
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from datamodules import Batch, SoundDataModule
from lightning_modules.attack_example import AttackExample
from lightning_modules.cross_validation import data_of
from storage import RunFolder

WandbMode = Literal["auto", "online", "offline", "disabled"]


def resolve_mode(mode: WandbMode) -> Literal["online", "offline", "disabled"]:
    """Choose the mode: WANDB_MODE if set, otherwise online with an account and offline without."""
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
    # `wandb login` keeps the key where curl and others look for passwords.
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def fold_logger(run: RunFolder, fold: int, *, project: str, mode: WandbMode) -> WandbLogger | None:
    """One W&B run for a fold, grouped by the name of the cross-validation; None when disabled."""
    name = run.path.name
    return _logger(f"{name}-fold{fold}", run.path, group=name, job="train", project=project, mode=mode)


def attack_logger(run: str, folder: Path, *, project: str, mode: WandbMode, kind: str = "attack") -> WandbLogger | None:
    """One W&B run for all attacks on a trained run (or their transfer), grouped with its folds; None when disabled."""
    return _logger(f"{run}-{kind}", folder, group=run, job=kind, project=project, mode=mode)


def _logger(name: str, folder: Path, *, group: str, job: str, project: str, mode: WandbMode) -> WandbLogger | None:
    resolved = resolve_mode(mode)
    if resolved == "disabled":
        return None
    # Artifacts are staged beside the run, so that nothing is written elsewhere and a later sync finds them.
    os.environ.setdefault("WANDB_DATA_DIR", str(folder.resolve() / "wandb"))
    os.environ.setdefault("WANDB_SILENT", "true")
    # Said to wandb.init itself: the logger's own flag goes through the environment, which W&B reads once a process.
    logger = WandbLogger(project=project, name=name, group=group, job_type=job, save_dir=folder, mode=resolved)
    # Lightning hands this on even when nobody gave it, and W&B then warns that it means nothing any more.
    logger._wandb_init.pop("anonymous", None)
    return logger


class WandbRecord(Callback):
    """Logs settings, example maps, the confusion matrix and the checkpoint of a fold.

    Args:
        run: where the run's files lie.
        config: resolved settings, logged under their own key.
        examples: how many example maps to show.
    """

    def __init__(self, run: RunFolder, config: Mapping[str, Any], *, examples: int = 10) -> None:
        self.run = run
        self.config = dict(config)
        self.examples = examples
        self.shown = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the settings first, so that a killed run has them too."""
        experiment = self._experiment(trainer)
        if experiment is not None:
            data = data_of(trainer)
            experiment.config.update({"settings": self.config, "fold": data.fold}, allow_val_change=True)
            experiment.config.update({"leakage": data.leakage, "parameters": pl_module.parameter_count})

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
        if experiment is None or self.shown:
            return
        self.shown = True
        names = data_of(trainer).table.class_names
        images = [
            wandb.Image(image.flip(0).float().cpu().numpy(), caption=names[label], mode="L")
            for image, label in zip((batch.inputs[:, 0] * 255).round(), batch.labels.tolist(), strict=True)
        ]
        experiment.log({"example_maps": images[: self.examples]})

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the confusion matrix, the fold's record and its checkpoint."""
        experiment = self._experiment(trainer)
        if experiment is None:
            return
        data = data_of(trainer)
        log_test(experiment, self.run, data)
        artifact = wandb.Artifact(f"{self.run.path.name}-fold{data.fold}", type="model", metadata=self.config)
        artifact.add_file(str(self.run.checkpoint(data.fold)))
        experiment.log_artifact(artifact)

    def _experiment(self, trainer: Trainer) -> Any:
        # Processes other than the first get Lightning's dummy experiment.
        logger = trainer.logger
        return logger.experiment if isinstance(logger, WandbLogger) and trainer.is_global_zero else None


def log_test(experiment: Any, run: RunFolder, data: SoundDataModule) -> None:
    """Log a fold's confusion matrix and record from its files."""
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
    experiment.summary.update({f"record/{key}": value for key, value in (run.record(data.fold) or {}).items()})


LOGGED = ("fooling_rate", "auc", "auc_ovr", "target_rate", "batch_gradients", "full_jacobian_batch_gradients")


def log_attacks(
    logger: WandbLogger, summary: Mapping[str, Any], settings: Mapping[str, Any], examples: Mapping[str, AttackExample]
) -> None:
    """Log an attack run: settings, means, one table of budgets, security curves, checks and a picture an attack.

    Args:
        logger: the run's logger.
        summary: content of the attack run's ``summary.json``.
        settings: what the folder was attacked with.
        examples: one attacked clip of each attack.
    """
    experiment = logger.experiment
    experiment.config.update({"settings": dict(settings)}, allow_val_change=True)
    numbers = {
        f"attack/{attack}/{name}": mean[name]
        for attack, mean in summary["means"].items()
        for name in LOGGED
        if mean.get(name) is not None
    }
    if summary["six"] is not None:
        numbers |= {f"attack/six/{name}": summary["six"][name] for name in ("fooling_rate", "auc", "batch_gradients")}
    numbers |= {"attack/accuracy": summary["accuracy_on_attacked"], "attack/n": summary["n"]}
    numbers["attack/checks_failed"] = sum(not check["passed"] for check in summary["checks"])
    experiment.summary.update(numbers)
    budgets = pd.json_normalize(summary["budgets"])
    # An infinite median is a word in JSON and a number again here.
    budgets["median_l2_all"] = budgets["median_l2_all"].astype(float)
    log: dict[str, Any] = {"attack/budgets": wandb.Table(dataframe=budgets)}
    log["attack/checks"] = wandb.Table(dataframe=pd.DataFrame(summary["checks"]).fillna({"attack": ""}))
    log |= {f"attack/{name}/example": wandb.Image(example.figure()) for name, example in examples.items()}
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
    """Write a picture of each attack beside the run's numbers."""
    for name, example in examples.items():
        example.save(folder / "pictures" / f"{name}.png")


def _curves(budgets: pd.DataFrame, axis: str) -> dict[str, Any]:
    """Mean fooling rate of each attack over an axis, for attacks with at least two values on it."""
    if axis not in budgets:
        return {}
    curves = {}
    for attack, rows in budgets.dropna(subset=[axis]).groupby("attack"):
        curve = rows.groupby(axis)["fooling_rate"].mean()
        if len(curve) > 1:
            curves[str(attack)] = curve
    return curves


def log_transfer(logger: WandbLogger, summary: Mapping[str, Any]) -> None:
    """Log every cell of one source: ratio, AUC and n for each attack and target.

    Args:
        logger: the run's logger.
        summary: content of the transfer's ``summary.json``.
    """
    experiment = logger.experiment
    names = ("corpus", "split", "representation", "source_run", "source_architecture", "profile", "seed")
    experiment.config.update({name: summary[name] for name in names}, allow_val_change=True)
    cells = [cell for cell in summary["rows"] if cell["fold"] is None]
    numbers = {}
    for cell in cells:
        place = f"transfer/{cell['attack'] or 'six'}/{cell['target_architecture']}"
        for name in ("ratio", "auc_on_target", "denominator", "source_auc", "source_batch_gradients"):
            if cell.get(name) is not None:
                numbers[f"{place}/{name}"] = cell[name]
    experiment.summary.update(numbers)
    frame = pd.DataFrame(summary["rows"]).fillna({"attack": "six"})
    experiment.log({"transfer/cells": wandb.Table(dataframe=frame), "transfer/heat_map": wandb.Image(heat_map(cells))})


def heat_map(cells: list[dict[str, Any]]) -> Figure:
    """Ratios of one source: a row an attack, a column a target; empty cells are missing, not zero."""
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
