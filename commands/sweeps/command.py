"""What sweep.py does: run what is not finished of a sweep, or one point of it."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from commands.errors import UsageError
from commands.sweeps.child_process import end, start_bound
from commands.sweeps.cli import SweepCLI, matches
from commands.sweeps.flags import SweepCommand
from commands.sweeps.local_runner import Grid, GridPoint
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI
from commands.sweeps.point_record import PointRecord, environment_of_steps, log_file
from storage import DataError


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
            numbers = record.log()
            record.log_results()
            return numbers


def run_sweep(command: SweepCommand) -> dict[str, Any]:
    """Run what is not finished of a sweep's points, or list it.

    Args:
        command: the command line of sweep.py.

    Returns:
        Names of the points: ``finished``, ``failed``, and with ``--dry-run`` ``pending``.
    """
    cli = SweepCLI(command)
    parser = PointCLI()
    finished: list[str] = []
    pending: list[GridPoint] = []
    seen: set[str] = set()
    for parameters in cli.sweep.points():
        started_as = [*cli.sweep.full_command(parameters), *cli.forwarded]
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
            print(f"# finished: {point.name}" if done else shlex.join(started_as) + refused)
        if done:
            finished.append(point.name)
        else:
            pending.append(GridPoint(point.name, started_as, log_file(point.path)))
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
