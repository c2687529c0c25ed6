"""What the user of a command sees meanwhile: progress with the time that remains, and what was assumed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)
# Less work than this is over before a bar can be read.
SHOWN_FROM = 200


@contextmanager
def progress_bar(description: str, total: int, shown_from: int = SHOWN_FROM) -> Iterator[Callable[[], None]]:
    """Show ``description`` with a bar, the count and the remaining time while the block runs.

    Args:
        description: what is being done.
        total: how many steps there are.
        shown_from: number of steps below which no bar is shown.

    Yields:
        A function that reports one finished step.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=total < shown_from) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)


@cache
def say_once(sentence: str) -> None:
    """Log a sentence at level INFO the first time that this process has it to say."""
    logger.info(sentence)
