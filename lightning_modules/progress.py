"""Progress of a cross-validation or of an evaluation of attacks, with the time remaining, in a terminal or a log."""

import time
from collections.abc import Sequence
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console

from attacks.plan import AttackPlan
from datamodules.progress import Display, duration
from lightning_modules.attack_evaluation import AttackEvaluation
from lightning_modules.cross_validation import data_of
from metrics.trust_checks import SQUARE


class Progress(ProgressBar):
    """What both bars have in common: they are shown by one process only, and give the terminal back.

    Args:
        console: where to draw; standard output by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.display = Display(console or Console())
        self.enabled = True

    def disable(self) -> None:
        """Show nothing: the call of Lightning on every process but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Show again."""
        self.enabled = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self.display.stop()


class CrossValidationProgress(Progress):
    """A bar for the current fold and one for all, in steps; where the output is not a terminal, epochs now and then.

    Args:
        folds: numbers of the folds that are still to be trained, in order.
        console: where to draw; standard output by default.
    """

    def __init__(self, folds: list[int], console: Console | None = None) -> None:
        super().__init__(console)
        self.folds = list(folds)
        self.done = 0
        self.one_fold = self.display.add("fold")
        self.all_folds = self.display.add(f"all {len(folds)} folds") if len(folds) > 1 else None
        self.started = 0.0
        self.first_step = 0
        self.epoch = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a fold, or go on with it."""
        self.started, self.first_step = time.monotonic(), trainer.global_step
        self.epoch = ""
        if not self.enabled:
            return
        if trainer.current_epoch:
            self.display.console.print(
                f"{self.fold} goes on after epoch {trainer.current_epoch} of {trainer.max_epochs}", highlight=False
            )
        self.display.reset(self.one_fold, description=self.fold, left=None)
        self._show(trainer)
        self.display.begin()

    @property
    def fold(self) -> str:
        """The current fold, and which of those that are to be trained it is."""
        return f"fold {self.folds[self.done]} ({self.done + 1} of {len(self.folds)})"

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move both bars by one step."""
        if self.enabled:
            self._show(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the epoch's loss and validation accuracy."""
        if not self.enabled:
            return
        metrics = trainer.callback_metrics
        numbers = [f"loss {float(metrics['train/loss']):.3f}"] if "train/loss" in metrics else []
        if "val/accuracy" in metrics:
            numbers.append(f"validation accuracy {float(metrics['val/accuracy']):.1%}")
        epoch = trainer.current_epoch + 1
        self.epoch = f"epoch {epoch} of {trainer.max_epochs}: {', '.join(numbers)}"
        self._show(trainer)
        self.display.say(f"{self.fold}, {self.epoch}, {self.time_left(trainer)}", now=epoch in (1, trainer.max_epochs))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a fold."""
        self.done += 1
        self.display.stop()

    def leave_out(self, fold: int) -> None:
        """Do not wait for a fold that another command has finished meanwhile."""
        self.folds.remove(fold)

    def time_left(self, trainer: Trainer) -> str:
        """Time that this fold and all folds still need at the pace of this fold so far, if none stops early."""
        fold_seconds, all_seconds = self.seconds_left(trainer)
        return f"{duration(fold_seconds)} left in this fold, {duration(all_seconds)} in all"

    def seconds_left(self, trainer: Trainer) -> tuple[float, float]:
        """Seconds for this fold and for all, at the pace of this fold so far."""
        steps = int(trainer.estimated_stepping_batches)
        pace = (time.monotonic() - self.started) / max(1, trainer.global_step - self.first_step)
        fold_seconds = pace * (steps - trainer.global_step)
        return fold_seconds, fold_seconds + pace * steps * (len(self.folds) - self.done - 1)

    def _show(self, trainer: Trainer) -> None:
        steps, step = int(trainer.estimated_stepping_batches), trainer.global_step
        known = step > self.first_step
        fold_left, all_left = self.seconds_left(trainer)
        self.display.update(self.one_fold, total=steps, completed=step, left=fold_left if known else None)
        if self.all_folds is not None:
            self.display.update(
                self.all_folds,
                total=steps * len(self.folds),
                completed=steps * self.done + step,
                left=all_left if known else None,
            )
        self.display.below = [f"step {step} of {steps}{', ' if self.epoch else ''}{self.epoch}"]


class AttackProgress(Progress):
    """One bar over all folds and attacks; where the output is not a terminal, a line about every half minute.

    The time left is estimated attack by attack, from the seconds that each has taken so far; before its first batch is
    finished, an attack is taken to cost what its budgets allow.

    Args:
        folds: number of folds that are evaluated.
        console: where to draw; standard output by default.
    """

    def __init__(self, folds: int, console: Console | None = None) -> None:
        super().__init__(console)
        self.folds = folds
        self.folds_done = 0
        self.bar = self.display.add("attacks", total=1.0)
        self.seconds: dict[str, float] = {}
        self.clips: dict[str, int] = {}
        self.moment = time.monotonic()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a fold."""
        assert isinstance(pl_module, AttackEvaluation)
        data = data_of(trainer)
        clips = max(1, len(data.tested) // trainer.world_size)
        self.begin_fold(pl_module.fold, pl_module.plans, clips=clips, classes=data.num_classes)
        pl_module.on_attacked = self.advance
        if self.enabled:
            self.display.begin()

    def begin_fold(self, fold: int, plans: Sequence[AttackPlan], *, clips: int, classes: int) -> None:
        """Count a fold's clips from 0.

        Args:
            fold: number of the fold.
            plans: attacks on its clips.
            clips: number of the clips that this process attacks.
            classes: number of classes of the victim.
        """
        self.fold = fold
        self.plans = plans
        self.clips_a_fold = clips
        self.allowed = {plan.name: nominal(plan, classes) for plan in plans}
        self.done = {plan.name: 0 for plan in plans}
        self.moment = time.monotonic()

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
        fold = f"fold {self.fold} ({self.folds_done + 1} of {self.folds})"
        place = list(self.done).index(plan.name) + 1
        line = (
            f"{fold}: {plan.name} ({place} of {len(self.plans)} attacks) is through with "
            f"{self.done[plan.name]} of {self.clips_a_fold} test clips"
        )
        self.display.update(self.bar, completed=share, left=left)
        self.display.below = [line]
        whole = plan is self.plans[-1] and self.done[plan.name] >= self.clips_a_fold
        self.display.say(f"{line}, {duration(left)} left in all", now=whole)

    def remaining(self) -> tuple[float, float]:
        """Seconds remaining for all folds, and the share of the work that is done, in [0, 1]."""
        spent = sum(allowed * self.clips.get(name, 0) for name, allowed in self.allowed.items())
        known = sum(self.seconds.values()) / spent
        left = whole = 0.0
        for plan in self.plans:
            clips = self.clips.get(plan.name, 0)
            pace = self.seconds[plan.name] / clips if clips else known * self.allowed[plan.name]
            coming = (self.folds - self.folds_done) * self.clips_a_fold - self.done[plan.name]
            left += pace * max(0, coming)
            whole += pace * self.folds * self.clips_a_fold
        return left, 1 - left / max(whole, 1e-9)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a fold."""
        self.folds_done += 1
        if self.folds_done == self.folds:
            self.display.stop()

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        """Start timing the next batch."""
        self.moment = time.monotonic()


def nominal(plan: AttackPlan, classes: int) -> int:
    """Gradients that a plan may spend per clip, at least 1; of the Square attack, which takes none, its queries."""
    allowed = plan.gradients_allowed(classes)
    return max(1, allowed * int(plan.definition["n_queries"]) if plan.name == SQUARE else allowed)
