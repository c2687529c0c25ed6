"""How every command ends on an error that its user can fix: one sentence and an exit code, never a traceback.

This is what a command imports first, so that Ctrl-C is one sentence from then on; whatever takes time to import is
imported where it is used.
"""

import errno
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

USAGE_ERROR = 2
DATA_ERROR = 1
INTERRUPTED = 130
TERMINATED = 143


class UsageError(Exception):
    """An invalid command line; the command ends with exit code 2."""


class Terminated(BaseException):
    """SIGTERM, raised in commands that have to clean up before they end; exit code 143."""


# Errors of files and disks that a user can fix; any other error of the operating system is a bug in the program.
OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EEXIST)
OF_ANY_ACCESS = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
NEEDED_MEMORY = "memory for what was asked for (a smaller --data.batch_size, representation or model needs less)"
LARGEST_SEED = 2**32 - 1
"""The largest seed that every random number generator accepts; it is NumPy's limit."""

# Warnings of Lightning about intended behaviour, or about its own code.
NOISE = (".*isinstance\\(treespec, LeafSpec\\).*", "The `.*_dataloader` does not have many workers")


def quieten(*more: str) -> None:
    """Suppress Lightning's messages about devices and itself, and print each warning on one line.

    Args:
        more: regular expressions of further warnings to suppress.
    """
    for message in (*NOISE, *more):
        warnings.filterwarnings("ignore", message)
    warnings.formatwarning = _one_line
    logging.basicConfig(format="%(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


def refuse_deletion_by_many(overwrite: bool) -> None:
    """Raise ``UsageError`` if processes that started together were to delete what one of them has begun."""
    from storage.provenance import is_one_of_many

    if overwrite and is_one_of_many():
        raise UsageError(
            "expected --overwrite from one process, got it from several that torchrun or SLURM started at once; "
            "delete the folder first and leave the flag out"
        )


def require_number(flag: str, value: float, lowest: float, highest: float = float("inf")) -> None:
    """Raise ``UsageError`` unless a flag's number lies in its range, ends included; NaN lies in none."""
    if not lowest <= value <= highest:
        wanted = f"of at least {lowest}" if highest == float("inf") else f"from {lowest} to {highest}"
        raise UsageError(f"expected {flag} {wanted}, got {value}")


def require_folder(flag: str, path: str | Path | None) -> None:
    """Raise ``UsageError`` if the folder that a flag names is a file, or lies below one; nothing is created."""
    if path is None:
        return
    place = Path(path)
    try:
        # The nearest existing parent decides whether the folder can be created.
        existing = next((one for one in (place, *place.parents) if one.exists()), None)
    except (OSError, ValueError) as error:
        raise UsageError(f"expected {flag} to be a folder, got {str(path)[:80]!r}: {error}") from error
    if existing is not None and not existing.is_dir():
        raise UsageError(f"expected {flag} to be a folder, got {path}: {existing} is a file")


def packages_to_import(names: Sequence[str] | None) -> tuple[str, ...]:
    """Packages whose classes files may name, from ``--allow-import``.

    Raises:
        UsageError: if a name is not that of a package.
    """
    from storage.untrusted import allowed_packages

    try:
        return allowed_packages(names)
    except ValueError as error:
        raise UsageError(str(error)) from error


@contextmanager
def starting() -> Iterator[None]:
    """While the block imports what a command needs, Ctrl-C ends the program at once.

    A library that is interrupted during its import may print a traceback and raise an error of its own; nothing has
    begun yet that would have to be kept.
    """

    def leave(number: int, frame: object) -> NoReturn:
        os.write(2, b"interrupted while starting; nothing was begun, and nothing of an earlier call is lost\n")
        os._exit(INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interruptible(kept: Callable[[], str]) -> Iterator[None]:
    """Within the block, Ctrl-C and SIGTERM report what the command has kept.

    Args:
        kept: called after the interruption; returns what is finished, in a few words.
    """
    try:
        yield
    except BaseException as error:
        if _signal(error) is not None:
            error.add_note(kept())
        raise


def end_at_sigterm() -> None:
    """Turn SIGTERM into an exception, so that the command ends its child processes before it exits."""

    def end(number: int, frame: object) -> NoReturn:
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def run_command(command: Callable[[], Any]) -> None:
    """Run a command and report errors that its user can fix in one sentence.

    Bad data and a full disk exit with code 1, an impossible command with 2, Ctrl-C with 130, SIGTERM with 143. Any
    other exception is a bug in the program and keeps its traceback.

    Args:
        command: the command's main function.
    """
    try:
        command()
    except UsageError as error:
        _exit(error, USAGE_ERROR)
    except (KeyboardInterrupt, SystemExit, Terminated) as error:
        _exit_after_signal(error)
        raise
    except Exception as error:
        message = fixable_message(error)
        if message is not None:
            _exit(message, DATA_ERROR)
        _exit_after_signal(error)
        raise


def fixable_message(error: Exception) -> str | None:
    """The message of an error that the user can fix, in one sentence; None for a bug in the program."""
    from storage import DataError

    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, OSError):
        if error.errno not in (*OF_WRITING, *OF_ANY_ACCESS):
            return None
        wanted = "write to" if error.errno in OF_WRITING else "read or write"
        return f"expected to {wanted} {error.filename or 'the disk'}, found: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"expected {NEEDED_MEMORY}, found: {error or 'none left'}"
    if isinstance(error, RuntimeError):
        # Of torch.cuda and of the allocator on the CPU.
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            return f"expected {NEEDED_MEMORY}, found: {str(error).splitlines()[0]}"
        # torch.save hides the operating system's error in a RuntimeError of its archive writer.
        if "PytorchStreamWriter" in str(error) or "inline_container" in str(error):
            return "expected to write a checkpoint, found no space left on the disk; free some and run again"
    return None


def _signal(error: BaseException) -> int | None:
    """Exit code of what a signal ended, 130 or 143; None for what ended otherwise.

    A library that is interrupted while it cleans up may fail in its own handler: the signal is then further back in
    the chain of exceptions. Lightning also turns Ctrl-C into exit(1), after it has given the terminal and the processes
    back.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return INTERRUPTED
        # Lightning's exception of SIGTERM is a SystemExit without a code, which a scheduler would take for success.
        if isinstance(cause, Terminated) or type(cause).__name__ == "SIGTERMException":
            return TERMINATED
        cause = cause.__context__
    return None


def _exit_after_signal(error: BaseException) -> None:
    # Returns only if no signal is behind the error.
    code = _signal(error)
    if code is None:
        return
    said = "interrupted" if code == INTERRUPTED else "ended by SIGTERM"
    kept = "".join(f"; {note}" for note in getattr(error, "__notes__", ()) if note)
    _exit(f"{said}{kept}; the same command continues where this one stopped", code)


def _one_line(message: Warning | str, *place: object, **more: object) -> str:
    # Users do not need to know which line of the program raised a warning.
    return f"warning: {' '.join(str(message).split())}\n"


def _exit(message: object, code: int) -> NoReturn:
    # The message is kept on one line: other programs' error texts may hold several.
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    if threading.current_thread() is threading.main_thread() and code in (INTERRUPTED, TERMINATED):
        # A second Ctrl-C while libraries stop their threads would print their tracebacks.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(code)
