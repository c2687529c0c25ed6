"""A lock that allows only one command at a time in a results folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from storage.errors import DataError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock a folder against a second command, which would merge and remove the files of the first.

    Args:
        folder: the folder; it need not exist. The lock file lies beside it, because ``--overwrite`` deletes the folder.

    Raises:
        DataError: if another process holds the lock, or the folder cannot be written to.
    """
    file = folder.with_name(f"{folder.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # A lock that cannot be created would look like one that another process holds.
        file.touch()
    except OSError as error:
        raise DataError(f"expected a folder to write to in {file.parent}, found: {error.strerror}") from None
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
