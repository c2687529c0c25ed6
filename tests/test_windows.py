"""Windows of long recordings: what they cover, what they sound like, where they stay, and how their file is judged."""

import csv
import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

import train
from datamodules import ESC10
from datamodules.audio import read_sound
from datamodules.metadata import ClipTable
from datamodules.splits import PROTOCOLS, leakage, make_split
from datamodules.waveform_cache import WaveformCache
from datamodules.windows import check_windows, cut_windows, window_starts
from metrics.classification import FileAccuracy, mean_by_file
from representations import STFT
from storage import DataError
from tests.corpus_fixtures import write_esc_corpus, write_sound


@given(st.floats(0.001, 500), st.floats(0.01, 60))
def test_all_windows_cover_a_recording_and_reach_beyond_no_end_of_it(duration, seconds):
    starts = window_starts(duration, seconds, "all")
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(later <= start + seconds + 1e-9 for start, later in itertools.pairwise(starts))
    assert starts[-1] + seconds >= duration - 0.0011
    if len(starts) > 1:
        assert starts[-1] + seconds <= duration + 1e-9
        # No more windows than are needed, but for the milliseconds that rounding costs.
        assert len(starts) <= np.ceil(duration / (np.floor(seconds * 1000 + 1e-6) / 1000)) + 1
    (centre,) = window_starts(duration, seconds, "centre")
    assert abs((centre + seconds / 2) - max(duration, seconds) / 2) <= 0.0011
    assert window_starts(duration, seconds, "first") == [0.0]


@pytest.mark.parametrize(
    ("duration", "seconds", "starts"),
    [
        (12.0, 5.0, [0, 5, 7]),
        (10.0, 5.0, [0, 5]),
        (10.0005, 5.0, [0, 5]),
        (10.02, 5.0, [0, 5, 5.02]),
        (5.0, 5.0, [0]),
        (0.3, 5.0, [0]),
        (6.9, 2.3, [0, 2.3, 4.6]),
    ],
)
def test_windows_by_hand(duration, seconds, starts):
    assert window_starts(duration, seconds, "all") == starts


def test_impossible_windows_are_refused():
    with pytest.raises(ValueError, match="expected windows to be one of first, centre, all, got 'last'"):
        check_windows(None, "last")
    for seconds in (0.0, float("nan"), 1e9):
        with pytest.raises(ValueError, match=r"expected clip_seconds from 0\.01 to 3600 seconds, got"):
            check_windows(seconds, "all")


@pytest.mark.parametrize(("name", "rate"), [("a.wav", 8000), ("a.wav", 44100), ("a.flac", 22050), ("a.ogg", 44100)])
def test_a_window_is_that_part_of_the_whole_recording(tmp_path, name, rate):
    write_sound(tmp_path / name, seconds=7.3, sample_rate=rate, subtype=None)
    whole = read_sound(tmp_path / name, 8000, 8.0).waveform
    for start in (0.0, 0.4, 2.0, 3.25, 5.3):
        part = read_sound(tmp_path / name, 8000, 2.0, start).waveform
        expected = whole[round(start * 8000) :][:16000]
        # A lossy decoder that was set into the middle of a file is not exact to the last bit.
        np.testing.assert_allclose(part, expected, atol=2e-5 if name.endswith("ogg") else 2e-6)
    with pytest.raises(DataError, match=r"expected sound from 7\.5 s on in .*, found 7\.300 s"):
        read_sound(tmp_path / name, 8000, 2.0, 7.5)


def long_table(root, seconds=(2.5, 0.7, 1.0)) -> ClipTable:
    """Eight files a class in two classes, two files a recording, of different lengths."""
    names = [f"{label}-{number}.wav" for label in range(2) for number in range(8)]
    for number, name in enumerate(names):
        write_sound(root / name, seconds=seconds[number % len(seconds)], seed=number)
    return ClipTable(
        corpus="Long",
        names=tuple(names),
        files=tuple(root / name for name in names),
        labels=np.repeat([0, 1], 8),
        sources=np.array([f"{name[0]}-{int(name[2]) // 2}" for name in names]),
        folds=np.arange(16) % 4 + 1,
        class_names=("a", "b"),
        clip_seconds=1.0,
        number_of_folds=4,
    )


def test_windows_of_a_file_are_clips_of_its_recording_class_and_fold(tmp_path):
    table = long_table(tmp_path)
    cut = cut_windows(table, None, "all")
    assert len(cut) == sum(3 if soundfile.info(file).duration > 1.001 else 1 for file in table.files)
    assert cut.names[:4] == ("0-0.wav@0.000s", "0-0.wav@1.000s", "0-0.wav@1.500s", "0-1.wav")
    for clip in range(len(cut)):
        row = table.names.index(cut.file_name(clip))
        assert (cut.files[clip], cut.labels[clip], cut.sources[clip], cut.folds[clip]) == (
            table.files[row], table.labels[row], table.sources[row], table.folds[row],
        )  # fmt: skip
    assert [cut.file_name(clip) for clip in cut.first_clips(np.arange(len(cut)))] == list(table.names)
    for protocol in PROTOCOLS:
        split = make_split(cut, protocol=protocol, fold=1, folds=2)
        parts = [{cut.file_name(clip) for clip in part} for part in (split.train, split.validation, split.test)]
        assert sum(map(len, parts)) == len(set().union(*parts)) == 16
    assert leakage(cut, make_split(cut, protocol="grouped", fold=1, folds=2)) == 0
    # A file in windows is drawn as one clip is.
    whole = make_split(table, protocol="random", fold=2, folds=2)
    assert [
        cut.file_name(clip) for clip in cut.first_clips(make_split(cut, protocol="random", fold=2, folds=2).test)
    ] == [table.names[row] for row in whole.test]
    assert cut_windows(table, 0.5, "first").clip_seconds == 0.5


