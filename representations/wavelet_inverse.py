"""Sounds from changed continuous wavelet transforms, by the canonical dual of the frame that the scales form.

At frequency f (cycles per sample) the transform of a sampled sound is W(s, f) = sqrt(s) F_s(f) X(f), with F_s the
conjugate spectrum of the mother wavelet at s f. The canonical dual reconstructs the sound,

    X(f) = sum over s of W(s, f) conj(F_s(f)) / sqrt(s), divided by sum over s of abs(F_s(f))^2,

which is exact where the scales cover the spectrum. Near and beyond the ends of the band, the denominator is bounded
from below by ``SMALLEST_COVER`` times its largest value, so that components outside the band are attenuated instead of
amplified.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from representations.overlap_add import gain_less_one
from representations.wavelet_transform import next_fast_length
from representations.wavelets import BAND_LIMITED_WAVELETS, scales

if TYPE_CHECKING:
    from representations.dwt import DWT

SMALLEST_COVER = 1e-2
"""Share of the largest sum of squared spectra below which a frequency counts as outside the band."""
NUMBERS_AT_ONCE = 1 << 22
"""Scales times samples that are transformed at once, which bounds the memory to about 0.3 GB in float32."""


def haar_spectrum(scale: float, frequency: Tensor) -> Tensor:
    r"""F_s of the Haar wavelet for a sound that is constant over each sample, complex128.

    The integral of the sound is linear between samples, so that with :math:`z = e^{2 \pi i f}`, and w and r the integer
    and fractional part of s / 2,

    .. math:: s F_s(f) = \frac{2 - (1 - r)(z^w + z^{-w}) - r (z^{w + 1} + z^{-w - 1})}{z - 1}

    Args:
        scale: s in samples.
        frequency: in cycles per sample, from 0 to 1/2.

    Returns:
        The spectrum in the shape of ``frequency``.
    """
    whole = int(scale / 2.0)
    rest = scale / 2.0 - whole
    angle = 2.0 * math.pi * frequency
    difference = 2.0 - 2.0 * (1.0 - rest) * torch.cos(whole * angle) - 2.0 * rest * torch.cos((whole + 1) * angle)
    # 1 / (z - 1) = exp(-i angle / 2) / (2i sin(angle / 2)); the spectrum is zero at frequency 0.
    sine = 2.0 * torch.sin(angle / 2.0)
    quotient = torch.where(frequency > 0, difference / sine.masked_fill(frequency == 0, 1.0), 0.0) / scale
    return quotient * torch.polar(torch.ones_like(angle), -angle / 2.0 - math.pi / 2.0)


def filters_of(mother: str, chosen: Tensor, padded_length: int) -> Tensor:
    """F_s at the frequencies of a real FFT, ``(scales, padded_length // 2 + 1)``, real where F_s is real.

    Args:
        mother: a key of ``HIGHEST_FREQUENCY``.
        chosen: scales ``(scales,)`` float64 in samples.
        padded_length: length of the padded sound in samples.
    """
    frequency = torch.arange(padded_length // 2 + 1, dtype=torch.float64) / padded_length
    if mother == "haar":
        return torch.stack([haar_spectrum(scale, frequency) for scale in chosen.tolist()])
    return BAND_LIMITED_WAVELETS[mother].spectrum(chosen.unsqueeze(1) * frequency)


def filtered_over_scales(dwt: DWT, clips: Tensor, decibels: Tensor) -> Tensor:
    """Difference that gains in time and scale make to a sound: inverse(gain W) - inverse(W).

    Gains are linear in dB between the centres of frames, and constant before the first and after the last. One clip is
    processed at a time, in chunks of scales, also when gradients are computed.

    Args:
        dwt: the representation, which holds the settings and caches the filters.
        clips: ``(batch, time)``.
        decibels: gains in dB, ``(batch, scales, frames)``.

    Returns:
        ``(batch, time)``.
    """
    all_scales = scales(dwt.mother, dwt.sample_rate, dwt.n_scales)
    wavelet = BAND_LIMITED_WAVELETS.get(dwt.mother)
    reach = int((0.5 if wavelet is None else wavelet.duration) * float(all_scales.max())) + 2
    hop, frames = dwt.hop_length, decibels.shape[2]
    inside = max(-(-(clips.shape[1] + reach) // hop), frames + 1)
    blocks = next_fast_length(inside + 1 + -(-reach // hop))
    length = hop * blocks
    n_chunks = -(-len(all_scales) * length // NUMBERS_AT_ONCE)
    chunks = torch.arange(len(all_scales)).tensor_split(n_chunks)
    filters = [
        dwt.table(("spectra", length, k), _filter_builder(dwt.mother, all_scales[rows], length), clips)
        for k, rows in enumerate(chunks)
    ]
    cover = dwt.table(("cover", length), lambda: _cover(dwt.mother, all_scales, length), clips)

    analytic = wavelet is not None and wavelet.analytic

    def one_clip(clip: Tensor, gains: Tensor) -> Tensor:
        # MKL splits a single long transform among threads, which changes its rounding; it does not split one of two.
        spectrum = torch.fft.rfft(clip.expand(2, -1), n=length)[:1]
        learns = torch.is_grad_enabled() and (gains.requires_grad or clip.requires_grad)
        total = torch.zeros_like(spectrum)
        for rows, chunk in zip(chunks, filters, strict=True):
            given = (spectrum, chunk, gains[rows[0] : rows[-1] + 1], hop, inside, blocks, analytic)
            if learns and len(chunks) > 1:
                # Activations of a chunk are not kept but recomputed in the backward pass.
                total = total + checkpoint(_changed_spectrum, *given, use_reentrant=False)
            else:
                total = total + _changed_spectrum(*given)
        return torch.fft.irfft((total / cover).expand(2, -1), n=length)[:1, : clips.shape[1]]

    return torch.cat([one_clip(clip, gains) for clip, gains in zip(clips.split(1), decibels, strict=True)])


def _changed_spectrum(
    spectrum: Tensor, filters: Tensor, decibels: Tensor, hop: int, inside: int, blocks: int, analytic: bool
) -> Tensor:
    """Spectrum of the difference that the gains of some scales make, summed over these scales, ``(1, bins)``."""
    length = hop * blocks
    factors = _factors_at_samples(decibels, hop, inside, blocks)
    product = spectrum * filters
    if analytic:
        changed = torch.fft.fft(torch.fft.ifft(product, n=length) * factors)[:, : spectrum.shape[1]]
    else:
        changed = torch.fft.rfft(torch.fft.irfft(product, n=length) * factors)
    return (changed * filters.conj()).sum(0, keepdim=True)


def _factors_at_samples(decibels: Tensor, hop: int, inside: int, blocks: int) -> Tensor:
    """Amplitude factors minus one at each sample of the padded clip, ``(scales, hop * blocks)``.

    Frame k is centred on the boundary between blocks k and k + 1. The last blocks are the time before the clip, because
    the transform is circular.
    """
    first, last = decibels[:, :1], decibels[:, -1:]
    frames = decibels.shape[1]
    after = last.expand(-1, inside - frames)
    before = first.expand(-1, blocks - inside)
    joints = torch.cat([first, decibels, after, before], 1)
    ramp = ((torch.arange(hop, dtype=torch.float64) + 0.5) / hop).to(decibels)
    between = torch.lerp(joints[:, :-1, None], joints[:, 1:, None], ramp)
    return gain_less_one(between.flatten(1))


def _cover(mother: str, all_scales: Tensor, length: int) -> Tensor:
    cover = torch.zeros(length // 2 + 1, dtype=torch.float64)
    for scale in all_scales.split(1):
        cover += filters_of(mother, scale, length)[0].abs().square()
    return cover.clamp(min=SMALLEST_COVER * float(cover.max()))


def _filter_builder(mother: str, chosen: Tensor, length: int) -> Callable[[], Tensor]:
    return lambda: filters_of(mother, chosen, length)
