"""Which clips form a batch: the same global batches whatever the number of processes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler


class Batch(NamedTuple):
    """Clips on their way to a classifier.

    Args:
        inputs: waveforms ``(batch, 1, time)`` as they leave the DataLoader, or maps ``(batch, 1, rows, columns)``.
        labels: class indices ``(batch,)``.
        clips: rows of the corpus table ``(batch,)``, which identify the clips in every result.
    """

    inputs: Tensor
    labels: Tensor
    clips: Tensor


class GlobalBatches(Sampler[list[int]]):
    """Batch sampler whose global batches depend on seed and epoch alone; each process takes its share of each.

    Lightning's own distributed sampler pads the test part with repeated clips; here every position is served exactly
    once. All processes see the same number of batches: a last batch that is too small to give each process a clip
    joins the one before it.

    Args:
        positions: number of items to serve.
        batch_size: items of a global batch, over all processes together.
        seed: seed of the order.
        shuffle: a new order each epoch; without it the order is 0, 1, 2, ...
        drop_last: leave out a last batch that is not full, unless it is the only one.
        rank: number of this process, from 0.
        processes: how many processes share each batch.

    Raises:
        ValueError: if a global batch, or the whole set, cannot give each process an item.
    """

    def __init__(
        self,
        positions: int,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if batch_size < processes:
            raise ValueError(f"expected a batch size of at least the {processes} processes, got {batch_size}")
        if positions < processes:
            raise ValueError(f"expected at least one clip for each of the {processes} processes, got {positions}")
        self.positions = positions
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.rank = rank
        self.processes = processes
        self.epoch = 0
        # Lightning announces the epoch to the attribute `sampler` of a batch sampler.
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch (from 0)."""
        self.epoch = epoch

    def global_batches(self) -> list[list[int]]:
        """The batches of this epoch over all processes together."""
        order = list(range(self.positions))
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.positions, generator=generator).tolist()
        batches = [order[start : start + self.batch_size] for start in range(0, self.positions, self.batch_size)]
        if len(batches) > 1 and len(batches[-1]) < self.batch_size:
            if self.drop_last:
                batches.pop()
            elif len(batches[-1]) < self.processes:
                remainder = batches.pop()
                batches[-1] = batches[-1] + remainder
        return batches

    def __iter__(self) -> Iterator[list[int]]:
        """This process' share of each batch."""
        return (batch[self.rank :: self.processes] for batch in self.global_batches())

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        full, remainder = divmod(self.positions, self.batch_size)
        if full == 0:
            return 1
        return full + (remainder >= self.processes and remainder > 0 and not self.drop_last)


def clip_seeds(
    clips: int, *, stream: int, seed: int, epoch: int, step: int, rank: int = 0, processes: int = 1
) -> list[int]:
    """Seeds of the random numbers of each clip that a process has in a training batch.

    They depend on the clip's place in the global batch, not on how many processes share it.

    Args:
        clips: how many clips of the batch this process has.
        stream: what the random numbers are for, so that two uses of them do not meet.
        seed: seed of the run.
        epoch: number of the epoch, from 0.
        step: number of the batch in its epoch, from 0.
        rank: number of this process, from 0.
        processes: how many processes share each batch.

    Returns:
        One seed a clip, from 0 to 2^64 - 1.
    """
    places = [rank + processes * place for place in range(clips)]
    state = (stream, seed % 2**64, epoch, step)
    return [int(np.random.SeedSequence((*state, place)).generate_state(1, np.uint64)[0]) for place in places]
