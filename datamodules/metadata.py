"""The clips of a corpus as its metadata table lists them, read row by row with errors that name the line."""

import csv
import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage import DataError

SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""Separators that spreadsheets write between cells instead of commas in some locales."""
WHOLE = re.compile(r"^([+-]?\d+)\.0*$")


def window_suffix(start: float) -> str:
    """Suffix of the name of a window that begins ``start`` seconds into its file."""
    return f"@{start:.3f}s"


@dataclass(frozen=True)
class CorpusSize:
    """Clips, classes and official folds of a corpus as it is published."""

    clips: int
    classes: int
    folds: int


@dataclass(frozen=True)
class ClipTable:
    """A corpus as its metadata table lists it; a clip's index is its row.

    Args:
        corpus: name of the corpus, ``ESC10`` for example.
        names: file name of each clip; it identifies the clip in every result.
        files: absolute path of each clip.
        labels: class index of each clip, ``(clips,)`` int64 in 0 .. classes - 1.
        sources: the recording that each clip was cut from, ``(clips,)`` strings.
        folds: the corpus' own fold of each clip, ``(clips,)`` int64 from 1.
        class_names: name of each class; every class has a clip.
        clip_seconds: length to which every clip is cut or padded, in s.
        number_of_folds: number of folds that the corpus defines; 0 if it defines none.
        starts: beginning of each clip in its file, ``(clips,)`` in s; None if every clip begins with its file.
        recordings_known: False if it is unknown which files were cut from one recording, so that each file counts as a
            recording; the leakage is then a lower bound.

    Raises:
        ValueError: if the columns differ in length.
    """

    corpus: str
    names: tuple[str, ...]
    files: tuple[Path, ...]
    labels: NDArray[np.int64]
    sources: NDArray[np.str_]
    folds: NDArray[np.int64]
    class_names: tuple[str, ...]
    clip_seconds: float
    number_of_folds: int
    starts: NDArray[np.float64] | None = None
    recordings_known: bool = True

    def __post_init__(self) -> None:
        starts = self.labels if self.starts is None else self.starts
        lengths = {len(column) for column in (self.names, self.files, self.labels, self.sources, self.folds, starts)}
        if len(lengths) != 1:
            raise ValueError(f"expected columns of one length, got {sorted(lengths)}")

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.names)

    def start(self, clip: int) -> float:
        """Beginning of a clip in its file, in s."""
        return 0.0 if self.starts is None else float(self.starts[clip])

    def file_name(self, clip: int) -> str:
        """Name of a clip's file: the name of the clip without the suffix of its window."""
        return self.names[clip].removesuffix(window_suffix(self.start(clip)))

    @cached_property
    def file_numbers(self) -> NDArray[np.int64]:
        """Number of each clip's file, ``(clips,)``, from 0 in the order of first appearance."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(self.file_name(clip), len(numbers)) for clip in range(len(self))])

    def first_clips(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first of the given clips of each file, in their order."""
        return clips[np.sort(np.unique(self.file_numbers[clips], return_index=True)[1])]

    @property
    def digest(self) -> str:
        """Hash of every clip's name, recording, class and official fold, whatever their order (sha256, hexadecimal)."""
        rows = sorted(
            "\0".join((name, str(recording), self.class_names[label], str(fold)))
            for name, recording, label, fold in zip(self.names, self.sources, self.labels, self.folds, strict=True)
        )
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


@dataclass(frozen=True)
class MetadataRow:
    """One clip as a metadata table lists it.

    Args:
        line: line of the table, for error messages.
        name: file name of the clip.
        file: absolute path of the clip.
        target: class number as published.
        class_name: name of that class.
        source: the recording that the clip was cut from.
        fold: the corpus' own fold, from 1.
    """

    line: int
    name: str
    file: Path
    target: int
    class_name: str
    source: str
    fold: int


def read_metadata(path: Path, columns: Sequence[str], *, advice: str = "") -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells of every row of a comma-separated table.

    Args:
        path: the table, UTF-8 text with or without a byte order mark.
        columns: columns that are read and that the table must have.
        advice: end of the error message about a missing column.

    Raises:
        DataError: if a column is missing, a row has too few or too many cells, or the file is not UTF-8 text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = reader.fieldnames or []
            absent = [column for column in columns if column not in header]
            if absent and len(header) == 1 and (mark := next((mark for mark in SEPARATORS if mark in header[0]), "")):
                raise DataError(
                    f"expected cells separated by commas in {path}, found {SEPARATORS[mark]}: save the table as "
                    "comma-separated text"
                )
            if absent:
                raise DataError(
                    f"expected the columns {', '.join(columns)} in {path}, found no {', '.join(absent)} among "
                    f"{', '.join(header) or 'none'}{advice}"
                )
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"expected {len(header)} cells in line {reader.line_num} of {path}, found another number"
                    )
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected comma-separated UTF-8 text in {path}, found: {error}") from error


def whole_number(text: str, column: str, line: int, path: Path) -> int:
    """The cell as an integer; ``3.0``, as spreadsheets write it, is accepted.

    Raises:
        DataError: if it is not an integer; the message names line and column.
    """
    try:
        return int(number_as_text(text))
    except ValueError as error:
        raise DataError(f"expected a whole number as {column} in line {line} of {path}, found {text!r}") from error


