"""The embedded corpus: synthesised environmental sounds, written on first use."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from datamodules.clip_table import ClipTable
from datamodules.esc_table import read_esc_table
from datamodules.sound_datamodule import SoundDataModule
from datamodules.sound_synthesis import SOUNDS
from datamodules.synthetic_corpus import CLIP_SECONDS, CLIPS, corpus_folder, write_synthetic_corpus

logger = logging.getLogger(__name__)


class SyntheticSounds(SoundDataModule):
    """Ten classes of synthesised sounds in the layout of ESC-50, written to the cache folder and nowhere else.

    A ``root`` is only read: if a whole corpus lies there (as earlier versions wrote it), it is taken.
    """

    corpus: ClassVar[str] = "SyntheticSounds"

    def read_table(self) -> ClipTable:
        """Write the corpus to the cache if it is not there yet, and read its table."""
        given = None if self.root is None else Path(self.root).expanduser() / corpus_folder()
        if given is not None and (given / "meta" / "esc50.csv").is_file():
            root = given
        else:
            root = write_synthetic_corpus(self.cache_dir / "synthetic")
            if given is not None:
                logger.warning("no embedded corpus lies in %s; that in %s is taken", given, root)
        table = read_esc_table(
            root, only_esc10=True, corpus=self.corpus, published_clips=CLIPS, published_classes=len(SOUNDS)
        )
        return replace(table, clip_seconds=CLIP_SECONDS)
