"""Files that are whole or absent, whatever happens while they are written."""

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def write_atomically(path: Path | str) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that takes its place when the block ends without an exception.

    The temporary file lies in the same folder, because a rename is atomic only within one file system. It is flushed
    to the disk before the rename, so that a power cut cannot leave an empty file under the final name. Its suffix is
    that of ``path``, because writers such as ``numpy.save`` choose a format by it.

    Args:
        path: the final file; missing folders above it are made.

    Yields:
        The temporary path to write to.

    Raises:
        OSError: if the folder cannot be written or the disk is full; ``path`` is then as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, atomically; NaN is refused, because JSON has no such number."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def plain_numbers(value: Any) -> Any:
    """Write numbers that JSON does not have as what it has: a missing one (NaN) as None, an infinite one as a string.

    A median over mostly failures is infinite, which is not the same as missing: it becomes ``"inf"`` (or ``"-inf"``),
    which ``float`` reads.
    """
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _umask() -> int:
    # The mask can only be read by setting it; temporary files are made with 0600 and would stay unreadable to others.
    mask = os.umask(0)
    os.umask(mask)
    return mask
