"""The MFCC map against librosa and against the cosine sums written out."""

import librosa
import numpy as np
import pytest
import torch

from representations import MFCC
from representations.products import banded_product, bands


def sound(samples: int, level: float) -> np.ndarray:
    generator = np.random.default_rng(1)
    envelope = 1.0 + np.sin(np.arange(samples) / 900.0)
    return (level * envelope * np.cumsum(generator.uniform(-0.1, 0.1, samples))).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 22050, 24000])
@pytest.mark.parametrize(
    ("n_mfcc", "dct_type", "norm", "lifter_scale"),
    [(20, 2, "ortho", 0.0), (13, 3, "ortho", 0.3), (40, 2, None, 2.5), (20, 3, None, 1.0)],
)
def test_the_native_map_is_that_of_librosa(sample_rate, n_mfcc, dct_type, norm, lifter_scale):
    # The quiet one reaches librosa's floor of 1e-10.
    for level in (0.3, 1e-4):
        waveform = sound(12000, level)
        expected = librosa.feature.mfcc(
            y=waveform,
            sr=sample_rate,
            n_mfcc=n_mfcc,
            dct_type=dct_type,
            norm=norm,
            lifter=lifter_scale * n_mfcc,
            n_fft=2048,
            hop_length=1024,
            n_mels=128,
            htk=False,
        )
        expected = (expected - expected.min()) / (expected.max() - expected.min())
        representation = MFCC(
            sample_rate=sample_rate,
            n_mfcc=n_mfcc,
            dct_type=dct_type,
            norm=norm,
            lifter_scale=lifter_scale,
            resize=None,
        )
        native = representation(torch.from_numpy(waveform)[None, None])
        assert native.shape == (1, 1, *expected.shape)
        np.testing.assert_allclose(native[0, 0].numpy(), expected, atol=1e-4, rtol=0.0)


def test_levels_relative_to_the_maximum_are_those_of_librosa():
    waveform = sound(12000, 0.3)
    mel_power = librosa.feature.melspectrogram(y=waveform, sr=8000, n_fft=2048, hop_length=1024)
    expected = librosa.feature.mfcc(S=librosa.power_to_db(mel_power, ref=np.max, top_db=80.0), n_mfcc=20)
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    native = MFCC(sample_rate=8000, decibel_reference="maximum", resize=None)(torch.from_numpy(waveform)[None, None])
    np.testing.assert_allclose(native[0, 0].numpy(), expected, atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("norm", ["ortho", None])
def test_the_cosine_matrix_is_the_sum_written_out(norm):
    n_mels, n_mfcc = 6, 4
    band, row = np.meshgrid(np.arange(n_mels), np.arange(n_mfcc))
    second = 2.0 * np.cos(np.pi * row * (2 * band + 1) / (2 * n_mels))
    third = np.where(band == 0, 1.0, 2.0 * np.cos(np.pi * band * (2 * row + 1) / (2 * n_mels)))
    if norm == "ortho":
        second *= np.where(row == 0, np.sqrt(1 / (4 * n_mels)), np.sqrt(1 / (2 * n_mels)))
        third *= np.where(band == 0, np.sqrt(1 / n_mels), np.sqrt(1 / (2 * n_mels)))
    for dct_type, expected in ((2, second), (3, third)):
        representation = MFCC(n_mels=n_mels, n_mfcc=n_mfcc, dct_type=dct_type, norm=norm)
        np.testing.assert_allclose(representation.liftered_cosines().numpy(), expected, atol=1e-12)


def test_the_papers_lifter_is_an_option_and_differs():
    plain = MFCC(n_mfcc=4, n_mels=6).liftered_cosines()
    lifted = MFCC(n_mfcc=4, n_mels=6, lifter_scale=0.5, lifter_formula="paper_eq21").liftered_cosines()
    # CF = 2: (1 + sin(pi (n + 1) / 2)) * 2 / 2 for n = 0 .. 3.
    factors = torch.tensor([2.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(lifted, plain * factors[:, None])
    librosas = MFCC(n_mfcc=4, n_mels=6, lifter_scale=0.5).liftered_cosines()
    # 1 + (2 / 2) sin(pi (n + 1) / 2) is the same for CF = 2 and another for CF = 4.
    torch.testing.assert_close(librosas, lifted)
    wider = [
        MFCC(n_mfcc=4, n_mels=6, lifter_scale=1.0, lifter_formula=f).liftered_cosines()[0]
        for f in ("librosa", "paper_eq21")
    ]
    torch.testing.assert_close(wider[0], plain[0] * (1.0 + 2.0 * np.sin(np.pi / 4)))
    torch.testing.assert_close(wider[1], plain[0] * (1.0 + np.sin(np.pi / 4)) * 2.0)


def test_a_clip_under_the_floor_has_a_map_of_zeros():
    waveform = torch.from_numpy(sound(4000, 1e-9))[None, None]
    assert torch.count_nonzero(MFCC()(waveform)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 64), (4, 37)])
def test_a_banded_product_is_the_matrix_product(shape):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator, dtype=torch.float64)
    matrix[torch.rand(shape, generator=generator) < 0.5] = 0.0
    matrix[-1] = 0.0
    values = torch.randn(2, shape[1], 3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(banded_product(*bands(matrix), values), matrix @ values)
