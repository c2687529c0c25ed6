"""The clips of a corpus: where they lie, what they are and which recording they were cut from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
        clip_seconds: length that every clip is brought to.
        number_of_folds: how many folds the corpus defines.

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

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.names, self.files, self.labels, self.sources, self.folds)}
        if len(lengths) != 1:
            raise ValueError(f"expected columns of one length, got {sorted(lengths)}")

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.names)

    @property
    def digest(self) -> str:
        """Hash of every clip's name, recording, class and official fold, whatever their order (sha256, hexadecimal)."""
        rows = sorted(
            "\0".join((name, str(recording), self.class_names[label], str(fold)))
            for name, recording, label, fold in zip(self.names, self.sources, self.labels, self.folds, strict=True)
        )
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()
