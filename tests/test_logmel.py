"""The log-mel map against librosa."""

import librosa
import numpy as np
import pytest
import torch

from representations import LogMel


def sound(samples: int, level: float) -> np.ndarray:
    generator = np.random.default_rng(1)
    envelope = 1.0 + np.sin(np.arange(samples) / 900.0)
    return (level * envelope * np.cumsum(generator.uniform(-0.1, 0.1, samples))).astype(np.float32)


@pytest.mark.parametrize(
    ("sample_rate", "n_fft", "hop_length", "n_mels"),
    [(8000, 512, 256, 40), (22050, 1024, 512, 128), (22050, 2048, 700, 64), (11025, 512, 256, 64), (8000, 401, 99, 9)],
)
def test_the_native_map_is_that_of_librosa(sample_rate, n_fft, hop_length, n_mels):
    for level in (0.3, 1e-4):
        waveform = sound(12000, level)
        power = librosa.feature.melspectrogram(
            y=waveform.astype(np.float64),
            sr=sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            pad_mode="constant",
        )
        expected = librosa.power_to_db(power, ref=np.max, amin=1e-30, top_db=80.0) / 80.0 + 1.0
        assert 0 < (expected == 0).mean() < 1 or expected.min() > 0
        settings = {"sample_rate": sample_rate, "n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
        native = LogMel(**settings, resize=None)(torch.from_numpy(waveform)[None, None])
        assert native.shape == (1, 1, *expected.shape)
        np.testing.assert_allclose(native[0, 0].numpy(), expected, atol=1e-4, rtol=0.0)


def test_a_higher_tone_lies_in_a_higher_row():
    time = torch.arange(8000) / 8000
    tones = torch.stack([torch.sin(2 * torch.pi * frequency * time) for frequency in (200.0, 800.0, 3000.0)])
    rows = LogMel(sample_rate=8000, n_mels=40, resize=None)(tones[:, None])[:, 0].mean(2).argmax(1)
    centres = torch.from_numpy(librosa.mel_frequencies(42, fmin=0.0, fmax=4000.0))[1:-1]
    assert torch.equal(rows, (centres[:, None] - torch.tensor([200.0, 800.0, 3000.0])).abs().argmin(0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_fft": 1}, "expected n_fft of at least 2 samples, got 1"),
        ({"hop_length": 0}, "expected hop_length of at least 1, got 0"),
        ({"n_mels": 0}, r"expected n_mels in 1..n_fft // 2 \+ 1 = 513, got 0"),
        ({"n_mels": 514}, "got 514"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LogMel(**settings)
