"""Training steps a second of train.py's machinery beside a bare PyTorch loop over the same tensors.

python benchmarks/training_loop.py

The two take turns on the same maps with the same classifier, augmentation, optimiser and schedule, so that a change of
the machine's speed meets both. What differs is Lightning, the DataModule and the bookkeeping.
"""

import argparse
import itertools
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


class FixedMaps(LightningDataModule):
    """Random maps in memory, served in the batches of the project's own sampler."""

    def __init__(self, maps: Tensor, labels: Tensor, batch_size: int) -> None:
        super().__init__()
        self.dataset = TensorDataset(maps, labels, torch.arange(len(labels)))
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """The maps in a new order each epoch."""
        batches = GlobalBatches(len(self.dataset), batch_size=self.batch_size, shuffle=True, drop_last=True)
        return DataLoader(self.dataset, batch_sampler=batches)

    def on_before_batch_transfer(self, batch: list[Tensor], dataloader_idx: int) -> Batch:
        """Give the batch the names that the classifier expects."""
        return Batch(*batch)


class StepClock(Callback):
    """Time at the end of each training step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())


def lightning_seconds(maps: Tensor, labels: Tensor, batch_size: int) -> float:
    """Median seconds of a step under the Trainer."""
    torch.manual_seed(0)
    clock = StepClock()
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        callbacks=[clock],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(SoundClassifier(num_classes=CLASSES), datamodule=FixedMaps(maps, labels, batch_size))
    return statistics.median(after - before for before, after in itertools.pairwise(clock.times))


def bare_seconds(maps: Tensor, labels: Tensor, batch_size: int) -> float:
    """Median seconds of a step of a loop without Lightning."""
    torch.manual_seed(0)
    model = SoundClassifier(num_classes=CLASSES).classifier.train()
    steps = len(maps) // batch_size
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    times = []
    for positions in torch.randperm(len(maps)).split(batch_size):
        batch = roll_in_time(maps[positions], generator)
        batch, targets = mix_up(batch, F.one_hot(labels[positions], CLASSES).float(), 0.3, generator)
        loss = F.cross_entropy(model(batch), targets, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        times.append(time.perf_counter())
    return statistics.median(after - before for before, after in itertools.pairwise(times))


def main() -> None:
    """Time both in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="steps of each in a round")
    parser.add_argument("--batch-size", type=int, default=32)
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    clips = arguments.steps * arguments.batch_size
    maps = torch.rand(clips, 1, 128, 128, generator=generator)
    labels = torch.randint(CLASSES, (clips,), generator=generator)
    ratios = []
    for number in range(arguments.rounds + 1):
        bare = bare_seconds(maps, labels, arguments.batch_size)
        lightning = lightning_seconds(maps, labels, arguments.batch_size)
        # The first round warms caches and allocators.
        if number > 0:
            ratios.append(bare / lightning)
            print(f"round {number}: bare {1 / bare:.2f}, train.py {1 / lightning:.2f} steps/s, ratio {ratios[-1]:.3f}")
    print(f"steps a second of train.py relative to the bare loop: median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
