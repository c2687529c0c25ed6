"""Run the points of a sweep: one YAML -> its runs, on this machine and without an account; `wandb sweep` takes it too.

python sweep.py configs/sweeps/table3_dwt_sampling_rate.yaml --budgets reduced --only data=ESC10 -- --data.root DIR
"""

import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NoReturn

from filelock import FileLock, Timeout
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console

from commands.errors import UsageError, quieten, run_command
from commands.sweeps.child_process import end, start_bound
from commands.sweeps.cli import SweepCLI, matches
from commands.sweeps.local_runner import Grid, GridPoint
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI
from commands.sweeps.point_record import PointRecord, environment_of_steps, log_file
from storage import DataError


def main(args: Sequence[str] | None = None) -> dict[str, Any]:
    """Run a sweep, or with ``point`` as the first word one setting of it.

    Args:
        args: command line; that of the process by default.

    Returns:
        Names of the points that are finished, that failed and that were only listed; or the numbers of the one point.

    Raises:
        UsageError: if a flag, a combination of flags or the sweep's file is impossible.
        DataError: if a point failed.
    """
    quieten()
    arguments = list(sys.argv[1:] if args is None else args)
    if arguments[:1] == ["point"]:
        return run_point(arguments[1:])
    return run_sweep(arguments)


def run_point(arguments: Sequence[str]) -> dict[str, float]:
    """Train and attack one setting, except for what is finished; several processes may try, one works.

    Returns:
        The point's numbers, those of its W&B summary.
    """
    cli = PointCLI()
    cli.read(arguments)
    point = Point(cli)
    with ExitStack() as held:
        for folder in sorted(run.path for run in point.runs.values()):
            _wait_for(held, FileLock(folder / "point.lock"))
        with PointRecord(point) as record:
            for step in point.steps():
                print(f"{point.name}: {shlex.join(step.command)}", flush=True)
                process = start_bound(step.command, environment=environment_of_steps())
                try:
                    code = process.wait()
                finally:
                    end([process])
                if code:
                    raise DataError(f"expected {step.what} to finish, found exit code {code}; its message stands above")
                record.log()
            return record.log()


def run_sweep(arguments: Sequence[str]) -> dict[str, Any]:
    """Run what is not finished of a sweep's points, or list it.

    Returns:
        Names of the points: ``finished``, ``failed``, and with ``--dry-run`` ``pending``.
    """
    cli = SweepCLI(arguments)
    parser = PointCLI()
    finished: list[str] = []
    pending: list[GridPoint] = []
    seen: set[str] = set()
    for parameters in cli.sweep.points():
        command = [*cli.sweep.full_command(parameters), *cli.forwarded]
        parser.read([*cli.sweep.arguments(parameters), *cli.forwarded])
        if not matches(cli.only, parameters, parser.settings):
            continue
        point = Point(parser)
        if point.name in seen:
            raise UsageError(f"expected points of different settings, got two that are called {point.name}")
        seen.add(point.name)
        try:
            done, refused = point.is_finished(), ""
        except (DataError, UsageError) as error:
            # A point whose files are not its own says so itself, and stops no other.
            done, refused = False, f"  # will be refused: {error}"
        if cli.dry_run:
            print(f"# finished: {point.name}" if done else shlex.join(command) + refused)
        if done:
            finished.append(point.name)
        else:
            pending.append(GridPoint(point.name, command, log_file(point.path)))
    if not seen:
        raise UsageError(f"expected a point of {cli.sweep.name} with {' '.join(cli.only)}, found none")
    console = Console(stderr=cli.dry_run)
    console.print(f"{cli.sweep.name}: {len(seen)} points, {len(finished)} finished", highlight=False)
    if cli.dry_run:
        return {"finished": finished, "failed": {}, "pending": [point.name for point in pending]}
    failed = Grid(cli.sweep.name, pending, finished=len(finished), jobs=cli.jobs, console=console).run()
    if failed:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in failed.items())
        raise DataError(f"expected {len(seen)} finished points, found {len(failed)} that failed: {reasons}")
    return {"finished": [*finished, *(point.name for point in pending)], "failed": {}, "pending": []}


def _wait_for(held: ExitStack, lock: FileLock) -> None:
    try:
        held.enter_context(lock.acquire(timeout=0))
    except Timeout:
        print(f"waiting for the process that holds {lock.lock_file}", flush=True)
        held.enter_context(lock.acquire())


def _terminated(number: int, frame: object) -> NoReturn:
    # An exception, so that what was started is ended before this process is.
    raise SIGTERMException


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    run_command(main)
