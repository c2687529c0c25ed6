"""The embedded corpus: synthesised environmental sounds, written into the cache on first use."""

import csv
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile
from filelock import FileLock

from datamodules.esc50 import read_esc_table
from datamodules.metadata import ClipTable
from datamodules.sound_datamodule import SoundDataModule
from datamodules.sound_synthesis import CLIP_SECONDS, SAMPLE_RATE, SOUNDS, draw_source, synthesise
from storage import DataError, write_atomically, write_text

__all__ = ["CLIPS", "CLIP_SECONDS", "corpus_folder", "write_synthetic_corpus"]

# Increase whenever a sound changes: a corpus of an older version is kept, and a new one is written beside it.
VERSION = 3

FOLDS = 5
CLIPS_PER_SOURCE = 4
CLIPS_PER_CLASS = 40
CLIPS = CLIPS_PER_CLASS * len(SOUNDS)

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


@dataclass(frozen=True)
class _Clip:
    target: int
    category: str
    source: int
    take: int

    @property
    def fold(self) -> int:
        return self.source % FOLDS + 1

    @property
    def source_number(self) -> int:
        return 1000 * (self.target + 1) + self.source

    @property
    def name(self) -> str:
        return f"{self.fold}-{self.source_number}-{chr(ord('A') + self.take)}-{self.target}.wav"


def write_synthetic_corpus(root: Path, *, seed: int = 0, clips_per_class: int = CLIPS_PER_CLASS) -> Path:
    """Write the embedded corpus below ``root`` unless it is there: ``audio/*.wav`` and ``meta/esc50.csv``.

    Ten classes, five folds by source, four clips per source, each 2 s at 16 kHz with 16 bits. The table is written
    last, so a corpus without one was interrupted: its missing clips are written and the others kept. Two processes may
    call this at the same time.

    Args:
        root: folder of corpora; the corpus' own folder in it is named after generator version, seed and size.
        seed: seed of all sounds.
        clips_per_class: a positive multiple of 20, so that every fold has the same number of sources.

    Returns:
        The corpus' folder, which is read like a download of ESC-50.

    Raises:
        ValueError: if ``clips_per_class`` does not fill the folds evenly.
        DataError: if the disk is full or the folder cannot be written.
    """
    if clips_per_class < 1 or clips_per_class % (FOLDS * CLIPS_PER_SOURCE):
        raise ValueError(
            f"expected clips_per_class to be a positive multiple of {FOLDS * CLIPS_PER_SOURCE}, got {clips_per_class}"
        )
    folder = Path(root) / corpus_folder(seed, clips_per_class)
    try:
        return _write(folder, seed, clips_per_class)
    except OSError as error:
        raise DataError(
            f"expected room for the embedded corpus ({CLIPS_PER_CLASS * len(SOUNDS) * 64 // 1000} MB) in {folder}, "
            f"found: {error.strerror or error}; free some or name another folder with --data.cache_dir"
        ) from error


def corpus_folder(seed: int = 0, clips_per_class: int = CLIPS_PER_CLASS) -> str:
    """Name of a corpus' own folder among others."""
    return f"version{VERSION}-seed{seed}-{clips_per_class}"


def _write(folder: Path, seed: int, clips_per_class: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    clips = list(_clips(clips_per_class))
    with FileLock(folder / ".lock"):
        missing = [clip for clip in clips if not (folder / "audio" / clip.name).is_file()]
        for clip in missing:
            _write_clip(folder / "audio" / clip.name, clip, seed)
        table = folder / "meta" / "esc50.csv"
        if not table.is_file():
            write_text(table, _table_text(clips))
    return folder


def _clips(clips_per_class: int) -> Iterator[_Clip]:
    for target, category in enumerate(SOUNDS):
        for source in range(clips_per_class // CLIPS_PER_SOURCE):
            for take in range(CLIPS_PER_SOURCE):
                yield _Clip(target, category, source, take)


def _write_clip(path: Path, clip: _Clip, seed: int) -> None:
    # One generator per source and per clip, so that a sound does not depend on which clips exist already.
    source = draw_source(np.random.default_rng([seed, clip.target, clip.source]))
    samples = synthesise(clip.category, source, np.random.default_rng([seed, clip.target, clip.source, clip.take]))
    # Encoded in memory, because errors of libsndfile hide the operating system's message about a full disk.
    sound = io.BytesIO()
    soundfile.write(sound, samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")
    with write_atomically(path) as temporary:
        temporary.write_bytes(sound.getbuffer())


def _table_text(clips: list[_Clip]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for clip in sorted(clips, key=lambda clip: clip.name):
        take = chr(ord("A") + clip.take)
        writer.writerow([clip.name, clip.fold, clip.target, clip.category, True, clip.source_number, take])
    return text.getvalue()


logger = logging.getLogger(__name__)


class SyntheticSounds(SoundDataModule):
    """Ten classes of synthesised sounds in the layout of ESC-50, written to the cache folder and nowhere else.

    Nothing is written to ``root``; a complete corpus there (as earlier versions wrote it) is used.
    """

    corpus: ClassVar[str] = "SyntheticSounds"
    default_clip_seconds: ClassVar[float | None] = CLIP_SECONDS

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
