"""Child processes that end with this one, even if it is killed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Asks Linux for SIGKILL when the parent process is gone, then executes the program. Done by a small program of its own
# and not between fork and exec, where a process with threads may only do what is safe in a signal handler.
BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""
PATIENCE_SECONDS = 20.0


def start_bound(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that does not outlive this process.

    A program that is killed cannot end what it started; what it leaves behind would go on writing into folders that
    the next attempt works on. On Linux the kernel takes care of that; elsewhere the program is started as usual.

    Args:
        command: the program and its arguments.
        environment: its variables; those of this process by default.
        log: file to which its output is appended; the terminal by default.
    """
    linux = sys.platform.startswith("linux")
    bound = [sys.executable, "-I", "-c", BOUND, str(os.getpid()), *command] if linux else list(command)
    if log is None:
        return subprocess.Popen(bound, env=environment)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            bound, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Send SIGTERM to programs, wait at most 20 s for each, and kill those that are still running."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
