"""The work of train.py: train and test every fold, and show the results."""

import logging
import shlex
from collections.abc import Sequence

import torch
import wandb
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_only
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from classifiers.baselines import BASELINES
from commands.baseline_training import train_baseline
from commands.errors import interruptible, packages_to_import, quieten
from commands.loggers import training_logger
from commands.outlook import cache_size, numbers, say
from commands.retest import retest
from commands.train_cli import TrainCLI
from commands.trainer import of_all_processes
from datamodules import SoundDataModule
from lightning_modules.cross_validation import CrossValidation
from lightning_modules.imported_model import ImportedModel
from lightning_modules.progress import CrossValidationProgress
from lightning_modules.recorded_split import refuse_changed_table
from lightning_modules.trained_classifier import load_classifier, read_checkpoint
from lightning_modules.weight_average import WeightAverage
from storage import RunFolder
from storage.folder_lock import alone_in
from storage.summaries import RetestRecord, RunSummary

# Warnings about intended behaviour.
NOISE = (
    "The number of training batches .* is smaller than the logging interval",
    "Checkpoint directory .* exists and is not empty",
    "Total length of `list` across ranks is zero",
    ".*LightningCLI's args parameter is intended to run from within Python",
)


FEW = 10
"""With fewer test clips, a fold's accuracy is very uncertain."""


def train(args: Sequence[str] | None) -> RunSummary | RetestRecord:
    """Train the folds that are not finished yet, test each on its test part, and summarise.

    Args:
        args: command line; that of the process by default.

    Returns:
        The content of the run's ``summary.json``, or the result of ``--test-only``.

    Raises:
        UsageError: if a flag or a combination of flags is invalid.
        DataError: if a recording or a checkpoint is missing or broken, or another command trains one of the folds.
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
    architecture = cli.settings["model"]["architecture"]
    say(*outlook(cli, data, run, pending))
    with interruptible(lambda: kept(run)):
        progress = CrossValidationProgress(pending)
        for fold in pending:
            # Other commands may train other folds of the run meanwhile, but not this one.
            with of_all_processes(alone_in(run.fold(fold))):
                # Processes of one Trainer might look at different moments; together they train the fold again.
                if cli.processes == 1 and run.record(fold) is not None:
                    progress.leave_out(fold)
                elif architecture in BASELINES:
                    train_baseline(cli.build_data(fold), validation)
                elif cli.settings["trainer"]["max_epochs"] == 0:
                    import_fold(cli, fold, validation)
                else:
                    train_fold(cli, fold, run, [validation, progress])
    summary = validation.write_summary(data)
    folder = shlex.quote(str(run.path))
    attack = f"attack.py --checkpoints {folder} {'' if data.representation.is_map else '--space sound '}--budgets smoke"
    report = f"report.py {shlex.quote(str(run.path.parent))} --output report"
    show(run, summary, following=report if architecture in BASELINES else attack)
    return summary


def outlook(cli: TrainCLI, data: SoundDataModule, run: RunFolder, pending: Sequence[int]) -> list[str]:
    """Lines to print before training: what is finished, model, epochs, clips, device and caches."""
    settings = cli.settings
    lines = []
    if before := kept(run):
        lines.append(f"goes on from what was {before}")
    if pending:
        epochs = settings["trainer"]["max_epochs"]
        architecture = settings["model"]["architecture"]
        if architecture in BASELINES:
            lines.append(f"{architecture} on {numbers(pending)} of {data.number_of_folds}")
        else:
            parameters = cli.build(pending[0])[0].parameter_count
            lines.append(
                f"{architecture}, {parameters:,} parameters, on {numbers(pending)} of {data.number_of_folds}, "
                f"at most {epochs} epoch{'s' if epochs > 1 else ''}{' each' if len(pending) > 1 else ''}"
            )
    lines.append(f"{len(data.table)} clips of {data.corpus}, {len(data.table.class_names)} classes; on {cli.device}")
    return [*lines, f"run in {run.path}, caches in {cache_size(data.cache_dir)}"]


def kept(run: RunFolder) -> str:
    """The finished folds and epochs of a run, as text; empty if there are none."""
    finished = run.finished_folds()
    parts = [f"{numbers(finished)} finished"] if finished else []
    for fold in run.begun_folds():
        if fold not in finished and run.last_checkpoint(fold).is_file():
            epochs = (
                torch.load(run.last_checkpoint(fold), map_location="cpu", weights_only=True, mmap=True)["epoch"] + 1
            )
            parts.append(f"{epochs} epoch{'s' if epochs > 1 else ''} of fold {fold}")
    return f"kept: {' and '.join(parts)}, in {run.path}" if parts else ""


def train_fold(cli: TrainCLI, fold: int, run: RunFolder, shared: list[Callback]) -> None:
    """Train a fold's model, or go on where an interrupted one stopped, and test its best validation epoch."""
    model, data = cli.build(fold)
    folder = str(run.fold(fold))
    # The loss distinguishes epochs with the same accuracy on a few dozen clips.
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
    logger, recorded = training_logger(cli.settings, run, fold)
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
def show(run: RunFolder, summary: RunSummary, *, following: str) -> None:
    """Print a table of the folds, their mean and standard deviation, where the run lies, and the following command."""
    console = Console()
    table = Table(
        title=f"{run.path.name}: {summary['corpus']}, split={summary['split']}, {summary['architecture']}, "
        f"{summary['parameters']:,} parameters",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        collapse_padding=True,
        pad_edge=False,
    )
    headings = ("fold", "accuracy\n%", "balanced\n%", "macro-F1\n%", "test\nclips", "leakage\n%", "epochs", "minutes")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary["folds"]:
        table.add_row(
            str(row["fold"]),
            f"{100 * row['accuracy']:.1f}",
            *(f"{100 * row[name]:.1f}" if name in row else "-" for name in ("balanced_accuracy", "macro_f1")),
            str(row["n_test"]),
            # Without recordings a bound, which a record of an earlier version never was.
            f"{'' if row.get('recordings_known', True) else '>= '}{100 * row['leakage']:.1f}",
            "-" if row["epochs"] is None else str(row["epochs"]),
            f"{row['seconds'] / 60:.1f}",
        )
    spread = "" if summary["accuracy_std"] is None else f" ± {100 * summary['accuracy_std']:.1f}"
    table.add_section()
    means = [summary["balanced_accuracy_mean"], summary["macro_f1_mean"]]
    shown = ["-" if mean is None else f"{100 * mean:.1f}" for mean in means]
    mean_accuracy = "-" if summary["accuracy_mean"] is None else f"{100 * summary['accuracy_mean']:.1f}{spread}"
    table.add_row("mean", mean_accuracy, *shown, str(summary["n_test"]))
    console.print(table)
    of_all = f"{summary['folds_finished']} of {summary['folds_in_all']} folds"
    smallest = min(row["n_test"] for row in summary["folds"])
    if smallest < FEW:
        change = f"{100 / smallest:.0f} percentage points"
        say(f"a test part of {smallest} clips is small: one clip changes its accuracy by {change}")
    say(f"{of_all} finished; checkpoints and summary.json in {run.path}")
    say(f"next: python {following}")
