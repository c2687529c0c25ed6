"""Continuous wavelet transforms on the device: the mean magnitude of each scale over blocks of time.

W(s, tau) = s^(-1/2) * integral of a(t) psi*((t - tau) / s) dt, with t and s in samples and a(t) zero outside the clip.
A block is ``block`` consecutive values of tau, counted from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from representations.wavelets import BandLimitedWavelet

SCALES_PER_GROUP = 8


def next_fast_length(minimum: int) -> int:
    """The smallest number of the form 2^a 3^b 5^c that is at least ``minimum``."""
    length = max(1, minimum)
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


@dataclass(frozen=True)
class FilterGroup:
    """Neighbouring scales that are computed from the same frequency bins and with the same spacing of tau.

    Attributes:
        wavelet: the mother wavelet.
        scales: ``(scales,)`` float64 in samples.
        padded_length: length of the zero-padded clip.
        step: spacing of tau in samples.
        first_bin: first bin of the clip's spectrum within the band of the group.
        n_bins: number of bins, starting at ``first_bin``.
    """

    wavelet: BandLimitedWavelet
    scales: Tensor
    padded_length: int
    step: int
    first_bin: int
    n_bins: int

    def filters(self) -> Tensor:
        """Factors by which the bins are multiplied before the inverse transform, ``(scales, bins)`` complex128."""
        frequency = torch.arange(self.first_bin, self.first_bin + self.n_bins, dtype=torch.float64) / self.padded_length
        scales = self.scales.unsqueeze(1)
        magnitude = self.wavelet.spectrum(scales * frequency) * scales.sqrt() / self.step
        to_the_middle = torch.polar(torch.ones_like(frequency), torch.pi * frequency * (self.step - 1))
        return magnitude * to_the_middle


def filter_groups(wavelet: BandLimitedWavelet, scales: Tensor, *, padded_length: int, block: int) -> list[FilterGroup]:
    """Divide the scales into groups.

    The spectrum of a wavelet is narrow, so abs(W) is sampled without aliasing at few values of tau: M of them need an
    inverse transform of M bins only. They lie in the middle of equal intervals of ``step`` samples, where ``step``
    divides the block.

    Args:
        wavelet: the mother wavelet.
        scales: ``(scales,)`` float64 in samples.
        padded_length: length of the zero-padded clip, a multiple of ``block``.
        block: samples in a block.

    Returns:
        The groups, in the order of the scales.
    """
    groups = []
    divisors = [step for step in range(1, block // 8 + 1) if block % step == 0] or [1]
    for chunk in scales.split(SCALES_PER_GROUP):
        shortest, longest = float(chunk.min()), float(chunk.max())
        lowest = wavelet.band[0] / longest
        highest = min(wavelet.band[1] / shortest, 0.5)
        width = highest - lowest if wavelet.analytic else 2.0 * highest
        step = max(s for s in divisors if s == 1 or (s * width < 1.0 and s * wavelet.points_per_scale <= shortest))
        points = padded_length // step
        first_bin = int(lowest * padded_length) if wavelet.analytic else 0
        last_bin = min(first_bin + points - 1 if wavelet.analytic else points // 2, padded_length // 2)
        groups.append(FilterGroup(wavelet, chunk, padded_length, step, first_bin, last_bin - first_bin + 1))
    return groups


def band_limited_block_means(
    clips: Tensor, groups: Sequence[FilterGroup], filters: Sequence[Tensor], *, block: int, n_blocks: int
) -> Tensor:
    """Mean of abs(W) over blocks, with the clip read as the band-limited signal through its samples.

    Args:
        clips: ``(batch, time)``.
        groups: from :func:`filter_groups`; their zero padding prevents wrap-around between the ends of the clip.
        filters: the filters of the groups, in the precision and on the device of the clips.
        block: samples in a block.
        n_blocks: number of blocks from sample 0.

    Returns:
        ``(batch, scales, n_blocks)``.
    """
    padded_length = groups[0].padded_length
    # MKL splits a single long transform among threads, which changes its rounding; it does not split one of two.
    spectrum = torch.fft.rfft(clips.unsqueeze(1).expand(-1, 2, -1), n=padded_length)[:, :1]
    means = []
    for group, group_filters in zip(groups, filters, strict=True):
        points, used = padded_length // group.step, n_blocks * block // group.step
        product = spectrum[:, :, group.first_bin : group.first_bin + group.n_bins] * group_filters
        if group.wavelet.analytic:
            parts = torch.view_as_real(torch.fft.ifft(product, n=points)[..., :used]).square()
            # The floor keeps the gradient of the square root finite; torch.abs of a complex tensor takes twice as long.
            magnitude = (parts[..., 0] + parts[..., 1]).clamp(min=torch.finfo(parts.dtype).tiny).sqrt()
        else:
            magnitude = torch.fft.irfft(product, n=points)[..., :used].abs()
        means.append(magnitude.unflatten(2, (n_blocks, block // group.step)).mean(3))
    return torch.cat(means, 1)


def haar_block_means(clips: Tensor, scales: Sequence[float], *, block: int, n_blocks: int) -> Tensor:
    """Mean of abs(W) over blocks for the Haar wavelet, with a(t) equal to sample n on [n, n + 1).

    The integrals are differences of prefix sums, which are linear between samples, hence exact. They are computed in
    float64, because the sums are far larger than their differences.

    Args:
        clips: ``(batch, time)``.
        scales: in samples.
        block: samples in a block.
        n_blocks: number of blocks from sample 0.

    Returns:
        ``(batch, scales, n_blocks)``.
    """
    n_taus = block * n_blocks
    reach = int(max(scales) / 2.0) + 1
    sums = torch.nn.functional.pad(clips.double().cumsum(1), (reach + 1, 0))
    missing = n_taus + 2 * reach - sums.shape[1]
    if missing > 0:
        sums = torch.cat([sums, sums[:, -1:].expand(-1, missing)], 1)

    def both_sides(distance: int) -> Tensor:
        left = sums[:, reach - distance : reach - distance + n_taus]
        return left + sums[:, reach + distance : reach + distance + n_taus]

    twice_middle = both_sides(0)
    means = []
    for scale in scales:
        whole = int(scale / 2.0)
        sides = torch.lerp(both_sides(whole), both_sides(whole + 1), scale / 2.0 - whole)
        magnitude = ((twice_middle - sides) / scale**0.5).to(clips.dtype).abs()
        means.append(magnitude.unflatten(1, (n_blocks, block)).mean(2))
    return torch.stack(means, 1)
