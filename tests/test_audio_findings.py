"""Sound that is not what the file holds: refused, read as it is meant, or said once, on real files of each kind."""

import re
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile

from datamodules.audio import FINDINGS, file_fault, read_sound
from datamodules.audio_headers import ends_early
from datamodules.metadata import ClipTable
from datamodules.waveform_cache import WaveformCache
from storage import DataError

RATE = 8000


def tone(seconds=0.5, level=0.5, frequency=440.0):
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


def findings(path, seconds=5.0):
    return tuple(read_sound(path, RATE, seconds).findings)


def test_floats_in_the_scale_of_integers_are_refused_with_file_and_remedy(tmp_path):
    scipy.io.wavfile.write(tmp_path / "scaled.wav", RATE, (tone() * 32767).astype(np.int16).astype(np.float32))
    with pytest.raises(DataError, match=r"in \[-1, 1\] in .*scaled\.wav, found floats up to 16\d+.*divide them by"):
        read_sound(tmp_path / "scaled.wav", RATE, 5.0)


@pytest.mark.parametrize(("peak", "refused"), [(1.0, False), (4.0, False), (4.001, True)])
def test_floats_are_refused_from_a_peak_beyond_four(tmp_path, peak, refused):
    scipy.io.wavfile.write(tmp_path / "a.wav", RATE, np.array([0.1, -peak, 0.2], np.float32))
    if refused:
        with pytest.raises(DataError, match=r"a\.wav, found floats up to 4\.001"):
            read_sound(tmp_path / "a.wav", RATE, 5.0)
    else:
        assert findings(tmp_path / "a.wav") == (("beyond_full_scale",) if peak > 1 else ())


def test_channels_beyond_full_scale_are_mixed_before_they_are_cut(tmp_path):
    left, right = np.array([3.0, 2.0, -1.5, 3.5]), np.array([-2.5, -2.0, 0.5, 0.5])
    scipy.io.wavfile.write(tmp_path / "a.wav", RATE, np.stack([left, right], 1).astype(np.float32))
    decoded = read_sound(tmp_path / "a.wav", RATE, 5.0)
    # Cut before mixing, these would be 0, 0, -0.25 and 0.75.
    np.testing.assert_array_equal(decoded.waveform, np.array([0.25, 0.0, -0.5, 1.0], np.float32))
    assert decoded.findings == {"beyond_full_scale": ""}


def test_a_loud_tone_is_resampled_before_it_is_cut(tmp_path):
    time = np.arange(16000) / 16000
    # The second tone lies above half the new rate, so that only the first is left at 8 kHz.
    loud = 0.8 * np.sin(2 * np.pi * 500 * time) + 1.5 * np.sin(2 * np.pi * 6000 * time)
    scipy.io.wavfile.write(tmp_path / "a.wav", 16000, loud.astype(np.float32))
    waveform = read_sound(tmp_path / "a.wav", RATE, 5.0).waveform
    expected = 0.8 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
    np.testing.assert_allclose(waveform[200:-200], expected[200:-200], atol=1e-3)


def test_integers_that_use_under_a_thousandth_of_their_range_are_found(tmp_path):
    scipy.io.wavfile.write(tmp_path / "quiet.wav", RATE, np.array([0, 30, -32, 5], np.int16))
    scipy.io.wavfile.write(tmp_path / "enough.wav", RATE, np.array([0, 30, -33, 5], np.int16))
    scipy.io.wavfile.write(tmp_path / "float.wav", RATE, np.array([0, 1e-5], np.float32))
    scipy.io.wavfile.write(tmp_path / "silent.wav", RATE, np.zeros(4, np.int16))
    assert findings(tmp_path / "quiet.wav") == ("hardly_used",)
    assert [findings(tmp_path / name) for name in ("enough.wav", "float.wav", "silent.wav")] == [()] * 3


