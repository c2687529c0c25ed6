"""Training steps per second of train.py, compared with a bare PyTorch loop over the same tensors.

python benchmarks/training_loop.py

The two take turns step by step, on the same maps, with the same classifier, augmentation, optimiser and schedule, so
that changes of the machine's speed affect both equally. They differ in Lightning, the DataLoader and the bookkeeping.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from datamodules import Batch, GlobalBatches
from lightning_modules import SoundClassifier
from lightning_modules.map_augmentation import mix_up, roll_in_time

CLASSES = 10
WARM_UP_STEPS = 3


class FixedMaps(LightningDataModule):
    """Random maps in memory, served in the batches of the project's own sampler."""

    def __init__(self, steps: int, batch_size: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        clips = steps * batch_size
        maps = torch.rand(clips, 1, 128, 128, generator=generator)
        self.dataset = TensorDataset(maps, torch.randint(CLASSES, (clips,), generator=generator), torch.arange(clips))
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """The maps in an order that depends on the epoch."""
        batches = GlobalBatches(len(self.dataset), batch_size=self.batch_size, shuffle=True, drop_last=True)
        return DataLoader(self.dataset, batch_sampler=batches)

    def on_before_batch_transfer(self, batch: list[Tensor], dataloader_idx: int) -> Batch:
        """Convert the batch to the type that the classifier expects."""
        return Batch(*batch)


class BareStepBeside(Callback):
    """After each step of the Trainer, the same step without it, on a model of its own."""

    def __init__(self, steps: int) -> None:
        self.model = SoundClassifier(num_classes=CLASSES).classifier.train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=1e-2, fused=True)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 2e-3, total_steps=steps)
        self.generator = torch.Generator().manual_seed(0)
        self.bare_ended = time.perf_counter()
        self.lightning_seconds: list[float] = []
        self.bare_seconds: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Record the time of the Trainer since the last bare step, then that of a bare step."""
        started = time.perf_counter()
        self.lightning_seconds.append(started - self.bare_ended)
        maps = roll_in_time(batch.inputs, self.generator)
        maps, targets = mix_up(maps, F.one_hot(batch.labels, CLASSES).float(), 0.3, self.generator)
        loss = F.cross_entropy(self.model(maps), targets, label_smoothing=0.1)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        self.bare_ended = time.perf_counter()
        self.bare_seconds.append(self.bare_ended - started)


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    beside = BareStepBeside(arguments.steps)
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        callbacks=[beside],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(SoundClassifier(num_classes=CLASSES), datamodule=FixedMaps(arguments.steps, arguments.batch_size))
    pairs = list(zip(beside.bare_seconds, beside.lightning_seconds, strict=True))[WARM_UP_STEPS:]
    bare, lightning = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(bare / lightning for bare, lightning in pairs)
    print(f"bare loop {1 / bare:.3f} steps/s, train.py {1 / lightning:.3f} steps/s (medians of {len(pairs)} steps)")
    print(f"train.py relative to the bare loop, median of the pairs: {ratio:.3f}")


if __name__ == "__main__":
    main()
