import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from datamodules.audio import check_files, file_fault, fit_length, read_sound
from datamodules.esc50 import read_esc_table
from storage import DataError
from tests.corpus_fixtures import write_esc_corpus, write_sound


def tone(seconds, rate, frequency=440.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_U8", 0.02), ("PCM_16", 2e-3), ("PCM_24", 2e-3), ("FLOAT", 2e-3), ("DOUBLE", 2e-3), ("MS_ADPCM", 0.05)],
)
def test_a_tone_sounds_the_same_from_every_format_and_rate(tmp_path, rate, subtype, tolerance):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(0.5, rate), rate, subtype=subtype)
    assert file_fault(path) is None
    waveform = read_sound(path, 16000, 0.5).waveform
    assert waveform.shape == (8000,)
    assert waveform.dtype == np.float32
    # Away from the ends, where a resampling filter sees the silence around the clip.
    np.testing.assert_allclose(waveform[200:7000], tone(0.5, 16000)[200:7000], atol=tolerance)


def test_channels_are_averaged(tmp_path):
    left, right = tone(0.1, 8000), tone(0.1, 8000, 1000.0)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    np.testing.assert_allclose(read_sound(tmp_path / "stereo.wav", 8000, 1.0).waveform, (left + right) / 2, atol=1e-6)


def test_a_tone_above_half_the_new_rate_does_not_fold_back(tmp_path):
    soundfile.write(tmp_path / "high.wav", tone(0.5, 44100, 6000.0), 44100, subtype="FLOAT")
    assert np.abs(read_sound(tmp_path / "high.wav", 8000, 1.0).waveform[200:-200]).max() < 1e-5


@pytest.mark.parametrize("rate", [4000, 8000, 44100, 96000])
@pytest.mark.parametrize("samples", [1, 2, 3, 7])
def test_a_few_samples_are_a_clip(tmp_path, rate, samples):
    soundfile.write(tmp_path / "short.wav", np.full(samples, 0.5), rate)
    decoded = read_sound(tmp_path / "short.wav", 8000, 5.0).waveform
    assert len(decoded) == -(-samples * 8000 // rate)
    assert fit_length(decoded, 40, "pad").shape == (40,)
    looped = fit_length(decoded, 40, "loop")
    np.testing.assert_array_equal(looped, np.tile(decoded, 40)[:40])


def test_samples_beyond_full_scale_saturate(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.array([3.0, -2.0, 0.25, 1.0]), 8000, subtype="FLOAT")
    np.testing.assert_array_equal(
        read_sound(tmp_path / "loud.wav", 8000, 1.0).waveform, np.array([1, -1, 0.25, 1], np.float32)
    )
    square = np.sign(tone(0.1, 44100, 900.0))
    soundfile.write(tmp_path / "square.wav", square, 44100, subtype="FLOAT")
    assert np.abs(read_sound(tmp_path / "square.wav", 16000, 1.0).waveform).max() <= 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_an_error(tmp_path, bad):
    soundfile.write(tmp_path / "bad.wav", np.array([0.1, bad, 0.1]), 8000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"expected finite samples in .*bad.wav, found NaN or infinity"):
        read_sound(tmp_path / "bad.wav", 8000, 1.0)


def test_the_part_of_a_long_file_is_that_of_the_whole_one(tmp_path):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 44100 * 4)
    soundfile.write(tmp_path / "long.wav", sound, 44100, subtype="FLOAT")
    whole = read_sound(tmp_path / "long.wav", 16000, 4.0).waveform
    np.testing.assert_allclose(read_sound(tmp_path / "long.wav", 16000, 1.0).waveform, whole[:16000], atol=1e-6)


@given(st.integers(1, 50), st.integers(1, 120))
def test_fitting_keeps_the_beginning_and_fills_by_the_rule(length, samples):
    waveform = np.arange(1, length + 1, dtype=np.float32)
    padded, looped = fit_length(waveform, samples, "pad"), fit_length(waveform, samples, "loop")
    assert padded.shape == looped.shape == (samples,)
    for position in range(samples):
        assert padded[position] == (position + 1 if position < length else 0)
        assert looped[position] == position % length + 1


def wav(chunks, form=b"RIFF", order="<"):
    body = b"".join(name + struct.pack(f"{order}I", size) + data for name, size, data in chunks)
    return form + struct.pack(f"{order}I", 4 + len(body)) + b"WAVE" + body


PCM_FORMAT = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
SOUND = struct.pack("<100h", *range(0, 10000, 100))


