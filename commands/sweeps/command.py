"""What sweep.py does: run what is not finished of a sweep or a study, or one point."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from filelock import FileLock, Timeout
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from commands.errors import interruptible, quieten
from commands.sweeps.child_process import end, start_bound
from commands.sweeps.cli import SweepCLI
from commands.sweeps.flags import SweepCommand
from commands.sweeps.listing import Listing
from commands.sweeps.local_runner import Grid
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI
from commands.sweeps.point_record import PointRecord, environment_of_steps, point_numbers
from storage import DataError


def run_point(arguments: Sequence[str]) -> dict[str, float]:
    """Train and attack one setting, except for what is finished; several processes may try, one works.

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
    """Run what is not finished of a sweep's or a study's points, or list it.

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
    with interruptible(lambda: f"kept: {grid.finished} of {grid.total} finished points, and what others have begun"):
        failed = grid.run()
    show_points(console, list({listed.point.name: listed.point for listed in listing.points}.values()))
    if failed:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in failed.items())
        raise DataError(f"expected {len(listing.points)} finished points, found {len(failed)} that failed: {reasons}")
    return {"finished": [*finished, *(point.name for point in points)], "failed": {}, "pending": []}


def show_points(console: Console, points: Sequence[Point]) -> None:
    """Print what each point has found so far, and what may follow."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), collapse_padding=True, pad_edge=False)
    table.add_column("point", overflow="fold")
    for heading in ("accuracy\n%", "fooled %,\nmean", "attacks", "transfer\n%"):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in points:
        found = point_numbers(point)
        rates = [
            rate for name, rate in found.items() if name.endswith("/fooling_rate") and not name.startswith("attack/six")
        ]
        accuracies = [value for name, value in found.items() if name.endswith("accuracy")]
        table.add_row(
            point.name,
            f"{100 * sum(accuracies) / len(accuracies):.1f}" if accuracies else "-",
            f"{100 * sum(rates) / len(rates):.1f}" if rates else "-",
            str(len(rates)) if rates else "-",
            f"{100 * found['transfer/ratio']:.1f}" if "transfer/ratio" in found else "-",
        )
    console.print(table)
    folder = points[0].path.parent
    console.print(f"next: python report.py {shlex.quote(str(folder))} --output report", soft_wrap=True, highlight=False)


def _wait_for(held: ExitStack, lock: FileLock) -> None:
    try:
        held.enter_context(lock.acquire(timeout=0))
    except Timeout:
        print(f"waiting for the process that holds {lock.lock_file}", flush=True)
        held.enter_context(lock.acquire())
