"""The user's own corpora: a folder per class, or a table of files and labels."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from datamodules.audio_files import audio_files
from datamodules.esc50 import required_root
from datamodules.metadata import ClipTable, MetadataRow, number_as_text, read_metadata, table_from_rows
from datamodules.progress import say_once
from datamodules.sound_datamodule import SoundDataModule
from datamodules.windows import lengths
from storage import DataError
from storage.errors import named

LONGEST_DEFAULT = 10.0
"""Longest default length of clips in s, for users who do not set ``clip_seconds``."""
PARTS = re.compile(
    r"(train|training|test|testing|valid|validation|val|dev|eval|evaluation|(fold|split)[-_ ]?\d+)", re.I
)
"""Names of folders that hold parts of a corpus rather than a class."""


class OwnSounds(SoundDataModule):
    """Base of corpora without a published table: finds the recordings of files and the length of clips.

    Args:
        recording_pattern: regular expression that is searched for in each file's name (its path below ``root``); the
            text that it matches, or that its groups match, identifies the recording that the file was cut from. Without
            a pattern or a column of recordings, each file counts as a recording of its own, and the leakage is unknown.
        settings: see :class:`SoundDataModule`; ``clip_seconds`` is the length of the longest file by default, at most
            10 s.

    Raises:
        ValueError: if a setting is invalid.
    """

    def __init__(self, *, recording_pattern: str | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        try:
            self.recording_pattern = None if recording_pattern is None else re.compile(recording_pattern)
        except re.error as error:
            raise ValueError(
                f"expected a regular expression as recording_pattern, got {recording_pattern!r}: {error}"
            ) from error

    def has_folds(self) -> bool:
        """Whether the corpus defines official folds."""
        return False

    def read_rows(self) -> tuple[Path, list[MetadataRow]]:
        """Location of the corpus, and one row per file; ``source`` is "" if the recording is unknown."""
        raise NotImplementedError(f"{type(self).__name__} does not define how its files are found")

    def read_table(self) -> ClipTable:
        """Find the files, their classes, recordings and folds, and the length of the clips.

        Raises:
            DataError: if there are no usable files, ``recording_pattern`` does not match a file, or split=official is
                used without folds.
        """
        if self.split_protocol == "official" and not self.has_folds():
            raise DataError(
                f"expected a column of folds with split=official, found none in {self.corpus}: name it with "
                "--data Table --data.fold_column, or use --data.split grouped"
            )
        path, rows = self.read_rows()
        known = self.recording_pattern is not None or any(row.source for row in rows)
        if self.recording_pattern is not None:
            rows = _with_recordings(rows, self.recording_pattern)
        elif not known:
            say_once(
                f"{self.corpus}: nothing says which files were cut from one recording (--data.recording_pattern), so "
                "each counts as its own, and leakage cannot be known"
            )
            rows = [replace(row, source=row.name) for row in rows]
        table = table_from_rows(
            rows,
            corpus=self.corpus,
            path=path,
            clip_seconds=self.clip_seconds or self._longest(rows),
            number_of_folds=max(row.fold for row in rows) if rows else 0,
        )
        return replace(table, recordings_known=known)

    def _longest(self, rows: Sequence[MetadataRow]) -> float:
        known = [
            (seconds, row.name)
            for row, seconds in zip(rows, lengths([row.file for row in rows]), strict=True)
            if seconds
        ]
        if not known:
            # The later check of the files reports their faults.
            return LONGEST_DEFAULT
        longest, name = max(known)
        seconds = min(LONGEST_DEFAULT, max(0.01, round(longest, 3)))
        more = (
            "" if longest <= LONGEST_DEFAULT else " at most, and --data.windows says which part of longer files is used"
        )
        say_once(
            f"{self.corpus}: clips last {seconds:g} s, as the longest file does ({name}, {longest:.2f} s){more}; "
            "--data.clip_seconds sets another length"
        )
        return seconds


class Folder(OwnSounds):
    """A corpus with one folder per class, which holds files at any depth; a file's name is its path below ``root``."""

    corpus: ClassVar[str] = "Folder"

    def read_rows(self) -> tuple[Path, list[MetadataRow]]:
        """All audio files of all class folders.

        Raises:
            DataError: if ``root`` is missing, has no class folders with audio, or has folders of parts, not classes.
        """
        root = required_root(self.root, "sounds with a folder for each class").absolute()
        if not root.is_dir():
            raise DataError(f"expected a folder for each class in {root}, found no such folder: set --data.root")
        classes = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = [(folder, *audio_files(folder)) for folder in classes]
        loose = [path.name for path in sorted(root.iterdir()) if path.is_file() and not path.name.startswith(".")]
        if not any(audio for _, audio, _ in found):
            raise DataError(
                f"expected a folder for each class with audio files in {root}, found {len(classes)} folders without "
                "audio: set --data.root to the folder that holds the class folders"
            )
        if all(PARTS.fullmatch(folder.name) for folder, audio, _ in found if audio):
            names = ", ".join(folder.name for folder, _, _ in found)
            raise DataError(
                f"expected a folder for each class in {root}, found parts of a corpus ({names}): set --data.root to "
                "one of them, or name classes and folds in a table (--data Table)"
            )
        others = [path.relative_to(root).as_posix() for _, _, left in found for path in left] + loose
        empty = [folder.name for folder, audio, _ in found if not audio]
        if others:
            say_once(f"{self.corpus}: {len(others)} files are no audio of a class and left out: {named(others)}")
        if empty:
            say_once(f"{self.corpus}: {len(empty)} folders hold no audio and are no classes: {named(empty)}")
        rows: list[MetadataRow] = []
        kept = [(folder, audio) for folder, audio, _ in found if audio]
        for target, (folder, audio) in enumerate(kept):
            for file in audio:
                name = file.relative_to(root).as_posix()
                rows.append(MetadataRow(len(rows) + 1, name, file, target, folder.name, source="", fold=0))
        return root, rows


