"""Pictures of a clean and an attacked sound, against tones whose levels, frequencies and SNR are known beforehand."""

import io

import librosa
import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from reporting.figures.sound_pairs import FLOOR_DB, PICTURE_COLOURS, pair_figure, pair_levels
from reporting.sounds import SoundPair
from storage import DataError
from storage.space import MAP, SOUND

RATE = 16000


def tone(frequency, level_db, seconds=2.0, rate=RATE):
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def pair_of(folder, clean, adversarial, rate=RATE, space=SOUND):
    files = folder / "clean.wav", folder / "adversarial.wav"
    for file, sound, its_rate in zip(files, (clean, adversarial), np.broadcast_to(rate, 2).tolist(), strict=True):
        soundfile.write(file, sound, its_rate, subtype="PCM_16")
    seconds = min(len(clean), len(adversarial)) / RATE
    return SoundPair("one", "1-dog-A-0.wav", "deepfool", space, *files, seconds)


def test_levels_and_frequencies_are_those_of_the_tones():
    clean, change = tone(1000, -6), tone(3000, -36)
    found = pair_levels(clean, clean + change, RATE)
    assert set(found.levels) == {"clean", "adversarial", "change"}
    assert all(one.shape == (len(found.frequencies), len(found.times)) for one in found.levels.values())
    # Away from both ends, where half of a window hears nothing.
    middle = {name: one[:, 10:-10] for name, one in found.levels.items()}
    for name, frequency, level in (("clean", 1000, -6), ("adversarial", 1000, -6), ("change", 3000, -36)):
        assert (found.frequencies[middle[name].argmax(axis=0)] == frequency).all()
        assert middle[name].max(axis=0) == pytest.approx(level, abs=0.01)
    beside = middle["adversarial"][found.frequencies == 3000]
    assert beside == pytest.approx(-36, abs=0.01)
    assert found.snr_db == pytest.approx(30, abs=0.001)
    assert found.times[[0, -1]] == pytest.approx([0, 2 - 0.008])


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100])
def test_levels_are_those_of_librosa(rate):
    sound = np.random.default_rng(0).normal(0, 0.1, rate)
    found = pair_levels(sound, 2 * sound, rate)
    length, hop = round(0.032 * rate), round(0.008 * rate)
    values = librosa.stft(sound, n_fft=length, hop_length=hop, window="hann", pad_mode="constant")
    # A sine of full scale has half of the window's sum in a bin; bins 0 and Nyquist have no counterpart.
    expected = 20 * np.log10(2 * np.abs(values) / (length / 2))[1:-1, : len(found.times)]
    assert found.levels["clean"][1:-1] == pytest.approx(np.maximum(expected, FLOOR_DB), abs=1e-6)
    assert found.levels["change"] == pytest.approx(found.levels["clean"], abs=1e-6)
    assert found.snr_db == 0


def test_the_three_panels_share_their_colours_and_say_what_they_show(tmp_path):
    clean = tone(1000, -10)
    figure = pair_figure(pair_of(tmp_path, clean, clean + tone(1000, -40)))
    panels, bar = figure.drawing.axes[:3], figure.drawing.axes[3]
    assert [panel.get_title(loc="left") for panel in panels] == ["clean", "adversarial", "change"]
    assert {panel.images[0].get_clim() for panel in panels} == {(-90, 0)}
    assert {panel.images[0].get_cmap().N for panel in panels} == {18}
    assert all(panel.get_xlim() == (0, 2) and panel.get_ylim() == (0, 8) for panel in panels)
    assert panels[1].get_ylabel() == "frequency (kHz)"
    assert panels[2].get_xlabel() == "time (s)"
    assert bar.get_ylabel() == "level (dB)"
    shown, quiet = figure.numbers[0], figure.numbers[2]
    assert shown["frequency"] == quiet["frequency"] == 1000
    assert shown["level_db"] - quiet["level_db"] == pytest.approx(30, abs=0.5)
    assert figure.caption == "1-dog-A-0.wav, DeepFool on the sound, 2.0 s, SNR 30.0 dB (run one)"
    assert "clean up to -10 dB, at 1,000 Hz" in figure.alt
    assert "change up to -40 dB, at 1,000 Hz" in figure.alt
    assert "on the map" in pair_figure(pair_of(tmp_path, clean, clean, space=MAP)).caption


def test_a_picture_of_noise_is_small_and_has_the_colours_of_the_drawing(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * RATE)
    figure = pair_figure(pair_of(tmp_path, noise, noise + tone(500, -60, 5)))
    exact, small = (imread(io.BytesIO(png))[..., :3] for png in (figure.png(), figure.png(PICTURE_COLOURS)))
    assert exact.shape == small.shape == (396, 385, 3)
    assert np.abs(exact - small).max() < 0.03
    assert len(figure.png(PICTURE_COLOURS)) < 40_000


@pytest.mark.parametrize(
    ("clean", "adversarial", "said", "heard"),
    [
        (0 * tone(500, 0), 0 * tone(500, 0), "unchanged", "clean silent; adversarial silent; change silent"),
        (0 * tone(500, 0), tone(500, -20), "a silent clip that was changed", "clean silent; adversarial up to -20 dB"),
        (tone(500, -20), tone(500, -20), "unchanged", "adversarial up to -20 dB, at 500 Hz; change silent"),
    ],
)
def test_silence_is_said_and_drawn(tmp_path, clean, adversarial, said, heard):
    figure = pair_figure(pair_of(tmp_path, clean, adversarial))
    assert f", {said} (run one)" in figure.caption
    assert heard in figure.alt
    assert np.isfinite([one["level_db"] for one in figure.numbers]).all()
    assert figure.png().startswith(b"\x89PNG")


def test_of_files_of_different_length_the_shared_part_is_drawn(tmp_path):
    clean, longer = tone(1000, -10, 0.5), tone(1000, -10, 1.5)
    figure = pair_figure(pair_of(tmp_path, clean, longer))
    assert figure.drawing.axes[0].get_xlim() == (0, 0.5)
    assert "0.5 s, unchanged" in figure.caption
    # Shorter than one window.
    assert pair_figure(pair_of(tmp_path, clean[:20], longer)).drawing.axes[0].images[0].get_array().shape[1] == 1


def test_sounds_that_do_not_belong_together_are_refused(tmp_path):
    clean = tone(1000, -10)
    with pytest.raises(DataError, match=r"expected one sample rate in .*clean.wav and .*, found 16000 and 8000 Hz"):
        pair_figure(pair_of(tmp_path, clean, clean, rate=(16000, 8000)))
    with pytest.raises(DataError, match=r"expected samples of one channel in .*clean.wav, found \(0, 1\)"):
        pair_figure(pair_of(tmp_path, clean[:0], clean))
    pair = pair_of(tmp_path, clean, clean)
    pair.adversarial.write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"expected a WAV file in .*adversarial.wav"):
        pair_figure(pair)
