"""The wavelet transform as a map: the paper's DWT, in fact a continuous wavelet transform averaged over frames."""

from typing import Literal

from torch import Tensor

from representations.decibels import RANGE_DB, normalise_peak, relative_level, relative_magnitude
from representations.representation import Representation, ResizeMethod
from representations.wavelet_inverse import filtered_over_scales
from representations.wavelet_transform import (
    band_limited_block_means,
    filter_groups,
    haar_block_means,
    next_fast_length,
)
from representations.wavelets import BAND_LIMITED_WAVELETS, HIGHEST_FREQUENCY, LOWEST_FREQUENCY, scales

MOST_SCALES = 4096
LONGEST_FRAME_MILLISECONDS = 10_000.0


class DWT(Representation):
    """Magnitude of a continuous wavelet transform, averaged over half-overlapping frames.

    W(s, tau) = s^(-1/2) * integral of a(t) psi*((t - tau) / s) dt, with t and s in samples, a(t) zero outside the clip
    and tau at every sample. Frame k covers tau = k * hop ... k * hop + 2 * hop - 1, where hop is half a frame, rounded
    to whole samples. Frames lie inside the clip; a clip shorter than one frame has a single frame. Between samples a(t)
    is band-limited for Morlet and Mexican hat, and constant for Haar. Row r has the r-th frequency of
    :func:`centre_frequencies`.

    Args:
        sample_rate: Hz; the paper's are 8000 and 16000.
        mother: "morlet" is PyWavelets' cmor2-1, "mexican_hat" its mexh; "haar" is +1 on [-1/2, 0) and -1 on [0, 1/2).
        frame_milliseconds: length of a frame in ms; the paper's are 30, 40 and 50.
        n_scales: number of rows of the native map.
        magnitude: "log" for dB relative to the clip's maximum, 80 dB range; "linear" for division by the maximum.
        resize: see :class:`Representation`.
        align_corners: see :class:`Representation`.
        resize_method: see :class:`Representation`; the power of a cell is the square of its mean magnitude.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 8000,
        mother: Literal["morlet", "mexican_hat", "haar"] = "morlet",
        frame_milliseconds: float = 50.0,
        n_scales: int = 128,
        magnitude: Literal["log", "linear"] = "log",
        resize: int | tuple[int, int] | None = (128, 128),
        align_corners: bool = False,
        resize_method: ResizeMethod = "bilinear",
    ) -> None:
        super().__init__(
            sample_rate=sample_rate, resize=resize, align_corners=align_corners, resize_method=resize_method
        )
        if mother not in HIGHEST_FREQUENCY:
            raise ValueError(f"expected mother to be one of {tuple(HIGHEST_FREQUENCY)}, got {mother!r}")
        if magnitude not in ("log", "linear"):
            raise ValueError(f"expected magnitude to be 'log' or 'linear', got {magnitude!r}")
        if n_scales < 1:
            raise ValueError(f"expected n_scales of at least 1, got {n_scales}")
        if n_scales > MOST_SCALES:
            raise ValueError(f"expected n_scales of at most {MOST_SCALES}, got {n_scales}")
        if not 0.0 <= frame_milliseconds <= LONGEST_FRAME_MILLISECONDS:
            raise ValueError(
                f"expected frame_milliseconds from 0 to {LONGEST_FRAME_MILLISECONDS}, got {frame_milliseconds}"
            )
        if HIGHEST_FREQUENCY[mother] * sample_rate <= LOWEST_FREQUENCY:
            lowest_rate = LOWEST_FREQUENCY / HIGHEST_FREQUENCY[mother]
            raise ValueError(f"expected sample_rate over {lowest_rate:.0f} Hz for {mother}, got {sample_rate}")
        hop_length = round(frame_milliseconds * sample_rate / 2000.0)
        if hop_length < 1:
            raise ValueError(f"expected frame_milliseconds of at least two samples, got {frame_milliseconds}")
        self.mother = mother
        self.frame_milliseconds = frame_milliseconds
        self.n_scales = n_scales
        self.magnitude = magnitude
        self.hop_length = hop_length

    def cells(self, clips: Tensor) -> Tensor:
        """See :meth:`Representation.cells`: magnitude, ``(batch, n_scales, frames)``."""
        return self.clip_by_clip(self.frame_means, normalise_peak(clips))

    def scaled(self, cells: Tensor) -> Tensor:
        """See :meth:`Representation.scaled`: dB relative to the clip's maximum, or the ratio to it."""
        if self.magnitude == "linear":
            return relative_magnitude(cells)
        return relative_level(cells, decibels_per_decade=20.0)

    def mean_power(self, cells: Tensor, rows: int, columns: int) -> Tensor:
        """See :meth:`Representation.mean_power`: cells are magnitudes, so their root mean square is returned."""
        power = super().mean_power(cells.square(), rows, columns)
        # The square root has an infinite derivative at 0; the gradient of silent cells is set to zero.
        silent = power == 0
        return power.masked_fill(silent, 1.0).sqrt().masked_fill(silent, 0.0)

    def decibel_change(self, cells: Tensor, change: Tensor) -> Tensor:
        """See :meth:`Representation.decibel_change`; linear magnitudes are compared in dB, down to -80 dB."""
        if self.magnitude == "log":
            return super().decibel_change(cells, change)
        clean = self.scaled(cells)
        floor = 10.0 ** (-RANGE_DB / 20.0)
        return 20.0 * ((clean + change).clamp(min=floor).log10() - clean.clamp(min=floor).log10())

    def filtered_change(self, clips: Tensor, decibels: Tensor) -> Tensor:
        """See :meth:`Representation.filtered_change`: gains per scale over time, resynthesised by the dual frame."""
        return filtered_over_scales(self, clips, decibels)

    def frame_means(self, clips: Tensor) -> Tensor:
        """Mean of abs(W) over each frame, in the units of the waveform.

        Args:
            clips: ``(batch, time)``, float32 or float64.

        Returns:
            ``(batch, n_scales, frames)``.
        """
        hop = self.hop_length
        n_blocks = max(2, clips.shape[1] // hop)
        all_scales = scales(self.mother, self.sample_rate, self.n_scales)
        if self.mother == "haar":
            blocks = haar_block_means(clips, all_scales.tolist(), block=hop, n_blocks=n_blocks)
        else:
            wavelet = BAND_LIMITED_WAVELETS[self.mother]
            reach = int(wavelet.duration * float(all_scales.max())) + 1
            length = max(clips.shape[1], n_blocks * hop) + reach
            padded_length = hop * next_fast_length(-(-length // hop))
            groups = filter_groups(wavelet, all_scales, padded_length=padded_length, block=hop)
            filters = [
                self.table(("filters", padded_length, index), group.filters, clips)
                for index, group in enumerate(groups)
            ]
            blocks = band_limited_block_means(clips, groups, filters, block=hop, n_blocks=n_blocks)
        return (blocks[:, :, :-1] + blocks[:, :, 1:]) / 2.0
