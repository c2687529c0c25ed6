"""Sounds from changed short-time spectra by weighted overlap-add."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_OVERLAP = 1e-2
"""Lower bound of the sum of squared windows in the division by it, as a share of its largest value."""
MOST_FRAMES_BETWEEN = 16


def frames_between(hop_length: int, win_length: int) -> int:
    """Number of steps into which a hop is divided so that windows overlap by at least half.

    Args:
        hop_length: samples between the centres of frames.
        win_length: length of the window in samples.

    Returns:
        The smallest such divisor of the hop, at most 16; 1, which keeps the hop, if there is none.
    """
    for steps in range(1, min(hop_length, MOST_FRAMES_BETWEEN) + 1):
        if hop_length % steps == 0 and 2 * hop_length <= steps * win_length:
            return steps
    return 1


def filtered_in_frames(clips: Tensor, decibels: Tensor, window: Tensor, *, n_fft: int, hop_length: int) -> Tensor:
    r"""Difference that gains make to a sound: inverse(gain S) - inverse(S) for its short-time spectrum S.

    The inverse is weighted overlap-add, which gives the sound whose spectrum is nearest to the changed one (Griffin and
    Lim 1984):

    .. math:: x'_t - x_t = \frac{\sum_k w_{t - k h}\, y_k(t - k h)}{\sum_k w_{t - k h}^2},\quad
              y_k = \mathrm{DFT}^{-1}\big((g_k - 1) S_k\big)

    Where windows overlap by less than half (for example, a hop as long as the window), frames are inserted between the
    others, with gains interpolated linearly in dB: without them, samples between frames could not be changed, or would
    be amplified without bound.

    Args:
        clips: ``(batch, time)``.
        decibels: gains in dB, ``(batch, n_fft // 2 + 1, 1 + time // hop_length)``.
        window: ``(win_length,)``, centred in the frame.
        n_fft: length of a frame in samples.
        hop_length: samples between the centres of frames; the first centre is sample 0.

    Returns:
        ``(batch, time)``.
    """
    time, left = clips.shape[1], (n_fft - len(window)) // 2
    steps = frames_between(hop_length, len(window))
    hop = hop_length // steps
    # One more frame after the end: otherwise the last samples would lie under the tail of a single window.
    spectrum = torch.stft(
        F.pad(clips, (0, hop)),
        n_fft,
        hop_length=hop,
        win_length=len(window),
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    n_frames = spectrum.shape[2]
    added = torch.fft.irfft(spectrum * gain_less_one(gains_between(decibels, steps, n_frames)), n=n_fft, dim=1)
    frame_window = F.pad(window, (left, n_fft - len(window) - left)).unsqueeze(1)
    squares = frame_window.square().expand(1, -1, n_frames)
    length = n_fft + hop * (n_frames - 1)
    summed = F.fold(torch.cat([added * frame_window, squares]), (1, length), (1, n_fft), stride=(1, hop)).flatten(1)
    overlap = summed[-1:]
    ratio = summed[:-1] / overlap.clamp(min=SMALLEST_OVERLAP * float(overlap.detach().max()))
    ratio = ratio[:, n_fft // 2 : n_fft // 2 + time]
    # Samples that no window covers do not change.
    return F.pad(ratio, (0, time - ratio.shape[1]))


def gains_between(decibels: Tensor, steps: int, n_frames: int) -> Tensor:
    """Interpolate gains linearly in dB to ``steps`` frames per hop; frames after the last one repeat its gains.

    Args:
        decibels: ``(batch, rows, frames)`` in dB.
        steps: from :func:`frames_between`.
        n_frames: number of frames to return.

    Returns:
        ``(batch, rows, n_frames)`` in dB.
    """
    if steps > 1:
        ramp = (torch.arange(steps, dtype=torch.float64) / steps).to(decibels)
        between = torch.lerp(decibels[:, :, :-1, None], decibels[:, :, 1:, None], ramp).flatten(2)
        decibels = torch.cat([between, decibels[:, :, -1:]], 2)
    missing = n_frames - decibels.shape[2]
    return torch.cat([decibels, decibels[:, :, -1:].expand(-1, -1, missing)], 2)


def gain_less_one(decibels: Tensor) -> Tensor:
    """Amplitude factor of a gain in dB, minus one; exactly 0 at 0 dB and accurate near it."""
    return torch.expm1(decibels * (math.log(10.0) / 20.0))
