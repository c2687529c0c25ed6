"""The embedded corpus: synthesised environmental sounds, written on first use."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from datamodules.clip_table import ClipTable
from datamodules.esc_table import read_esc_table
from datamodules.sound_datamodule import SoundDataModule
from datamodules.sound_synthesis import SOUNDS
from datamodules.synthetic_corpus import CLIP_SECONDS, CLIPS, write_synthetic_corpus


class SyntheticSounds(SoundDataModule):
    """Ten classes of synthesised sounds in the layout of ESC-50; without ``root`` they lie in the cache folder."""

    corpus: ClassVar[str] = "SyntheticSounds"

    def read_table(self) -> ClipTable:
        """Write the corpus if it is not there yet, and read its table."""
        root = write_synthetic_corpus(Path(self.root).expanduser() if self.root else self.cache_dir / "synthetic")
        table = read_esc_table(
            root, only_esc10=True, corpus=self.corpus, published_clips=CLIPS, published_classes=len(SOUNDS)
        )
        return replace(table, clip_seconds=CLIP_SECONDS)
