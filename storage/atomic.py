"""Atomic writing: a file is complete or absent, whatever happens while it is written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_atomically(path: Path | str) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that replaces it when the block ends without an exception.

    The temporary file lies in the same folder, because a rename is atomic only within one file system. It is flushed
    to disk before the rename, so that a power failure cannot leave an empty file under the final name. It has the
    suffix of ``path``, because writers such as ``numpy.save`` choose the format by it.

    Args:
        path: the final file; missing parent folders are created.

    Yields:
        The temporary path to write to.

    Raises:
        OSError: if the folder is not writable or the disk is full; ``path`` is then unchanged.
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


def _umask() -> int:
    # The mask can only be read by setting it. It is needed because temporary files are created with mode 0600, which
    # others could not read.
    mask = os.umask(0)
    os.umask(mask)
    return mask