class Table(OwnSounds):
    """A corpus listed in a comma-separated table with files, labels and, optionally, recordings and folds.

    Args:
        csv: path of the table, absolute or below ``root``.
        file_column: column of the paths of the files, absolute or below ``root``.
        label_column: column of the classes, names or numbers.
        recording_column: column of the recordings that the files were cut from.
        fold_column: column of official folds, with any names; it enables split=official.
        settings: see :class:`OwnSounds`; ``root`` is the folder of the table by default.

    Raises:
        ValueError: if a setting is invalid.
    """

    corpus: ClassVar[str] = "Table"

    def __init__(
        self,
        *,
        csv: str | None = None,
        file_column: str = "file",
        label_column: str = "label",
        recording_column: str | None = None,
        fold_column: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if recording_column is not None and self.recording_pattern is not None:
            raise ValueError("expected recording_column or recording_pattern, got both")
        self.csv = csv
        self.file_column = file_column
        self.label_column = label_column
        self.recording_column = recording_column
        self.fold_column = fold_column

    def has_folds(self) -> bool:
        """Whether ``fold_column`` is set."""
        return self.fold_column is not None

    def read_rows(self) -> tuple[Path, list[MetadataRow]]:
        """All rows of the table, classes in the order of their numbers or names.

        Raises:
            DataError: if the table or a column is missing, or a cell that is needed is empty.
        """
        if self.csv is None:
            raise DataError("expected a table of files and labels, got none: name it with --data.csv")
        given = Path(self.csv).expanduser()
        root = (given.parent if self.root is None else Path(self.root).expanduser()).absolute()
        path = given.absolute() if self.root is None or given.is_absolute() else root / given
        if not path.is_file():
            raise DataError(
                f"expected a table at {path}, found none: --data.csv names it, below --data.root if that is given"
            )
        wanted = [self.file_column, self.label_column, self.recording_column, self.fold_column]
        columns = [column for column in wanted if column is not None]
        flags = ", ".join(f"--data.{kind}_column" for kind in ("file", "label", "recording", "fold"))
        read = list(read_metadata(path, columns, advice=f"; {flags} name the columns"))
        for line, cells in read:
            empty = next((column for column in columns if not cells[column].strip()), None)
            if empty is not None:
                raise DataError(f"expected a value as {empty} in line {line} of {path}, found an empty cell")
        labels = _numbered({number_as_text(cells[self.label_column]) for _, cells in read})
        folds = (
            {}
            if self.fold_column is None
            else _numbered({number_as_text(cells[self.fold_column]) for _, cells in read})
        )
        if folds and list(folds) != [str(number) for number in range(1, len(folds) + 1)]:
            told = ", ".join(f"{name} is {number + 1}" for name, number in folds.items())
            say_once(f"{self.corpus}: folds are numbered from 1: {told}")
        rows = []
        for line, cells in read:
            label, name = number_as_text(cells[self.label_column]), cells[self.file_column].strip()
            rows.append(
                MetadataRow(
                    line=line,
                    name=name,
                    file=root / name,
                    target=labels[label],
                    class_name=label,
                    source="" if self.recording_column is None else number_as_text(cells[self.recording_column]),
                    fold=0 if self.fold_column is None else folds[number_as_text(cells[self.fold_column])] + 1,
                )
            )
        return path, rows


def _numbered(values: set[str]) -> dict[str, int]:
    """Number the values from 0 in sorted order; numbers are sorted numerically, before other text."""
    ordered = sorted(values, key=lambda text: (0, int(text), text) if re.fullmatch(r"[+-]?\d+", text) else (1, 0, text))
    return {value: number for number, value in enumerate(ordered)}


def _with_recordings(rows: Sequence[MetadataRow], pattern: re.Pattern[str]) -> list[MetadataRow]:
    matches = [pattern.search(row.name) for row in rows]
    lost = [row.name for row, match in zip(rows, matches, strict=True) if match is None]
    if lost:
        raise DataError(
            f"expected recording_pattern {pattern.pattern!r} in the name of every file, found {len(lost)} of "
            f"{len(rows)} without it: {named(lost)}"
        )
    return [
        replace(row, source="-".join(part or "" for part in match.groups()) if match.groups() else match[0])
        for row, match in zip(rows, matches, strict=True)
        if match is not None
    ]
