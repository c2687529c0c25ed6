"""The points of a sweep or a study: which are finished, which is next, and how long the rest will take."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from commands.errors import UsageError
from commands.sweeps.cli import SweepCLI, matches
from commands.sweeps.cost import Estimate, Hours, Pace, measured_pace
from commands.sweeps.file import full_command
from commands.sweeps.local_runner import GridPoint
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI
from commands.sweeps.point_record import log_file
from commands.sweeps.study import StudyPoint
from lightning_modules.progress import duration
from storage import DataError


@dataclass(frozen=True)
class ListedPoint:
    """A point and its state.

    Attributes:
        part: the sweep, or the part of the study.
        name: name of its run; in a study with the folds of the pass.
        point: the point.
        command: the command line that runs it.
        refused: why it cannot be run; empty if it can.
        expected: estimated time left for it.
    """

    part: str
    name: str
    point: Point
    command: list[str]
    refused: str
    expected: Hours

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self.refused and self.point.is_finished()

    def grid_point(self, pace: Pace) -> GridPoint:
        """The point as the runner takes it."""
        seconds = pace.of(self.expected).seconds
        return GridPoint(self.name, self.command, log_file(self.point.path), seconds or None)


class Listing:
    """All points that a command line of sweep.py asks for, in the order in which they are run.

    Args:
        cli: the command line.

    Raises:
        UsageError: if a point's flags are invalid, two points of a sweep have one name, or there is no point.
    """

    def __init__(self, cli: SweepCLI) -> None:
        self.cli = cli
        self.estimate = Estimate(cli.unit_times)
        self.points: list[ListedPoint] = []
        self.planned: set[tuple[Path, int]] = set()
        seen: set[tuple[object, ...]] = set()
        for part, point, command in self._points():
            key = point.work if cli.study else (point.name,)
            if key in seen:
                if cli.study:
                    continue
                raise UsageError(f"expected points of different settings, got two that are called {point.name}")
            seen.add(key)
            self.points.append(self._look_at(part, point, command))
        if not self.points:
            raise UsageError(f"expected a point of {cli.name} with {' '.join(cli.only)}, found none")
        readable = [listed.point for listed in self.points if not listed.refused]
        self.pace = measured_pace(readable, self.estimate)

    @property
    def pending(self) -> list[ListedPoint]:
        """Points with something left to do, those that will be refused among them."""
        return [listed for listed in self.points if not listed.finished]

    def time_left(self) -> Hours:
        """Estimated time left for all points, from unit times and the durations of finished folds."""
        return self.pace.of(sum((listed.expected for listed in self.pending if not listed.refused), Hours()))

    def show(self, console: Console) -> None:
        """Print a table of the parts and, in a sentence, what is next and how long the rest takes.

        ``--dry-run`` lists every point.
        """
        parts: dict[tuple[str, str], list[ListedPoint]] = {}
        for listed in self.points:
            parts.setdefault((listed.part, str(listed.point.settings["folds"])), []).append(listed)
        table = Table(title=self.cli.name)
        table.add_column("part", overflow="fold")
        for heading in ("folds", "points", "trained", "finished", "left"):
            table.add_column(heading, justify="right")
        before: str | None = None
        for (part, folds), points in parts.items():
            if before is not None and folds != before:
                table.add_section()
            before = folds
            ready = [listed for listed in points if not listed.refused]
            left = self.pace.of(sum((listed.expected for listed in ready), Hours()))
            trained = sum(all(map(listed.point.is_trained, listed.point.architectures)) for listed in ready)
            finished = sum(listed.finished for listed in points)
            numbers = (str(len(points)), str(trained), str(finished))
            table.add_row(part, folds, *numbers, duration(left.seconds) if left.seconds else "-")
        console.print(table)
        for listed in self.points:
            if listed.refused:
                console.print(f"{listed.name}: {listed.refused}", soft_wrap=True, highlight=False, markup=False)
        ready = [listed for listed in self.pending if not listed.refused]
        if ready:
            total = self.time_left()
            said = f"next: {ready[0].name}; about {duration(total.seconds)} for all that is left, one point at a time"
            said += f" ({duration(total.training)} of training, {duration(total.attacks)} of attacks)"
            said += f"; unit times of {self.estimate.times.machine}"
            for what, pace in (("trained", self.pace.training), ("attacked", self.pace.attacks)):
                said += "" if pace is None else f", {pace:.2f} times that where folds are {what}"
            console.print(said, soft_wrap=True, highlight=False, markup=False)

    def _points(self) -> Iterator[tuple[str, Point, list[str]]]:
        cli, parser = self.cli, PointCLI()
        if not cli.study:
            for parameters in cli.sweep.points():
                arguments = [*cli.sweep.arguments(parameters), *cli.forwarded]
                parser.read(arguments)
                if matches(cli.only, parameters, parser.settings):
                    yield cli.name, Point(parser), full_command(arguments)
            return
        read: list[tuple[StudyPoint, Point, list[str]]] = []
        seen: set[tuple[object, ...]] = set()
        for entry in cli.study.points:
            arguments = [*entry.arguments, *cli.forwarded]
            parser.read(arguments)
            point = Point(parser)
            if point.work not in seen and matches(cli.only, entry.parameters, parser.settings):
                seen.add(point.work)
                read.append((entry, point, arguments))
        for folds in cli.passes:
            for entry, point, arguments in read:
                if folds:
                    numbers = ",".join(map(str, folds))
                    yield entry.part, point.with_folds(folds), full_command([*arguments, f"--folds={numbers}"])
                else:
                    yield entry.part, point, full_command(arguments)

    def _look_at(self, part: str, point: Point, command: list[str]) -> ListedPoint:
        name = f"{point.name} folds {point.settings['folds']}" if self.cli.study else point.name
        try:
            done = point.is_finished()
            lost = [] if done else point.lost_checkpoints()
            refused = f"its checkpoint {lost[0]} is not here; finish it where it is, or train it anew" if lost else ""
            expected = Hours() if done or refused else self.estimate.of(point, self.planned)
        except (DataError, UsageError) as error:
            # A point whose files belong to another setting is refused on its own and does not stop the others.
            refused, expected = str(error), Hours()
        return ListedPoint(part, name, point, command, refused, expected)
