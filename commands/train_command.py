"""What train.py does: train every fold, test it, and say what came out."""

import logging
from collections.abc import Sequence

import wandb
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table

from classifiers.baselines import BASELINES
from commands.baseline_training import train_baseline
from commands.errors import packages_to_import, quieten
from commands.retest import retest
from commands.train_cli import TrainCLI
from lightning_modules.cross_validation import CrossValidation
from lightning_modules.imported_model import ImportedModel
from lightning_modules.progress import CrossValidationProgress
from lightning_modules.recorded_split import refuse_changed_table
from lightning_modules.trained_classifier import load_classifier, read_checkpoint
from lightning_modules.weight_average import WeightAverage
from lightning_modules.weights_and_biases import WandbRecord, fold_logger
from storage import RunFolder
from storage.summaries import RetestRecord, RunSummary

# Warnings about intended behaviour.
NOISE = (
    "The number of training batches .* is smaller than the logging interval",
    "Checkpoint directory .* exists and is not empty",
    "Total length of `list` across ranks is zero",
    ".*LightningCLI's args parameter is intended to run from within Python",
)


def train(args: Sequence[str] | None) -> RunSummary | RetestRecord:
    """Train the folds that are not finished yet, test each on its test part, and summarise.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of the run's ``summary.json``, or the result of ``--test-only``.

    Raises:
        UsageError: if a flag or a combination of flags is impossible.
        DataError: if a recording or a checkpoint is missing or broken.
    """
    quieten(*NOISE)
    logging.getLogger("datamodules").setLevel(logging.INFO)
    cli = TrainCLI(args)
    cli.check()
    if cli.settings["test_only"]:
        return test_again(args, cli.settings["test_only"], packages_to_import(cli.settings["allow_import"]))
    data = cli.build_data()
    data.check()
    run = cli.open_run(data.number_of_folds, data.table.digest)
    refuse_changed_table(run, data)
    pending = [fold for fold in cli.chosen_folds(data.number_of_folds) if run.record(fold) is None]
    identity = cli.identity
    groups = ("trainer", "early_stopping", "weight_average", "weights")
    training = {name: identity[name] for name in groups if name in identity}
    validation = CrossValidation(
        run, cli.recipe, training=training, seed=cli.settings["seed"], folds=data.number_of_folds
    )
    if cli.settings["model"]["architecture"] in BASELINES:
        for fold in pending:
            train_baseline(cli.build_data(fold), validation)
    else:
        progress = CrossValidationProgress(pending)
        for fold in pending:
            if cli.settings["trainer"]["max_epochs"] == 0:
                import_fold(cli, fold, validation)
            else:
                train_fold(cli, fold, run, [validation, progress])
    summary = validation.write_summary(data)
    show(run, summary)
    return summary


def train_fold(cli: TrainCLI, fold: int, run: RunFolder, shared: list[Callback]) -> None:
    """Train a fold's model, or go on where an interrupted one stopped, and test its best validation epoch."""
    model, data = cli.build(fold)
    folder = str(run.fold(fold))
    # The loss tells epochs apart that get the same few dozen clips right.
    validates = data.validation == "fold"
    best = ModelCheckpoint(
        folder,
        "best",
        # Without a validation part the weights of every epoch replace those of the one before.
        monitor="val/loss" if validates else None,
        # It means nothing without a monitor, but Lightning tells the two callbacks apart by it.
        mode="min" if validates else "max",
        save_on_train_epoch_end=None if validates else True,
        save_weights_only=True,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    stopping = [EarlyStopping("val/loss", patience=cli.settings["early_stopping"]["patience"])] if validates else []
    decay = cli.settings["weight_average"]["decay"]
    average = [WeightAverage(decay)] if decay else []
    wandb_settings = cli.settings["wandb"]
    logger = fold_logger(run, fold, project=wandb_settings["project"], mode=wandb_settings["mode"])
    recorded = [WandbRecord(run, cli.settings), LearningRateMonitor("step")] if logger is not None else []
    trainer = cli.build_trainer(
        logger=logger or False,
        default_root_dir=folder,
        callbacks=[*average, *stopping, *shared, *recorded, best, last],
    )
    interrupted = run.last_checkpoint(fold)
    resume = str(interrupted) if interrupted.is_file() else None
    trainer.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    trainer.test(model, datamodule=data, ckpt_path=str(run.checkpoint(fold)), weights_only=True, verbose=False)
    wandb.finish()


def import_fold(cli: TrainCLI, fold: int, validation: CrossValidation) -> None:
    """Test a model that was trained elsewhere (``--trainer.max_epochs 0``) and record it as a trained fold."""
    model, data = cli.build(fold)
    trainer = cli.build_trainer(
        logger=False,
        default_root_dir=str(validation.run.fold(fold)),
        callbacks=[validation, ImportedModel(validation, fold)],
    )
    trainer.test(model, datamodule=data, verbose=False)


def test_again(args: Sequence[str] | None, checkpoint: str, allowed: Sequence[str]) -> RetestRecord:
    """Test a trained checkpoint on the data that the flags describe, by default those it was trained for.

    Args:
        args: command line; that of the process by default.
        checkpoint: the file.
        allowed: packages that it may name classes of, beside the project's own.

    Raises:
        UsageError: if a fold does not exist that the command line names.
        DataError: if the checkpoint cannot be used.
    """
    trained = load_classifier(checkpoint, allowed)
    cli = TrainCLI(args, read_checkpoint(checkpoint))
    cli.check()
    fold = cli.chosen_folds(None)[0]
    data = cli.build_data(fold)
    if fold == trained.fold:
        trained.check_fold(data)
    cli.chosen_folds(data.number_of_folds)
    _, data = cli.build(fold)
    return retest(checkpoint, data, cli.build_trainer(logger=False), allowed)


@rank_zero_only
def show(run: RunFolder, summary: RunSummary) -> None:
    """Print a table of the folds, their mean and standard deviation, and where the run lies."""
    table = Table(title=f"{run.path.name}: {summary['corpus']}, split={summary['split']}")
    for heading in ("fold", "test accuracy", "balanced", "macro-F1", "test clips", "leakage", "epochs", "minutes"):
        table.add_column(heading, justify="right")
    for row in summary["folds"]:
        table.add_row(
            str(row["fold"]),
            f"{row['accuracy']:.1%}",
            *(f"{row[name]:.1%}" if name in row else "-" for name in ("balanced_accuracy", "macro_f1")),
            str(row["n_test"]),
            # Without recordings a bound, which a record of an earlier version never was.
            f"{'' if row.get('recordings_known', True) else '>= '}{row['leakage']:.1%}",
            "-" if row["epochs"] is None else str(row["epochs"]),
            f"{row['seconds'] / 60:.1f}",
        )
    spread = "" if summary["accuracy_std"] is None else f" ± {summary['accuracy_std']:.1%}"
    table.add_section()
    means = [summary["balanced_accuracy_mean"], summary["macro_f1_mean"]]
    shown = ["-" if mean is None else f"{mean:.1%}" for mean in means]
    table.add_row("mean", f"{summary['accuracy_mean']:.1%}{spread}", *shown, str(summary["n_test"]))
    console = Console()
    console.print(table)
    finished = f"{summary['folds_finished']} of {summary['folds_in_all']} folds"
    console.print(
        f"{finished}, {summary['parameters']:,} parameters; checkpoints and summary.json in {run.path}", soft_wrap=True
    )
