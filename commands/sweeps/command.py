"""The work of sweep.py: run the unfinished points of a sweep or a study, or a single point."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from commands.errors import interruptible, quieten
from commands.sweeps.child_process import end, start_bound
from commands.sweeps.cli import SweepCLI
from commands.sweeps.end_table import show_points
from commands.sweeps.flags import SweepCommand
from commands.sweeps.listing import Listing
from commands.sweeps.local_runner import Grid
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI
from commands.sweeps.point_record import PointRecord, environment_of_steps
from storage import DataError


def run_point(arguments: Sequence[str]) -> dict[str, float]:
    """Train and attack one setting, except for what is finished; of several processes, one works and the others wait.

    Returns:
        The point's numbers, those of its W&B summary.
    """
    quieten()
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
    """Run the unfinished points of a sweep or a study, or list them.

    Args:
        command: the command line of sweep.py.

    Returns:
        Names of the points: ``finished``, ``failed``, and with ``--dry-run`` ``pending``.
    """
    quieten()
    cli = SweepCLI(command)
    listing = Listing(cli)
    finished = [listed.name for listed in listing.points if listed.finished]
    if cli.dry_run:
        for listed in listing.points:
            refused = f"  # will be refused: {listed.refused}" if listed.refused else ""
            print(f"# finished: {listed.name}" if listed.finished else shlex.join(listed.command) + refused)
    console = Console(stderr=cli.dry_run)
    if cli.study is not None:
        listing.show(console)
    console.print(f"{cli.name}: {len(listing.points)} points, {len(finished)} finished", highlight=False)
    if cli.dry_run:
        return {"finished": finished, "failed": {}, "pending": [listed.name for listed in listing.pending]}
    points = [listed.grid_point(listing.pace) for listed in listing.pending]
    if finished and points:
        console.print("goes on with the points that are not finished", highlight=False)
    grid = Grid(cli.name, points, finished=len(finished), jobs=cli.jobs, console=console)
    with interruptible(
        lambda: f"kept: {grid.finished} of {grid.total} finished points, and the finished folds and epochs of others"
    ):
        failed = grid.run()
    show_points(console, list({listed.point.name: listed.point for listed in listing.points}.values()))
    if failed:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in failed.items())
        raise DataError(f"expected {len(listing.points)} finished points, found {len(failed)} that failed: {reasons}")
    return {"finished": [*finished, *(point.name for point in points)], "failed": {}, "pending": []}


def _wait_for(held: ExitStack, lock: FileLock) -> None:
    try:
        held.enter_context(lock.acquire(timeout=0))
    except Timeout:
        print(f"waiting for the process that holds {lock.lock_file}", flush=True)
        held.enter_context(lock.acquire())
