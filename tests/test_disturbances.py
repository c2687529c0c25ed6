"""Disturbances of sounds against closed forms and files, and the simulated room against its images."""

import io
import math

import numpy as np
import pytest
import scipy.signal
import soundfile

from datamodules.disturbances import KINDS, Disturbance, UnsupportedError, disturbances
from datamodules.room import ROOMS, SPEED_OF_SOUND, Room, echoes, impulse_response

RATE = 16000


def noise(samples: int = 8000, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(samples)


def tone(frequency: float, samples: int = 8000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(samples) / RATE)


def middle_level(sound: np.ndarray) -> float:
    """RMS of the middle half in dB."""
    quarter = len(sound) // 4
    return 10 * math.log10(np.mean(sound[quarter:-quarter] ** 2))


@pytest.mark.parametrize("disturbance", disturbances(), ids=lambda one: one.name)
def test_a_disturbance_keeps_the_length_and_silence_and_is_a_function_of_its_seed(disturbance):
    sound = noise()
    disturbed = disturbance(sound, RATE, seed=3)
    assert disturbed.shape == sound.shape
    assert np.array_equal(disturbed, disturbance(sound.copy(), RATE, seed=3))
    assert not np.array_equal(disturbed, sound)
    assert np.abs(disturbance(np.zeros(4000), RATE)).max() < 1e-3
    assert np.isfinite(disturbance(noise(20), RATE)).all()


def test_gain_noise_shift_and_bits_are_what_they_say():
    sound = noise()
    np.testing.assert_allclose(Disturbance("gain", -20.0)(sound, RATE), sound / 10)
    noisy = Disturbance("noise", 23.0)(sound, RATE, seed=1)
    assert 10 * math.log10(np.sum(sound**2) / np.sum((noisy - sound) ** 2)) == pytest.approx(23.0, abs=1e-9)
    assert not np.array_equal(noisy, Disturbance("noise", 23.0)(sound, RATE, seed=2))
    assert np.array_equal(Disturbance("shift", 5.0)(sound, RATE), np.concatenate([np.zeros(80), sound[:-80]]))
    for bits, subtype in ((16, "PCM_16"), (8, "PCM_U8")):
        file = io.BytesIO()
        soundfile.write(file, sound * 12, RATE, format="WAV", subtype=subtype)  # some samples are beyond full scale
        file.seek(0)
        expected = soundfile.read(file)[0]
        found = Disturbance("bits", bits)(sound * 12, RATE)
        assert np.abs(found - expected).max() <= 2.0 ** (1 - bits)  # libsndfile rounds down or up at its own places
        assert found.max() < 1.0
        assert np.array_equal(np.round(found * 2 ** (bits - 1)), found * 2 ** (bits - 1))


def test_half_the_rate_and_a_low_pass_take_high_tones_and_leave_low_ones():
    half = Disturbance("resample", 0.5)
    np.testing.assert_allclose(half(tone(1000), RATE)[2000:-2000], tone(1000)[2000:-2000], atol=1e-3)
    assert middle_level(half(tone(6000), RATE)) < -80
    low_pass = Disturbance("low_pass", 0.25)
    assert middle_level(low_pass(tone(4000), RATE)) - middle_level(tone(4000)) == pytest.approx(-6.0, abs=0.1)
    assert middle_level(low_pass(tone(1000), RATE)) - middle_level(tone(1000)) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("kind", ["ogg", "mp3"])
def test_codecs_keep_the_sound_in_its_place_and_more_compression_keeps_less(kind):
    sound = scipy.signal.lfilter([1], [1, -0.9], noise(16000))
    errors = [np.sum((Disturbance(kind, level)(sound, RATE) - sound) ** 2) for level in KINDS[kind].strengths]
    assert errors[0] < 0.1 * np.sum(sound**2)
    assert errors == sorted(errors)
    # A lag of a sample would cost most of a sound this bright its correlation.
    decoded = Disturbance(kind, 0.0)(sound, RATE)
    assert np.argmax(scipy.signal.correlate(decoded, sound, method="fft")) == len(sound) - 1


def test_what_this_machine_cannot_do_is_said(monkeypatch):
    with pytest.raises(UnsupportedError, match=r"^expected MP3 of 5000 Hz, found that libsndfile refuses it: MPEG"):
        Disturbance("mp3", 0.0)(noise(), 5000)
    monkeypatch.setattr(soundfile, "available_formats", dict)
    with pytest.raises(UnsupportedError, match=r"expected MP3 in libsndfile, found version .* without it"):
        Disturbance("mp3", 0.0)(noise(), RATE)
    with pytest.raises(ValueError, match=r"among gain, noise, .*, got 'echo'"):
        disturbances(["echo"])
    with pytest.raises(ValueError, match=r"among gain, noise, .*, got none"):
        disturbances([])


def test_the_first_reflections_are_those_of_six_mirrors():
    room = Room((5.0, 4.0, 3.0), 0.36, (1.0, 1.5, 1.2), (3.5, 2.0, 1.6))
    delays, amplitudes = echoes(room, 0.05)
    source, microphone, direct = np.array(room.source), np.array(room.microphone), 0.0
    direct = np.linalg.norm(source - microphone)
    assert (delays[0], amplitudes[0]) == (0.0, 1.0)
    for axis, length in enumerate(room.size):
        for mirrored in (-source[axis], 2 * length - source[axis]):
            image = source.copy()
            image[axis] = mirrored
            distance = np.linalg.norm(image - microphone)
            nearest = np.argmin(np.abs(delays - (distance - direct) / SPEED_OF_SOUND))
            assert delays[nearest] == pytest.approx((distance - direct) / SPEED_OF_SOUND, abs=1e-12)
            # A wall leaves sqrt(1 - 0.36) = 0.8 of the amplitude.
            assert amplitudes[nearest] == pytest.approx(0.8 * direct / distance)


def test_there_is_one_echo_for_each_image_box():
    # The images lie one in each box of the lattice: their number in a ball is its volume over that of a box.
    room = Room((3.0, 4.0, 5.0), 0.1, (1.0, 1.0, 1.0), (2.0, 3.0, 4.0))
    delays, _ = echoes(room, 0.2)
    reach = 0.2 * SPEED_OF_SOUND + math.dist(room.source, room.microphone)
    assert len(delays) == pytest.approx(4 / 3 * math.pi * reach**3 / 60.0, rel=0.02)


@pytest.mark.parametrize("room", ROOMS, ids=["office", "classroom", "hall"])
def test_the_sound_of_a_room_dies_off_as_its_size_and_walls_say(room):
    response = impulse_response(room, 8000)
    assert response[0] == 1.0
    left = np.cumsum(response[::-1] ** 2)[::-1]
    decay = 10 * np.log10(left / left[0])
    # From -5 to -20 dB, within the factor of 1.5 that boxes with smooth walls miss Sabine's formula by.
    start, end = (int(np.argmax(decay < level)) for level in (-5, -20))
    seconds = (end - start) / 8000 * 4
    assert room.reverberation_seconds / 1.5 < seconds < room.reverberation_seconds * 1.5
