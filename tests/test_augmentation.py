import warnings

import librosa
import numpy as np
import pytest

from datamodules.augmentation import RATIOS, make_copy, variant_names

RATE = 8000


def tone(frequency, samples):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(samples) / RATE)).astype(np.float32)


def loudest_frequency(waveform):
    middle = waveform[len(waveform) // 4 : -len(waveform) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 16))
    return np.argmax(spectrum) * RATE / (1 << 16)


@pytest.mark.parametrize("ratio", RATIOS)
def test_pitch_shift_multiplies_the_frequency_and_keeps_the_length(ratio):
    copy = make_copy(tone(600, 16000), RATE, "pitch_shift", ratio)
    assert copy.shape == (16000,)
    assert loudest_frequency(copy) == pytest.approx(600 * ratio, rel=5e-3)


@pytest.mark.parametrize("ratio", RATIOS)
def test_time_stretch_divides_the_length_and_keeps_the_frequency(ratio):
    copy = make_copy(tone(600, 16000), RATE, "time_stretch", ratio)
    assert len(copy) == round(16000 / ratio)
    assert loudest_frequency(copy) == pytest.approx(600, rel=5e-3)


def test_the_copies_are_those_of_librosa():
    sound = np.random.default_rng(0).uniform(-0.1, 0.1, 8000).astype(np.float32)
    shifted = librosa.effects.pitch_shift(sound, sr=RATE, n_steps=12 * np.log2(1.5), res_type="soxr_hq")
    np.testing.assert_array_equal(make_copy(sound, RATE, "pitch_shift", 1.5), shifted)
    np.testing.assert_array_equal(
        make_copy(sound, RATE, "time_stretch", 0.75), librosa.effects.time_stretch(sound, rate=0.75)
    )


@pytest.mark.parametrize("augmentation", ["pitch_shift", "time_stretch"])
@pytest.mark.parametrize("samples", [1, 2, 400, 2047, 2048])
def test_clips_shorter_than_the_vocoder_window_are_copied_quietly(augmentation, samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ratio in RATIOS:
            copy = make_copy(tone(600, samples), RATE, augmentation, ratio)
            assert len(copy) == (samples if augmentation == "pitch_shift" else max(1, round(samples / ratio)))
            assert np.isfinite(copy).all()
            assert np.abs(copy).max() <= 1


@pytest.mark.parametrize("augmentation", ["pitch_shift", "time_stretch"])
def test_loud_and_silent_clips_stay_in_range(augmentation):
    loud = np.sign(np.random.default_rng(0).standard_normal(4000)).astype(np.float32)
    for ratio in RATIOS:
        copy = make_copy(loud, RATE, augmentation, ratio)
        assert copy.dtype == np.float32
        assert 0.1 < np.abs(copy).max() <= 1
        assert not make_copy(np.zeros(4000, np.float32), RATE, augmentation, ratio).any()


def test_the_original_comes_first_and_the_names_say_the_ratio():
    assert variant_names("none") == ("original",)
    assert variant_names("pitch_shift")[:2] == ("original", "pitch_shift_0.75")
    assert len(variant_names("time_stretch")) == 5
    with pytest.raises(ValueError, match=r"expected augmentation in .*, got 'echo'"):
        variant_names("echo")
