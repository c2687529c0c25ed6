"""Logging of training, attack and transfer runs to TensorBoard (``--logger tensorboard``)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from lightning_modules.cross_validation import data_of
from lightning_modules.run_values import FoldLog


def tensorboard_logger(folder: Path, name: str = "") -> TensorBoardLogger:
    """A logger that writes event files into ``<folder>/tensorboard/<name>``.

    A resumed fold, or a later call on the same results, adds to what is there.

    Args:
        folder: folder of the run or of the results.
        name: ``fold1`` for example, where a folder holds several.
    """
    return TensorBoardLogger(folder, "tensorboard", name, default_hp_metric=False)


class TensorBoardRecord(FoldLog):
    """Logs a fold's settings as hyperparameters, with the numbers of the test and of the best validation epoch."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the settings at the start, so that a killed run has them too, in ``hparams.yaml``."""
        if isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.log_hyperparams(_without_none(self.config(data_of(trainer))))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the settings again beside the numbers that the table of hyperparameters compares."""
        if isinstance(trainer.logger, TensorBoardLogger):
            data = data_of(trainer)
            # The record is written by the first process only, which is the one whose logger writes.
            numbers = {**self.best, **self.record(data)}
            log_numbers(trainer.logger, self.config(data), numbers, step=trainer.global_step)


def log_summary(folder: Path, config: Mapping[str, Any], numbers: Mapping[str, Any], name: str = "") -> None:
    """Log finished results: their settings and the numbers of their summary.

    Args:
        folder: folder of the results.
        config: settings returned by :func:`lightning_modules.run_values.run_config`.
        numbers: numbers by name; what is no number is left out.
        name: subfolder of ``tensorboard`` for the event files.
    """
    logger = tensorboard_logger(folder, name)
    log_numbers(logger, config, numbers, step=0)
    logger.finalize("success")


def log_numbers(logger: TensorBoardLogger, config: Mapping[str, Any], numbers: Mapping[str, Any], *, step: int) -> None:
    """Log settings as hyperparameters and numbers as scalars, which the table of hyperparameters shows beside them."""
    scalars = {name: float(value) for name, value in numbers.items() if isinstance(value, bool | int | float)}
    logger.log_hyperparams(_without_none(config), scalars, step)


def _without_none(config: Mapping[str, Any]) -> dict[str, Any]:
    # TensorBoard would show the word None.
    return {name: value for name, value in config.items() if value is not None}
