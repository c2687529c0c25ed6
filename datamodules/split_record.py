"""The record of the clips on which a fold was trained, validated and tested, kept with its model and in ``split.csv``.

Drawing a split again from a changed metadata table gives a different split, so later uses of a trained model take the
parts from its record.
"""

import csv
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.metadata import ClipTable
from datamodules.splits import Split
from storage import DataError, write_text
from storage.errors import named

PARTS = ("train", "validation", "test")
COLUMNS = ("clip", "recording", "label", "class_name", "part")
FIELDS = ("names", "recordings", "labels", "parts", "class_names")
"""Keys of a record in a checkpoint."""


@dataclass(frozen=True)
class SplitRecord:
    """The clips of one fold, in the order of the metadata table that the split was drawn from.

    A clip's position in the record is its number in every result of the fold, even if the table changes later.

    Args:
        names: file name of each clip, each once.
        recordings: the recording that each clip was cut from.
        labels: class index of each clip, 0 .. classes - 1.
        parts: ``train``, ``validation`` or ``test`` for each clip.
        class_names: name of each class.

    Raises:
        ValueError: if the columns differ in length or hold invalid values.
    """

    names: tuple[str, ...]
    recordings: tuple[str, ...]
    labels: tuple[int, ...]
    parts: tuple[str, ...]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.names, self.recordings, self.labels, self.parts)}
        if len(lengths) != 1 or lengths == {0}:
            raise ValueError(f"expected clips with a recording, a label and a part each, got {sorted(lengths)} of them")
        texts = (*self.names, *self.recordings, *self.class_names)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("expected names of clips, recordings and classes, got something that is no text")
        if len(set(self.names)) < len(self.names):
            raise ValueError("expected every clip once, got one twice")
        wrong = next((part for part in self.parts if part not in PARTS), None)
        if wrong is not None:
            raise ValueError(f"expected parts called {', '.join(PARTS)}, got {wrong!r}")
        classes = range(len(self.class_names))
        label = next((label for label in self.labels if type(label) is not int or label not in classes), None)
        if label is not None:
            raise ValueError(f"expected labels in 0..{len(classes) - 1}, got {label!r}")

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.names)

    @classmethod
    def of(cls, table: ClipTable, split: Split) -> "SplitRecord":
        """The record of a split that was drawn from a table and gives every clip a part."""
        parts = np.empty(len(table), dtype="<U10")
        for part in PARTS:
            parts[getattr(split, part)] = part
        return cls(
            names=tuple(table.names),
            recordings=tuple(table.sources.tolist()),
            labels=tuple(table.labels.tolist()),
            parts=tuple(parts.tolist()),
            class_names=tuple(table.class_names),
        )

    def as_plain(self) -> dict[str, list[Any]]:
        """The record as lists of strings and numbers, as stored in a checkpoint."""
        return {field: list(getattr(self, field)) for field in FIELDS}

    @classmethod
    def from_plain(cls, content: object, place: Path | str) -> "SplitRecord":
        """Read the output of :meth:`as_plain`.

        Args:
            content: the record as stored in a checkpoint.
            place: the file, for error messages.

        Raises:
            DataError: if it is not a valid record.
        """
        whole = isinstance(content, Mapping) and all(isinstance(content.get(field), list | tuple) for field in FIELDS)
        if not whole:
            raise DataError(
                f"expected a record of the clips that the model was trained on in {place}, found something else"
            )
        assert isinstance(content, Mapping)
        try:
            return cls(**{field: tuple(content[field]) for field in FIELDS})
        except (ValueError, TypeError) as error:
            raise DataError(
                f"expected a record of the clips that the model was trained on in {place}, found one that cannot "
                f"be: {error}"
            ) from error

    def write_csv(self, path: Path) -> None:
        """Write one row per clip, atomically: clip, recording, label, class_name, part."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        names = [self.class_names[label] for label in self.labels]
        writer.writerows(zip(self.names, self.recordings, self.labels, names, self.parts, strict=True))
        write_text(path, text.getvalue())

    @classmethod
    def read_csv(cls, path: Path) -> "SplitRecord":
        """Read a file written by :meth:`write_csv`.

        Raises:
            DataError: if the file is missing or is not such a table.
        """
        if not path.is_file():
            raise DataError(
                f"expected a record of the clips that the model was trained on at {path}, found none: a run of an "
                "older version does not say it; train again"
            )
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file, strict=True))
            class_of = {int(row["label"]): row["class_name"] for row in rows}
            return cls(
                names=tuple(row["clip"] for row in rows),
                recordings=tuple(row["recording"] for row in rows),
                labels=tuple(int(row["label"]) for row in rows),
                parts=tuple(row["part"] for row in rows),
                class_names=tuple(class_of[label] for label in range(len(class_of))),
            )
        except (csv.Error, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"expected the columns {', '.join(COLUMNS)} and a row per clip in {path}, found something else"
            ) from error

    @property
    def split(self) -> Split:
        """Positions of the clips of each part, ascending."""
        parts = np.asarray(self.parts)
        return Split(**{part: np.flatnonzero(parts == part) for part in PARTS})

    def part_of(self) -> dict[str, str]:
        """The part of each clip, by its name."""
        return dict(zip(self.names, self.parts, strict=True))

    def learned_recordings(self) -> set[str]:
        """Recordings with a clip in the training or validation part."""
        return {recording for recording, part in zip(self.recordings, self.parts, strict=True) if part != "test"}

    def refuse_changed(self, table: ClipTable) -> None:
        """Compare the classes and recordings of the clips that are in both this record and a table.

        Raises:
            DataError: if a clip has a different class or recording in the table; up to ten are named.
        """
        now = {name: (table.class_names[table.labels[k]], str(table.sources[k])) for k, name in enumerate(table.names)}
        changed = []
        for name, label, recording in zip(self.names, self.labels, self.recordings, strict=True):
            class_name, source = now.get(name, (self.class_names[label], recording))
            if class_name != self.class_names[label]:
                changed.append(f"{name} (class {class_name!r} instead of {self.class_names[label]!r})")
            elif source != recording:
                changed.append(f"{name} (recording {source!r} instead of {recording!r})")
        if changed:
            raise DataError(
                f"expected the clips of {table.corpus} with the classes and recordings that the model was trained "
                f"with, found {len(changed)} with others in the table: {named(changed)}; restore the table, or train "
                "again"
            )

    def align(self, table: ClipTable) -> ClipTable:
        """Reorder a table to match this record.

        Clips of the table that are not in the record are left out with one warning. Clips of the record that are
        missing from the table give another warning and keep their row, so that no other clip's number changes.

        Args:
            table: the corpus as it is now.

        Returns:
            The table with one row per clip of the record.

        Raises:
            DataError: if a clip's class or recording differs from the record, or no clip of the test part is left.
        """
        self.refuse_changed(table)
        row = {name: place for place, name in enumerate(table.names)}
        rows = np.array([row.get(name, -1) for name in self.names])
        present = rows >= 0
        lost = [name for name, there in zip(self.names, present, strict=True) if not there]
        new = sorted(row.keys() - set(self.names))
        test = self.split.test
        if not present[test].any():
            raise DataError(
                f"expected clips of the model's test part in the table of {table.corpus}, found none of its "
                f"{len(test)}; set --data.root to the corpus that the model was trained with"
            )
        if lost:
            warnings.warn(
                f"the table of {table.corpus} has lost {len(lost)} of the {len(self)} clips of the model's split "
                f"({named(lost)}); they are left out",
                stacklevel=2,
            )
        if new:
            warnings.warn(
                f"the table of {table.corpus} lists {len(new)} clips that the model's split does not know "
                f"({named(new)}); they belong to no part and are left out",
                stacklevel=2,
            )
        folder = table.files[0].parent
        return replace(
            table,
            names=self.names,
            files=tuple(table.files[k] if k >= 0 else folder / name for k, name in zip(rows, self.names, strict=True)),
            labels=np.asarray(self.labels, dtype=np.int64),
            sources=np.asarray(self.recordings, dtype=np.str_),
            # A missing clip has no official fold; its part is in the record.
            folds=np.where(present, table.folds[rows], 0),
            starts=None if table.starts is None else np.where(present, table.starts[rows], 0.0),
            class_names=self.class_names,
        )
