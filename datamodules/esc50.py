"""ESC-50 and its subset ESC-10: 2000 and 400 clips of environmental sound in 50 and 10 classes (Piczak 2015)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from datamodules.download import download_esc50
from datamodules.layouts import Layouts
from datamodules.metadata import (
    ClipTable,
    CorpusSize,
    MetadataRow,
    number_as_text,
    plain_name,
    read_metadata,
    table_from_rows,
    truth,
    whole_number,
)
from datamodules.sound_datamodule import SoundDataModule
from storage import DataError

LAYOUTS = Layouts(
    corpus="ESC-50",
    # Kaggle's copy has its table at the top.
    tables=("meta/esc50.csv", "esc50.csv"),
    sounds=("audio", "audio/audio", "audio/44100", "audio/audio/44100"),
    inside=("ESC-50-master", "ESC-50"),
)
COLUMNS = ("filename", "fold", "target", "category", "src_file")
CLIP_SECONDS = 5.0
ESC50_SIZE = CorpusSize(clips=2000, classes=50, folds=5)
ESC10_SIZE = CorpusSize(clips=400, classes=10, folds=5)


def read_esc_table(
    root: Path,
    *,
    only_esc10: bool,
    corpus: str | None = None,
    published_clips: int | None = None,
    published_classes: int | None = None,
) -> ClipTable:
    """Read the table of ESC-50, or of its subset ESC-10, in any of the known layouts.

    Args:
        root: folder that holds ``audio/`` and ``meta/esc50.csv``, or another of :data:`LAYOUTS`.
        only_esc10: keep the rows with ``esc10`` True only; their targets are renumbered 0..9 in their original order.
        corpus: name of the corpus; ``ESC10`` or ``ESC50`` by default, another one for a corpus in the same layout.
        published_clips: number of clips of a complete table; that of ESC-10 or ESC-50 by default.
        published_classes: number of classes; that of ESC-10 or ESC-50 by default, any number in a corpus of another
            name.

    Returns:
        The clips of the corpus.

    Raises:
        DataError: if the folder, the table or a column is missing, or a row is invalid.
    """
    root = Path(root).expanduser().absolute()
    size = ESC10_SIZE if only_esc10 else ESC50_SIZE
    if corpus is None and published_classes is None:
        published_classes = size.classes
    top, path = LAYOUTS.require(root)
    rows = list(_esc_rows(path, only_esc10))
    sounds = LAYOUTS.sounds_of(root, top, path, (row.name for row in rows))
    return table_from_rows(
        (replace(row, file=sounds / row.name) for row in rows),
        corpus=corpus or ("ESC10" if only_esc10 else "ESC50"),
        path=path,
        clip_seconds=CLIP_SECONDS,
        number_of_folds=size.folds,
        published_clips=published_clips or size.clips,
        published_classes=published_classes,
    )


def _esc_rows(path: Path, only_esc10: bool) -> Iterator[MetadataRow]:
    """Rows whose files have no folder yet; the caller finds it."""
    for line, row in read_metadata(path, (*COLUMNS, "esc10") if only_esc10 else COLUMNS):
        if only_esc10 and not truth(row["esc10"], "esc10", line, path):
            continue
        name = plain_name(row["filename"], "filename", line, path)
        yield MetadataRow(
            line=line,
            name=name,
            file=Path(name),
            target=whole_number(row["target"], "target", line, path),
            class_name=row["category"],
            source=number_as_text(row["src_file"]),
            fold=whole_number(row["fold"], "fold", line, path),
        )


class ESC50(SoundDataModule):
    """2000 clips of 5 s at 44.1 kHz in 50 classes and 5 official folds; ``root`` holds ``audio/`` and ``meta/``."""

    corpus: ClassVar[str] = "ESC50"
    default_clip_seconds: ClassVar[float | None] = CLIP_SECONDS
    published_size: ClassVar[CorpusSize | None] = ESC50_SIZE
    only_esc10: ClassVar[bool] = False

    def read_table(self) -> ClipTable:
        """Read ``esc50.csv`` where it lies."""
        return read_esc_table(required_root(self.root, self.corpus), only_esc10=self.only_esc10)

    def fetch(self) -> None:
        """Download the archive of the corpus, unless its table is there."""
        root = required_root(self.root, self.corpus)
        if LAYOUTS.find(root) is None:
            download_esc50(root)


def required_root(root: str | None, corpus: str) -> Path:
    """The folder of a corpus, which the user must name.

    Raises:
        DataError: if no folder was given.
    """
    if root is None:
        raise DataError(f"expected the folder of {corpus}, got none: give it with --data.root")
    return Path(root).expanduser()


class ESC10(ESC50):
    """The rows of ESC-50's table with ``esc10`` true, classes renumbered from 0; ``root`` is that of ESC-50."""

    corpus: ClassVar[str] = "ESC10"
    published_size: ClassVar[CorpusSize | None] = ESC10_SIZE
    reporting_batch_size: ClassVar[int] = 200
    only_esc10: ClassVar[bool] = True
