"""Copies of a training clip at other pitches or tempi.

Source: Esmaeilpour et al. 2020, section V-B: four copies per clip at the frequency ratios 0.75, 0.9, 1.15 and 1.5.
"""

import math
from typing import Literal

import numpy as np

from datamodules.audio import Waveform

Augmentation = Literal["pitch_shift", "time_stretch", "none"]
RATIOS = (0.75, 0.9, 1.15, 1.5)
# Window of librosa's phase vocoder; a shorter clip is padded with silence to one window and cut again afterwards.
VOCODER_SAMPLES = 2048


def variant_names(augmentation: Augmentation) -> tuple[str, ...]:
    """Names of a clip's variants: ``original`` first, then one copy per ratio.

    Raises:
        ValueError: if the augmentation is unknown.
    """
    if augmentation not in ("pitch_shift", "time_stretch", "none"):
        raise ValueError(f"expected augmentation in pitch_shift, time_stretch, none, got {augmentation!r}")
    ratios = () if augmentation == "none" else RATIOS
    return ("original", *(f"{augmentation}_{ratio}" for ratio in ratios))


def make_copy(waveform: Waveform, sample_rate: int, augmentation: Augmentation, ratio: float) -> Waveform:
    """Make one augmented copy of a clip at its original length.

    The clip must not have been padded or looped to its final length yet: the vocoder would smear the joints of a looped
    clip, and a clip shortened by stretching would end in silence instead of being looped.

    Args:
        waveform: ``(time,)`` in [-1, 1], the clip at its original length.
        sample_rate: in Hz.
        augmentation: ``pitch_shift`` multiplies every frequency by ``ratio`` and keeps the length; ``time_stretch``
            divides the length by ``ratio`` and keeps the frequencies.
        ratio: larger than 0.

    Returns:
        ``(time,)`` float32 in [-1, 1], the copy before padding or looping.
    """
    # librosa takes seconds to import and is not needed when the cache is complete.
    from librosa.effects import pitch_shift, time_stretch

    samples = len(waveform)
    if samples < VOCODER_SAMPLES:
        waveform = np.pad(waveform, (0, VOCODER_SAMPLES - samples))
    if augmentation == "pitch_shift":
        copy = pitch_shift(waveform, sr=sample_rate, n_steps=12 * math.log2(ratio), res_type="soxr_hq")[:samples]
    else:
        copy = time_stretch(waveform, rate=ratio)[: max(1, round(samples / ratio))]
    return np.clip(copy, -1, 1).astype(np.float32, copy=False)
