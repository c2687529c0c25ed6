"""Runs the points of a sweep on this machine, several at once, and shows the time left."""

import os
import re
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from commands.sweeps.child_process import end, start_bound
from commands.sweeps.point_record import AGENT_VARIABLES
from datamodules.progress import Display, duration

POLL_SECONDS = 0.2
REPORT_SECONDS = 30.0
"""How often the progress of each point is printed where the output is not a terminal."""
TAIL_BYTES = 4096
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class GridPoint:
    """A point that is still to be run.

    Args:
        name: name of its run.
        command: how it is started.
        log: file that keeps what it prints.
        seconds: expected duration in seconds; None if unknown.
    """

    name: str
    command: list[str]
    log: Path
    seconds: float | None = None


class Grid:
    """Runs points as processes of their own; one that fails does not stop the others.

    Args:
        sweep: name of the sweep, by which W&B groups the points.
        points: what is to be run, in order.
        finished: number of the sweep's points that were finished before.
        jobs: how many points run at once.
        console: where the progress is shown.
    """

    def __init__(
        self, sweep: str, points: Sequence[GridPoint], *, finished: int, jobs: int, console: Console | None = None
    ) -> None:
        self.points = points
        self.finished = finished
        self.total = finished + len(points)
        self.jobs = jobs
        self.console = console or Console()
        variables = {name: value for name, value in os.environ.items() if name not in AGENT_VARIABLES}
        self.environment = {**variables, "WANDB_RUN_GROUP": sweep}
        self.failed: dict[str, str] = {}
        self.durations: list[float] = []
        self.expected: list[float | None] = []
        self.waiting = deque(points)
        self.running: dict[str, tuple[GridPoint, subprocess.Popen[bytes], float]] = {}
        self.display = Display(self.console)
        self.whole = self.display.add("points", total=self.total)
        self.reported = time.monotonic()
        self.last_said: dict[str, str] = {}

    def run(self) -> dict[str, str]:
        """Run all points.

        Returns:
            Why each failed point failed, by its name.
        """
        self._show()
        self.display.begin()
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < self.jobs:
                    self._start(self.waiting.popleft())
                time.sleep(POLL_SECONDS)
                for name in list(self.running):
                    self._look_at(name)
                self._show()
                self._report()
        finally:
            self.display.stop()
            end([process for _, process, _ in self.running.values()])
        return self.failed

    def time_left(self) -> str:
        """Estimated time left, as text."""
        seconds = self.seconds_left()
        return "time left unknown until a point is finished" if seconds is None else f"{duration(seconds)} left"

    def seconds_left(self) -> float | None:
        """Estimated seconds left: the expected durations, at the pace of the points that this call has finished.

        Where no duration was expected, every point is assumed to take the mean of the finished ones; None before the
        first of these.
        """
        mean = sum(self.durations) / len(self.durations) if self.durations else None
        pace = 1.0
        if self.durations and all(seconds is not None for seconds in self.expected):
            pace = sum(self.durations) / sum(seconds for seconds in self.expected if seconds is not None)

        def expected(point: GridPoint) -> float | None:
            return mean if point.seconds is None else point.seconds * pace

        left = [expected(point) for point in self.waiting]
        now = time.monotonic()
        for point, _, started in self.running.values():
            seconds = expected(point)
            left.append(None if seconds is None else max(0.0, seconds - (now - started)))
        if None in left:
            return None
        return sum(seconds for seconds in left if seconds is not None) / self.jobs

    def _show(self) -> None:
        """Draw how many points are finished, and the last line that each running one has printed."""
        self.display.update(self.whole, completed=self.finished, left=self.seconds_left())
        failed = f", {len(self.failed)} failed" if self.failed else ""
        running = [
            f"  {name}: {last_line(point.log).removeprefix(f'{name}: ')}"
            for name, (point, _, _) in self.running.items()
        ]
        self.display.below = [f"{self.finished} of {self.total} points finished{failed}", *running]

    def _start(self, point: GridPoint) -> None:
        process = start_bound(point.command, environment=self.environment, log=point.log)
        self.running[point.name] = (point, process, time.monotonic())
        if not self.display.draws:
            self._say(f"{point.name}: started, output in {point.log}")

    def _look_at(self, name: str) -> None:
        point, process, started = self.running[name]
        code = process.poll()
        if code is None:
            return
        del self.running[name]
        seconds = time.monotonic() - started
        if code == 0:
            self.finished += 1
            self.durations.append(seconds)
            self.expected.append(point.seconds)
            said = f"finished in {duration(seconds)}"
        else:
            self.failed[name] = last_line(point.log, beginning="error: ") or f"exit code {code}"
            said = f"failed after {duration(seconds)}: {self.failed[name]}; see {point.log}"
        counted = f"{self.finished} of {self.total} finished"
        self._say(
            f"{name}: {said} ({counted}{f', {len(self.failed)} failed' if self.failed else ''}, {self.time_left()})"
        )

    def _report(self) -> None:
        """Print the last line of each point now and then, where no bar shows it."""
        if self.display.draws or time.monotonic() - self.reported < REPORT_SECONDS:
            return
        self.reported = time.monotonic()
        for name, (point, _, _) in self.running.items():
            said = last_line(point.log).removeprefix(f"{name}: ")
            if said and said != self.last_said.get(name):
                self.last_said[name] = said
                self._say(f"{name}: {said}")

    def _say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True, highlight=False, markup=False)


def last_line(file: Path, beginning: str = "") -> str:
    """The last line of a growing file that begins with some text; empty where there is none."""
    if not file.is_file():
        return ""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - TAIL_BYTES))
        text = CONTROL.sub("", opened.read().decode("utf-8", errors="replace"))
    # A progress bar draws over its line with carriage returns.
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines()]
    return next((line.removeprefix(beginning) for line in reversed(lines) if line and line.startswith(beginning)), "")
