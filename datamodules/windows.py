"""Recordings longer than the clips of a corpus: which parts of them become clips.

A recording of duration D is cut into windows of L seconds. ``first`` takes [0, L], ``centre`` the middle, and ``all``
as many as cover it to within a millisecond: they begin at 0, L, 2 L, ..., and the last one ends where the recording
ends, so that it overlaps the one before instead of ending in silence.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from datamodules.audio import CUT_FROM_SECONDS, sound_seconds
from datamodules.metadata import ClipTable, window_suffix
from datamodules.progress import progress_bar

Windows = Literal["first", "centre", "all"]
WINDOWS: tuple[Windows, ...] = ("first", "centre", "all")
SHORTEST_CLIP, LONGEST_CLIP = 0.01, 3600.0
"""Seconds that a clip may last."""


def check_windows(clip_seconds: float | None, windows: str) -> None:
    """Raise ``ValueError`` for a length or a choice of windows that cannot be."""
    if clip_seconds is not None and not SHORTEST_CLIP <= clip_seconds <= LONGEST_CLIP:
        raise ValueError(f"expected clip_seconds from {SHORTEST_CLIP} to {LONGEST_CLIP:g} seconds, got {clip_seconds}")
    if windows not in WINDOWS:
        raise ValueError(f"expected windows to be one of {', '.join(WINDOWS)}, got {windows!r}")


def window_starts(duration: float, seconds: float, windows: Windows) -> list[float]:
    """Where the windows of a recording begin.

    Args:
        duration: length of the recording in seconds.
        seconds: length of a window.
        windows: ``first``, ``centre`` or ``all``.

    Returns:
        Seconds from the beginning of the recording, ascending, whole milliseconds (rounded down). A recording that is
        not longer than a window by more than a millisecond has one, from 0.
    """
    beyond = duration - seconds
    if windows == "first" or beyond <= CUT_FROM_SECONDS:
        return [0.0]
    if windows == "centre":
        return [_milliseconds(beyond / 2) / 1000]
    last = _milliseconds(beyond)
    starts = [start / 1000 for start in range(0, last, _milliseconds(seconds))] or [0.0]
    return starts if beyond - starts[-1] <= CUT_FROM_SECONDS else [*starts, last / 1000]


def cut_windows(table: ClipTable, clip_seconds: float | None, windows: Windows) -> ClipTable:
    """The table with a row for each window of its files.

    Windows of one file keep its class, recording and fold. Where a file has several, their names are that of the file,
    ``@`` and where the window begins: ``rain.wav@5.000s``.

    Args:
        table: a row for each file.
        clip_seconds: length of a clip; None keeps that of the table.
        windows: which parts of longer files become clips.
    """
    if clip_seconds is not None:
        table = replace(table, clip_seconds=clip_seconds)
    if windows == "first":
        return table
    durations = lengths(table.files)
    starts = [
        # A file whose length is not known is read, and named as broken, later.
        window_starts(0.0 if duration is None else duration, table.clip_seconds, windows)
        for duration in durations
    ]
    rows = np.repeat(np.arange(len(table)), [len(ones) for ones in starts])
    begins = np.array([start for ones in starts for start in ones])
    return replace(
        table,
        names=tuple(
            table.names[row] + (window_suffix(start) if len(starts[row]) > 1 else "")
            for row, start in zip(rows.tolist(), begins.tolist(), strict=True)
        ),
        files=tuple(table.files[row] for row in rows),
        labels=table.labels[rows],
        sources=table.sources[rows],
        folds=table.folds[rows],
        starts=begins,
    )


def lengths(files: Sequence[Path]) -> list[float | None]:
    """Length of each file in seconds by its header; None where it cannot be had."""
    with ThreadPoolExecutor() as threads, progress_bar("reading lengths", len(files)) as advance:
        found = []
        for seconds in threads.map(sound_seconds, files):
            advance()
            found.append(seconds)
    return found


def _milliseconds(seconds: float) -> int:
    # Rounded first, because 1000 * 2.3 lies a hair below 2300.
    return math.floor(round(seconds * 1000, 6))
