"""Runs one function on many jobs in worker processes that do not import the main program.

``multiprocessing`` would import the main script again in every process that it spawns, and with it PyTorch and
Lightning: seconds and hundreds of megabytes per worker, which needs neither. Its workers also outlive a killed parent.
Here a worker is a plain interpreter that reads jobs from a pipe and ends when the pipe is closed.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Any, TypeVar

from storage import DataError

Job = TypeVar("Job")
Answer = TypeVar("Answer")

# The dummy package prevents the real __init__ from running, which would import the DataModules and with them PyTorch.
START = """
import sys, types
sys.path[:] = {path!r}
package = types.ModuleType({package!r})
package.__path__ = [{folder!r}]
sys.modules[{package!r}] = package
from {module} import serve
serve()
"""


def map_in_processes(function: Callable[[Job], Answer], jobs: Iterable[Job], workers: int) -> Iterator[Answer]:
    """Yield ``function(job)`` for every job, as they finish and in no particular order.

    Args:
        function: a picklable function or object; it is sent to every process once.
        jobs: picklable arguments.
        workers: number of processes; with 1, or with few jobs, the work is done in this process.

    Raises:
        DataError: if a process dies, for lack of memory for example.
        Exception: the first one that ``function`` raises; jobs that have not started are then skipped.
    """
    jobs = list(jobs)
    workers = min(workers, len(jobs))
    if workers <= 1 or len(jobs) < 8:
        yield from map(function, jobs)
        return
    local = threading.local()
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        local.process = _start_process()
        processes.append(local.process)
        _send(local.process.stdin, function)

    def ask(job: Job) -> Answer:
        try:
            _send(local.process.stdin, job)
            error, answer = pickle.load(local.process.stdout)
        except (EOFError, BrokenPipeError) as end:
            raise DataError(
                f"expected a worker process to finish {job}, found that it ended with code {local.process.wait()}: "
                "is there enough memory? What is finished is kept; start again to continue"
            ) from end
        if error is not None:
            raise error
        return answer

    threads = ThreadPoolExecutor(workers, initializer=start)
    try:
        for future in as_completed([threads.submit(ask, job) for job in jobs]):
            yield future.result()
    finally:
        threads.shutdown(cancel_futures=True)
        for process in processes:
            process.communicate()


def serve() -> None:
    """Answer the jobs that come in on standard input until it ends; runs in a worker process."""
    import signal

    # The terminal sends Ctrl-C to every process of the group; the parent decides, and closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    # Output printed by libraries must not be mixed with the answers.
    os.dup2(2, 1)
    function = pickle.load(sys.stdin.buffer)
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            _send(answers, (None, function(job)))
        except BrokenPipeError:
            return
        except Exception as error:
            _send(answers, (error, None))


def _start_process() -> subprocess.Popen[bytes]:
    package, _, module = __name__.rpartition(".")
    program = START.format(
        path=sys.path, package=package, folder=str(Path(__file__).parent), module=f"{package}.{module}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # One thread per process, because there are as many processes as cores.
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _send(pipe: IO[bytes], value: Any) -> None:
    pickle.dump(value, pipe)
    pipe.flush()
