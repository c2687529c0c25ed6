"""A file of equally shaped arrays on disk, each with a checksum, that many processes may share.

Layout of a store: ``<directory>/<hash of the key>/`` with ``key.json`` (the key, for human readers), ``entries.f32``
(the arrays, one after the other, little-endian float32) and ``records.bin`` (which entries are finished, one record per
entry). A record is written after its array, so that a killed process leaves no record of a partial array; an array
damaged by a power failure or a faulty disk does not match its checksum.
"""

import errno
import hashlib
import json
import logging
import math
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from storage import DataError, write_json

RECORD = np.dtype([("finished", "<u4"), ("checksum", "<u4"), ("identity", "<u8")])
_log = logging.getLogger(__name__)


class CorruptEntryError(Exception):
    """An entry that is missing, was made from something else or does not match its checksum."""


class EntryStore:
    """Equally shaped float32 arrays in one memory-mapped file.

    Open files are not pickled, so each data loader worker opens its own. Reading never needs the lock; writing does,
    and :meth:`lock` gives it to one process at a time.

    Args:
        directory: folder of all stores, the ``cache_dir`` of the command line.
        key: plain values on which the content of every entry depends; each key has its own store.
        entries: number of arrays.
        shape: shape of one array.
        identities: ``(entries,)`` uint64, identifies what each entry is made from; an entry with another identity
            counts as missing. All 0 by default.
    """

    _data: NDArray[np.float32] | None
    _records: NDArray[np.void] | None

    def __init__(
        self,
        directory: Path,
        key: Mapping[str, Any],
        entries: int,
        shape: tuple[int, ...],
        identities: NDArray[np.uint64] | None = None,
    ) -> None:
        self.key = {**key, "entries": entries, "shape": list(shape)}
        name = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:24]
        self.path = Path(directory).absolute() / name
        self.entries = entries
        self.shape = shape
        self.entry_bytes = 4 * math.prod(shape)
        self._identities = np.zeros(entries, np.uint64) if identities is None else identities
        self._forget_files()

    def missing(self, indices: Iterable[int]) -> list[int]:
        """The entries that are not finished or were made from something else, in the given order."""
        finished = self._finished()
        return [index for index in indices if not finished[index]]

    def reserve(self, indices: Iterable[int]) -> None:
        """Reserve disk space for entries that are about to be written; call it under :meth:`lock`.

        Raises:
            DataError: if the disk has no space for all of them or the folder is not writable.
        """
        indices = sorted(indices)
        needed = len(indices) * self.entry_bytes
        with self._disk_errors_explained(needed):
            self._create()
            finished = int(self._finished().sum())
            # A build that was killed has reserved room already.
            reserved = self._data_file.stat().st_blocks * 512 - finished * self.entry_bytes
            if needed > shutil.disk_usage(self.path).free + max(0, reserved):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with self._data_file.open("rb+") as file:
                try:
                    for first, count in _runs(indices):
                        os.posix_fallocate(file.fileno(), first * self.entry_bytes, count * self.entry_bytes)
                except OSError:
                    if finished == 0:
                        file.truncate(0)
                        file.truncate(self.entries * self.entry_bytes)
                    raise

    def write(self, index: int, array: NDArray[np.float32]) -> None:
        """Write one entry, then the record that it is finished; call it under :meth:`lock`.

        Raises:
            ValueError: if the array has another shape.
            DataError: if the disk is full or the folder cannot be written.
        """
        if array.shape != self.shape:
            raise ValueError(f"expected an entry of shape {self.shape}, got {array.shape}")
        data = np.ascontiguousarray(array, "<f4").data.cast("B")
        with self._disk_errors_explained(self.entry_bytes):
            self._create()
            self._write_record(index, finished=0, checksum=0)
            _write_at(self._data_file, data, index * self.entry_bytes)
            self._write_record(index, finished=1, checksum=zlib.crc32(data))
        self._verified[index] = False

    def read(self, index: int) -> NDArray[np.float32]:
        """One entry, as a copy that is independent of the file.

        The checksum is verified when this process reads the entry for the first time.

        Raises:
            CorruptEntryError: if the entry is missing or does not match its checksum.
        """
        if not 0 <= index < self.entries:
            raise IndexError(f"expected an entry in 0..{self.entries - 1}, got {index}")
        data, records = self._maps()
        record = records[index]
        if record["finished"] != 1 or record["identity"] != self._identities[index]:
            raise CorruptEntryError("not finished")
        entry = np.array(data[index])
        if not self._verified[index]:
            if zlib.crc32(entry.data.cast("B")) != record["checksum"]:
                raise CorruptEntryError("its checksum does not match")
            self._verified[index] = True
        return entry

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the write lock; while another process holds it, log that and wait. The lock ends with its process.

        Raises:
            DataError: if the folder is not writable.
        """
        with self._disk_errors_explained(0):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                _log.warning("another process is building %s; waiting until it has finished", self.path)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @property
    def _data_file(self) -> Path:
        return self.path / "entries.f32"

    @property
    def _records_file(self) -> Path:
        return self.path / "records.bin"

    def _create(self) -> None:
        """Create the files at their full size; bytes that were never written take no disk space."""
        if self._sizes_are_right():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / "key.json", self.key)
        with self._data_file.open("ab") as data, self._records_file.open("ab") as records:
            data.truncate(self.entries * self.entry_bytes)
            records.truncate(self.entries * RECORD.itemsize)
        # In a file that had been truncated, lost entries cannot be distinguished from intact ones.
        _write_at(self._records_file, memoryview(bytes(self.entries * RECORD.itemsize)), 0)

    def _sizes_are_right(self) -> bool:
        try:
            sizes = self._data_file.stat().st_size, self._records_file.stat().st_size
        except OSError:
            return False
        return sizes == (self.entries * self.entry_bytes, self.entries * RECORD.itemsize)

    def _finished(self) -> NDArray[np.bool_]:
        if not self._sizes_are_right():
            return np.zeros(self.entries, np.bool_)
        records = np.fromfile(self._records_file, RECORD)
        return (records["finished"] == 1) & (records["identity"] == self._identities)

    def _maps(self) -> tuple[NDArray[np.float32], NDArray[np.void]]:
        if self._data is None or self._records is None:
            # Access to a memory map beyond the end of its file kills the process.
            if not self._sizes_are_right():
                raise CorruptEntryError("the store is not there or has another size")
            self._data = np.memmap(self._data_file, "<f4", "r", shape=(self.entries, *self.shape))
            self._records = np.memmap(self._records_file, RECORD, "r", shape=(self.entries,))
        return self._data, self._records

    def _write_record(self, index: int, finished: int, checksum: int) -> None:
        record = np.array((finished, checksum, self._identities[index]), RECORD)
        _write_at(self._records_file, memoryview(record.tobytes()), index * RECORD.itemsize)

    @contextmanager
    def _disk_errors_explained(self, needed_bytes: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise DataError(
                    f"expected room for {_megabytes(needed_bytes)} of cache in {self.path.parent}, found the disk full "
                    f"({error.strerror}): free some or name another folder with --data.cache_dir"
                ) from error
            raise DataError(
                f"expected a cache folder that can be written at {self.path.parent}, found: {error.strerror}; "
                "name another folder with --data.cache_dir"
            ) from error

    def _forget_files(self) -> None:
        self._data = None
        self._records = None
        self._verified = np.zeros(self.entries, np.bool_)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_data", "_records", "_verified")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget_files()


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First index and length of every run of consecutive numbers."""
    first = 0
    for position in range(1, len(indices) + 1):
        if position == len(indices) or indices[position] != indices[position - 1] + 1:
            yield indices[first], position - first
            first = position


def _write_at(path: Path, data: memoryview, offset: int) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        while data:
            written = os.pwrite(descriptor, data, offset)
            data, offset = data[written:], offset + written
    finally:
        os.close(descriptor)


def _megabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"
