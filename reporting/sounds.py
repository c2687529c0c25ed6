"""Clips to listen to: the clean one and what an attack made of it, where a run has kept sounds."""

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reporting.runs import Run
from storage import DataError

MOST_PAIRS = 6
LARGEST_BYTES = 2_000_000
"""A page that carries its sounds has to stay small enough to be sent around."""


@dataclass(frozen=True)
class SoundPair:
    """A clip before and after an attack.

    Attributes:
        run: name of the run.
        clip: name of the clip.
        attack: name of the attack.
        clean: WAV file.
        adversarial: WAV file.
        seconds: length of the clip.
    """

    run: str
    clip: str
    attack: str
    clean: Path
    adversarial: Path
    seconds: float


def sound_pairs(runs: Sequence[Run]) -> list[SoundPair]:
    """Find ``attacks/sounds/<clip>/clean.wav`` with ``<attack>.wav`` beside it, at most six pairs.

    Raises:
        DataError: if a file is no WAV.
    """
    pairs = []
    for run in runs:
        for clean in sorted((run.path / "attacks" / "sounds").glob("*/clean.wav")):
            for adversarial in sorted(clean.parent.glob("*.wav")):
                if adversarial == clean or max(f.stat().st_size for f in (clean, adversarial)) > LARGEST_BYTES:
                    continue
                seconds = min(_seconds(clean), _seconds(adversarial))
                pairs.append(SoundPair(run.name, clean.parent.name, adversarial.stem, clean, adversarial, seconds))
                if len(pairs) == MOST_PAIRS:
                    return pairs
    return pairs


def _seconds(path: Path) -> float:
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() / file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"expected a WAV file in {path}, found {error}; attack again") from error
