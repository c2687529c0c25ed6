import json
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.entry_store import CorruptEntryError, EntryStore, _runs
from storage import DataError
from tests.light_process import start_light_process


def entry(value, shape=(3, 4)):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + value


@pytest.fixture
def store(tmp_path):
    return EntryStore(tmp_path, {"rate": 8000}, 6, (3, 4))


def test_what_is_written_is_read_and_the_rest_is_missing(store):
    assert store.missing(range(6)) == list(range(6))
    store.reserve([1, 4])
    assert store.missing([4, 1]) == [4, 1]
    store.write(4, entry(7))
    assert store.missing([5, 4, 0]) == [5, 0]
    np.testing.assert_array_equal(store.read(4), entry(7))
    with pytest.raises(CorruptEntryError, match="not finished"):
        store.read(1)
    store.read(4)[:] = 0
    np.testing.assert_array_equal(store.read(4), entry(7))


def test_another_key_is_another_folder_and_the_key_can_be_read(store, tmp_path):
    store.write(0, entry(1))
    other = EntryStore(tmp_path, {"rate": 16000}, 6, (3, 4))
    assert other.path != store.path
    assert other.missing([0]) == [0]
    assert json.loads((store.path / "key.json").read_text()) == {"rate": 8000, "entries": 6, "shape": [3, 4]}
    assert EntryStore(tmp_path, {"rate": 8000}, 6, (3, 4)).missing([0]) == []


def test_an_entry_made_from_something_else_is_missing_alone(tmp_path):
    identities = np.arange(6, dtype=np.uint64)
    old = EntryStore(tmp_path, {}, 6, (3, 4), identities=identities)
    for index in range(6):
        old.write(index, entry(index))
    changed = identities.copy()
    changed[2] = 99
    new = EntryStore(tmp_path, {}, 6, (3, 4), identities=changed)
    assert new.missing(range(6)) == [2]
    with pytest.raises(CorruptEntryError):
        new.read(2)
    new.write(2, entry(50))
    np.testing.assert_array_equal(new.read(2), entry(50))
    # A process that still knows the old file must not be given the new content without notice.
    with pytest.raises(CorruptEntryError):
        old.read(2)


@pytest.mark.parametrize("byte", [0, 47])
def test_one_flipped_bit_is_found_by_a_process_that_reads_for_the_first_time(store, byte):
    store.write(3, entry(0))
    store.write(2, entry(9))
    with (store.path / "entries.f32").open("rb+") as file:
        file.seek(3 * 48 + byte)
        value = file.read(1)[0]
        file.seek(3 * 48 + byte)
        file.write(bytes([value ^ 1]))
    reader = pickle.loads(pickle.dumps(store))
    with pytest.raises(CorruptEntryError, match="checksum"):
        reader.read(3)
    np.testing.assert_array_equal(reader.read(2), entry(9))
    store.write(3, entry(0))
    np.testing.assert_array_equal(reader.read(3), entry(0))


def test_a_store_that_lost_a_file_or_its_end_is_built_anew(store, tmp_path):
    for index in range(6):
        store.write(index, entry(index))
    os.truncate(store.path / "entries.f32", 100)
    reader = EntryStore(tmp_path, {"rate": 8000}, 6, (3, 4))
    with pytest.raises(CorruptEntryError, match="another size"):
        reader.read(5)
    assert reader.missing(range(6)) == list(range(6))
    reader.write(5, entry(5))
    np.testing.assert_array_equal(reader.read(5), entry(5))
    with pytest.raises(CorruptEntryError, match="not finished"):
        reader.read(4)
    (store.path / "records.bin").unlink()
    assert EntryStore(tmp_path, {"rate": 8000}, 6, (3, 4)).missing([0, 5]) == [0, 5]


def test_impossible_calls_are_refused(store):
    with pytest.raises(ValueError, match=r"expected an entry of shape \(3, 4\), got \(4, 3\)"):
        store.write(0, np.zeros((4, 3), np.float32))
    with pytest.raises(IndexError, match=r"expected an entry in 0\.\.5, got 6"):
        store.read(6)


