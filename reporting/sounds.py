"""Attacked sounds of the runs: what came of every clip, and pairs of clean and attacked sounds to listen to."""

import itertools
import json
import warnings
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

from metrics.attack_summary import CHECK
from metrics.finished_rows import whole_attacks, without_silence
from reporting.runs import REMEDY, Run
from storage import DataError, in_this_version, read_json
from storage.attack_store import AttackStore
from storage.rows import read_rows
from storage.space import MAP, SOUND, Space

MOST_PAIRS = 6
LARGEST_BYTES = 2_000_000
"""Largest size of a sound in bytes, so that a page with embedded sounds stays small enough to be shared."""

RADII = {"snr_db", "delta", "epsilon", "eps", "max_epsilon"}
"""Settings of budgets that bound the change of a sound; an attack without one finds a size of its own."""


def sound_outcomes(run: Run) -> pd.DataFrame:
    """Outcomes of whole attacks on sounds of a run, one row per clip, attack and budget, without the trust checks.

    Attacks that are finished on some of a fold's clips only are left out with a warning, as attack.py leaves them out
    of its summary, and so are folds with fewer clips than were asked for last.
    """
    names = ("attack", "budget_index", "budget", "fold", "clip", "name", "recording", "success", "snr_db")
    columns = (*names, SOUND.rounded)
    store = AttackStore(run.path / SOUND.folder, SOUND)
    if not store.outcomes_file.is_file():
        return pd.DataFrame(columns=list(columns))
    rows = read_rows(store.outcomes_file, REMEDY, columns)
    rows = rows[rows["fold"].isin(list(store.current_folds()))]
    attacks = rows[~rows["attack"].astype(str).str.startswith(CHECK)]
    whole = whole_attacks(attacks, sound_clips(run), said=False)
    left = sorted(set(attacks["attack"].astype(str)) - set(whole["attack"].astype(str)))
    if left:
        # Of this line, so that Python shows it once for a run.
        warnings.warn(
            f"{run.name}: unfinished attacks on sounds are left out ({', '.join(left)}); attack.py --space sound "
            "with the same settings finishes them",
            stacklevel=1,
        )
    return whole


def sound_clips(run: Run) -> pd.DataFrame:
    """The test clips of a run whose sound was attacked, or would have been if they were right; without silent ones."""
    store = AttackStore(run.path / SOUND.folder, SOUND)
    columns = ("fold", "clip", "name", "recording", "clean_correct", "silent")
    clips = read_rows(store.clips_file, REMEDY, columns)
    return without_silence(clips[clips["fold"].isin(list(store.current_folds()))])


def nearest(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The outcomes at the largest budget of each attack that is not given a radius."""
    bounded = outcomes["budget"].map(lambda budget: not RADII.isdisjoint(json.loads(budget)))
    free = outcomes[~bounded.astype(bool)]
    return free[free["budget_index"] == free.groupby("attack")["budget_index"].transform("max")]


def stored_cells(run: Run, folder: str) -> list[dict[str, Any]]:
    """The cells, of each fold and over folds, that a command on stored adversarials left in a folder of a run."""
    path = run.path / folder / "summary.json"
    if not path.is_file():
        return []
    cells: list[dict[str, Any]] = in_this_version(read_json(path, REMEDY), path, REMEDY)["cells"]
    return cells


@dataclass(frozen=True)
class SoundPair:
    """A clip before and after an attack.

    Attributes:
        run: name of the run.
        clip: name of the clip.
        attack: name of the attack.
        space: what was attacked, the sound itself or the map that the adversarial sound was made from.
        clean: WAV file of the clean clip.
        adversarial: WAV file of the adversarial.
        seconds: length of the shorter file in seconds.
    """

    run: str
    clip: str
    attack: str
    space: Space
    clean: Path
    adversarial: Path
    seconds: float

    def read(self) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """The samples of both files, as far as the shorter one goes.

        Returns:
            The clean and the adversarial sound, each ``(time,)``, full scale is [-1, 1]; and the sample rate in Hz.

        Raises:
            DataError: if a file cannot be read or is empty, or the two are not mono at one sample rate.
        """
        (clean, rate), (adversarial, other) = (_samples(file) for file in (self.clean, self.adversarial))
        if rate != other:
            raise DataError(
                f"expected one sample rate in {self.clean} and {self.adversarial}, found {rate} and {other} Hz; run "
                "their command again"
            )
        shared = min(len(clean), len(adversarial))
        return clean[:shared], adversarial[:shared], rate


def sound_pairs(runs: Sequence[Run]) -> list[SoundPair]:
    """Find WAV files of attacks on sound and of ``round_trip.py --sounds wav``: a clip per run and attack, six at most.

    Of each attack the last budget is taken, which changes the sound most. Runs take turns.

    Raises:
        DataError: if a file is no WAV.
    """
    turns = itertools.zip_longest(*(_pairs_of(run) for run in runs))
    found = (pair for turn in turns for pair in turn if pair is not None)
    return list(itertools.islice(found, MOST_PAIRS))


def _pairs_of(run: Run) -> Iterator[SoundPair]:
    attacked = _attacked(run.path / SOUND.folder / "sounds")
    for space, places in ((SOUND, attacked), (MAP, _of_maps(run.path / "round-trip" / "sounds"))):
        heard: set[str] = set()
        for _, attack, _, clip, clean, adversarial in sorted(places):
            if attack in heard or attack.startswith(CHECK) or not clean.is_file():
                continue
            if max(file.stat().st_size for file in (clean, adversarial)) > LARGEST_BYTES:
                continue
            heard.add(attack)
            seconds = min(_seconds(clean), _seconds(adversarial))
            yield SoundPair(run.name, clip, attack, space, clean, adversarial, seconds)


Place = tuple[str, str, int, str, Path, Path]
"""Fold, attack, budget (negative: the last comes first), clip, and the files of the clean and the attacked sound."""


def _attacked(folder: Path) -> Iterator[Place]:
    """``fold1/3-1-100032-A-0/fgsm-0.wav`` beside ``clean.wav``."""
    for file in folder.glob("fold*/*/*-*.wav"):
        attack, _, budget = file.stem.rpartition("-")
        if budget.isdigit():
            clip = file.parent.name.partition("-")[2]
            yield file.parents[1].name, attack, -int(budget), clip, file.with_name("clean.wav"), file


def _of_maps(folder: Path) -> Iterator[Place]:
    """``fold1/fgsm/0/3-1-100032-A-0.wav`` and ``fold1/clean/3-1-100032-A-0.wav``."""
    for file in folder.glob("fold*/*/*/*.wav"):
        budget = file.parent.name
        if budget.isdigit():
            clean = file.parents[2] / "clean" / file.name
            clip = file.stem.partition("-")[2]
            yield file.parents[2].name, file.parents[1].name, -int(budget), clip, clean, file


def _seconds(path: Path) -> float:
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() / file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(f"expected a WAV file in {path}, found {error}; run its command again") from error


def _samples(path: Path) -> tuple[NDArray[np.float64], int]:
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"expected a WAV file in {path}, found {error}; run its command again") from error
    if samples.shape[0] == 0 or samples.shape[1] != 1:
        raise DataError(f"expected samples of one channel in {path}, found {samples.shape}; run its command again")
    return samples[:, 0], int(rate)
