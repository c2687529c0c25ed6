import os
import pickle
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules import waveform_cache
from datamodules.audio import fit_length, read_sound
from datamodules.metadata import ClipTable
from datamodules.waveform_cache import WaveformCache
from datamodules.worker_processes import map_in_processes
from storage import DataError
from tests.corpus_fixtures import write_sound
from tests.light_process import start_light_process


def write_table(root: Path, clips=6, *, clip_seconds=0.5, seconds=0.3) -> ClipTable:
    names = tuple(f"{clip}.wav" for clip in range(clips))
    for clip, name in enumerate(names):
        write_sound(root / name, seconds=seconds, seed=clip)
    return ClipTable(
        corpus="Few",
        names=names,
        files=tuple(root / name for name in names),
        labels=np.arange(clips) % 2,
        sources=np.array(names),
        folds=np.ones(clips, np.int64),
        class_names=("a", "b"),
        clip_seconds=clip_seconds,
        number_of_folds=1,
    )


def make_cache(table, folder, **settings) -> WaveformCache:
    settings = {"sample_rate": 8000, "padding": "pad", "augmentation": "time_stretch", "workers": 1, **settings}
    return WaveformCache(table, cache_dir=folder, **settings)


def count_builds(monkeypatch):
    built = []
    read = waveform_cache.read_sound
    monkeypatch.setattr(
        waveform_cache, "read_sound", lambda file, *rest: (built.append(file.name), read(file, *rest))[1]
    )
    return built


def contents(cache, clips, variants=1):
    return b"".join(cache.read(clip, variant).tobytes() for clip in range(clips) for variant in range(variants))


@pytest.mark.parametrize("padding", ["pad", "loop"])
def test_originals_are_what_reading_the_file_gives(tmp_path, padding):
    table = write_table(tmp_path)
    cache = make_cache(table, tmp_path / "cache", sample_rate=6000, padding=padding)
    cache.prepare(range(6))
    assert cache.variants == ("original", *(f"time_stretch_{ratio}" for ratio in (0.75, 0.9, 1.15, 1.5)))
    for clip in range(6):
        waveform = read_sound(table.files[clip], 6000, 0.5).waveform
        np.testing.assert_array_equal(cache.read(clip, 0), fit_length(waveform, 3000, padding))


def test_copies_are_made_of_the_given_clips_only_and_before_the_filling(tmp_path):
    table = write_table(tmp_path, 3)
    cache = make_cache(table, tmp_path / "cache")
    cache.prepare([0, 1, 2], [1])
    assert cache.store.missing(range(15)) == [1, 2, 3, 4, 11, 12, 13, 14]
    slower, faster = cache.read(1, 1), cache.read(1, 4)
    # 0.3 s at 8 kHz, stretched by 1 / 0.75 and 1 / 1.5, in 0.5 s: silence begins where the copy ends.
    assert slower[3190:3200].any()
    assert not slower[3200:].any()
    assert faster[1590:1600].any()
    assert not faster[1600:].any()


def test_a_second_start_builds_nothing(tmp_path, monkeypatch):
    table = write_table(tmp_path)
    make_cache(table, tmp_path / "cache").prepare(range(6))
    built = count_builds(monkeypatch)
    again = make_cache(table, tmp_path / "cache")
    again.prepare(range(6))
    again.read(3, 0)
    assert built == []


def test_replacing_one_file_builds_that_clip_alone(tmp_path, monkeypatch):
    table = write_table(tmp_path)
    make_cache(table, tmp_path / "cache").prepare(range(6))
    write_sound(table.files[2], seconds=0.2, seed=99)
    built = count_builds(monkeypatch)
    cache = make_cache(table, tmp_path / "cache")
    cache.prepare(range(6))
    assert built == ["2.wav"]
    waveform = read_sound(table.files[2], 8000, 0.5).waveform
    np.testing.assert_array_equal(cache.read(2, 0), fit_length(waveform, 4000, "pad"))


@pytest.mark.parametrize(
    "settings", [{"sample_rate": 16000}, {"padding": "loop"}, {"augmentation": "pitch_shift"}, {"augmentation": "none"}]
)
def test_other_settings_are_another_store(tmp_path, settings):
    table = write_table(tmp_path, 1)
    assert make_cache(table, tmp_path, **settings).store.path != make_cache(table, tmp_path).store.path


def test_a_corrupted_entry_is_built_anew_with_a_warning_that_names_it(tmp_path):
    table = write_table(tmp_path)
    cache = make_cache(table, tmp_path / "cache", augmentation="none")
    cache.prepare(range(6))
    before = contents(cache, 6)
    with (cache.store.path / "entries.f32").open("rb+") as file:
        file.seek(4 * cache.store.entry_bytes + 100)
        file.write(b"\x55\x55")
    fresh = make_cache(table, tmp_path / "cache", augmentation="none")
    with pytest.warns(
        UserWarning, match=r"cached waveform of 4.wav \(original\) is built anew: its checksum"
    ) as caught:
        assert contents(fresh, 6) == before
    assert len(caught) == 1
    assert contents(make_cache(table, tmp_path / "cache", augmentation="none"), 6) == before


def test_unusable_files_stop_before_any_entry_is_built(tmp_path):
    table = write_table(tmp_path)
    table.files[1].unlink()
    table.files[5].write_text("no sound")
    cache = make_cache(table, tmp_path / "cache")
    with pytest.raises(DataError, match=r"found 2 that cannot be used: 1.wav \(missing\), 5.wav \(not audio"):
        cache.prepare([0, 2, 3])
    assert cache.store.missing([0, 10, 15]) == [0, 10, 15]


