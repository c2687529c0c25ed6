"""Progress of a cross-validation or of an evaluation of attacks, with the time remaining, in a terminal or a log."""

import time
from collections.abc import Sequence
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from attacks.plan import AttackPlan
from lightning_modules.attack_evaluation import AttackEvaluation
from lightning_modules.cross_validation import data_of


class CrossValidationProgress(ProgressBar):
    """One bar for all folds and one for the current fold; one line per epoch if the output is not a terminal.

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
        """Show the epoch's loss and validation accuracy."""
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
        """Restore the terminal."""
        self.progress.stop()

    def time_left(self, trainer: Trainer) -> str:
        """Time remaining for this fold and for all folds, in words, extrapolated from this fold's pace so far."""
        steps = int(trainer.estimated_stepping_batches)
        pace = (time.monotonic() - self.started) / max(1, trainer.global_step - self.first_step)
        fold_seconds = pace * (steps - trainer.global_step)
        all_seconds = fold_seconds + pace * steps * (len(self.folds) - self.done - 1)
        return f"{duration(fold_seconds)} left in this fold, {duration(all_seconds)} in all"


def duration(seconds: float) -> str:
    """A number of seconds in words: as minutes and seconds, or as hours and minutes from one hour on."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


QUIET_SECONDS = 30.0
# Backward rows that one unit of an attack's budget costs, if not one.
GRADIENTS = {"deepfool": 9.0, "deepfool_targeted": 9.0, "jsma": 2.0, "jsma_single": 2.0, "check_square": 200.0}


class AttackProgress(ProgressBar):
    """One bar for all folds; if the output is not a terminal, one line per batch and at least one every half minute.

    The time remaining is estimated separately for each attack from the seconds that it has taken so far; until its
    first batch is finished, an attack is assumed to spend all the gradients that its budgets allow.

    Args:
        folds: number of folds that are evaluated.
        console: where to draw; standard output by default.
    """

    def __init__(self, folds: int, console: Console | None = None) -> None:
        super().__init__()
        self.folds = folds
        self.folds_done = 0
        self.console = console or Console()
        self.enabled = True
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
        )
        self.bar = self.progress.add_task("attacking", total=1.0, left="")
        self.seconds: dict[str, float] = {}
        self.clips: dict[str, int] = {}
        self.moment = self.said = time.monotonic()

    def disable(self) -> None:
        """Show nothing: the call of Lightning on every process but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Show again."""
        self.enabled = True

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a fold."""
        assert isinstance(pl_module, AttackEvaluation)
        self.plans: Sequence[AttackPlan] = pl_module.plans
        self.fold = pl_module.fold
        self.clips_a_fold = max(1, len(data_of(trainer).tested) // trainer.world_size)
        self.done = {plan.name: 0 for plan in self.plans}
        self.moment = time.monotonic()
        pl_module.on_attacked = self.advance
        if self.enabled and self.console.is_terminal:
            self.progress.start()

    def advance(self, plan: AttackPlan, clips: int) -> None:
        """Record that an attack has finished a batch of so many clips."""
        now = time.monotonic()
        self.seconds[plan.name] = self.seconds.get(plan.name, 0.0) + now - self.moment
        self.clips[plan.name] = self.clips.get(plan.name, 0) + clips
        self.moment = now
        self.done[plan.name] += clips
        if not self.enabled:
            return
        left, share = self.remaining()
        text = f"{plan.name} on fold {self.fold} ({self.folds_done + 1} of {self.folds}), {duration(left)} left"
        self.progress.update(self.bar, completed=share, left=text)
        if not self.console.is_terminal and (plan is self.plans[-1] or now - self.said >= QUIET_SECONDS):
            self.said = now
            attacked = f"{self.done[self.plans[-1].name]} of {self.clips_a_fold} clips attacked"
            fold = f"fold {self.fold} ({self.folds_done + 1} of {self.folds}), {plan.name}"
            self.console.print(f"{fold}, {attacked}, {duration(left)} left in all", soft_wrap=True, highlight=False)

    def remaining(self) -> tuple[float, float]:
        """Seconds remaining for all folds, and the share of the work that is done, in [0, 1]."""
        known = sum(self.seconds.values()) / sum(nominal(plan) * self.clips.get(plan.name, 0) for plan in self.plans)
        left = whole = 0.0
        for plan in self.plans:
            clips = self.clips.get(plan.name, 0)
            pace = self.seconds[plan.name] / clips if clips else known * nominal(plan)
            coming = (self.folds - self.folds_done) * self.clips_a_fold - self.done[plan.name]
            left += pace * max(0, coming)
            whole += pace * self.folds * self.clips_a_fold
        return left, 1 - left / max(whole, 1e-9)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a fold."""
        self.folds_done += 1
        if self.folds_done == self.folds:
            self.progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the terminal."""
        self.progress.stop()

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        """Start timing the next batch."""
        self.moment = time.monotonic()


def nominal(plan: AttackPlan) -> float:
    """Approximate number of gradients that a plan may spend per clip; budgets that share a run count separately."""
    spent = 0.0
    for budget in plan.budgets:
        product = 1.0
        for name in ("steps", "iterations", "search_steps"):
            product *= float(budget.get(name, 1))
        spent += product * GRADIENTS.get(plan.name, 1.0)
    return max(spent, 1.0)
