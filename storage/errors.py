"""The error for bad data: a file that is missing, broken or not what it should be."""


class DataError(Exception):
    """Data that cannot be used; the message is one sentence: what was expected, what was found, what to do.

    The commands print it without a traceback and exit with code 1. Impossible settings raise ``ValueError`` instead and
    exit with code 2, that of a usage error.
    """
