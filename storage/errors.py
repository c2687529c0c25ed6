"""The error for bad data, a file that is missing, broken or not what it should be, and lists of names in messages."""

from collections.abc import Sequence

NAMED_AT_MOST = 10
"""Largest number of names, of files mostly, in one message."""


class DataError(Exception):
    """Data that cannot be used; the message is one sentence: what was expected, what was found, what to do.

    The commands print it without a traceback and exit with code 1. Impossible settings raise ``ValueError`` instead and
    exit with code 2, that of a usage error.
    """


def named(names: Sequence[str], most: int = NAMED_AT_MOST) -> str:
    """Some names and the number of the others, as part of a message.

    Args:
        names: all of them.
        most: how many are named.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
