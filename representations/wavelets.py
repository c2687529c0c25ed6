"""Mother wavelets in closed form, and the scales of the transform."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

LOWEST_FREQUENCY = 60.0


@dataclass(frozen=True)
class BandLimitedWavelet:
    """A wavelet psi(t) given by its spectrum.

    Attributes:
        centre_frequency: cycles per unit of t, PyWavelets' ``central_frequency``; scale s in samples is centred on
            ``centre_frequency * sample_rate / s`` Hz.
        spectrum: the real function Psi(f), the integral of psi(t) exp(-2 pi i f t) dt, f in cycles per unit of t.
        analytic: whether Psi vanishes for negative f (psi is complex) or is even (psi is real).
        band: the interval of positive f outside which Psi is below 1e-6 of its peak.
        duration: the largest abs(t) at which psi is above 1e-6 of its peak.
        points_per_scale: number of samples of abs(W) per unit of t from which the mean over all tau is accurate.
    """

    centre_frequency: float
    spectrum: Callable[[Tensor], Tensor]
    analytic: bool
    band: tuple[float, float]
    duration: float
    points_per_scale: float


def _morlet_spectrum(frequency: Tensor) -> Tensor:
    return torch.exp(-2.0 * math.pi**2 * (frequency - 1.0) ** 2)


def _mexican_hat_spectrum(frequency: Tensor) -> Tensor:
    omega_squared = (2.0 * math.pi * frequency) ** 2
    return 2.0 * math.sqrt(2.0 * math.pi / 3.0) / math.pi**0.25 * omega_squared * torch.exp(-omega_squared / 2.0)


# cmor with B = 2 (paper, Eq. 18) and C = 1: psi(t) = exp(-t^2 / 2) exp(2 pi i t) / sqrt(2 pi).
MORLET = BandLimitedWavelet(
    centre_frequency=1.0,
    spectrum=_morlet_spectrum,
    analytic=True,
    band=(0.16, 1.84),
    duration=5.3,
    points_per_scale=1.0,
)

# psi(t) = 2 / (sqrt(3) pi^(1/4)) (1 - t^2) exp(-t^2 / 2). It is real, so its magnitude has corners at zero crossings.
MEXICAN_HAT = BandLimitedWavelet(
    centre_frequency=0.25,
    spectrum=_mexican_hat_spectrum,
    analytic=False,
    band=(0.0, 1.0),
    duration=6.0,
    points_per_scale=4.0,
)

# Haar has one period on its support [-1/2, 1/2).
HAAR_CENTRE_FREQUENCY = 1.0

BAND_LIMITED_WAVELETS = {"morlet": MORLET, "mexican_hat": MEXICAN_HAT}

# The highest centre frequency as a share of the sample rate.
HIGHEST_FREQUENCY = {"morlet": 0.45, "mexican_hat": 0.30, "haar": 0.30}


def centre_frequencies(mother: str, sample_rate: int, n_scales: int) -> Tensor:
    """Centre frequencies of the rows, geometric from 60 Hz to 0.45 (Mexican hat, Haar: 0.30) of the sample rate.

    Args:
        mother: a key of ``HIGHEST_FREQUENCY``.
        sample_rate: Hz.
        n_scales: number of rows.

    Returns:
        ``(n_scales,)`` float64 in Hz, ascending.
    """
    highest = HIGHEST_FREQUENCY[mother] * sample_rate
    return torch.logspace(math.log10(LOWEST_FREQUENCY), math.log10(highest), n_scales, dtype=torch.float64)


def scales(mother: str, sample_rate: int, n_scales: int) -> Tensor:
    """Scales of the rows in samples.

    Args:
        mother: a key of ``HIGHEST_FREQUENCY``.
        sample_rate: Hz.
        n_scales: number of rows.

    Returns:
        ``(n_scales,)`` float64, descending.
    """
    wavelet = BAND_LIMITED_WAVELETS.get(mother)
    centre = HAAR_CENTRE_FREQUENCY if wavelet is None else wavelet.centre_frequency
    return centre * sample_rate / centre_frequencies(mother, sample_rate, n_scales)
