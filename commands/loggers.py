"""``--logger``: what records a training, attacks or a transfer beside the files of their results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import Logger

from commands.flags import CraftingFlags
from lightning_modules.run_values import attack_numbers, config_of, transfer_numbers
from lightning_modules.tensorboard import TensorBoardRecord, log_summary, tensorboard_logger
from lightning_modules.weights_and_biases import (
    WandbRecord,
    attack_logger,
    fold_logger,
    log_attacks,
    log_transfer,
    set_config,
)
from storage import RunFolder


def training_logger(settings: Mapping[str, Any], run: RunFolder, fold: int) -> tuple[Logger | None, list[Callback]]:
    """The logger of a fold's Trainer and the callbacks that it needs; None and no callback if nothing is recorded.

    Args:
        settings: every flag of train.py, resolved.
        run: folder of the run.
        fold: number of the fold, from 1.
    """
    if settings["logger"] == "tensorboard":
        return tensorboard_logger(run.path, f"fold{fold}"), [
            TensorBoardRecord(run, settings),
            LearningRateMonitor("step"),
        ]
    logger = fold_logger(run, fold, **settings["wandb"]) if settings["logger"] == "wandb" else None
    return logger, [] if logger is None else [WandbRecord(run, settings), LearningRateMonitor("step")]


def record_attacks(
    flags: CraftingFlags, run: str, folder: Path, summary: Mapping[str, Any], stored: Mapping[str, Any]
) -> None:
    """Record the attacks on a trained run.

    Args:
        flags: those of attack.py.
        run: name of the trained run.
        folder: folder of the results.
        summary: content of ``summary.json`` in the folder.
        stored: settings of all attacks in the folder.
    """
    if flags.logger == "wandb":
        logger = attack_logger(run, folder, project=flags.wandb.project, mode=flags.wandb.mode)
        if logger is not None:
            set_config(logger.experiment, config_of(summary), {"settings": stored})
            log_attacks(logger.experiment, summary, folder)
            wandb.finish()
    elif flags.logger == "tensorboard":
        log_summary(folder, config_of(summary), attack_numbers(summary))


def record_transfer(flags: CraftingFlags, source: str, folder: Path, summary: Mapping[str, Any]) -> None:
    """Record the transfer from one source to all targets.

    Args:
        flags: those of transfer.py.
        source: name of the trained run that was attacked.
        folder: folder of the results.
        summary: content of ``summary.json`` in the folder.
    """
    if flags.logger == "wandb":
        logger = attack_logger(source, folder, kind="transfer", project=flags.wandb.project, mode=flags.wandb.mode)
        if logger is not None:
            set_config(logger.experiment, config_of(summary), {"source_run": source})
            log_transfer(logger.experiment, summary)
            wandb.finish()
    elif flags.logger == "tensorboard":
        log_summary(folder, config_of(summary), transfer_numbers(summary))
