"""Batches of clips, with the same global batches for any number of processes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler


class Batch(NamedTuple):
    """A batch of clips with their labels.

    Args:
        inputs: waveforms ``(batch, 1, time)`` as they leave the DataLoader, or maps ``(batch, 1, rows, columns)``.
        labels: class indices ``(batch,)``.
        clips: rows of the corpus table ``(batch,)``, which identify the clips in every result.
    """

    inputs: Tensor
    labels: Tensor
    clips: Tensor


class GlobalBatches(Sampler[list[int]]):
    """Batch sampler whose global batches depend on seed and epoch only; each process gets its share of each batch.

    Lightning's own distributed sampler pads the test part with repeated clips; here every position is served exactly
    once. All processes get the same number of batches: a last batch too small to give each process a clip is merged
    into the one before it.

    Args:
        positions: number of items to serve.
        batch_size: number of items per global batch, over all processes together.
        seed: seed of the order.
        shuffle: a new order each epoch; without it the order is 0, 1, 2, ...
        drop_last: leave out a last batch that is not full, unless it is the only one.
        rank: number of this process, from 0.
        processes: number of processes that share each batch.

    Raises:
        ValueError: if a global batch, or the whole set, has fewer items than there are processes.
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
        """Positions in each batch of this epoch, over all processes together."""
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
    """Seeds of the random numbers of each clip in a process' share of a training batch.

    They depend on the clip's position in the global batch, not on the number of processes that share it.

    Args:
        clips: number of clips of the batch in this process.
        stream: number of the purpose, so that the random numbers of two purposes are independent.
        seed: seed of the run.
        epoch: number of the epoch, from 0.
        step: number of the batch in its epoch, from 0.
        rank: number of this process, from 0.
        processes: number of processes that share each batch.

    Returns:
        One seed per clip, from 0 to 2^64 - 1.
    """
    places = [rank + processes * place for place in range(clips)]
    state = (stream, seed % 2**64, epoch, step)
    return [int(np.random.SeedSequence((*state, place)).generate_state(1, np.uint64)[0]) for place in places]