def number_as_text(text: str) -> str:
    """The cell without the decimal point and zeros that spreadsheets append to integers: ``100.0`` is ``100``."""
    return WHOLE.sub(r"\1", text.strip())


def truth(text: str, column: str, line: int, path: Path) -> bool:
    """The cell as true or false: ``True``, ``TRUE``, ``1`` or ``1.0``, and ``False``, ``FALSE``, ``0`` or ``0.0``.

    Raises:
        DataError: if it is neither; the message names line and column.
    """
    value = {"true": True, "1": True, "false": False, "0": False}.get(number_as_text(text).lower())
    if value is None:
        raise DataError(f"expected True or False as {column} in line {line} of {path}, found {text!r}")
    return value


def plain_name(text: str, column: str, line: int, path: Path) -> str:
    """The cell as a file name; a ``DataError`` if it is empty or leads out of its folder."""
    if text in ("", ".", "..") or Path(text).name != text or "\0" in text:
        raise DataError(f"expected a plain file name as {column} in line {line} of {path}, found {text!r}")
    return text


def table_from_rows(
    rows: Iterable[MetadataRow],
    *,
    corpus: str,
    path: Path,
    clip_seconds: float,
    number_of_folds: int,
    published_clips: int | None = None,
    published_classes: int | None = None,
) -> ClipTable:
    """Check the rows for consistency and make the clip table, with the clips in the order of the rows.

    Labels are the published targets renumbered from 0 without gaps, in the order of the targets, so that a subset of
    the classes has labels 0 .. classes - 1 too.

    Args:
        rows: the clips.
        corpus: name of the corpus.
        path: the metadata table, for error messages.
        clip_seconds: length to which every clip is cut or padded, in s.
        number_of_folds: number of folds that the corpus defines; 0 if it defines none.
        published_clips: number of clips of the published corpus; a different number is a warning.
        published_classes: number of classes of the published corpus; a different number is a warning. Both are None for
            a corpus that is not published.

    Returns:
        The table.

    Raises:
        DataError: if there is no row or a single class, a clip is listed twice, a fold lies outside
            1 .. ``number_of_folds``, a target has two names or a name two targets.
    """
    clips = list(rows)
    if not clips:
        raise DataError(f"expected clips of {corpus} in {path}, found none")
    names_of_targets = _class_names(clips, corpus, path, number_of_folds)
    targets = sorted(names_of_targets)
    differing = _unlike_published(len(clips), len(targets), corpus, published_clips, published_classes)
    if differing:
        warnings.warn(f"{path} {' and '.join(differing)}", stacklevel=3)
    label_of_target = {target: label for label, target in enumerate(targets)}
    return ClipTable(
        corpus=corpus,
        names=tuple(row.name for row in clips),
        files=tuple(row.file for row in clips),
        labels=np.array([label_of_target[row.target] for row in clips], dtype=np.int64),
        sources=np.array([row.source for row in clips], dtype=np.str_),
        folds=np.array([row.fold for row in clips], dtype=np.int64),
        class_names=tuple(names_of_targets[target] for target in targets),
        clip_seconds=clip_seconds,
        number_of_folds=number_of_folds,
    )


def _class_names(rows: Sequence[MetadataRow], corpus: str, path: Path, number_of_folds: int) -> dict[int, str]:
    """Name of each target, after a check that the rows are consistent.

    Raises:
        DataError: as :func:`table_from_rows`.
    """
    first_line: dict[str, int] = {}
    names_of_targets: dict[int, str] = {}
    for row in rows:
        if row.name in first_line:
            raise DataError(
                f"expected every clip once in {path}, found {row.name} in lines {first_line[row.name]} and {row.line}"
            )
        first_line[row.name] = row.line
        if number_of_folds and not 1 <= row.fold <= number_of_folds:
            raise DataError(f"expected a fold in 1..{number_of_folds} in line {row.line} of {path}, found {row.fold}")
        if names_of_targets.setdefault(row.target, row.class_name) != row.class_name:
            raise DataError(
                f"expected one class name for target {row.target} in {path}, found {names_of_targets[row.target]!r} "
                f"and {row.class_name!r} (line {row.line})"
            )
    if len(names_of_targets) < 2:
        raise DataError(f"expected at least 2 classes of {corpus} in {path}, found {len(names_of_targets)}")
    target_of_name: dict[str, int] = {}
    for target, name in sorted(names_of_targets.items()):
        first = target_of_name.setdefault(name, target)
        if first != target:
            raise DataError(f"expected one target for class {name!r} in {path}, found {first} and {target}")
    return names_of_targets


def _unlike_published(
    clips: int, classes: int, corpus: str, published_clips: int | None, published_classes: int | None
) -> list[str]:
    """What differs from the published corpus, as ends of a sentence about the table."""
    differing = []
    if published_clips is not None and clips != published_clips:
        many = "fewer" if clips < published_clips else "more"
        differing.append(
            f"lists {clips} clips of {corpus}, {abs(published_clips - clips)} {many} than the {published_clips} "
            "published ones"
        )
    if published_classes is not None and classes != published_classes:
        differing.append(
            f"has {classes} classes where {corpus} has {published_classes}: models have {classes} outputs, and no "
            f"result is comparable with those on {corpus}"
        )
    return differing
