"""How far a cross-validation is, with the time remaining, in a terminal and in a log."""

import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class CrossValidationProgress(ProgressBar):
    """A bar for all folds and one for the current fold; where the output is not a terminal, a line an epoch.

    Args:
        folds: numbers of the folds that are still to be trained, in order.
        console: where to draw; standard output by default.
    """

    def __init__(self, folds: list[int], console: Console | None = None) -> None:
        super().__init__()
        self.folds = folds
        self.done = 0
        self.console = console or Console()
        self.enabled = True
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False, compact=True),
            TextColumn("{task.fields[numbers]}"),
            console=self.console,
        )
        self.all_folds = self.progress.add_task("cross-validation", total=None, numbers="")
        self.one_fold = self.progress.add_task("fold", total=None, numbers="")
        self.started = 0.0
        self.first_step = 0

    def disable(self) -> None:
        """Show nothing: the call of Lightning on every process but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Show again."""
        self.enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a fold."""
        steps = int(trainer.estimated_stepping_batches)
        self.started, self.first_step = time.monotonic(), trainer.global_step
        if not self.enabled:
            return
        fold = self.folds[self.done]
        self.progress.reset(
            self.one_fold, total=steps, completed=trainer.global_step, description=f"fold {fold}", numbers=""
        )
        self.progress.update(
            self.all_folds,
            total=steps * len(self.folds),
            completed=steps * self.done + trainer.global_step,
            numbers=f"fold {self.done + 1} of {len(self.folds)}",
        )
        if self.console.is_terminal:
            self.progress.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move both bars by one step."""
        if self.enabled:
            self.progress.advance(self.one_fold)
            self.progress.advance(self.all_folds)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say the epoch's numbers."""
        if not self.enabled:
            return
        metrics = trainer.callback_metrics
        shown = ", ".join(
            f"{name} {float(metrics[key]):.3f}"
            for name, key in (("loss", "train/loss"), ("validation accuracy", "val/accuracy"))
            if key in metrics
        )
        epoch = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: {shown}"
        if self.console.is_terminal:
            self.progress.update(self.one_fold, numbers=epoch)
        else:
            fold = f"fold {self.folds[self.done]} ({self.done + 1} of {len(self.folds)})"
            self.console.print(f"{fold}, {epoch}, {self.time_left(trainer)}", soft_wrap=True, highlight=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a fold."""
        self.done += 1
        self.progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self.progress.stop()

    def time_left(self, trainer: Trainer) -> str:
        """Time that this fold and all folds still need at the pace of this fold so far."""
        steps = int(trainer.estimated_stepping_batches)
        pace = (time.monotonic() - self.started) / max(1, trainer.global_step - self.first_step)
        fold_seconds = pace * (steps - trainer.global_step)
        all_seconds = fold_seconds + pace * steps * (len(self.folds) - self.done - 1)
        return f"{duration(fold_seconds)} left in this fold, {duration(all_seconds)} in all"


def duration(seconds: float) -> str:
    """Seconds as minutes and seconds, or as hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