def test_a_file_without_numbers_is_named_after_the_others_were_decoded(tmp_path):
    table = write_table(tmp_path, 12)
    soundfile.write(table.files[7], np.array([np.nan] * 10), 8000, subtype="FLOAT")
    cache = make_cache(table, tmp_path / "cache", workers=2)
    with pytest.raises(DataError, match=r"expected finite samples in .*7.wav, found NaN or infinity$"):
        cache.prepare(range(12), range(12))
    originals = [cache.entry(clip, 0) for clip in range(12)]
    assert cache.store.missing(range(60)) == sorted(set(range(60)) - set(originals) | {cache.entry(7, 0)})


def test_impossible_settings_and_clips_are_refused(tmp_path):
    table = write_table(tmp_path, 1)
    with pytest.raises(ValueError, match="expected padding in pad, loop, got 'mirror'"):
        make_cache(table, tmp_path, padding="mirror")
    with pytest.raises(ValueError, match="expected a sample rate of at least 1 Hz, got 0"):
        make_cache(table, tmp_path, sample_rate=0)
    with pytest.raises(IndexError, match=r"expected a clip in 0\.\.0 and a variant in 0\.\.4, got 0 and 5"):
        make_cache(table, tmp_path).read(0, 5)


def test_two_workers_build_the_same_bytes_as_none(tmp_path):
    table = write_table(tmp_path, 10)
    several, alone = make_cache(table, tmp_path / "a", workers=2), make_cache(table, tmp_path / "b")
    several.prepare(range(10), range(1))
    alone.prepare(range(10), range(1))
    assert (several.store.path / "entries.f32").read_bytes() == (alone.store.path / "entries.f32").read_bytes()


BUILD = "given.prepare(range(len(given.table)))"


def children_of(pid):
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_build_continues_and_ends_with_the_bytes_of_an_undisturbed_one(tmp_path, monkeypatch, workers):
    table = write_table(tmp_path, 300, seconds=0.05)
    undisturbed = make_cache(table, tmp_path / "undisturbed", augmentation="none")
    undisturbed.prepare(range(300))
    cache = make_cache(table, tmp_path / "cache", augmentation="none", workers=workers)
    process = start_light_process(BUILD)
    process.stdin.write(pickle.dumps(cache))
    process.stdin.flush()
    wanted = int(np.random.default_rng().integers(1, 150))
    while len(cache.store.missing(range(300))) > 300 - wanted:
        assert process.poll() is None, process.communicate()[1].decode()
    children = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(children) == (0 if workers == 1 else 2)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "a worker outlived the process that started it"
    unfinished = cache.store.missing(range(300))
    assert 0 < len(unfinished) <= 300 - wanted
    built = count_builds(monkeypatch)
    resumed = make_cache(table, tmp_path / "cache", augmentation="none")
    resumed.prepare(range(300))
    assert built == [f"{clip}.wav" for clip in unfinished]
    assert contents(resumed, 300) == contents(undisturbed, 300)


def test_two_processes_at_once_share_the_work_of_one(tmp_path):
    table = write_table(tmp_path, 60, seconds=0.05)
    cache = make_cache(table, tmp_path / "cache", augmentation="none")
    program = (
        "from datamodules import waveform_cache\n"
        "read, built = waveform_cache.read_sound, []\n"
        "waveform_cache.read_sound = lambda *arguments: (built.append(0), read(*arguments))[1]\n"
        f"{BUILD}; print(len(built), sum(float(given.read(clip, 0).sum()) for clip in range(60)))"
    )
    processes = [start_light_process(program) for _ in range(2)]
    for process in processes:
        process.stdin.write(pickle.dumps(cache))
        process.stdin.flush()
    outputs = [process.communicate() for process in processes]
    assert all(not errors or b"another process" in errors for _, errors in outputs), outputs
    (first_built, first_sum), (second_built, second_sum) = (output.split() for output, _ in outputs)
    assert int(first_built) + int(second_built) == 60
    assert first_sum == second_sum


def anonymous_megabytes():
    """Memory that is this process' own, without pages of mapped files, which the system takes back when it likes."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:")) / 1000


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    table = write_table(tmp_path, 300, clip_seconds=5.0, seconds=0.01)
    cache = make_cache(table, tmp_path / "cache", sample_rate=22050, augmentation="none")
    cache.prepare(range(2))
    cache.read(0, 0)
    before = anonymous_megabytes()
    cache.prepare(range(300))
    for clip in range(300):
        cache.read(clip, 0)
    assert 300 * cache.store.entry_bytes > 130e6
    assert anonymous_megabytes() - before < 20


def test_a_cache_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"expected a cache folder that can be written at .*file"):
        make_cache(write_table(tmp_path), tmp_path / "file").prepare(range(6))


def test_a_worker_that_dies_is_one_sentence():
    with pytest.raises(DataError, match=r"expected a worker process to finish .*, found that it ended with code 3"):
        list(map_in_processes(os._exit, [3] * 8, 2))


def test_workers_know_nothing_of_pytorch_and_of_the_program_that_started_them():
    check = "import sys; assert 'torch' not in sys.modules and 'pytest' not in sys.modules; raise ValueError('looked')"
    with pytest.raises(ValueError, match="looked"):
        list(map_in_processes(exec, [check] * 8, 2))
