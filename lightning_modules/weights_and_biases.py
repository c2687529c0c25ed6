"""What a training run shows in Weights & Biases, online or offline."""

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import wandb
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from datamodules import Batch, SoundDataModule
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
