"""Disturbances of sounds between loudspeaker, file and microphone: gain, noise, sample rates, codecs, a room.

Each disturbance takes a sound ``(time,)`` and returns one of the same length, as a function of the sound, the strength
and a seed only. None clips a sound unless the format that it stands for does.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.signal
import soundfile
import soxr
from numpy.typing import NDArray

from datamodules.audio import reason
from datamodules.room import ROOMS, impulse_response

Sound = NDArray[np.float64]
FRAMES_AT_ONCE = 1 << 15
"""Number of frames written per call, because libsndfile's Ogg encoder overflows its stack on a long sound."""


@dataclass(frozen=True)
class Disturbance:
    """One transform of sounds at one strength.

    Args:
        kind: name of the transform, a key of ``KINDS``.
        strength: its strength, in ``unit``.
    """

    kind: str
    strength: float

    @property
    def unit(self) -> str:
        """Unit of the strength."""
        return KINDS[self.kind].unit

    @property
    def name(self) -> str:
        """Kind and strength, ``noise 20 dB`` for example."""
        return f"{self.kind} {self.strength:g} {self.unit}" if self.unit != self.kind else f"{self.strength:g} bits"

    def __call__(self, sound: Sound, sample_rate: int, seed: int = 0) -> Sound:
        """Disturb a sound.

        Args:
            sound: ``(time,)`` float64.
            sample_rate: in Hz.
            seed: seed of the random numbers, the same for a clean clip and its adversarial.

        Returns:
            ``(time,)`` float64.

        Raises:
            UnsupportedError: if this machine or this sample rate does not allow it.
        """
        return KINDS[self.kind].apply(np.asarray(sound, np.float64), sample_rate, self.strength, seed)


class UnsupportedError(Exception):
    """A disturbance that libsndfile on this machine, or a sample rate, does not allow; says why in a sentence."""


@dataclass(frozen=True)
class Kind:
    """A transform of sounds.

    Args:
        apply: from sound, sample rate, strength and seed to a sound.
        unit: unit of the strength.
        strengths: the default strengths, from weak to strong.
        meaning: description in a sentence.
    """

    apply: Callable[[Sound, int, float, int], Sound]
    unit: str
    strengths: tuple[float, ...]
    meaning: str


def disturbances(kinds: list[str] | None = None) -> list[Disturbance]:
    """The default disturbances of some kinds, of all by default, each kind from weak to strong.

    Raises:
        ValueError: for a kind that is not known, or none at all.
    """
    chosen = list(KINDS) if kinds is None else list(dict.fromkeys(kinds))
    unknown = [repr(kind) for kind in chosen if kind not in KINDS]
    if unknown or not chosen:
        raise ValueError(f"expected kinds of disturbances among {', '.join(KINDS)}, got {(*unknown, 'none')[0]}")
    return [Disturbance(kind, strength) for kind in chosen for strength in KINDS[kind].strengths]


def _gain(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
    return sound * 10.0 ** (strength / 20.0)


def _noise(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
    white = np.random.default_rng(seed).standard_normal(len(sound))
    # A silent sound has no signal-to-noise ratio and gets no noise.
    level = np.sqrt(np.sum(sound**2) / np.sum(white**2)) * 10.0 ** (-strength / 20.0)
    return sound + level * white


def _bits(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
    steps = 2.0 ** (strength - 1)
    return np.clip(np.round(sound * steps), -steps, steps - 1) / steps


def _resample(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
    there = soxr.resample(sound, sample_rate, sample_rate * strength)
    return _of_length(soxr.resample(there, sample_rate * strength, sample_rate), len(sound))


def _low_pass(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
    sections = scipy.signal.butter(8, strength, fs=1.0, output="sos")
    return scipy.signal.sosfiltfilt(sections, sound, padlen=min(27, len(sound) - 1))


def _shift(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
    samples = min(len(sound), round(strength / 1000.0 * sample_rate))
    return np.concatenate([np.zeros(samples), sound[: len(sound) - samples]])


def _codec(file_format: str, subtype: str) -> Callable[[Sound, int, float, int], Sound]:
    def coded(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
        if file_format not in soundfile.available_formats():
            raise UnsupportedError(
                f"expected {file_format} in libsndfile, found version {soundfile.__libsndfile_version__} without it; "
                "a newer one has it"
            )
        memory = io.BytesIO()
        try:
            settings = {"format": file_format, "subtype": subtype, "compression_level": strength}
            with soundfile.SoundFile(memory, "w", sample_rate, 1, **settings) as file:
                for start in range(0, len(sound), FRAMES_AT_ONCE):
                    file.write(np.clip(sound[start : start + FRAMES_AT_ONCE], -1.0, 1.0))
            memory.seek(0)
            decoded, _ = soundfile.read(memory)
        except soundfile.LibsndfileError as error:
            raise UnsupportedError(
                f"expected {file_format} of {sample_rate} Hz, found that libsndfile refuses it: {reason(error)}"
            ) from error
        return _of_length(decoded, len(sound))

    return coded


def _room(sound: Sound, sample_rate: int, strength: float, seed: int) -> Sound:
    room = next(one for one in ROOMS if round(one.reverberation_seconds, 2) == strength)
    return scipy.signal.fftconvolve(sound, impulse_response(room, sample_rate))[: len(sound)]


def _of_length(sound: Sound, samples: int) -> Sound:
    return np.pad(sound[:samples], (0, max(0, samples - len(sound))))


KINDS: dict[str, Kind] = {
    "gain": Kind(_gain, "dB", (-6.0, -20.0, 6.0), "louder or quieter, without clipping"),
    "noise": Kind(_noise, "dB", (60.0, 50.0, 40.0, 30.0, 20.0, 10.0), "white noise at this signal-to-noise ratio"),
    "bits": Kind(_bits, "bits", (16.0, 8.0), "rounding to whole numbers of this many bits, full scale clipped"),
    "resample": Kind(_resample, "x rate", (0.5,), "to this share of the sample rate and back"),
    "low_pass": Kind(
        _low_pass, "x rate", (0.25, 0.125), "Butterworth of order 8 run forwards and backwards, -6 dB there"
    ),
    "shift": Kind(_shift, "ms", (1.0, 5.0, 20.0, 50.0), "delay, with zeros before the sound"),
    "ogg": Kind(
        _codec("OGG", "VORBIS"), "level", (0.0, 0.5, 1.0), "Ogg Vorbis; libsndfile's compression level, 0 is best"
    ),
    "mp3": Kind(_codec("MP3", "MPEG_LAYER_III"), "level", (0.0, 0.5, 0.9), "MP3; compression level as above"),
    "room": Kind(
        _room,
        "s",
        tuple(round(room.reverberation_seconds, 2) for room in ROOMS),
        "simulated: echoes of a box by image sources, with this reverberation time; the direct sound stays in place",
    ),
}
"""The transforms by name."""
