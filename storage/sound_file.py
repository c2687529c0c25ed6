"""Sounds as files that any player opens: their names, and how they are written."""

from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from storage.atomic import write_atomically

SoundFormat = Literal["wav", "flac"]


def write_sound(path: Path, sound: NDArray[np.floating], sample_rate: int) -> None:
    """Write a mono sound as 16-bit PCM, atomically; samples beyond full scale are clipped.

    Args:
        path: the file; its suffix, ``.wav`` or ``.flac``, determines the format.
        sound: ``(time,)``, full scale is [-1, 1].
        sample_rate: in Hz.
    """
    whole = np.clip(np.round(np.asarray(sound, np.float64) * 32768.0), -32768, 32767).astype(np.int16)
    with write_atomically(path) as file:
        soundfile.write(file, whole, sample_rate, subtype="PCM_16")


def numbered_stem(clip: int, name: str) -> str:
    """Name, without a suffix, of what is kept of a clip: its number before the name of its recording's file.

    Two clips may have one file name in different folders.

    Args:
        clip: number of the clip in its corpus.
        name: its file within the corpus.
    """
    return f"{clip}-{Path(name).stem}"