def test_the_cache_tells_lengths_and_windows_apart_and_says_no_recording_in_windows_is_cut(tmp_path):
    table = long_table(tmp_path)
    chosen = {"sample_rate": 8000, "padding": "pad", "augmentation": "none", "workers": 1}

    def cache(seconds, windows):
        return WaveformCache(cut_windows(table, seconds, windows), cache_dir=tmp_path / "cache", **chosen)

    stores = [cache(s, w).store.path for s in (None, 0.5) for w in ("first", "centre", "all")]
    assert len(set(stores)) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows = cache(None, "all")
        windows.prepare(range(len(windows.table)))
    np.testing.assert_array_equal(windows.read(2, 0), read_sound(table.files[0], 8000, 1.0, 1.5).waveform)
    with pytest.warns(UserWarning, match=r"6 of 16 files of Long are longer than the clips .*: 0-0\.wav, 0-3\.wav"):
        cache(None, "centre").prepare(range(16))


def test_the_label_of_a_file_is_the_mean_log_probability_of_its_windows():
    logits, labels = torch.randn(40, 5) * 3, torch.randint(0, 5, (12,))
    files = torch.cat([torch.arange(12), torch.randint(0, 12, (28,))])
    order = torch.randperm(40)
    logp = logits.double() - logits.double().exp().sum(dim=1, keepdim=True).log()
    expected = torch.stack([logp[files == file].mean(dim=0) for file in range(12)])
    found, means = mean_by_file(logp, files)
    assert found.tolist() == list(range(12))
    torch.testing.assert_close(means, expected)
    accuracy = FileAccuracy()
    for part in order.split(7):
        accuracy.update(logits[part], labels[files[part]], part, files[part])
    assert accuracy.compute().item() == pytest.approx((expected.argmax(dim=1) == labels).double().mean().item())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fewer than the .* published ones", "ignore:.*classes where")
def test_recordings_of_twelve_seconds_are_trained_and_tested_in_windows(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    # A second and a fifth at the rates of a test; five windows of a quarter of it each.
    root = write_esc_corpus(tmp_path / "esc", classes=3, seconds=1.2, tones_hz=(400.0, 900.0, 1800.0))
    flags = ["--data", "ESC10", "--data.root", str(root), "--data.cache_dir", str(tmp_path / "cache")]
    flags += ["--data.clip_seconds", "0.25", "--data.windows", "all", "--data.split", "official"]
    flags += ["--data.augmentation", "none", "--data.representation", "STFT"]
    flags += ["--data.representation.sample_rate", "8000"]
    flags += ["--data.representation.resize", "32", "--model.architecture", "sb_cnn", "--wandb.mode", "disabled"]
    flags += ["--trainer.max_epochs", "2", "--runs_dir", str(tmp_path / "runs"), "--name", "windows", "--folds", "1"]
    summary = train.main(flags)
    (record,) = summary["folds"]
    with (tmp_path / "runs" / "windows" / "fold1" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Two of three classes belong to ESC-10: two files each in the fold that tests, five windows each.
    assert (len(rows), record["n_test"], record["n_test_clips"], record["n_train"]) == (4, 4, 20, 60)
    assert all("@" not in row["clip"] for row in rows)
    assert record["accuracy"] == np.mean([row["label"] == row["prediction"] for row in rows])
    assert summary["clip_seconds"] == 0.25
    again = train.main([*flags[:4], "--test-only", str(tmp_path / "runs" / "windows" / "fold1" / "best.ckpt")])
    assert (again["accuracy"], again["n_test"]) == (pytest.approx(record["accuracy"]), 4)


@pytest.mark.filterwarnings("ignore:.*fewer than the .* published ones", "ignore:.*classes where")
def test_the_data_module_takes_its_length_and_windows(tmp_path):
    root = write_esc_corpus(tmp_path, classes=3, seconds=0.5)
    chosen = {"root": str(root), "representation": STFT(sample_rate=8000), "cache_dir": str(tmp_path / "cache")}
    chosen |= {"clip_seconds": 0.2, "windows": "all", "split": "official"}
    data = ESC10(**chosen)
    assert len(data.table) == 20 * 3
    assert data.waveforms.samples == 1600
    record = data.record
    followed = ESC10(**chosen)
    followed.follow(record)
    assert followed.table.names == data.table.names
    np.testing.assert_array_equal(followed.table.starts, data.table.starts)
    assert replace(followed.table, starts=None).start(3) == 0
