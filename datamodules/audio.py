"""Reading audio files: checks that they are complete, and their sound as a waveform."""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from datamodules.audio_headers import announced_bytes, ends_early, with_length
from datamodules.metadata import ClipTable
from datamodules.progress import progress_bar
from storage import DataError
from storage.errors import named

Padding = Literal["pad", "loop"]
Waveform = NDArray[np.float32]


class UnusableFileError(DataError):
    """One file that cannot be decoded, as opposed to a disk or a cache that fails."""


class Decoded(NamedTuple):
    """The sound of a file, and its peculiarities.

    Attributes:
        waveform: ``(time,)`` float32 in [-1, 1], at least one sample.
        findings: keys of :data:`FINDINGS` that apply to the file, each with a detail to be printed in brackets after
            the file's name, or "".
    """

    waveform: Waveform
    findings: dict[str, str]


FINDINGS: dict[str, str] = {
    "beyond_full_scale": "hold samples beyond +-1, which were cut to it after resampling and mixing",
    "hardly_used": "use less than a thousandth of their integer format's range, so that rounding is heard",
    "cancelled": "have channels that cancel each other: their mean, which is used, is silent",
    "breaks_off": "break off before the end of their Ogg stream, and were used as far as they go (in brackets)",
    "cut": "are longer than the clips of the corpus and were cut",
}
"""Peculiarities of files that are used nevertheless, each as the end of a sentence about the files."""

LARGEST_SAMPLE = 4.0
"""Largest sample of a float file; larger ones (12 dB above full scale) indicate integers stored as floats."""
SMALLEST_USE = 1e-3
CANCELLED = 1e-3
"""RMS level of the mean of the channels, relative to that of the loudest, below which they count as cancelling."""
CUT_FROM_SECONDS = 1e-3
LONGEST_SECONDS = 1e7
"""Longest plausible length in a header, in seconds (four months); anything longer counts as unknown."""


