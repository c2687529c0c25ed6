"""The STFT map against librosa and against tones of known place."""

import librosa
import numpy as np
import pytest
import torch

from representations import STFT


def sound(samples: int, sample_rate: int) -> np.ndarray:
    time = np.arange(samples) / sample_rate
    chirp = np.sin(2 * np.pi * (100.0 * time + 900.0 * time**2))
    return (0.3 * chirp + 0.01 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("n_fft", [512, 1024, 2048])
@pytest.mark.parametrize(("win_length_ratio", "hop_length"), [(1.0, 512), (0.5, 128), (0.25, 512)])
def test_the_native_map_is_that_of_librosa(n_fft, win_length_ratio, hop_length):
    waveform = sound(11025, 22050)
    spectrum = librosa.stft(
        waveform,
        n_fft=n_fft,
        win_length=int(win_length_ratio * n_fft),
        hop_length=hop_length,
        window="hann",
        center=True,
        pad_mode="constant",
    )
    expected = librosa.power_to_db(np.abs(spectrum) ** 2, ref=np.max, top_db=80.0) / 80.0 + 1.0
    representation = STFT(n_fft=n_fft, win_length_ratio=win_length_ratio, hop_length=hop_length, resize=None)
    native = representation(torch.from_numpy(waveform)[None, None])
    assert native.shape == (1, 1, *expected.shape)
    np.testing.assert_allclose(native[0, 0].numpy(), expected, atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("frequency", [200.0, 3000.0, 10000.0])
def test_a_tone_lies_in_its_row(frequency):
    time = torch.arange(22050) / 22050
    maps = STFT(resize=None)(torch.sin(2 * torch.pi * frequency * time)[None, None])
    assert maps[0, 0].mean(1).argmax().item() == pytest.approx(frequency / 22050 * 1024, abs=1)
    resized = STFT()(torch.sin(2 * torch.pi * frequency * time)[None, None])
    assert resized[0, 0].mean(1).argmax().item() == pytest.approx(frequency / 11025 * 128, abs=1.5)


def test_the_range_is_80_decibels():
    time = torch.arange(8192) / 8192
    loud, quiet = torch.sin(2 * torch.pi * 1024 * time), torch.sin(2 * torch.pi * 2048 * time)
    maps = STFT(sample_rate=8192, resize=None)((loud + 1e-3 * quiet)[None, None].double())
    middle = maps[0, 0, :, 8]
    assert middle[128].item() == pytest.approx(1.0, abs=1e-3)
    assert middle[256].item() == pytest.approx(1.0 - 60.0 / 80.0, abs=1e-3)
    assert middle[400].item() == 0.0
