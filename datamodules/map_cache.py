"""A cache on disk of the maps of a corpus, for use where nothing random happens between waveform and map."""

import copy
import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from datamodules.entry_store import CorruptEntryError, EntryStore
from datamodules.progress import progress_bar
from datamodules.waveform_cache import WaveformCache


class MapCache:
    """Maps computed once on the CPU and read from a memory-mapped file, byte for byte what the representation returns.

    The store is keyed by the key of the waveforms, the settings of the representation and the map of a fixed probe
    signal, so that any change of code, library or processor that changes maps leads to a different store.

    Args:
        waveforms: where the waveforms come from.
        representation: ``(batch, 1, time)`` to ``(batch, 1, rows, columns)``, with its ``settings`` as plain values; a
            copy on the CPU is used.
        cache_dir: folder of all caches.
    """

    def __init__(self, waveforms: WaveformCache, representation: nn.Module, *, cache_dir: Path) -> None:
        self.waveforms = waveforms
        self.representation = copy.deepcopy(representation).cpu().eval()
        probe = self._maps(_probe(waveforms.samples)[None])[0].numpy()
        key = {
            "content": "maps",
            "waveforms": waveforms.key,
            "representation": f"{type(representation).__module__}.{type(representation).__qualname__}",
            "settings": representation.settings,
            "probe": hashlib.sha256(probe.tobytes()).hexdigest(),
            "torch": torch.__version__,
        }
        self.store = EntryStore(cache_dir, key, waveforms.store.entries, probe.shape, identities=waveforms.identities)

    def prepare(self, entries: Sequence[tuple[int, int]], batch_size: int = 32) -> None:
        """Compute the maps that are not in the cache yet.

        Args:
            entries: pairs of clip and variant.
            batch_size: number of clips computed at once; it does not affect the maps.

        Raises:
            DataError: if the disk is full, or a waveform has to be built and its file cannot be used.
        """
        positions = {self.waveforms.entry(*entry): entry for entry in entries}
        if not self.store.missing(positions):
            return
        with self.store.lock():
            missing = self.store.missing(sorted(positions))
            self.store.reserve(missing)
            with progress_bar("computing maps", len(missing)) as advance:
                for first in range(0, len(missing), batch_size):
                    indices = missing[first : first + batch_size]
                    waveforms = np.stack([self.waveforms.read(*positions[index]) for index in indices])
                    for index, computed in zip(indices, self._maps(waveforms).numpy(), strict=True):
                        self.store.write(index, computed)
                        advance()

    def read(self, clip: int, variant: int) -> Tensor:
        """The map of a clip's variant, computed anew if it is missing or damaged.

        Args:
            clip: row of the table.
            variant: position in the waveform cache's ``variants``; 0 is the original.

        Returns:
            ``(1, rows, columns)`` float32 in [0, 1], a copy that belongs to the caller.

        Raises:
            DataError: if the waveform has to be built and its file cannot be used.
        """
        index = self.waveforms.entry(clip, variant)
        try:
            return torch.from_numpy(self.store.read(index))
        except CorruptEntryError as fault:
            name = f"{self.waveforms.table.names[clip]} ({self.waveforms.variants[variant]})"
            warnings.warn(f"the cached map of {name} is computed anew: {fault}", stacklevel=2)
        computed = self._maps(self.waveforms.read(clip, variant)[None])[0]
        with self.store.lock():
            self.store.write(index, computed.numpy())
        return computed

    def _maps(self, waveforms: np.ndarray) -> Tensor:
        with torch.no_grad():
            return self.representation(torch.from_numpy(waveforms)[:, None]).contiguous()


def _probe(samples: int) -> np.ndarray:
    """A signal that covers all frequencies and levels of a map: a decaying sweep over faint noise, ``(samples,)``."""
    time = np.linspace(0, 1, samples)
    sweep = np.exp(-3 * time) * np.sin(np.pi * samples * time**2 / 2)
    return (0.7 * sweep + 0.01 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)