def read_sound(path: Path, sample_rate: int, seconds: float, start: float = 0.0) -> Decoded:
    """Read at most ``seconds`` of the sound of a file from ``start`` on, as the mean of its channels.

    Resampling uses soxr's HQ setting (aliases are 140 dB down). Samples of float formats may exceed full scale; they
    are kept during mixing and resampling, and clipped at the very end.

    Args:
        path: an audio file of any format that libsndfile reads. A streamed WAV file whose header announces no length is
            read to its end.
        sample_rate: rate of the result in Hz.
        seconds: largest length of the result in s; later samples are not read, so that a file of hours needs no more
            memory than one of seconds.
        start: beginning of the sound to read, in s from the beginning of the file.

    Returns:
        The waveform and the peculiarities of the file.

    Raises:
        UnusableFileError: (a ``DataError``) if the file cannot be decoded to its end, holds no samples after ``start``,
            holds NaN or infinite ones, or holds floats in the scale of integers.
    """
    # One second more than needed on both sides: the filter at the cuts then sees the sound that is really there. It is
    # read from a whole second, where the samples of both rates meet.
    first = max(0, math.floor(start) - 1)
    try:
        with soundfile.SoundFile(with_length(path, start + seconds + 1) or path) as file:
            file_rate, file_frames, subtype = file.samplerate, file.frames, file.subtype
            skipped = min(file_frames, first * file_rate)
            wanted = min(file_frames, math.ceil((start + seconds + 1) * file_rate)) - skipped
            if skipped:
                file.seek(skipped)
            channels = file.read(wanted, dtype="float32", always_2d=True)
        breaks_off = ends_early(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnusableFileError(
            f"expected audio in {path}, found a file that cannot be decoded: {reason(error)}"
        ) from error
    if file_frames == 0:
        raise UnusableFileError(f"expected sound in {path}, found an audio file without samples")
    if file_frames <= start * file_rate:
        raise UnusableFileError(f"expected sound from {start:g} s on in {path}, found {file_frames / file_rate:.3f} s")
    if len(channels) < wanted:
        raise UnusableFileError(f"expected {wanted} samples in {path}, found {len(channels)}: the file is truncated")
    if not np.isfinite(channels).all():
        raise UnusableFileError(f"expected finite samples in {path}, found NaN or infinity")
    peak = float(np.abs(channels).max())
    if peak > LARGEST_SAMPLE:
        raise UnusableFileError(
            f"expected samples in [-1, 1] in {path}, found floats up to {peak:.6g}, as if they were "
            "integers: divide them by the largest value of their integer format (32768 for 16 bits), or write them "
            "as integers"
        )
    mixed = channels.mean(axis=1, dtype=np.float32)
    found = {
        "beyond_full_scale": peak > 1.0,
        "hardly_used": subtype.startswith("PCM_") and 0 < peak < SMALLEST_USE,
        "cancelled": peak > 0 and _level(mixed) < CANCELLED * max(map(_level, channels.T)),
        "breaks_off": breaks_off,
        "cut": file_frames / file_rate > seconds + CUT_FROM_SECONDS,
    }
    waveform = resample(mixed, file_rate, sample_rate)
    begin = min(round(start * sample_rate) - first * sample_rate, len(waveform) - 1)
    waveform = np.clip(waveform[begin : begin + max(1, round(seconds * sample_rate))], -1, 1)
    told = {"breaks_off": f"{file_frames / file_rate:.2f} s"}
    return Decoded(waveform, {name: told.get(name, "") for name, true in found.items() if true})


def sound_seconds(path: Path) -> float | None:
    """Length of a file's sound in seconds according to its header, or None if it is unknown; nothing is decoded."""
    try:
        information = soundfile.info(with_length(path, LONGEST_SECONDS) or path)
    except (soundfile.LibsndfileError, OSError):
        return None
    seconds = information.frames / information.samplerate
    return seconds if 0 < seconds < LONGEST_SECONDS else None


def fit_length(waveform: Waveform, samples: int, padding: Padding) -> Waveform:
    """Cut a longer waveform; fill a shorter one with zeros after it (``pad``) or by repeating it (``loop``).

    Args:
        waveform: ``(time,)``, at least one sample.
        samples: length of the result.
        padding: how a shorter waveform is filled.

    Returns:
        ``(samples,)`` float32, a new contiguous array.
    """
    if padding == "loop":
        return np.resize(waveform, samples).astype(np.float32, copy=False)
    fitted = np.zeros(samples, dtype=np.float32)
    fitted[: min(samples, len(waveform))] = waveform[:samples]
    return fitted


def check_files(table: ClipTable, clips: Sequence[int] | None = None) -> None:
    """Read the header of every listed file and compare it with the file's size; nothing is decoded.

    Args:
        table: the corpus.
        clips: the clips to check, all by default.

    Raises:
        DataError: if a file is missing, empty, truncated or not audio; it names up to ten of them and says how many
            there are.
    """
    # Several clips may be windows of one file.
    listed = {table.files[clip]: table.file_name(clip) for clip in (range(len(table)) if clips is None else clips)}
    faults: list[str] = []
    with ThreadPoolExecutor() as threads, progress_bar("checking files", len(listed)) as advance:
        for name, fault in zip(listed.values(), threads.map(file_fault, listed), strict=True):
            advance()
            if fault:
                faults.append(f"{name} ({fault})")
    if faults:
        raise DataError(
            f"expected {len(listed)} whole audio files of {table.corpus} below "
            f"{os.path.commonpath([file.parent for file in listed])}, found "
            f"{len(faults)} that cannot be used: {named(faults)}; "
            "restore or repair them; a run that has begun cannot go on without them, a new one can be trained under "
            "another --name from a corpus that does not list them"
        )


def file_fault(path: Path) -> str | None:
    """Description of the fault of an audio file in a few words, or None if its header and size agree."""
    try:
        if not path.is_file():
            return "not a file" if path.exists() else "missing"
        size = path.stat().st_size
        if size == 0:
            return "empty"
        information = soundfile.info(with_length(path, 1.0) or path)
        announced = announced_bytes(path)
    except soundfile.LibsndfileError as error:
        return f"not audio: {reason(error).lower()}"
    except OSError as error:
        return f"unreadable: {reason(error)}"
    if announced:
        expected, found = announced
        # A data chunk of odd length is followed by one byte of padding, which some encoders count and do not write.
        if found + 1 < expected:
            return f"truncated: {expected} bytes of sound announced, {found} found"
    if information.frames == 0:
        return "no samples"
    return None


def reason(error: soundfile.LibsndfileError | OSError) -> str:
    """Why a file could not be opened, read or written, without the name of the file, which may be one in memory."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else error.strerror or str(error)
    return str(text).removeprefix("Error : ").rstrip(".")


def _level(samples: Waveform) -> float:
    """Root mean square of the samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def resample(waveform: Waveform, rate: int, new_rate: int) -> Waveform:
    """A waveform ``(time,)`` at another sample rate in Hz, by soxr's HQ setting; it may exceed full scale."""
    if rate == new_rate:
        return waveform
    expected = math.ceil(len(waveform) * new_rate / rate)
    resampled = soxr.resample(waveform, rate, new_rate, quality="HQ")
    if len(resampled) < expected:
        # soxr rounds the length down, for a few samples even to zero; they are therefore followed by silence.
        padded = np.concatenate([waveform, np.zeros(2 * math.ceil(rate / new_rate), np.float32)])
        resampled = soxr.resample(padded, rate, new_rate, quality="HQ")
    return resampled[:expected]
