"""The system that a Trainer tests when a classifier is attacked; its rows of outcomes are stored batch by batch."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor, nn

from attacks.gradient_counter import GradientCounter
from attacks.plan import AttackPlan
from attacks.victim import VictimFinding, check_victim
from datamodules import Batch
from lightning_modules.attack_example import AttackExample
from lightning_modules.attack_rows import attack_batch
from lightning_modules.cross_validation import data_of
from metrics.cost import reporting_batch
from storage.attack_store import AttackStore
from storage.rows import with_label_names
from storage.space import MAP, SOUND, Space


class AttackEvaluation(LightningModule):
    """Attacks the test clips of one fold that its classifier gets right, and stores one row per clip and budget.

    The outcomes of an attack on a batch are stored as soon as it is finished, so a killed evaluation resumes there,
    even with another batch size or number of processes. A clip's rows depend neither on the other clips of its batch
    nor on the number of processes.

    Args:
        classifier: the victim, from maps ``(batch, 1, rows, columns)`` in [0, 1] or waveforms ``(batch, 1, time)`` in
            [-1, 1] to logits.
        plans: attacks and budgets.
        store: where rows are stored.
        fold: fold of the classifier, from 1.
        seed: seed of targets and of whatever else is random.
        reporting_batch_size: clips per reporting batch.
        limits: by name of a plan, on how many of the test clips it is run; on all by default.
        save_adversarials: also store every adversarial.
        space: what the victim takes. A silent waveform has no signal-to-noise ratio and is not attacked.
        sample_rate: of waveforms, in Hz.
    """

    def __init__(
        self,
        classifier: nn.Module,
        plans: Sequence[AttackPlan],
        store: AttackStore,
        *,
        fold: int,
        seed: int = 0,
        reporting_batch_size: int = 100,
        limits: Mapping[str, int] | None = None,
        save_adversarials: bool = False,
        space: Space = MAP,
        sample_rate: int | None = None,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.plans = tuple(plans)
        self.store = store
        self.fold = fold
        self.seed = seed
        self.reporting_batch_size = reporting_batch_size
        self.limits = dict(limits or {})
        self.save_adversarials = save_adversarials
        self.space = space
        self.sample_rate = sample_rate
        self.findings: list[VictimFinding] = []
        self.examples: dict[str, AttackExample] = {}
        # Called with a plan and a number of clips once the clips are attacked, now or in an earlier evaluation.
        self.on_attacked: Callable[[AttackPlan, int], None] = lambda plan, clips: None

    def on_test_start(self) -> None:
        """Find what an interrupted evaluation has finished, and the position of each clip in the test part."""
        data = data_of(self.trainer)
        self.finished = self.store.finished(self.fold, with_adversarials=self.save_adversarials)
        self.table = data.table
        # Clips no longer in the table keep their position, so that the others stay in their reporting batches.
        self.places = {clip: place for place, clip in enumerate(data.assigned.test.tolist())}
        self.order = {clip: place for place, clip in enumerate(data.tested.tolist())}

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Attack one batch with every plan."""
        with torch.no_grad():
            logits = self.classifier(batch.inputs)
        self.findings = self.findings or check_victim(self.classifier, batch.inputs)
        correct = logits.argmax(dim=1) == batch.labels
        clips = batch.clips.tolist()
        clean = {"label": batch.labels.tolist(), "prediction": logits.argmax(dim=1).tolist()}
        clean |= {"clean_correct": correct.tolist(), "logits_clean": list(logits.float().cpu().numpy())}
        attackable = correct
        if self.space == SOUND:
            # As representations have it, which take a constant for silence.
            silent = batch.inputs.flatten(1).amax(dim=1) == batch.inputs.flatten(1).amin(dim=1)
            clean["silent"] = silent.tolist()
            attackable = correct & ~silent
        self.store.write_part(self.fold, "clean", self._with_clip(pd.DataFrame({"clip": clips, **clean})))
        for plan in self.plans:
            finished, limit = self.finished.get(plan.name, set()), self.limits.get(plan.name, len(self.order))
            chosen = [
                position
                for position, clip in enumerate(clips)
                if attackable[position] and clip not in finished and self.order[clip] < limit
            ]
            if chosen:
                self._attack(plan, batch, torch.tensor(chosen, device=batch.inputs.device))
            self.on_attacked(plan, len(clips))
            # Lightning checks for the signal only between batches, and a fold may have a single one.
            if self.trainer.received_sigterm:
                raise SIGTERMException

    def _attack(self, plan: AttackPlan, batch: Batch, positions: Tensor) -> None:
        counter = GradientCounter(self.classifier)
        inputs, labels, clips = batch.inputs[positions], batch.labels[positions], batch.clips[positions]
        rows, adversarials = attack_batch(plan, counter, inputs, labels, clips, seed=self.seed, space=self.space)
        if self.save_adversarials:
            # Written before the rows, because a clip counts as finished once its rows exist.
            for clip, clean, made in zip(
                clips.tolist(), inputs.float().cpu(), adversarials.float().transpose(0, 1), strict=True
            ):
                self._keep(plan.name, clip, clean, made)
        self.store.write_part(self.fold, plan.name, self._with_clip(rows))
        if plan.name not in self.examples:
            self.examples[plan.name] = AttackExample.of(rows, inputs.cpu(), adversarials, self.table.class_names)

    def _keep(self, attack: str, clip: int, clean: Tensor, adversarials: Tensor) -> None:
        """Keep the adversarials ``(budgets, 1, ...)`` of a clip, and the clean clip beside them."""
        if self.space == MAP:
            self.store.write_adversarials(self.fold, "clean", clip, clean[None].numpy())
            self.store.write_adversarials(self.fold, attack, clip, adversarials.numpy())
            return
        assert self.sample_rate is not None, "sounds have a sample rate"
        name, sounds = self.table.names[clip], self.store.sounds
        if sounds.find(self.fold, "clean", None, clip, name) is None:
            sounds.write(self.fold, "clean", None, clip, name, clean[0].numpy(), self.sample_rate)
        for budget, one in enumerate(adversarials):
            sounds.write(self.fold, attack, budget, clip, name, one[0].numpy(), self.sample_rate)

    def _with_clip(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Add the columns that identify each clip, from the corpus table."""
        clips = rows["clip"].to_numpy()
        places = torch.tensor([self.places[clip] for clip in clips.tolist()])
        rows = rows.assign(
            fold=self.fold,
            name=[self.table.names[clip] for clip in clips],
            recording=self.table.sources[clips],
            reporting_batch=reporting_batch(places, self.reporting_batch_size).numpy(),
        )
        return with_label_names(rows, self.table.class_names)
