"""Pairs of sounds to listen to, of a clean clip and of its adversarial map, for runs that have stored sounds."""

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reporting.runs import Run
from storage import DataError

MOST_PAIRS = 6
LARGEST_BYTES = 2_000_000
"""Largest size of a sound in bytes, so that a page with embedded sounds stays small enough to be shared."""


@dataclass(frozen=True)
class SoundPair:
    """A clip before and after an attack.

    Attributes:
        run: name of the run.
        clip: name of the clip.
        attack: name of the attack.
        clean: WAV file of the clean clip.
        adversarial: WAV file of the adversarial.
        seconds: length of the shorter file in seconds.
    """

    run: str
    clip: str
    attack: str
    clean: Path
    adversarial: Path
    seconds: float


def sound_pairs(runs: Sequence[Run]) -> list[SoundPair]:
    """Find sounds that ``round_trip.py --sounds wav`` has written: one clip per run and attack, at most six pairs.

    For each attack, the last budget is used, which changes the sound most.

    Raises:
        DataError: if a file is not a WAV file.
    """
    pairs: list[SoundPair] = []
    for run in runs:
        heard: set[str] = set()
        for adversarial in sorted((run.path / "round-trip" / "sounds").glob("fold*/*/*/*.wav"), key=_last_budget_first):
            clean = adversarial.parents[2] / "clean" / adversarial.name
            attack = adversarial.parents[1].name
            if attack in heard or not clean.is_file():
                continue
            if max(file.stat().st_size for file in (clean, adversarial)) > LARGEST_BYTES:
                continue
            heard.add(attack)
            seconds = min(_seconds(clean), _seconds(adversarial))
            pairs.append(SoundPair(run.name, adversarial.stem, attack, clean, adversarial, seconds))
            if len(pairs) == MOST_PAIRS:
                return pairs
    return pairs


def _last_budget_first(path: Path) -> tuple[str, str, int, str]:
    """Order of ``fold1/fgsm/0/1-100032-A-0.wav``: by fold, attack, budget from the last, and name."""
    fold, attack, budget = path.parents[2].name, path.parents[1].name, path.parent.name
    return fold, attack, -int(budget) if budget.isdigit() else 0, path.name


def _seconds(path: Path) -> float:
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() / file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"expected a WAV file in {path}, found {error}; run round_trip.py again") from error
