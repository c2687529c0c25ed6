"""Sounds from changed short-time spectra: windowed frames added up again."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_OVERLAP = 1e-2
"""Share of the largest sum of squared windows below which the division by that sum is bounded."""
MOST_FRAMES_BETWEEN = 16


def frames_between(hop_length: int, win_length: int) -> int:
    """In how many steps a hop is divided so that windows overlap by half at least.

    Returns:
        The smallest divisor of the hop that does it, at most 16; 1, the hop as it is, where there is none.
    """
    for steps in range(1, min(hop_length, MOST_FRAMES_BETWEEN) + 1):
        if hop_length % steps == 0 and 2 * hop_length <= steps * win_length:
            return steps
    return 1


def filtered_in_frames(clips: Tensor, decibels: Tensor, window: Tensor, *, n_fft: int, hop_length: int) -> Tensor:
    r"""What gains in time and frequency add to a sound: inverse(gain S) - inverse(S) for its short-time spectrum S.

    The inverse is the weighted overlap-add, the sound whose spectrum is nearest to the changed one (Griffin and Lim
    1984):

    .. math:: x'_t - x_t = \frac{\sum_k w_{t - k h}\, y_k(t - k h)}{\sum_k w_{t - k h}^2},\quad
              y_k = \mathrm{DFT}^{-1}\big((g_k - 1) S_k\big)

    Where windows overlap by less than half (a hop as long as the window), frames are put between the others, with
    gains that are linear in dB between theirs: without them the joints of frames could not be changed, or would be
    amplified beyond measure.

    Args:
        clips: ``(batch, time)``.
        decibels: gains ``(batch, n_fft // 2 + 1, 1 + time // hop_length)``.
        window: ``(win_length,)``, put in the middle of the frame.
        n_fft: length of a frame in samples.
        hop_length: samples between the centres of frames; the first centre is sample 0.

    Returns:
        ``(batch, time)``.
    """
    time, left = clips.shape[1], (n_fft - len(window)) // 2
    steps = frames_between(hop_length, len(window))
    hop = hop_length // steps
    # One frame after the end: the last samples would lie under the end of a single window.
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
    # Samples that no window reaches are kept.
    return F.pad(ratio, (0, time - ratio.shape[1]))


def gains_between(decibels: Tensor, steps: int, n_frames: int) -> Tensor:
    """Gains of more frames: ``steps`` for each hop, linear in dB, those after the last frame equal to its own.

    Args:
        decibels: ``(batch, rows, frames)``.
        steps: from :func:`frames_between`.
        n_frames: how many frames there are to be.

    Returns:
        ``(batch, rows, n_frames)``.
    """
    if steps > 1:
        ramp = (torch.arange(steps, dtype=torch.float64) / steps).to(decibels)
        between = torch.lerp(decibels[:, :, :-1, None], decibels[:, :, 1:, None], ramp).flatten(2)
        decibels = torch.cat([between, decibels[:, :, -1:]], 2)
    missing = n_frames - decibels.shape[2]
    return torch.cat([decibels, decibels[:, :, -1:].expand(-1, -1, missing)], 2)


def gain_less_one(decibels: Tensor) -> Tensor:
    """Factor of an amplitude less one, exactly 0 at 0 dB and accurate near it."""
    return torch.expm1(decibels * (math.log(10.0) / 20.0))
