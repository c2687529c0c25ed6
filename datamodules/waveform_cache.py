"""A cache on disk of a corpus' clips and their augmented copies, as waveforms of one length."""

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.audio import (
    FINDINGS,
    Decoded,
    Padding,
    UnusableFileError,
    Waveform,
    check_files,
    fit_length,
    read_sound,
)
from datamodules.augmentation import RATIOS, Augmentation, make_copy, variant_names
from datamodules.entry_store import CorruptEntryError, EntryStore
from datamodules.metadata import ClipTable
from datamodules.progress import progress_bar
from datamodules.worker_processes import map_in_processes
from storage import DataError, write_json
from storage.errors import NAMED_AT_MOST, named

# Increase when a change of this code changes samples; caches of older versions are then ignored and built anew.
SAMPLES_VERSION = 2
QUIET, CUT = "hardly_used", "cut"


class WaveformCache:
    """Decoded, resampled, fitted and augmented clips, computed once and read from memory-mapped files.

    The store is keyed by everything that affects the samples of the whole corpus: its location, file names, the
    settings, this code and the libraries. The entries of each clip are also tied to the size and modification time of
    its file, so that replacing a file rebuilds only its own clips.

    Args:
        table: the corpus.
        sample_rate: in Hz.
        padding: how a clip shorter than the corpus' length is filled: ``pad`` (zeros after it) or ``loop``.
        augmentation: kind of the copies in addition to the original.
        cache_dir: folder of all caches.
        workers: number of processes that build entries; one per core by default.

    Raises:
        ValueError: if a setting is invalid.
    """

    def __init__(
        self,
        table: ClipTable,
        *,
        sample_rate: int,
        padding: Padding,
        augmentation: Augmentation,
        cache_dir: Path,
        workers: int | None = None,
    ) -> None:
        if sample_rate < 1:
            raise ValueError(f"expected a sample rate of at least 1 Hz, got {sample_rate}")
        if padding not in ("pad", "loop"):
            raise ValueError(f"expected padding in pad, loop, got {padding!r}")
        self.table = table
        self.sample_rate = sample_rate
        self.padding: Padding = padding
        self.augmentation: Augmentation = augmentation
        self.variants = variant_names(augmentation)
        self.samples = round(table.clip_seconds * sample_rate)
        self.workers = workers or os.cpu_count() or 1
        self._checked = False
        self._said: set[str] = set()
        self.identities = np.repeat(_file_identities(table), len(self.variants))
        self.store = EntryStore(
            cache_dir, self.key, len(table) * len(self.variants), (self.samples,), identities=self.identities
        )

    @property
    def key(self) -> dict[str, Any]:
        """Everything on which the samples of the whole corpus depend, as plain values."""
        files = hashlib.sha256("\0".join(map(str, self.table.files)).encode()).hexdigest()
        starts = self.table.starts
        return {
            # Clips that begin with their files have the key that they had before there were others.
            **({} if starts is None else {"starts": hashlib.sha256(starts.tobytes()).hexdigest()}),
            "content": "waveforms",
            "samples_version": SAMPLES_VERSION,
            "corpus": self.table.corpus,
            "files": files,
            "first_file": str(self.table.files[0]),
            "clip_seconds": self.table.clip_seconds,
            "sample_rate": self.sample_rate,
            "padding": self.padding,
            "variants": list(self.variants),
            "libraries": {name: version(name) for name in ("librosa", "numpy", "scipy", "soundfile", "soxr")},
        }

    def entry(self, clip: int, variant: int) -> int:
        """Position of a clip's variant in the store; the variants of a clip are adjacent."""
        if not 0 <= clip < len(self.table) or not 0 <= variant < len(self.variants):
            raise IndexError(
                f"expected a clip in 0..{len(self.table) - 1} and a variant in 0..{len(self.variants) - 1}, "
                f"got {clip} and {variant}"
            )
        return clip * len(self.variants) + variant

    def check_files(self, clips: Sequence[int] | None = None) -> None:
        """Check, once, every listed file that is not decoded yet, see :func:`datamodules.audio.check_files`.

        Args:
            clips: rows of the table to check, all by default.
        """
        if not self._checked:
            originals = [self.entry(clip, 0) for clip in (range(len(self.table)) if clips is None else clips)]
            check_files(self.table, [index // len(self.variants) for index in self.store.missing(originals)])
            self._checked = True

    def prepare(self, clips: Sequence[int], augmented_clips: Sequence[int] = ()) -> None:
        """Build missing entries: the originals of ``clips`` and all variants of ``augmented_clips``.

        Args:
            clips: rows of the table.
            augmented_clips: rows of the table whose copies are needed too.

        Raises:
            DataError: if a file cannot be used (up to ten are named; all originals are decoded before any copy is
                made), or the disk is full.
        """
        copies = range(1, len(self.variants))
        wanted = {(clip, 0) for clip in (*clips, *augmented_clips)} | {
            (clip, variant) for clip in augmented_clips for variant in copies
        }
        indices = sorted(self.entry(*entry) for entry in wanted)
        if self.store.missing(indices):
            self._build_missing(indices)
        self._say_findings(sorted({clip for clip, _ in wanted}))

    def _build_missing(self, indices: Sequence[int]) -> None:
        self.check_files()
        with self.store.lock():
            missing = self.store.missing(indices)
            self.store.reserve(missing)
            entries = [divmod(index, len(self.variants)) for index in missing]
            self._build_all([entry for entry in entries if entry[1] == 0], "decoding clips")
            self._build_all([entry for entry in entries if entry[1] != 0], "augmenting clips")

    def read(self, clip: int, variant: int) -> Waveform:
        """The waveform of a clip's variant, built anew if it is missing or damaged.

        Args:
            clip: row of the table.
            variant: position in ``variants``; 0 is the original.

        Returns:
            ``(samples,)`` float32 in [-1, 1], a copy that belongs to the caller.

        Raises:
            DataError: if the entry has to be built and the file cannot be used.
        """
        index = self.entry(clip, variant)
        try:
            return self.store.read(index)
        except CorruptEntryError as fault:
            name = f"{self.table.names[clip]} ({self.variants[variant]})"
            warnings.warn(f"the cached waveform of {name} is built anew: {fault}", stacklevel=2)
        with self.store.lock():
            waveform = next(self.build(clip, [variant]))
            self.store.write(index, waveform)
        return waveform

    def build(self, clip: int, variants: Sequence[int]) -> Iterator[Waveform]:
        """The waveforms of some variants of a clip, from its file and without the cache."""
        table = self.table
        decoded = read_sound(table.files[clip], self.sample_rate, table.clip_seconds, table.start(clip))
        # Written before the entries, so that a finished entry always has them.
        self._keep_findings(clip, decoded)
        for variant in variants:
            waveform = decoded.waveform
            if variant > 0:
                waveform = make_copy(waveform, self.sample_rate, self.augmentation, RATIOS[variant - 1])
            yield fit_length(waveform, self.samples, self.padding)

    def _findings_file(self, clip: int) -> Path:
        # The identity is in the name, so that findings of another version of the file are ignored.
        identity = self.identities[self.entry(clip, 0)]
        return self.store.path / "findings" / f"{clip}-{identity:016x}.json"

    def _keep_findings(self, clip: int, decoded: Decoded) -> None:
        if decoded.findings and not self._findings_file(clip).is_file():
            write_json(self._findings_file(clip), decoded.findings)

    def _say_findings(self, clips: Sequence[int]) -> None:
        """Warn, once per kind, of peculiarities of these clips' files, even if they were decoded earlier."""
        folder = self.store.path / "findings"
        if not folder.is_dir():
            return
        there = {file.name for file in folder.iterdir()}
        windows = Counter(map(self.table.file_name, clips))
        found: dict[str, dict[str, list[str]]] = {}
        for clip in clips:
            file = self._findings_file(clip)
            if file.name in there:
                findings = json.loads(file.read_text(encoding="utf-8"))
                # Earlier versions wrote a list.
                for finding, told in dict(
                    findings if isinstance(findings, dict) else dict.fromkeys(findings, "")
                ).items():
                    found.setdefault(finding, {}).setdefault(self.table.file_name(clip), []).append(told)
        for finding, files in found.items():
            if self.table.starts is not None:
                # A recording in windows is not cut, and it may be quiet for the length of some of them.
                quiet = {name for name, told in files.items() if len(told) < windows[name]} if finding == QUIET else ()
                cut = {name for name in files if windows[name] > 1} if finding == CUT else ()
                files = {name: told for name, told in files.items() if name not in quiet and name not in cut}
            if files and finding not in self._said:
                self._said.add(finding)
                names = [f"{name} ({told[0]})" if told[0] else name for name, told in files.items()]
                warnings.warn(
                    f"{len(names)} of {len(windows)} files of {self.table.corpus} {FINDINGS[finding]}: {named(names)}",
                    stacklevel=3,
                )

    def _build_all(self, entries: Sequence[tuple[int, int]], description: str) -> None:
        jobs = [(clip, [variant for _, variant in group]) for clip, group in groupby(entries, key=itemgetter(0))]
        faults: list[str] = []
        with progress_bar(description, len(jobs)) as advance:
            for fault in map_in_processes(self._build_clip, jobs, self.workers):
                advance()
                if fault:
                    faults.append(fault)
        if faults:
            more = f" (and {len(faults) - NAMED_AT_MOST} more files)" if len(faults) > NAMED_AT_MOST else ""
            raise DataError("; ".join(sorted(faults)[:NAMED_AT_MOST]) + more)

    def _build_clip(self, job: tuple[int, Sequence[int]]) -> str | None:
        """Build and store some variants of a clip; returns the error message about its file, or None."""
        clip, variants = job
        try:
            for variant, waveform in zip(variants, self.build(clip, variants), strict=True):
                self.store.write(self.entry(clip, variant), waveform)
        except UnusableFileError as error:
            return str(error)
        return None


def _file_identities(table: ClipTable) -> NDArray[np.uint64]:
    """A number per clip that changes with the name, size and modification time of its file, ``(clips,)``."""
    identities = np.zeros(len(table), np.uint64)
    for clip, file in enumerate(table.files):
        try:
            status = file.stat()
        except OSError:
            continue
        text = f"{table.names[clip]}\0{status.st_size}\0{status.st_mtime_ns}"
        identities[clip] = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    return identities
