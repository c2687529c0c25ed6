"""The error of bad data: a file that is missing, broken or not what it should be."""


class DataError(Exception):
    """Data that cannot be used; the message is one sentence: what was expected, what was found, what to do.

    The commands print it without a traceback and exit with 1. Impossible settings are ``ValueError`` instead and end
    with 2, the exit code of a usage error.
    """
