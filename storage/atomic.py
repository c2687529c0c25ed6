"""Files that are whole or absent, whatever happens while they are written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def _umask() -> int:
    # The mask can only be read by setting it; temporary files are made with 0600 and would stay unreadable to others.
    mask = os.umask(0)
    os.umask(mask)
    return mask
