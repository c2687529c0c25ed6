"""Power in mel bands, the first step of the cepstrum and of the mel spectrogram, and filtering by gains of bands."""

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from representations.map_change import banded
from representations.overlap_add import filtered_in_frames
from representations.products import banded_product, bands
from representations.representation import Representation
from representations.stft import power_spectrogram


def mel_power(representation: Representation, clips: Tensor, *, n_fft: int, hop_length: int, n_mels: int) -> Tensor:
    """Power spectrogram with a Hann window as long as the frame, summed over the triangles of :func:`mel_filters`.

    The steps and the scale are those of ``librosa.feature.melspectrogram``.

    Args:
        representation: caches the constants (:meth:`Representation.table`) and has the sample rate.
        clips: ``(batch, time)``.
        n_fft: length of a frame and of its window in samples.
        hop_length: samples between the centres of frames.
        n_mels: number of bands.

    Returns:
        ``(batch, n_mels, 1 + time // hop_length)``, non-negative.
    """

    def filters() -> Tensor:
        return mel_filters(sample_rate=representation.sample_rate, n_fft=n_fft, n_mels=n_mels)

    columns = representation.table("mel columns", lambda: bands(filters())[0], clips)
    weights = representation.table("mel weights", lambda: bands(filters())[1], clips)
    window = _window(representation, n_fft, clips)
    return banded_product(columns, weights, power_spectrogram(clips, window, n_fft=n_fft, hop_length=hop_length))


def filtered_in_mel_bands(
    representation: Representation, clips: Tensor, decibels: Tensor, *, n_fft: int, hop_length: int
) -> Tensor:
    """Difference that gains of mel bands make to a sound: inverse(gain S) - inverse(S) for its short-time spectrum S.

    The gain of a bin in dB is the mean of the gains of its bands, weighted by the filters; a bin outside all filters is
    left unchanged.

    Args:
        representation: caches the constants and has the sample rate.
        clips: ``(batch, time)``.
        decibels: gains in dB, ``(batch, n_mels, 1 + time // hop_length)``.
        n_fft: length of a frame and of its window in samples.
        hop_length: samples between the centres of frames.

    Returns:
        ``(batch, time)``.
    """
    n_mels = decibels.shape[1]

    def shares() -> Tensor:
        filters = mel_filters(sample_rate=representation.sample_rate, n_fft=n_fft, n_mels=n_mels).T
        return filters / filters.sum(1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)

    of_bins = banded(representation, "bands of a bin", shares, decibels)
    window = _window(representation, n_fft, clips)
    return filtered_in_frames(clips, of_bins, window, n_fft=n_fft, hop_length=hop_length)


def _window(representation: Representation, n_fft: int, like: Tensor) -> Tensor:
    return representation.table("window", lambda: torch.hann_window(n_fft, dtype=torch.float64), like)


def mel_filters(*, sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """The triangular filters of Slaney's mel scale from 0 Hz to half the sample rate, each of area 1.

    Args:
        sample_rate: in Hz.
        n_fft: length of a frame in samples.
        n_mels: number of bands.

    Returns:
        ``(n_mels, n_fft // 2 + 1)`` float64, with the lowest band in row 0.
    """
    # torchaudio spaces the bins evenly up to sample_rate // 2, which is right where both numbers are even. With twice
    # as many up to the sample rate, bin k lies at k sample_rate / n_fft; even numbers keep the filters they always had.
    odd = sample_rate % 2 or n_fft % 2
    bins, top = (n_fft + 1, 2 * sample_rate) if odd else (n_fft // 2 + 1, sample_rate)
    filters = melscale_fbanks(
        bins,
        f_min=0.0,
        f_max=sample_rate / 2,
        n_mels=n_mels,
        sample_rate=top,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters[: n_fft // 2 + 1].T.double()
