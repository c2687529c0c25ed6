"""UrbanSound8K: 8732 clips of at most four seconds in ten classes (Salamon, Jacoby and Bello 2014)."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from datamodules.download import download_urbansound8k
from datamodules.esc50 import required_root
from datamodules.metadata import ClipTable, MetadataRow, plain_name, read_metadata, table_from_rows, whole_number
from datamodules.sound_datamodule import SoundDataModule

TABLE = "metadata/UrbanSound8K.csv"
COLUMNS = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
CLIP_SECONDS = 4.0
NUMBER_OF_FOLDS = 10
URBANSOUND8K_CLIPS = 8732
URBANSOUND8K_CLASSES = 10


def read_urbansound8k_table(root: Path) -> ClipTable:
    """The clips of UrbanSound8K in the layout of the download; the recording of a clip is its Freesound number.

    Args:
        root: folder that holds ``audio/fold1`` .. ``audio/fold10`` and ``metadata/UrbanSound8K.csv``.

    Raises:
        DataError: if the folder, the table or a column is missing, or a row cannot be what it should be.
    """
    root = Path(root).expanduser().absolute()
    return table_from_rows(
        _rows(root),
        corpus="UrbanSound8K",
        path=root / TABLE,
        clip_seconds=CLIP_SECONDS,
        number_of_folds=NUMBER_OF_FOLDS,
        published_clips=URBANSOUND8K_CLIPS,
        published_classes=URBANSOUND8K_CLASSES,
    )


def _rows(root: Path) -> Iterator[MetadataRow]:
    path = root / TABLE
    for line, row in read_metadata(root, TABLE, COLUMNS):
        name = plain_name(row["slice_file_name"], "slice_file_name", line, path)
        fold = whole_number(row["fold"], "fold", line, path)
        yield MetadataRow(
            line=line,
            name=name,
            file=root / "audio" / f"fold{fold}" / name,
            target=whole_number(row["classID"], "classID", line, path),
            class_name=row["class"],
            source=row["fsID"],
            fold=fold,
        )


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
