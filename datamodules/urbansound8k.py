"""UrbanSound8K: 8732 clips of at most four seconds in ten classes (Salamon, Jacoby and Bello 2014)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from datamodules.download import download_urbansound8k
from datamodules.esc50 import required_root
from datamodules.layouts import Layouts
from datamodules.metadata import (
    ClipTable,
    CorpusSize,
    MetadataRow,
    number_as_text,
    plain_name,
    read_metadata,
    table_from_rows,
    whole_number,
)
from datamodules.sound_datamodule import SoundDataModule

LAYOUTS = Layouts(
    corpus="UrbanSound8K",
    # Kaggle's copy has its table beside the folders of the folds.
    tables=("metadata/UrbanSound8K.csv", "UrbanSound8K.csv"),
    sounds=("audio", "."),
    inside=("UrbanSound8K",),
)
COLUMNS = ("slice_file_name", "fsID", "fold", "classID", "class")
CLIP_SECONDS = 4.0
URBANSOUND8K_SIZE = CorpusSize(clips=8732, classes=10, folds=10)


def read_urbansound8k_table(root: Path) -> ClipTable:
    """Read the table of UrbanSound8K in any of the known layouts; recordings are identified by Freesound numbers.

    Args:
        root: folder that holds ``audio/fold1`` .. ``audio/fold10`` and ``metadata/UrbanSound8K.csv``, or another of
            :data:`LAYOUTS`.

    Raises:
        DataError: if the folder, the table or a column is missing, or a row is invalid.
    """
    root = Path(root).expanduser().absolute()
    top, path = LAYOUTS.require(root)
    rows = list(_rows(path))
    sounds = LAYOUTS.sounds_of(root, top, path, (str(row.file) for row in rows))
    return table_from_rows(
        (replace(row, file=sounds / row.file) for row in rows),
        corpus="UrbanSound8K",
        path=path,
        clip_seconds=CLIP_SECONDS,
        number_of_folds=URBANSOUND8K_SIZE.folds,
        published_clips=URBANSOUND8K_SIZE.clips,
        published_classes=URBANSOUND8K_SIZE.classes,
    )


def _rows(path: Path) -> Iterator[MetadataRow]:
    """Rows whose files are relative to the folder of the sounds; the caller finds it."""
    for line, row in read_metadata(path, COLUMNS):
        name = plain_name(row["slice_file_name"], "slice_file_name", line, path)
        fold = whole_number(row["fold"], "fold", line, path)
        yield MetadataRow(
            line=line,
            name=name,
            file=Path(f"fold{fold}") / name,
            target=whole_number(row["classID"], "classID", line, path),
            class_name=row["class"],
            source=number_as_text(row["fsID"]),
            fold=fold,
        )


class UrbanSound8K(SoundDataModule):
    """8732 clips of at most 4 s in ten classes and ten official folds; ``root`` holds ``audio/`` and ``metadata/``."""

    corpus: ClassVar[str] = "UrbanSound8K"
    default_clip_seconds: ClassVar[float | None] = CLIP_SECONDS
    published_size: ClassVar[CorpusSize | None] = URBANSOUND8K_SIZE

    def read_table(self) -> ClipTable:
        """Read ``UrbanSound8K.csv`` where it lies."""
        return read_urbansound8k_table(required_root(self.root, self.corpus))

    def fetch(self) -> None:
        """Download the archive of the corpus, unless its table is there."""
        root = required_root(self.root, self.corpus)
        if LAYOUTS.find(root) is None:
            download_urbansound8k(root)