def test_channels_that_cancel_are_found(tmp_path):
    scipy.io.wavfile.write(tmp_path / "a.wav", RATE, np.stack([tone(), -tone()], 1).astype(np.float32))
    decoded = read_sound(tmp_path / "a.wav", RATE, 5.0)
    assert decoded.findings == {"cancelled": ""}
    assert not decoded.waveform.any()
    scipy.io.wavfile.write(tmp_path / "b.wav", RATE, np.stack([tone(), -0.9 * tone()], 1).astype(np.float32))
    assert findings(tmp_path / "b.wav") == ()


def test_an_ogg_file_that_breaks_off_is_found(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(44100 * 2)
    soundfile.write(tmp_path / "whole.ogg", noise, 44100)
    content = (tmp_path / "whole.ogg").read_bytes()
    assert findings(tmp_path / "whole.ogg") == ()
    for share in (0.4, 0.7):
        (tmp_path / "cut.ogg").write_bytes(content[: int(share * len(content))])
        decoded = read_sound(tmp_path / "cut.ogg", RATE, 5.0)
        assert decoded.findings == {"breaks_off": f"{len(decoded.waveform) / RATE:.2f} s"}
        assert 0 < len(decoded.waveform) < 2 * RATE


def test_a_broken_off_ogg_is_named_with_its_length(tmp_path):
    (tmp_path / "cut").mkdir()
    for name in ("a.ogg", "b.ogg"):
        soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(0).standard_normal(RATE * 4), RATE)
        content = (tmp_path / name).read_bytes()
        (tmp_path / "cut" / name).write_bytes(content[: (2 if name == "a.ogg" else 3) * len(content) // 4])
    files = tuple(tmp_path / "cut" / name for name in ("a.ogg", "b.ogg"))
    seconds = [soundfile.info(file).duration for file in files]
    assert 0 < seconds[0] < seconds[1] < 4
    table = replace(odd_corpus(tmp_path, per_kind=1), **corpus_columns(files), clip_seconds=4.0)
    settings = {"sample_rate": RATE, "padding": "pad", "augmentation": "none", "workers": 1}
    with pytest.warns(
        UserWarning, match=rf"2 of 2 files of Odd break off .*: a\.ogg \({seconds[0]:.2f} s\), b\.ogg \("
    ):
        WaveformCache(table, cache_dir=tmp_path / "cache", **settings).prepare([0, 1])


def test_an_ogg_file_cut_anywhere_inside_its_last_page_is_found(tmp_path):
    soundfile.write(tmp_path / "whole.ogg", 0.1 * np.random.default_rng(0).standard_normal(44100), 44100)
    content = (tmp_path / "whole.ogg").read_bytes()
    last = content.rindex(b"OggS")
    assert not ends_early(tmp_path / "whole.ogg")
    # In the fixed part of the header, in the segment table, in the sound, and one byte before the end.
    for end in (last + 5, last + 20, last + 28, (last + len(content)) // 2, len(content) - 1):
        (tmp_path / "cut.ogg").write_bytes(content[:end])
        assert ends_early(tmp_path / "cut.ogg"), end - last
    (tmp_path / "followed.ogg").write_bytes(content + b"tag")
    assert not ends_early(tmp_path / "followed.ogg")


def test_a_recording_longer_than_the_clips_is_found(tmp_path):
    scipy.io.wavfile.write(tmp_path / "a.wav", RATE, tone(1.0).astype(np.float32))
    assert findings(tmp_path / "a.wav", seconds=1.0) == ()
    assert findings(tmp_path / "a.wav", seconds=0.9) == ("cut",)


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("riff_length", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_streamed_wav_is_read_to_its_end(tmp_path, length, riff_length, order):
    samples = (tone(0.25) * 32767).astype(np.int16)
    head = b"RIFF" if order == "<" else b"RIFX"
    header = head + struct.pack(f"{order}I", riff_length) + b"WAVEfmt "
    header += (
        struct.pack(f"{order}IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) + b"data" + struct.pack(f"{order}I", length)
    )
    (tmp_path / "a.wav").write_bytes(header + samples.astype(f"{order}i2").tobytes())
    assert file_fault(tmp_path / "a.wav") is None
    decoded = read_sound(tmp_path / "a.wav", RATE, 5.0)
    np.testing.assert_array_equal(decoded.waveform, samples.astype(np.float32) / 32768)
    assert decoded.findings == {}
    assert findings(tmp_path / "a.wav", 0.1) == ("cut",)


def test_chunks_after_an_empty_sound_are_not_read_as_sound(tmp_path):
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    tags = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"an encoder 1.0"
    for after in (
        tags,
        tags + b"id3 " + struct.pack("<I", 3) + b"abc",
        tags + b"id3 " + struct.pack("<I", 3) + b"abc\0",
    ):
        body = b"WAVE" + form + b"data" + struct.pack("<I", 0) + after
        (tmp_path / "empty.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
        assert file_fault(tmp_path / "empty.wav") == "no samples"
        with pytest.raises(DataError, match="found an audio file without samples"):
            read_sound(tmp_path / "empty.wav", RATE, 1.0)
    # Silence and printable samples whose "lengths" do not lead to the end of the file are sound.
    for samples in (bytes(800), b"abcd" * 200, b"LIST" + struct.pack("<I", 900) + bytes(792)):
        body = b"WAVE" + form + b"data" + struct.pack("<I", 0) + samples
        (tmp_path / "streamed.wav").write_bytes(b"RIFF" + struct.pack("<I", 0) + body)
        assert len(read_sound(tmp_path / "streamed.wav", RATE, 1.0).waveform) == 400


def odd_corpus(root, per_kind=12):
    """Twelve files of each kind that is said, and as many that are in order."""
    kinds = {
        "beyond_full_scale": tone(level=2.0).astype(np.float32),
        "hardly_used": np.array([0, 3, -3] * 100, np.int16),
        "cancelled": np.stack([tone(), -tone()], 1).astype(np.float32),
        "cut": tone(1.5).astype(np.float32),
        "fine": tone().astype(np.float32),
    }
    names = [f"{kind}{number}.wav" for kind in kinds for number in range(per_kind)]
    for name in names:
        scipy.io.wavfile.write(root / name, RATE, kinds[re.sub(r"\d+\.wav", "", name)])
    return ClipTable(
        corpus="Odd",
        **corpus_columns([root / name for name in names]),
        class_names=("a", "b"),
        clip_seconds=1.0,
        number_of_folds=1,
    )


def corpus_columns(files):
    """Columns of a table of some files, each a clip and recording of its own, in turn of two classes."""
    names = tuple(file.name for file in files)
    return {
        "names": names,
        "files": tuple(files),
        "labels": np.arange(len(names)) % 2,
        "sources": np.array(names),
        "folds": np.ones(len(names), np.int64),
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_each_kind_is_said_once_with_counts_and_ten_names_also_from_a_warm_cache(tmp_path, workers):
    table = odd_corpus(tmp_path)
    for state in ("cold", "warm"):
        cache = WaveformCache(
            table,
            cache_dir=tmp_path / "cache",
            sample_rate=RATE,
            padding="pad",
            augmentation="none",
            workers=workers,
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cache.prepare(range(60))
            cache.prepare(range(60))
        said = sorted(str(warning.message) for warning in caught)
        expected = sorted(
            f"12 of 60 files of Odd {FINDINGS[kind]}: {', '.join(f'{kind}{number}.wav' for number in range(10))} "
            "and 2 more"
            for kind in ("beyond_full_scale", "hardly_used", "cancelled", "cut")
        )
        assert said == expected, state


def test_what_was_found_of_a_file_is_forgotten_with_the_file(tmp_path):
    table = odd_corpus(tmp_path, per_kind=1)
    settings = {"sample_rate": RATE, "padding": "pad", "augmentation": "none", "workers": 1}
    with pytest.warns(UserWarning, match=r"1 of 1 files of Odd are longer .*: cut0\.wav"):
        WaveformCache(table, cache_dir=tmp_path / "cache", **settings).prepare([3])
    scipy.io.wavfile.write(tmp_path / "cut0.wav", RATE, tone(0.7).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WaveformCache(table, cache_dir=tmp_path / "cache", **settings).prepare([3])
