"""One command at a time in a folder of results."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from storage.errors import DataError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a second command away from a folder, which would merge and remove the files of the first.

    Args:
        folder: the folder; it need not exist. The lock lies beside it, because ``--overwrite`` deletes the folder.

    Raises:
        DataError: if another process works on the folder.
    """
    file = folder.with_name(f"{folder.name}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(
            f"expected no other process at work on {folder}, found one that holds {file}; "
            "run the same command again when it has ended"
        ) from None
    try:
        yield
    finally:
        lock.release()
