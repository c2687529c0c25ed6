"""The mel spectrogram in decibels as a map: the front end of most published networks for sound."""

from torch import Tensor

from representations.decibels import normalise_peak, relative_level
from representations.mel import MelRepresentation
from representations.representation import ResizeMethod, require_samples


class LogMel(MelRepresentation):
    """Mel power in dB relative to the clip's maximum, 80 dB range.

    The steps are those of ``librosa.feature.melspectrogram`` with zeros around the clip, and of ``librosa.power_to_db``
    with ``ref=np.max`` and ``top_db=80``. The native map has ``n_mels`` rows, on Slaney's mel scale from 0 Hz to half
    the sample rate, and ``1 + time // hop_length`` columns. The map does not depend on the level of the clip.

    Args:
        sample_rate: Hz.
        n_fft: length of a frame and of its Hann window in samples.
        hop_length: samples between frames.
        n_mels: number of mel bands, on Slaney's scale and normalised in area.
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
        hop_length: int = 512,
        n_mels: int = 128,
        resize: int | tuple[int, int] | None = (128, 128),
        align_corners: bool = False,
        resize_method: ResizeMethod = "bilinear",
    ) -> None:
        super().__init__(
            sample_rate=sample_rate, resize=resize, align_corners=align_corners, resize_method=resize_method
        )
        require_samples("n_fft", n_fft, 2)
        require_samples("hop_length", hop_length, 1)
        if not 1 <= n_mels <= n_fft // 2 + 1:
            raise ValueError(f"expected n_mels in 1..n_fft // 2 + 1 = {n_fft // 2 + 1}, got {n_mels}")
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels

    def cells(self, clips: Tensor) -> Tensor:
        """See :meth:`Representation.cells`: mel power, ``(batch, n_mels, 1 + time // hop_length)``."""
        return self.clip_by_clip(self.mel_power, normalise_peak(clips))

    def scaled(self, cells: Tensor) -> Tensor:
        """See :meth:`Representation.scaled`: dB relative to the clip's maximum, 80 dB range."""
        return relative_level(cells, decibels_per_decade=10.0)
