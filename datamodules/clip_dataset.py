"""The dataset of clips and their augmented copies that the DataLoader reads."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.batches import Batch
from datamodules.map_cache import MapCache
from datamodules.waveform_cache import WaveformCache

# Input, label, clip.
ClipItem = tuple[Tensor, int, int]


class ClipDataset(Dataset[ClipItem]):
    """Waveforms, or cached maps, of a list of clips and variants.

    Args:
        entries: pairs of clip (row of the corpus table) and variant (0 = the recording, others = augmented copies).
        labels: class index of every clip of the table.
        waveforms: the waveform cache.
        maps: the map cache; items are then maps ``(1, rows, columns)`` instead of waveforms ``(1, time)``.
    """

    def __init__(
        self,
        entries: Sequence[tuple[int, int]],
        labels: NDArray[np.int64],
        waveforms: WaveformCache,
        maps: MapCache | None = None,
    ) -> None:
        self.entries = list(entries)
        self.labels = labels
        self.waveforms = waveforms
        self.maps = maps

    def __len__(self) -> int:
        """Number of clips and copies."""
        return len(self.entries)

    def __getitem__(self, position: int) -> ClipItem:
        """Input, label and clip at a position."""
        clip, variant = self.entries[position]
        if self.maps is not None:
            item = self.maps.read(clip, variant)
        else:
            item = torch.from_numpy(np.array(self.waveforms.read(clip, variant)))[None]
        return item, int(self.labels[clip]), clip


def collate(items: Sequence[ClipItem]) -> Batch:
    """Stack items into a batch."""
    inputs, labels, clips = zip(*items, strict=True)
    return Batch(torch.stack(inputs), torch.tensor(labels), torch.tensor(clips))