def test_streamed_and_odd_headers_of_whole_files_pass(tmp_path):
    path = tmp_path / "a.wav"
    for size in (len(SOUND), 0xFFFFFFFF, 0x7FFFFFFF - 36, 0x7FFFF000):
        path.write_bytes(wav([(b"fmt ", 16, PCM_FORMAT), (b"data", size, SOUND)]))
        assert file_fault(path) is None, hex(size)
    extensible = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4) + bytes.fromhex(
        "0100000000001000800000aa00389b71"
    )
    path.write_bytes(wav([(b"fmt ", 40, extensible), (b"LIST", 3, b"abc\0"), (b"data", len(SOUND), SOUND)]))
    assert file_fault(path) is None
    assert len(read_sound(path, 8000, 1.0).waveform) == 100
    eight_bit = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    path.write_bytes(wav([(b"fmt ", 16, eight_bit), (b"data", 101, SOUND[:101])]))
    assert file_fault(path) is None


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "MS_ADPCM"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
def test_a_file_that_ends_too_early_is_truncated_and_a_whole_one_is_not(tmp_path, subtype, channels, container):
    if container != "WAV" and subtype == "MS_ADPCM":
        return
    path = tmp_path / "a.wav"
    soundfile.write(path, np.tile(tone(0.25, 8000)[:, None], channels), 8000, subtype=subtype, format=container)
    assert file_fault(path) is None
    path.write_bytes(path.read_bytes()[:-300])
    assert file_fault(path).startswith("truncated: ")


def test_big_endian_wav_is_checked_too(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.25, 8000), 8000, endian="BIG")
    assert path.read_bytes()[:4] == b"RIFX"
    assert file_fault(path) is None
    path.write_bytes(path.read_bytes()[:-300])
    assert file_fault(path).startswith("truncated: ")


def test_other_containers_are_read(tmp_path):
    for suffix in ("flac", "ogg"):
        path = tmp_path / f"a.{suffix}"
        soundfile.write(path, tone(0.5, 16000), 16000)
        assert file_fault(path) is None
        assert np.abs(read_sound(path, 16000, 0.5).waveform[100:7000] - tone(0.5, 16000)[100:7000]).max() < 0.05


@pytest.mark.filterwarnings("ignore:.*fewer than the.*published")
def test_unusable_files_are_named_with_the_reason_before_anything_is_read(tmp_path):
    table = read_esc_table(write_esc_corpus(tmp_path, seconds=0.05), only_esc10=False)
    check_files(table)
    table.files[0].unlink()
    table.files[1].write_bytes(b"")
    table.files[2].write_text("this is not sound, whatever its name says\n" * 10)
    table.files[3].write_bytes(table.files[3].read_bytes()[:-100])
    soundfile.write(table.files[4], np.zeros(0), 8000)
    table.files[5].unlink()
    table.files[5].mkdir()
    with pytest.raises(DataError) as caught:
        check_files(table)
    message = str(caught.value)
    reasons = ("missing", "empty", "not audio", "truncated: 800 bytes of sound announced, 700 found", "no samples")
    for name, reason in zip(table.names, (*reasons, "not a file"), strict=False):
        assert f"{name} ({reason}" in message
    assert "found 6 that cannot be used" in message
    assert "\n" not in message


@pytest.mark.filterwarnings("ignore:.*fewer than the.*published")
def test_a_file_without_a_length_is_named_by_its_path_and_not_as_an_object_in_memory(tmp_path):
    path = tmp_path / "a.wav"
    unknown_format = struct.pack("<H", 0x7777) + PCM_FORMAT[2:]
    path.write_bytes(wav([(b"fmt ", 16, unknown_format), (b"data", 0, SOUND)]))
    reason = r"found a file that cannot be decoded: [^<>]*Malformed 'fmt ' chunk$"
    with pytest.raises(DataError, match=rf"^expected audio in .*a\.wav, {reason}"):
        read_sound(path, 8000, 1.0)


def test_more_than_ten_unusable_files_are_counted(tmp_path):
    table = read_esc_table(write_esc_corpus(tmp_path, seconds=0.01), only_esc10=False)
    for file in table.files[:13]:
        file.unlink()
    with pytest.raises(DataError, match=r"found 13 that cannot be used: .* and 3 more;") as caught:
        check_files(table)
    assert str(caught.value).count("(missing)") == 10


def test_a_damaged_compressed_file_is_an_error_when_it_is_decoded(tmp_path):
    path = tmp_path / "a.flac"
    write_sound(path, seconds=1.0)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"a\.flac, found"):
        read_sound(path, 8000, 5.0)
