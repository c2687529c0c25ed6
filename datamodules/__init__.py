"""From audio files to batches: corpora, splits, augmentation, caches.

The tensor contract of the whole project: a waveform is ``(batch, 1, time)`` float32 in [-1, 1], a map
``(batch, 1, rows, columns)`` in [0, 1] with the lowest frequency in row 0, logits are ``(batch, classes)``.
To add a corpus, write a file with a :class:`SoundDataModule` that reads its table and states as attributes of the class
what is published of the corpus (length and number of its clips, for example), and add a line to :data:`CORPORA`.
A file belongs here if it is about clips and their labels; transforms from waveforms to maps belong in
``representations``.
"""

from datamodules.batches import Batch, GlobalBatches
from datamodules.esc50 import ESC10, ESC50
from datamodules.metadata import ClipTable
from datamodules.own_sounds import Folder, Table
from datamodules.sound_datamodule import SoundDataModule
from datamodules.synthetic_sounds import SyntheticSounds
from datamodules.urbansound8k import UrbanSound8K

CORPORA: dict[str, type[SoundDataModule]] = {
    "ESC50": ESC50,
    "ESC10": ESC10,
    "UrbanSound8K": UrbanSound8K,
    "SyntheticSounds": SyntheticSounds,
    "Folder": Folder,
    "Table": Table,
}

__all__ = [
    "CORPORA",
    "ESC10",
    "ESC50",
    "Batch",
    "ClipTable",
    "Folder",
    "GlobalBatches",
    "SoundDataModule",
    "SyntheticSounds",
    "Table",
    "UrbanSound8K",
]
