"""Mel-frequency cepstral coefficients as a map."""

import math
from typing import Literal

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from representations.decibels import normalise_peak, power_decibels, relative_level, spread
from representations.map_change import banded
from representations.mel import MelRepresentation
from representations.products import banded_product, bands
from representations.representation import ResizeMethod, require_samples

MOST_MELS = 4096
SMALLEST_LIFTER = 1e-6
"""Ratio to the largest singular value below which a coefficient counts as removed by the lifter."""


class MFCC(MelRepresentation):
    """Mel power -> dB (80 dB range) -> discrete cosine transform -> lifter -> [0, 1] by the clip's minimum and maximum.

    The steps and defaults are those of ``librosa.feature.mfcc``. The native map has ``n_mfcc`` rows, the coefficients
    in ascending order, and ``1 + time // hop_length`` columns. A clip whose mel powers all lie below librosa's floor of
    1e-10 has a map of zeros.

    Args:
        sample_rate: Hz; the paper's are 8000, 16000, 22050 and 24000.
        n_mfcc: number of coefficients; the paper's are 13, 20 and 40.
        n_fft: length of a frame and of its Hann window in samples.
        hop_length: samples between frames.
        n_mels: number of mel bands, on Slaney's scale and normalised in area.
        dct_type: type of the discrete cosine transform.
        norm: "ortho" for an orthonormal transform; null for SciPy's default scale.
        lifter_scale: d, which sets the length of the cepstral filter CF = d * n_mfcc (paper, Fig. 3); 0 for no filter.
        lifter_formula: "librosa" multiplies coefficient n = 0, 1, ... by 1 + (CF / 2) sin(pi (n + 1) / CF), as the code
            of librosa does; "paper_eq21" by (1 + sin(pi (n + 1) / CF)) CF / 2, the paper's Eq. 21, which copies a
            misprint of an old librosa docstring.
        decibel_reference: the power at 0 dB: "unit" is 1, librosa's default, so that coefficient 0 carries the level of
            the clip; "maximum" is the largest mel power of the clip, so that the map does not depend on the level.
        resize: see :class:`Representation`.
        align_corners: see :class:`Representation`.
        resize_method: see :class:`Representation`; ``power_mean`` averages mel power over time, while coefficients,
            which are not powers, are interpolated.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 22050,
        n_mfcc: int = 20,
        n_fft: int = 2048,
        hop_length: int = 1024,
        n_mels: int = 128,
        dct_type: Literal[2, 3] = 2,
        norm: Literal["ortho"] | None = "ortho",
        lifter_scale: float = 0.0,
        lifter_formula: Literal["librosa", "paper_eq21"] = "librosa",
        decibel_reference: Literal["unit", "maximum"] = "unit",
        resize: int | tuple[int, int] | None = (128, 128),
        align_corners: bool = False,
        resize_method: ResizeMethod = "bilinear",
    ) -> None:
        super().__init__(
            sample_rate=sample_rate, resize=resize, align_corners=align_corners, resize_method=resize_method
        )
        require_samples("n_fft", n_fft, 2)
        require_samples("hop_length", hop_length, 1)
        if not 1 <= n_mels <= MOST_MELS:
            raise ValueError(f"expected n_mels from 1 to {MOST_MELS}, got {n_mels}")
        if not 1 <= n_mfcc <= n_mels:
            raise ValueError(f"expected n_mfcc in 1..n_mels = {n_mels}, got {n_mfcc}")
        if not 0.0 <= lifter_scale < math.inf:
            raise ValueError(f"expected lifter_scale of at least 0, got {lifter_scale}")
        for name, value, allowed in (
            ("dct_type", dct_type, (2, 3)),
            ("norm", norm, ("ortho", None)),
            ("lifter_formula", lifter_formula, ("librosa", "paper_eq21")),
            ("decibel_reference", decibel_reference, ("unit", "maximum")),
        ):
            if value not in allowed:
                raise ValueError(f"expected {name} to be one of {allowed}, got {value!r}")
        self.n_mfcc = n_mfcc
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.dct_type = dct_type
        self.norm = norm
        self.lifter_scale = lifter_scale
        self.lifter_formula = lifter_formula
        self.decibel_reference = decibel_reference

    def cells(self, clips: Tensor) -> Tensor:
        """See :meth:`Representation.cells`: mel power, ``(batch, n_mels, 1 + time // hop_length)``."""
        if self.decibel_reference == "maximum":
            clips = normalise_peak(clips)
        return self.clip_by_clip(self.mel_power, clips)

    def scaled(self, cells: Tensor) -> Tensor:
        """See :meth:`Representation.scaled`: cepstral coefficients, ``(batch, n_mfcc, columns)``."""
        return spread(self.clip_by_clip(self._cepstrum, cells))

    def mean_power(self, cells: Tensor, rows: int, columns: int) -> Tensor:
        """See :meth:`Representation.mean_power`: over time only, because the rows become coefficients."""
        return self.resized_axis(cells, 2, columns)

    def decibel_change(self, cells: Tensor, change: Tensor) -> Tensor:
        """See :meth:`Representation.decibel_change`: gains of mel bands in dB, ``(batch, n_mels, columns)``.

        The change of the coefficients is that of the map times the range of the clip's coefficients. It is converted to
        the smallest change of the mel bands that has these coefficients: the lifter is undone, and coefficients that
        the map does not contain, or that the lifter sets to zero, do not change.
        """
        cepstrum = self.clip_by_clip(self._cepstrum, cells)
        extent = cepstrum.amax((1, 2), keepdim=True) - cepstrum.amin((1, 2), keepdim=True)

        def inverse_cosines() -> Tensor:
            return torch.linalg.pinv(self.liftered_cosines(), rtol=SMALLEST_LIFTER)

        return banded(self, "inverse cosines", inverse_cosines, extent * change)

    def _cepstrum(self, power: Tensor) -> Tensor:
        if self.decibel_reference == "maximum":
            decibels = 80.0 * relative_level(power, decibels_per_decade=10.0) - 80.0
        else:
            decibels = power_decibels(power)
        cosine_columns = self.table("cosine columns", lambda: bands(self.liftered_cosines())[0], power)
        cosine_weights = self.table("cosine weights", lambda: bands(self.liftered_cosines())[1], power)
        cepstrum = banded_product(cosine_columns, cosine_weights, decibels)
        flat = decibels.amax((1, 2), keepdim=True) == decibels.amin((1, 2), keepdim=True)
        return cepstrum.masked_fill(flat, 0.0)

    def liftered_cosines(self) -> Tensor:
        """The first rows of the cosine transform's matrix, each times its lifter, ``(n_mfcc, n_mels)`` float64."""
        cosines = scipy.fft.dct(np.eye(self.n_mels), type=self.dct_type, norm=self.norm, axis=0)[: self.n_mfcc]
        lifter = np.ones(self.n_mfcc)
        if self.lifter_scale > 0.0:
            length = self.lifter_scale * self.n_mfcc
            wave = np.sin(np.pi * np.arange(1, self.n_mfcc + 1) / length)
            lifter = 1.0 + length / 2.0 * wave if self.lifter_formula == "librosa" else (1.0 + wave) * length / 2.0
        return torch.from_numpy(cosines * lifter[:, None])
