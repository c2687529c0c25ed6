"""Files on disk: written completely or not at all, and the error that names a bad one.

Every file that may be read later is written through :func:`write_atomically`, so a killed run or a full disk leaves
the previous file or none, never a partial one. Code belongs here if it is about how something is stored and found
again, whatever the content; nothing here computes a result or knows a model. :mod:`storage.rows` is not imported here,
because commands read their flags before pandas.
"""

from storage.atomic import write_atomically, write_text
from storage.errors import DataError
from storage.json_file import plain_numbers, read_json, write_json
from storage.run_folder import RunFolder
from storage.schema import SCHEMA_VERSION, in_this_version

__all__ = [
    "SCHEMA_VERSION",
    "DataError",
    "RunFolder",
    "in_this_version",
    "plain_numbers",
    "read_json",
    "write_atomically",
    "write_json",
    "write_text",
]
