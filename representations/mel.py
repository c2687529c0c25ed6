"""Power in mel bands, the first step of the cepstrum and of the mel spectrogram, and filtering by gains of bands."""

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from representations.map_change import banded
from representations.overlap_add import filtered_in_frames
from representations.products import banded_product, bands
from representations.representation import Representation
from representations.stft import power_spectrogram


class MelRepresentation(Representation):
    """A map computed from the power in mel bands, which gains of these bands can change.

    A subclass keeps its settings ``n_fft``, ``hop_length`` and ``n_mels`` in attributes of these names.
    """

    n_fft: int
    hop_length: int
    n_mels: int

    def mel_power(self, clips: Tensor) -> Tensor:
        """Power spectrogram with a Hann window as long as the frame, summed over the triangles of :func:`mel_filters`.

        The steps and the scale are those of ``librosa.feature.melspectrogram``.

        Args:
            clips: ``(batch, time)``.

        Returns:
            ``(batch, n_mels, 1 + time // hop_length)``, non-negative.
        """
        columns = self.table("mel columns", lambda: bands(self._filters())[0], clips)
        weights = self.table("mel weights", lambda: bands(self._filters())[1], clips)
        spectrogram = power_spectrogram(clips, self._window(clips), n_fft=self.n_fft, hop_length=self.hop_length)
        return banded_product(columns, weights, spectrogram)

    def filtered_change(self, clips: Tensor, decibels: Tensor) -> Tensor:
        """See :meth:`Representation.filtered_change`: gains per mel band and frame.

        The gain of a bin in dB is the mean of the gains of its bands, weighted by the filters; a bin outside all
        filters is left unchanged.
        """

        def shares() -> Tensor:
            filters = self._filters().T
            return filters / filters.sum(1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)

        of_bins = banded(self, "bands of a bin", shares, decibels)
        return filtered_in_frames(clips, of_bins, self._window(clips), n_fft=self.n_fft, hop_length=self.hop_length)

    def _filters(self) -> Tensor:
        return mel_filters(sample_rate=self.sample_rate, n_fft=self.n_fft, n_mels=self.n_mels)

    def _window(self, like: Tensor) -> Tensor:
        return self.table("window", lambda: torch.hann_window(self.n_fft, dtype=torch.float64), like)


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
