"""Windows: the parts of files longer than a clip that become clips.

A file of duration D is cut into windows of L seconds. ``first`` takes [0, L], ``centre`` the middle, and ``all`` as
many as cover it to within a millisecond: they begin at 0, L, 2 L, ..., and the last one ends with the file, so that it
overlaps the one before instead of ending in silence.
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
"""Range of the length of a clip in s."""


def check_windows(clip_seconds: float | None, windows: str) -> None:
    """Raise ``ValueError`` for a length out of range or an unknown choice of windows."""
    if clip_seconds is not None and not SHORTEST_CLIP <= clip_seconds <= LONGEST_CLIP:
        raise ValueError(f"expected clip_seconds from {SHORTEST_CLIP} to {LONGEST_CLIP:g} seconds, got {clip_seconds}")
    if windows not in WINDOWS:
        raise ValueError(f"expected windows to be one of {', '.join(WINDOWS)}, got {windows!r}")


def window_starts(duration: float, seconds: float, windows: Windows) -> list[float]:
    """Beginnings of the windows of a file.

    Args:
        duration: length of the file in s.
        seconds: length of a window in s.
        windows: ``first``, ``centre`` or ``all``.

    Returns:
        Seconds from the beginning of the file, ascending, in whole milliseconds (rounded down). A file that is not
        longer than a window by more than a millisecond has a single window, from 0.
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
    """Replace each file of a table by its windows.

    Windows keep the class, recording and fold of their file. If a file has several, their names are that of the file,
    ``@`` and the beginning of the window: ``rain.wav@5.000s``.

    Args:
        table: one row per file.
        clip_seconds: length of a clip in s; None keeps that of the table.
        windows: which parts of longer files become clips.

    Returns:
        The table with one row per window.
    """
    if clip_seconds is not None:
        table = replace(table, clip_seconds=clip_seconds)
    if windows == "first":
        return table
    durations = lengths(table.files)
    starts = [
        # A file of unknown length is read later and then reported as damaged.
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
    """Length of each file in s according to its header; None if it is unknown."""
    with ThreadPoolExecutor() as threads, progress_bar("reading lengths", len(files)) as advance:
        found = []
        for seconds in threads.map(sound_seconds, files):
            advance()
            found.append(seconds)
    return found


def _milliseconds(seconds: float) -> int:
    # Rounded first, because in floating point 1000 * 2.3 lies just below 2300.
    return math.floor(round(seconds * 1000, 6))
