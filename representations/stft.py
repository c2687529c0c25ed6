"""The short-time Fourier transform as a map: power in decibels over frequency and time."""

import torch
from torch import Tensor
from torchaudio.functional import spectrogram

from representations.decibels import normalise_peak, relative_level
from representations.overlap_add import filtered_in_frames
from representations.representation import Representation, ResizeMethod, require_samples


class STFT(Representation):
    """Power spectrogram in dB relative to the clip's maximum, 80 dB range.

    A Hann window lies in the middle of each frame, frames are centred on multiples of the hop, and the clip is padded
    with zeros. The native map has ``n_fft // 2 + 1`` rows from 0 Hz to half the sample rate and
    ``1 + time // hop_length`` columns.

    Args:
        sample_rate: Hz.
        n_fft: length of a frame in samples; the paper's are 512, 1024 and 2048.
        win_length_ratio: length of the window divided by that of the frame, in (0, 1]; 0.25 to 1 in the paper.
        hop_length: samples between frames.
        resize: see :class:`Representation`.
        align_corners: see :class:`Representation`.
        resize_method: see :class:`Representation`.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 22050,
        n_fft: int = 1024,
        win_length_ratio: float = 1.0,
        hop_length: int = 512,
        resize: int | tuple[int, int] | None = (128, 128),
        align_corners: bool = False,
        resize_method: ResizeMethod = "bilinear",
    ) -> None:
        super().__init__(
            sample_rate=sample_rate, resize=resize, align_corners=align_corners, resize_method=resize_method
        )
        require_samples("n_fft", n_fft, 2)
        if not 0.0 < win_length_ratio <= 1.0:
            raise ValueError(f"expected win_length_ratio in (0, 1], got {win_length_ratio}")
        require_samples("hop_length", hop_length, 1)
        self.n_fft = n_fft
        self.win_length_ratio = win_length_ratio
        self.hop_length = hop_length
        self.win_length = max(1, round(win_length_ratio * n_fft))

    def cells(self, clips: Tensor) -> Tensor:
        """See :meth:`Representation.cells`: power, ``(batch, n_fft // 2 + 1, 1 + time // hop_length)``."""
        window = self.window(clips)
        return self.clip_by_clip(
            lambda clip: power_spectrogram(clip, window, n_fft=self.n_fft, hop_length=self.hop_length),
            normalise_peak(clips),
        )

    def window(self, like: Tensor) -> Tensor:
        """The Hann window ``(win_length,)`` in the precision and on the device of ``like``."""
        return self.table("window", lambda: torch.hann_window(self.win_length, dtype=torch.float64), like)

    def scaled(self, cells: Tensor) -> Tensor:
        """See :meth:`Representation.scaled`: dB relative to the clip's maximum, 80 dB range."""
        return relative_level(cells, decibels_per_decade=10.0)

    def filtered_change(self, clips: Tensor, decibels: Tensor) -> Tensor:
        """See :meth:`Representation.filtered_change`: gains per frequency bin and frame, by overlap-add."""
        return filtered_in_frames(clips, decibels, self.window(clips), n_fft=self.n_fft, hop_length=self.hop_length)


def power_spectrogram(clips: Tensor, window: Tensor, *, n_fft: int, hop_length: int) -> Tensor:
    """Squared magnitude of the Fourier transform of each windowed frame, with zero padding around the clip.

    Args:
        clips: ``(batch, time)``.
        window: ``(win_length,)``, centred in the frame.
        n_fft: length of a frame in samples.
        hop_length: samples between the centres of frames; the first centre is sample 0.

    Returns:
        ``(batch, n_fft // 2 + 1, 1 + time // hop_length)``.
    """
    return spectrogram(
        clips,
        pad=0,
        window=window,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=len(window),
        power=2.0,
        normalized=False,
        center=True,
        pad_mode="constant",
    )
