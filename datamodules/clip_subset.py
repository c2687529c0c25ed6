"""Fewer test clips, the same ones for every model of a test part."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from datamodules.clip_table import ClipTable


def stratified_subset(table: ClipTable, clips: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Choose clips so that every class has as many as any other, as far as it has them.

    Within a class the order follows a hash of the clip's name, so that the choice depends on the clips alone, and a
    smaller subset is part of a larger one.

    Args:
        table: the corpus.
        clips: rows of the table to choose from.
        count: how many to choose; all of them where there are not more.

    Returns:
        Rows of the table, ascending.

    Raises:
        ValueError: for a count below 1.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 clip, got {count}")
    drawn = sorted(clips.tolist(), key=lambda clip: hashlib.sha256(str(table.names[clip]).encode()).digest())
    seen: dict[int, int] = {}
    ranked = []
    for place, clip in enumerate(drawn):
        label = int(table.labels[clip])
        seen[label] = seen.get(label, -1) + 1
        # First the best-ranked clip of every class, then the second of every class, ...
        ranked.append((seen[label], place, clip))
    return np.sort(np.array([clip for _, _, clip in sorted(ranked)[:count]], dtype=np.int64))
