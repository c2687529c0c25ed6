"""How every command ends when its user can mend the cause: one sentence and an exit code, never a traceback."""

import errno
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.utilities.exceptions import SIGTERMException

from storage import DataError
from storage.provenance import is_one_of_many
from storage.untrusted import allowed_packages

USAGE_ERROR = 2
DATA_ERROR = 1


class UsageError(Exception):
    """A command that cannot be carried out as it was given; ends with exit code 2."""


# What a user can mend about a file or a disk; any other error of the operating system is a fault of the program.
MENDABLE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
)
NEEDED_MEMORY = "memory for what was asked for (a smaller --data.batch_size, representation or model needs less)"
LARGEST_SEED = 2**32 - 1
"""What every generator of random numbers takes; NumPy's takes no larger ones."""

# What Lightning warns of that is meant so, or that concerns only itself.
NOISE = (".*isinstance\\(treespec, LeafSpec\\).*", "The `.*_dataloader` does not have many workers")


def quieten(*more: str) -> None:
    """Keep what Lightning says of devices and of itself out of a command's output, and a warning on one line.

    Args:
        more: patterns of warnings that a command does not want to show either.
    """
    for message in (*NOISE, *more):
        warnings.filterwarnings("ignore", message)
    warnings.formatwarning = _one_line
    logging.basicConfig(format="%(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


def refuse_deletion_by_many(overwrite: bool) -> None:
    """Raise ``UsageError`` if several processes, none of them before the others, are to delete what one has begun."""
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
    """Raise ``UsageError`` if what a flag names as a folder is a file, or lies below one; nothing is made."""
    if path is None:
        return
    place = Path(path).expanduser()
    try:
        # The nearest thing that exists decides whether the rest can be made.
        existing = next((one for one in (place, *place.parents) if one.exists()), None)
    except (OSError, ValueError) as error:
        raise UsageError(f"expected {flag} to be a folder, got {str(path)[:80]!r}: {error}") from error
    if existing is not None and not existing.is_dir():
        raise UsageError(f"expected {flag} to be a folder, got {path}: {existing} is a file")


def packages_to_import(names: Sequence[str] | None) -> tuple[str, ...]:
    """Packages that files may name classes of, from ``--allow-import``.

    Raises:
        UsageError: for something that is no package's name.
    """
    try:
        return allowed_packages(names)
    except ValueError as error:
        raise UsageError(str(error)) from error


def run_command(command: Callable[[], Any]) -> None:
    """Run a command and turn the errors that its user can mend into one sentence.

    Bad data and a full disk end with exit code 1, an impossible command with 2, Ctrl-C with 130, SIGTERM with 143. Any
    other exception is a fault of the program and keeps its traceback.

    Args:
        command: the command's main function.
    """
    try:
        command()
    except UsageError as error:
        _exit(error, USAGE_ERROR)
    except DataError as error:
        _exit(error, DATA_ERROR)
    except SIGTERMException:
        # Lightning's own is a SystemExit without a code, which a scheduler would take for success.
        _exit("ended by SIGTERM; the same command continues where this one stopped", 143)
    except KeyboardInterrupt:
        _exit("interrupted; the same command continues where this one stopped", 130)
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        _exit(f"expected to write to {error.filename or 'the disk'}, found: {error.strerror}", DATA_ERROR)
    except MemoryError as error:
        _exit(f"expected {NEEDED_MEMORY}, found: {error or 'none left'}", DATA_ERROR)
    except RuntimeError as error:
        # Of torch.cuda and of the allocator on the CPU.
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            _exit(f"expected {NEEDED_MEMORY}, found: {str(error).splitlines()[0]}", DATA_ERROR)
        # torch.save hides the operating system's error in a RuntimeError of its archive writer.
        if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        _exit("expected to write a checkpoint, found no space left on the disk; free some and run again", DATA_ERROR)


def _one_line(message: Warning | str, *place: object, **more: object) -> str:
    # Where in the program a warning is raised is no matter of the command's user.
    return f"warning: {' '.join(str(message).split())}\n"


def _exit(message: object, code: int) -> None:
    # The message is kept on one line: other programs' error texts may hold several.
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    raise SystemExit(code)