@given(st.sets(st.integers(0, 30)))
def test_runs_cover_exactly_the_numbers(numbers):
    runs = list(_runs(sorted(numbers)))
    assert [first + step for first, count in runs for step in range(count)] == sorted(numbers)
    assert all(first + count not in numbers for first, count in runs)


def test_only_reserved_entries_take_room_on_the_disk(tmp_path):
    store = EntryStore(tmp_path, {}, 1000, (25600,))
    store.reserve([3, 4, 700])
    assert (store.path / "entries.f32").stat().st_size == 1000 * 102400
    assert 3 * 102400 <= (store.path / "entries.f32").stat().st_blocks * 512 < 5 * 102400


def _read_all(store, answers):
    answers.put([float(store.read(index)[0, 0]) for index in range(6)])


def test_forked_processes_read_the_same_store(store):
    for index in range(6):
        store.write(index, entry(index))
    store.read(0)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_read_all, args=(store, answers))
    process.start()
    assert answers.get(timeout=60) == [0, 1, 2, 3, 4, 5]
    process.join()


def test_a_new_process_reads_the_same_store(store):
    for index in range(6):
        store.write(index, entry(index))
    store.read(0)
    process = start_light_process("print([float(given.read(index)[0, 0]) for index in range(6)])")
    assert process.communicate(pickle.dumps(store))[0] == b"[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]\n"


def test_a_waiting_process_says_so_and_the_death_of_the_holder_ends_the_wait(store, caplog):
    holder = start_light_process("with given.lock(): print('held', flush=True); sys.stdin.read()")
    holder.stdin.write(pickle.dumps(store))
    holder.stdin.flush()
    assert holder.stdout.readline() == b"held\n"
    entered = threading.Event()

    def wait_for_the_lock():
        with store.lock():
            entered.set()

    thread = threading.Thread(target=wait_for_the_lock)
    thread.start()
    assert not entered.wait(0.2)
    assert "another process is building" in caplog.text
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert entered.wait(30)
    thread.join()


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_sentence_at_the_door_and_takes_no_room(small_disk):
    store = EntryStore(small_disk, {}, 100, (25600,))
    with pytest.raises(DataError, match=r"expected room for 10\.2 MB of cache in .*disk, found .*--data\.cache_dir"):
        store.reserve(range(100))
    assert store.missing(range(100)) == list(range(100))
    store.reserve([0, 1])
    store.write(1, np.ones(25600, np.float32))
    assert store.missing(range(100)) == [0, *range(2, 100)]


def test_a_disk_that_fills_up_while_writing_leaves_no_half_entry(small_disk):
    store = EntryStore(small_disk, {}, 100, (25600,))

    def write_all():
        for index in range(100):
            store.write(index, np.full(25600, index, np.float32))

    with pytest.raises(DataError, match="found the disk full"):
        write_all()
    finished = sorted(set(range(100)) - set(store.missing(range(100))))
    assert 5 <= len(finished) <= 10
    for index in finished:
        assert (store.read(index) == index).all()


def test_a_file_size_limit_is_one_sentence(tmp_path):
    store = EntryStore(tmp_path, {}, 100, (25600,))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(DataError, match=r"found the disk full .File too large."):
            store.reserve(range(100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = EntryStore(tmp_path / "file", {}, 2, (3, 4))
    for act in (lambda: store.reserve([0]), lambda: store.lock().__enter__()):
        with pytest.raises(
            DataError, match=r"expected a cache folder that can be written at .*file, found: .*cache_dir"
        ):
            act()
    assert store.missing([0]) == [0]


def test_a_finished_store_on_a_read_only_disk_is_read(small_disk):
    EntryStore(small_disk, {}, 2, (3, 4)).write(1, entry(1))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    store = EntryStore(small_disk, {}, 2, (3, 4))
    assert store.missing([1]) == []
    np.testing.assert_array_equal(store.read(1), entry(1))
    with pytest.raises(DataError, match="found: Read-only file system"):
        store.write(0, entry(0))
