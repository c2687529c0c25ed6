"""UrbanSound8K: 8732 clips of at most four seconds in ten classes (Salamon, Jacoby and Bello 2014)."""

from typing import ClassVar

from datamodules.clip_table import ClipTable
from datamodules.download import download_urbansound8k
from datamodules.esc50 import required_root
from datamodules.sound_datamodule import SoundDataModule
from datamodules.urbansound8k_table import read_urbansound8k_table


class UrbanSound8K(SoundDataModule):
    """8732 clips of at most 4 s in ten classes and ten official folds; ``root`` holds ``audio/`` and ``metadata/``."""

    corpus: ClassVar[str] = "UrbanSound8K"

    def read_table(self) -> ClipTable:
        """Read ``metadata/UrbanSound8K.csv``."""
        return read_urbansound8k_table(required_root(self.root, self.corpus))

    def fetch(self) -> None:
        """Download the archive of the corpus, unless its table is there."""
        root = required_root(self.root, self.corpus)
        if not (root / "metadata" / "UrbanSound8K.csv").is_file():
            download_urbansound8k(root)
