"""Synthesised environmental sounds: ten classes that differ in structure, not in average spectrum.

Pitch, rate, timbre and background are drawn per source, as if recorded in one place; time, level and a small detuning
are drawn per clip. The classes come in pairs with the same average spectrum (rising and falling, regular and irregular,
amplitude and frequency modulation), so that a linear model of the map's cells cannot separate them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Signal = NDArray[np.float64]

SAMPLE_RATE = 16000
CLIP_SECONDS = 2.0
SAMPLES = int(SAMPLE_RATE * CLIP_SECONDS)


@dataclass(frozen=True)
class Source:
    """Parameters that the clips of one recording share.

    Args:
        pitch_hz: pitch, or centre of the noise band, in Hz.
        rate_hz: events or modulations per second.
        brightness: level of each harmonic relative to the one below it, in (0, 1).
        background_db: level of the background noise relative to the sound's mean power.
        background_colour: pole of the first-order low-pass that colours it, from 0 (white) towards 1 (dark).
    """

    pitch_hz: float
    rate_hz: float
    brightness: float
    background_db: float
    background_colour: float


def draw_source(generator: Generator) -> Source:
    """Draw the parameters of a source."""
    return Source(
        pitch_hz=800.0 * 2.0 ** generator.uniform(0.0, 1.6),
        rate_hz=generator.uniform(3.5, 6.0),
        brightness=generator.uniform(0.2, 0.6),
        background_db=generator.uniform(-40.0, -25.0),
        background_colour=generator.uniform(0.0, 0.9),
    )


def synthesise(class_name: str, source: Source, generator: Generator) -> Signal:
    """Make one clip of a class: its sound at a random time and level, over the background of its source.

    Args:
        class_name: a name in :data:`SOUNDS`.
        source: parameters shared with the other clips of the recording.
        generator: generator of all other random numbers.

    Returns:
        ``(32000,)`` at 16 kHz, within [-1, 1].
    """
    sound = SOUNDS[class_name](source, generator)
    background = generator.standard_normal(SAMPLES)
    background = sosfilt([[1.0, 0.0, 0.0, 1.0, -source.background_colour, 0.0]], background)
    power = np.mean(sound**2) * 10.0 ** (source.background_db / 10.0)
    mixture = sound + background * np.sqrt(power / np.mean(background**2))
    return mixture * (10.0 ** (generator.uniform(-18.0, -1.0) / 20.0) / np.abs(mixture).max())


def _rising(source: Source, generator: Generator) -> Signal:
    return _sweep(source, generator, 1.0)


def _falling(source: Source, generator: Generator) -> Signal:
    return _sweep(source, generator, -1.0)


def _sweep(source: Source, generator: Generator, direction: float) -> Signal:
    octaves = direction * generator.uniform(1.2, 1.8)
    length = int(generator.uniform(0.6, 1.1) * SAMPLE_RATE)
    position = np.linspace(-0.5, 0.5, length)
    return _placed(_tone(_detuned(source, generator) * 2.0 ** (octaves * position), source), generator)


def _regular_knocks(source: Source, generator: Generator) -> Signal:
    period = 1.0 / (source.rate_hz * generator.uniform(0.9, 1.1))
    return _knocks(np.arange(generator.uniform(0.0, period), CLIP_SECONDS - 0.1, period), source, generator)


def _irregular_knocks(source: Source, generator: Generator) -> Signal:
    # Short and long gaps alternate at random around the same mean rate.
    gaps = generator.choice([0.35, 1.65], size=20) / (source.rate_hz * generator.uniform(0.9, 1.1))
    times = generator.uniform(0.0, 0.2) + np.cumsum(gaps)
    return _knocks(times[times < CLIP_SECONDS - 0.1], source, generator)


def _knocks(times: Signal, source: Source, generator: Generator) -> Signal:
    length = int(0.1 * SAMPLE_RATE)
    seconds = np.arange(length) / SAMPLE_RATE
    knock = _tone(np.full(length, _detuned(source, generator)), source) + generator.standard_normal(length)
    knock *= np.exp(-seconds / 0.012)
    signal = np.zeros(SAMPLES)
    for start in (times * SAMPLE_RATE).astype(int):
        signal[start : start + length] += knock * 10.0 ** (generator.uniform(-4.0, 0.0) / 20.0)
    return signal


def _amplitude_modulation(source: Source, generator: Generator) -> Signal:
    turns = _turns(source, generator)
    tone = _tone(np.full(len(turns), _detuned(source, generator)), source)
    return _placed(tone * (0.5 + 0.5 * np.sin(turns)) ** 2, generator)


def _frequency_modulation(source: Source, generator: Generator) -> Signal:
    turns = _turns(source, generator)
    semitones = generator.uniform(3.5, 5.0) * np.sin(turns)
    return _placed(_tone(_detuned(source, generator) * 2.0 ** (semitones / 12.0), source), generator)


def _turns(source: Source, generator: Generator) -> Signal:
    length = int(generator.uniform(1.2, 1.7) * SAMPLE_RATE)
    rate = source.rate_hz * generator.uniform(0.9, 1.1)
    return generator.uniform(0.0, 2.0 * np.pi) + 2.0 * np.pi * rate * np.arange(length) / SAMPLE_RATE


def _low_high(source: Source, generator: Generator) -> Signal:
    return _two_tones(source, generator, 1.0)


def _high_low(source: Source, generator: Generator) -> Signal:
    return _two_tones(source, generator, -1.0)


def _two_tones(source: Source, generator: Generator, direction: float) -> Signal:
    # The pair is played twice with a pause in between, which makes its order unambiguous.
    length = int(generator.uniform(0.18, 0.26) * SAMPLE_RATE)
    half = direction * generator.uniform(9.0, 13.0) / 24.0
    pitch = _detuned(source, generator)
    decay = np.exp(-np.arange(length) / (0.6 * length))
    pair = [_tone(np.full(length, pitch * 2.0**octaves), source) * decay for octaves in (-half, half)]
    pause = np.zeros(int(generator.uniform(0.3, 0.45) * SAMPLE_RATE))
    return _placed(np.concatenate([*pair, pause, *pair]), generator)


def _noise_bursts(source: Source, generator: Generator) -> Signal:
    length = int(generator.uniform(1.4, 1.8) * SAMPLE_RATE)
    noise = _band_noise(np.full(length, _detuned(source, generator)), generator)
    turns = 2.0 * np.pi * 0.6 * source.rate_hz * np.arange(length) / SAMPLE_RATE + generator.uniform(0.0, 2.0 * np.pi)
    return _placed(noise / (1.0 + np.exp(-20.0 * np.sin(turns))), generator)


def _drifting_noise(source: Source, generator: Generator) -> Signal:
    length = int(generator.uniform(1.4, 1.8) * SAMPLE_RATE)
    turns = 2.0 * np.pi * generator.uniform(0.5, 1.0) * np.arange(length) / SAMPLE_RATE
    octaves = 0.6 * np.sin(turns + generator.uniform(0.0, 2.0 * np.pi))
    return _placed(_band_noise(_detuned(source, generator) * 2.0**octaves, generator), generator)


def _detuned(source: Source, generator: Generator) -> float:
    return source.pitch_hz * 2.0 ** generator.uniform(-0.15, 0.15)


def _tone(frequency_hz: Signal, source: Source) -> Signal:
    phase = 2.0 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE
    harmonics = [source.brightness**k * np.sin((k + 1) * phase) for k in range(4)]
    # Harmonics above half the sample rate would fold back as other pitches.
    return sum(
        (part for k, part in enumerate(harmonics) if (k + 1) * frequency_hz.max() < SAMPLE_RATE / 2), np.zeros(1)
    )


def _band_noise(centre_hz: Signal, generator: Generator) -> Signal:
    # Slow noise times a carrier is noise around the carrier's frequency, even if that changes.
    slow = sosfilt(butter(2, 150.0, fs=SAMPLE_RATE, output="sos"), generator.standard_normal(len(centre_hz)))
    return slow * np.cos(2.0 * np.pi * np.cumsum(centre_hz) / SAMPLE_RATE)


def _placed(sound: Signal, generator: Generator) -> Signal:
    ramp = np.minimum(1.0, np.arange(1, len(sound) + 1) / (0.02 * SAMPLE_RATE))
    signal = np.zeros(SAMPLES)
    start = int(generator.integers(0, SAMPLES - len(sound) + 1))
    signal[start : start + len(sound)] = sound * ramp * ramp[::-1]
    return signal


SOUNDS: dict[str, Callable[[Source, Generator], Signal]] = {
    "rising_whistle": _rising,
    "falling_whistle": _falling,
    "regular_knocks": _regular_knocks,
    "irregular_knocks": _irregular_knocks,
    "throbbing_tone": _amplitude_modulation,
    "wavering_tone": _frequency_modulation,
    "low_high_chime": _low_high,
    "high_low_chime": _high_low,
    "noise_bursts": _noise_bursts,
    "drifting_noise": _drifting_noise,
}
