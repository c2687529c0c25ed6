"""ESC-50 and ESC-10 as their common metadata table lists them.

Source: K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015.
"""

from collections.abc import Iterator
from pathlib import Path

from datamodules.clip_table import ClipTable
from datamodules.metadata import MetadataRow, plain_name, read_metadata, table_from_rows, whole_number
from storage import DataError

TABLE = "meta/esc50.csv"
COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
CLIP_SECONDS = 5.0
NUMBER_OF_FOLDS = 5
ESC50_CLIPS = 2000
ESC10_CLIPS = 400
ESC50_CLASSES = 50
ESC10_CLASSES = 10


def read_esc_table(
    root: Path,
    *,
    only_esc10: bool,
    corpus: str | None = None,
    published_clips: int | None = None,
    published_classes: int | None = None,
) -> ClipTable:
    """The clips of ESC-50, or of its subset ESC-10, in the layout of the download.

    Args:
        root: folder that holds ``audio/`` and ``meta/esc50.csv``.
        only_esc10: keep the rows with ``esc10`` True only; their targets are renumbered 0..9 in their original order.
        corpus: name of the corpus; ``ESC10`` or ``ESC50`` by default, another one for a corpus in the same layout.
        published_clips: how many clips a complete table has; those of ESC-10 or ESC-50 by default.
        published_classes: how many classes; those of ESC-10 or ESC-50 by default, any number in a corpus of another
            name.

    Raises:
        DataError: if the folder, the table or a column is missing, or a row cannot be what it should be.
    """
    root = Path(root).expanduser().absolute()
    if corpus is None and published_classes is None:
        published_classes = ESC10_CLASSES if only_esc10 else ESC50_CLASSES
    return table_from_rows(
        _rows(root, only_esc10),
        corpus=corpus or ("ESC10" if only_esc10 else "ESC50"),
        path=root / TABLE,
        clip_seconds=CLIP_SECONDS,
        number_of_folds=NUMBER_OF_FOLDS,
        published_clips=published_clips or (ESC10_CLIPS if only_esc10 else ESC50_CLIPS),
        published_classes=published_classes,
    )


def _rows(root: Path, only_esc10: bool) -> Iterator[MetadataRow]:
    path = root / TABLE
    for line, row in read_metadata(root, TABLE, COLUMNS):
        if row["esc10"] not in ("True", "False"):
            raise DataError(f"expected True or False as esc10 in line {line} of {path}, found {row['esc10']!r}")
        if only_esc10 and row["esc10"] == "False":
            continue
        name = plain_name(row["filename"], "filename", line, path)
        yield MetadataRow(
            line=line,
            name=name,
            file=root / "audio" / name,
            target=whole_number(row["target"], "target", line, path),
            class_name=row["category"],
            source=row["src_file"],
            fold=whole_number(row["fold"], "fold", line, path),
        )
