"""A clean sound, the attacked one and the change between them, as spectrograms on one scale of decibels."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from metrics.distances import snr_db
from reporting.figures.figure import ReportFigure, new_figure
from reporting.names import NAMES
from reporting.sounds import SoundPair

KEY, TITLE = "sound_pair", "A sound, clean and attacked"
WINDOW_SECONDS, HOP_SECONDS = 0.032, 0.008

FLOOR_DB = -140.0
"""Level at which silence is drawn; rounding to 16 bits makes about -120 dB in each value."""
SHOWN_DB = 90.0
STEP_DB = 5.0
"""Width of a colour in dB: few colours are easy to find in the colour bar, and keep the PNG small."""
PICTURE_COLOURS = 128
"""Size of the palette of the PNG: the colours of the levels, and greys of the letters."""


@dataclass(frozen=True)
class PairLevels:
    """What is drawn of a pair.

    Attributes:
        frequencies: of the rows, ``(rows,)`` in Hz.
        times: of the centres of the windows, ``(columns,)`` in s.
        levels: of ``clean``, ``adversarial`` and their difference, ``change``, each ``(rows, columns)`` in dB, where 0
            is a sine of full scale and :data:`FLOOR_DB` the lowest value.
        snr_db: signal-to-noise ratio of the whole pair; infinite for an unchanged sound, minus infinity for a changed
            silent one.
    """

    frequencies: NDArray[np.float64]
    times: NDArray[np.float64]
    levels: dict[str, NDArray[np.float64]]
    snr_db: float


def pair_levels(clean: NDArray[np.float64], adversarial: NDArray[np.float64], sample_rate: int) -> PairLevels:
    """Compute the spectrograms of a pair, with Hann windows of 32 ms, one every 8 ms.

    Args:
        clean: the clean sound ``(time,)``, full scale is [-1, 1].
        adversarial: the same clip after the attack, of the same length.
        sample_rate: of both, in Hz.
    """
    length = round(WINDOW_SECONDS * sample_rate)
    window, hop = hann(length, sym=False), round(HOP_SECONDS * sample_rate)
    transform = ShortTimeFFT(window, hop, sample_rate, fft_mode="onesided2X", scale_to="magnitude")
    columns = math.ceil(len(clean) / hop)
    levels = {}
    for name, sound in {"clean": clean, "adversarial": adversarial, "change": adversarial - clean}.items():
        # The transform refuses sounds that are shorter than half a window.
        padded = np.pad(sound, (0, max(0, length - len(sound))))
        power = transform.spectrogram(padded, p0=0, p1=columns)
        levels[name] = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
    ratio = snr_db(torch.from_numpy(clean)[None], torch.from_numpy(adversarial)[None]).item()
    return PairLevels(transform.f, np.arange(columns) * hop / sample_rate, levels, ratio)


def pair_figure(pair: SoundPair) -> ReportFigure:
    """Draw a pair of sounds and the change, below each other and in the same colours.

    Args:
        pair: the files of the two sounds.

    Returns:
        The figure; its numbers are the loudest value of each panel.

    Raises:
        DataError: if a file cannot be read, or the two do not belong together.
    """
    clean, adversarial, sample_rate = pair.read()
    found = pair_levels(clean, adversarial, sample_rate)
    loudest = max(float(levels.max()) for levels in found.levels.values())
    # A round number, and not so low that the colours end below silence.
    top = max(10 * math.ceil(loudest / 10), FLOOR_DB + SHOWN_DB)
    figure = new_figure(3.5, 3.6)
    axes = figure.subplots(len(found.levels), 1, sharex=True, sharey=True)
    for panel, (name, levels) in zip(axes, found.levels.items(), strict=True):
        image = panel.imshow(
            levels,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            extent=(0, len(clean) / sample_rate, 0, sample_rate / 2000),
            cmap=colormaps["magma"].resampled(round(SHOWN_DB / STEP_DB)),
            vmin=top - SHOWN_DB,
            vmax=top,
        )
        panel.set_title(name, fontsize=8, loc="left", pad=3)
        panel.tick_params(labelsize=7)
    axes[1].set_ylabel("frequency (kHz)", fontsize=8)
    axes[-1].set_xlabel("time (s)", fontsize=8)
    bar = figure.colorbar(image, ax=axes.tolist(), aspect=40, pad=0.02, extend="min")
    bar.set_label("level (dB)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    attack, ratio = NAMES.get(pair.attack, pair.attack), _in_words(found.snr_db)
    caption = f"{pair.clip}, {attack} on the {pair.space.name}, {pair.seconds:.1f} s, {ratio} (run {pair.run})"
    numbers, heard = [], []
    for name, levels in found.levels.items():
        row, column = np.unravel_index(levels.argmax(), levels.shape)
        most, frequency = float(levels[row, column]), float(found.frequencies[row])
        numbers.append({"panel": name, "frequency": frequency, "time": float(found.times[column]), "level_db": most})
        heard.append(f"{name} up to {most:.0f} dB, at {frequency:,.0f} Hz" if most > FLOOR_DB else f"{name} silent")
    alt = f"Spectrograms of {pair.clip}, clean and after {attack}, and of the change, {ratio}: {'; '.join(heard)}."
    return ReportFigure(KEY, TITLE, caption, alt, figure, numbers)


def _in_words(ratio: float) -> str:
    if math.isinf(ratio):
        return "unchanged" if ratio > 0 else "a silent clip that was changed"
    return f"SNR {ratio:.1f} dB"
