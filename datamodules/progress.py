"""Progress of long work, as bars in a terminal and as occasional lines elsewhere, and what was assumed meanwhile."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

logger = logging.getLogger(__name__)
# Less work than this is over before a bar can be read.
SHOWN_FROM = 200
QUIET_SECONDS = 30.0
"""Without a terminal, about as many seconds lie between two lines."""
LONGEST_DESCRIPTION = 26


class Display(Progress):
    """Bars that keep percentage, elapsed time and time left at any width, and lines of text below them.

    Bars give way where the terminal is narrow; what is said besides has lines of its own, which are cut at their end.
    Without a terminal nothing is drawn: :attr:`draws` says so, and :meth:`say` prints a line instead.

    Args:
        console: where to draw.
    """

    def __init__(self, console: Console) -> None:
        self.below: list[str] = []
        super().__init__(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", max_width=LONGEST_DESCRIPTION),
            ),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True)),
            Times(table_column=Column(no_wrap=True)),
            console=console,
            expand=True,
            auto_refresh=console.is_terminal and not console.is_dumb_terminal,
        )
        self.draws = console.is_terminal and not console.is_dumb_terminal
        self.said_at = time.monotonic()

    def get_renderables(self) -> Iterator[RenderableType]:
        """The bars, and the lines below them."""
        yield self.make_tasks_table(self.tasks)
        for line in self.below:
            yield Text(line, no_wrap=True, overflow="ellipsis")

    def add(self, description: str, total: float | None = None) -> TaskID:
        """A new bar, whose time left is not known yet."""
        return self.add_task(description, total=total, left=None)

    def begin(self) -> None:
        """Draw from now on, if there is a terminal."""
        if self.draws:
            self.start()

    def stop(self) -> None:
        """Give the terminal back; without one there is nothing to give, and no empty line is printed."""
        if self.draws:
            super().stop()

    def say(self, line: str, *, now: bool = False) -> None:
        """Print a line where nothing is drawn, unless the one before is not long ago.

        Args:
            line: the line.
            now: print it whatever was printed before.
        """
        if not self.draws and (now or time.monotonic() - self.said_at >= QUIET_SECONDS):
            self.said_at = time.monotonic()
            self.console.print(line, soft_wrap=True, highlight=False, markup=False)


class Times(ProgressColumn):
    """Time that has gone, and time that is left if a task's field ``left`` says so in seconds."""

    def render(self, task: Task) -> Text:
        """Both times, as wide whatever they are."""
        elapsed = task.finished_time if task.finished else task.elapsed
        left = None if task.finished else task.fields["left"]
        return Text(f"{clock(elapsed)} elapsed  {clock(left)} left")


def clock(seconds: float | None) -> str:
    """Seconds as ``h:mm:ss``; a dash for each digit of a time that is not known."""
    if seconds is None:
        return "-:--:--"
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def duration(seconds: float) -> str:
    """Seconds in words: minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


@contextmanager
def progress_bar(description: str, total: int, shown_from: int = SHOWN_FROM) -> Iterator[Callable[[], None]]:
    """Show how many steps are done, and the time that is left, while the block runs.

    Args:
        description: what is being done.
        total: how many steps there are.
        shown_from: number of steps below which nothing is shown.

    Yields:
        A function that reports one finished step.
    """
    display = Display(Console(stderr=True))
    task = display.add(description, total)
    started, done = time.monotonic(), 0

    def advance() -> None:
        nonlocal done
        done += 1
        left = (time.monotonic() - started) / done * (total - done)
        display.update(task, completed=done, left=left)
        display.below = [f"{done} of {total}"]
        if total >= shown_from:
            display.say(f"{description}: {done} of {total}, {duration(left)} left")

    if total >= shown_from:
        display.begin()
    try:
        yield advance
    finally:
        display.stop()


@cache
def say_once(sentence: str) -> None:
    """Log a sentence at level INFO the first time that this process has it to say."""
    logger.info(sentence)
