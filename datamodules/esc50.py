"""ESC-50: 2000 clips of environmental sound in 50 classes (Piczak 2015)."""

from pathlib import Path
from typing import ClassVar

from datamodules.clip_table import ClipTable
from datamodules.download import download_esc50
from datamodules.esc_table import read_esc_table
from datamodules.sound_datamodule import SoundDataModule
from storage import DataError


class ESC50(SoundDataModule):
    """2000 clips of 5 s at 44.1 kHz in 50 classes and 5 official folds; ``root`` holds ``audio/`` and ``meta/``."""

    corpus: ClassVar[str] = "ESC50"
    only_esc10: ClassVar[bool] = False

    def read_table(self) -> ClipTable:
        """Read ``meta/esc50.csv``."""
        return read_esc_table(required_root(self.root, self.corpus), only_esc10=self.only_esc10)

    def fetch(self) -> None:
        """Download the archive of the corpus, unless its table is there."""
        root = required_root(self.root, self.corpus)
        if not (root / "meta" / "esc50.csv").is_file():
            download_esc50(root)


def required_root(root: str | None, corpus: str) -> Path:
    """The folder of a corpus that only its user can have.

    Raises:
        DataError: if no folder was given.
    """
    if root is None:
        raise DataError(f"expected the folder of {corpus}, got none: give it with --data.root")
    return Path(root).expanduser()
