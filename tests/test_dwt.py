"""The wavelet transform against closed forms of its integral, direct sums and PyWavelets."""

import math

import numpy as np
import pytest
import pywt
import torch

from representations import DWT
from representations.wavelets import BAND_LIMITED_WAVELETS, HIGHEST_FREQUENCY, centre_frequencies, scales

MOTHERS = ["morlet", "mexican_hat", "haar"]


def frame_means(magnitude: np.ndarray, frame: int) -> np.ndarray:
    """Mean over half-overlapping frames, (scales, time) -> (scales, frames)."""
    windows = np.lib.stride_tricks.sliding_window_view(magnitude, frame, axis=1)
    return windows[:, :: frame // 2].mean(2)


def relative_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Relative l_2 error over frames, one number for each scale."""
    return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)


def gabor_atoms(mother: str, sample_rate: int, samples: int) -> list[tuple[float, float, float, float, float]]:
    """Gaussian-windowed sinusoids (amplitude, frequency in cycles a sample, phase, centre, std), well inside the clip.

    Sixteen frequencies in geometric steps over the rows' range, less than half an octave apart, so that every scale is
    within its own bandwidth of one; the highest has died off at Nyquist.
    """
    highest = HIGHEST_FREQUENCY[mother] - 0.01
    frequencies = np.geomspace(60.0 / sample_rate, highest, 16)
    generator = np.random.default_rng(5)
    phases = generator.uniform(0, 2 * np.pi, 16)
    centres = samples * generator.uniform(0.45, 0.55, 16)
    return [
        (1.0, float(frequency), float(phase), float(centre), samples / 22.0)
        for frequency, phase, centre in zip(frequencies, phases, centres, strict=True)
    ]


def sampled(atoms: list[tuple[float, float, float, float, float]], samples: int) -> np.ndarray:
    time = np.arange(samples)
    return sum(
        amplitude
        * np.exp(-((time - centre) ** 2) / (2 * std**2))
        * np.cos(2 * np.pi * frequency * (time - centre) + phase)
        for amplitude, frequency, phase, centre, std in atoms
    )


def closed_form(mother: str, atoms: list[tuple[float, float, float, float, float]], scale: float, samples: int):
    """W(s, tau) of the atoms at tau = 0 ... samples - 1 by Gaussian integrals.

    With u = t - centre and d = tau - centre, the product of the two Gaussians is one of mean m and variance v; a
    sinusoid of angular frequency w under it integrates to sqrt(2 pi v) exp(i w m - w^2 v / 2), and the polynomial of
    the Mexican hat to its moments about m + i w v.
    """
    tau = np.arange(samples)
    transform = np.zeros(samples, dtype=complex)
    for amplitude, frequency, phase, centre, std in atoms:
        d = tau - centre
        variance = std**2 * scale**2 / (std**2 + scale**2)
        mean = d * std**2 / (std**2 + scale**2)
        overlap = np.sqrt(2 * np.pi * variance) * np.exp(-(d**2) / (2 * (std**2 + scale**2)))
        for sign in (1.0, -1.0):
            omega = sign * 2 * np.pi * frequency
            half = amplitude / 2 * np.exp(1j * sign * phase)
            if mother == "morlet":
                carrier = 2 * np.pi / scale
                difference = omega - carrier
                integral = np.exp(1j * carrier * d + 1j * difference * mean - difference**2 * variance / 2)
                transform += half * overlap * integral / np.sqrt(2 * np.pi)
            else:
                integral = np.exp(1j * omega * mean - omega**2 * variance / 2)
                moment = 1.0 - ((mean + 1j * omega * variance - d) ** 2 + variance) / scale**2
                transform += half * overlap * integral * moment * 2 / (np.sqrt(3) * np.pi**0.25)
    return transform / np.sqrt(scale)


def haar_by_overlaps(waveform: np.ndarray, scale: float) -> np.ndarray:
    """W(s, tau): each sample's overlap with the positive half minus its overlap with the negative half."""
    reach = int(scale / 2) + 2
    start = np.arange(-reach, reach + 1)

    def overlap(low: float, high: float) -> np.ndarray:
        return np.clip(np.minimum(start + 1, high) - np.maximum(start, low), 0.0, None)

    kernel = overlap(-scale / 2, 0.0) - overlap(0.0, scale / 2)
    padded = np.pad(waveform, reach)
    return np.correlate(padded, kernel, mode="valid") / np.sqrt(scale)


@pytest.mark.parametrize("sample_rate", [8000, 16000])
@pytest.mark.parametrize("mother", ["morlet", "mexican_hat"])
def test_every_scale_is_the_closed_form_of_the_integral(mother, sample_rate):
    samples = sample_rate * 3 // 10
    atoms = gabor_atoms(mother, sample_rate, samples)
    representation = DWT(sample_rate=sample_rate, mother=mother)
    waveform = torch.from_numpy(sampled(atoms, samples))[None]
    magnitude = np.stack(
        [
            np.abs(closed_form(mother, atoms, scale, samples))
            for scale in scales(mother, sample_rate, representation.n_scales).tolist()
        ]
    )
    expected = frame_means(magnitude, sample_rate // 20)
    # The premise: no scale is silent.
    energy = np.linalg.norm(expected, axis=1)
    assert energy.min() > 0.02 * energy.max()
    found = representation.frame_means(waveform)[0].numpy()
    assert found.shape == expected.shape
    assert relative_error(found, expected).max() < 0.01
    single = representation.frame_means(waveform.float())[0].numpy()
    assert relative_error(single, expected).max() < 0.01


@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_haar_is_the_direct_sum(sample_rate):
    waveform = np.random.default_rng(2).uniform(-1, 1, sample_rate // 5 + 7)
    representation = DWT(sample_rate=sample_rate, mother="haar")
    magnitude = np.stack(
        [
            np.abs(haar_by_overlaps(waveform, scale))[: len(waveform)]
            for scale in scales("haar", sample_rate, representation.n_scales).tolist()
        ]
    )
    expected = frame_means(magnitude, sample_rate // 20)
    found = representation.frame_means(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    single = representation.frame_means(torch.from_numpy(waveform).float()[None])[0].numpy()
    np.testing.assert_allclose(single, expected, rtol=1e-5)


@pytest.mark.parametrize("frame_milliseconds", [30.0, 40.0, 50.0])
@pytest.mark.parametrize(("mother", "sample_rate"), [("morlet", 8000), ("mexican_hat", 8000), ("morlet", 16000)])
def test_noise_agrees_with_the_transform_at_every_sample_of_a_far_longer_padding(
    mother, sample_rate, frame_milliseconds
):
    samples = 3 * sample_rate // 10
    waveform = np.random.default_rng(3).standard_normal(samples)
    length = 16 * samples
    spectrum, frequency = np.fft.fft(waveform, length), np.fft.fftfreq(length)
    wavelet = BAND_LIMITED_WAVELETS[mother]
    magnitude = []
    for scale in scales(mother, sample_rate, 128).tolist():
        psi = wavelet.spectrum(torch.from_numpy(scale * frequency)).numpy() * math.sqrt(scale)
        magnitude.append(np.abs(np.fft.ifft(spectrum * psi))[:samples])
    frame = round(frame_milliseconds * sample_rate / 1000)
    expected = frame_means(np.stack(magnitude), frame)
    representation = DWT(sample_rate=sample_rate, mother=mother, frame_milliseconds=frame_milliseconds)
    found = representation.frame_means(torch.from_numpy(waveform)[None])[0].numpy()
    assert found.shape == expected.shape
    assert relative_error(found, expected).max() < 0.01


@pytest.mark.parametrize(("mother", "name"), [("morlet", "cmor2-1"), ("mexican_hat", "mexh")])
def test_wavelets_are_those_of_pywavelets(mother, name):
    wavelet = BAND_LIMITED_WAVELETS[mother]
    assert wavelet.centre_frequency == pytest.approx(pywt.central_frequency(name))
    psi, time = pywt.ContinuousWavelet(name).wavefun(length=4096)
    for frequency in (0.1, 0.2, 0.25, 0.5, 0.9, 1.0, 1.2, 1.6):
        integral = np.trapezoid(psi * np.exp(-2j * np.pi * frequency * time), time)
        expected = wavelet.spectrum(torch.tensor(frequency, dtype=torch.float64)).item()
        assert abs(integral - expected) < 1e-4
    assert scales(mother, 8000, 128)[7].item() == pytest.approx(
        pywt.frequency2scale(name, centre_frequencies(mother, 8000, 128)[7].item() / 8000)
    )


@pytest.mark.parametrize("mother", MOTHERS)
def test_the_rows_are_geometric_from_60_hertz(mother):
    frequencies = centre_frequencies(mother, 16000, 128)
    assert frequencies[0].item() == pytest.approx(60.0)
    assert frequencies[-1].item() == pytest.approx({"morlet": 7200.0}.get(mother, 4800.0))
    ratios = frequencies[1:] / frequencies[:-1]
    torch.testing.assert_close(ratios, ratios[:1].expand(127))


@pytest.mark.parametrize(("mother", "name"), [("morlet", "cmor2-1"), ("mexican_hat", "mexh")])
def test_pywavelets_transform_is_near(mother, name):
    waveform = np.random.default_rng(4).standard_normal(6000)
    chosen = scales(mother, 8000, 128).numpy()[5:60:6]
    coefficients, _ = pywt.cwt(waveform, chosen, name, method="fft")
    expected = frame_means(np.abs(coefficients), 400)
    found = DWT(mother=mother).frame_means(torch.from_numpy(waveform)[None])[0].numpy()[5:60:6]
    assert relative_error(found[:, 2:-2], expected[:, 2:-2]).max() < 0.1


@pytest.mark.parametrize("mother", MOTHERS)
@pytest.mark.parametrize("frequency", [150.0, 600.0, 1800.0])
def test_a_tone_is_loudest_near_the_row_of_its_frequency(mother, frequency):
    time = torch.arange(8000) / 8000
    native = DWT(mother=mother, resize=None)(torch.sin(2 * torch.pi * frequency * time)[None, None])
    loudest = centre_frequencies(mother, 8000, 128)[native[0, 0, :, 15].argmax()].item()
    # s^(-1/2) favours long scales, and the centre of the Haar and Mexican hat is not their peak: within half an octave.
    assert abs(math.log2(loudest / frequency)) < {"morlet": 0.1}.get(mother, 0.6)


@pytest.mark.parametrize("mother", MOTHERS)
def test_the_end_of_a_clip_does_not_reach_round_to_its_beginning(mother):
    waveform = torch.zeros(1, 4000, dtype=torch.float64)
    waveform[0, 3600:] = torch.sin(2 * torch.pi * 70.0 * torch.arange(400) / 8000)
    means = DWT(mother=mother).frame_means(waveform)[0]
    assert means[:, :5].max() < 1e-4 * means.max()


def test_a_hop_without_small_divisors_costs_time_but_not_accuracy():
    samples = 4800
    atoms = gabor_atoms("morlet", 8000, samples)
    representation = DWT(frame_milliseconds=2 * 199 / 8.0, n_scales=16)
    assert representation.hop_length == 199
    waveform = torch.from_numpy(sampled(atoms, samples))[None]
    magnitude = [np.abs(closed_form("morlet", atoms, s, samples)) for s in scales("morlet", 8000, 16).tolist()]
    expected = frame_means(np.stack(magnitude), 398)
    assert relative_error(representation.frame_means(waveform)[0].numpy(), expected).max() < 0.01


@pytest.mark.parametrize("mother", MOTHERS)
def test_decibels_and_linear_magnitude_show_the_same_frames(mother):
    waveform = 0.1 * torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0)).double()
    linear = DWT(mother=mother, magnitude="linear", resize=None)(waveform)
    logarithmic = DWT(mother=mother, resize=None)(waveform)
    assert linear.max().item() == pytest.approx(1.0)
    torch.testing.assert_close(logarithmic, (1.0 + 20.0 * linear.log10() / 80.0).clamp(min=0.0))
    assert linear.shape == (1, 1, 128, 4000 // 200 - 1)
