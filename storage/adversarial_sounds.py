"""Adversarial sounds beside the clean clip that each was made of, as files that any player opens.

``sounds/fold<k>/<clip>-<name>/clean.wav`` is the clip that was attacked, and ``<attack>-<budget_index>.wav`` beside it
what an attack made of it at one budget: 16 bits, mono, at the sample rate of the representation. To read them::

    sounds = AdversarialSounds("runs/esc10-stft/attacks-sound")
    clean, sample_rate = sounds.read(fold=1, attack="clean", budget_index=None, clip=3, name="1-100032-A-0.wav")
    attacked, _ = sounds.read(fold=1, attack="fgsm", budget_index=0, clip=3, name="1-100032-A-0.wav")

Fold, attack, position of the budget, clip and name are columns of ``outcomes.parquet`` in the same folder.
"""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from storage.errors import DataError
from storage.sound_file import SoundFormat, numbered_stem, write_sound

FORMATS: tuple[SoundFormat, ...] = ("wav", "flac")


class AdversarialSounds:
    """The folder ``sounds`` of attacks on sounds.

    Args:
        path: folder of the attacks' results, ``runs/<name>/attacks-sound``.
        form: what new files are written in; both formats hold the same samples, and both are read.
    """

    def __init__(self, path: Path | str, form: SoundFormat = "wav") -> None:
        self.path = Path(path) / "sounds"
        self.form: SoundFormat = form

    def find(self, fold: int, attack: str, budget_index: int | None, clip: int, name: str) -> Path | None:
        """The file of a sound, in whichever format it was kept; None where it was not kept."""
        files = (self._file(fold, attack, budget_index, clip, name, form) for form in FORMATS)
        return next((file for file in files if file.is_file()), None)

    def write(
        self,
        fold: int,
        attack: str,
        budget_index: int | None,
        clip: int,
        name: str,
        sound: NDArray[np.floating],
        sample_rate: int,
    ) -> None:
        """Keep one sound, atomically.

        Args:
            fold: number of the fold.
            attack: name of the attack; ``clean`` for the clip itself.
            budget_index: position of the budget in its profile, from 0; None for the clip itself.
            clip: position of the clip in the fold's record.
            name: file name of the clip.
            sound: ``(time,)``, full scale is [-1, 1].
            sample_rate: in Hz.
        """
        write_sound(self._file(fold, attack, budget_index, clip, name, self.form), sound, sample_rate)

    def read(
        self, fold: int, attack: str, budget_index: int | None, clip: int, name: str
    ) -> tuple[NDArray[np.float32], int]:
        """Read one sound; arguments as in :meth:`write`.

        Returns:
            The sound ``(time,)``, full scale is [-1, 1], and its sample rate in Hz.

        Raises:
            DataError: if the sound was not kept, or its file cannot be read.
        """
        file = self.find(fold, attack, budget_index, clip, name)
        if file is None:
            wanted = self._file(fold, attack, budget_index, clip, name, self.form)
            raise DataError(f"expected a sound in {wanted}, found none; attack.py --save-adversarials keeps them")
        try:
            sound, sample_rate = soundfile.read(file, dtype="float32")
        except (OSError, RuntimeError) as error:
            raise DataError(f"expected a sound in {file}, found none that can be read; attack again") from error
        if sound.ndim != 1:
            raise DataError(f"expected a sound of one channel in {file}, found {sound.shape[1]}; attack again")
        return sound, int(sample_rate)

    def _file(self, fold: int, attack: str, budget_index: int | None, clip: int, name: str, form: SoundFormat) -> Path:
        place = self.path / f"fold{fold}" / numbered_stem(clip, name)
        return place / (f"{attack}.{form}" if budget_index is None else f"{attack}-{budget_index}.{form}")
