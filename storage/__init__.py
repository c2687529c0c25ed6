"""Files on disk: written completely or not at all, and the error that names a bad one.

Every file of the project that somebody may read later is written through :func:`write_atomically`, so a run that is
killed or a disk that fills up leaves the old file or none, never half a file. A file belongs here if it is about how
something is stored and found again, whatever it says; nothing here computes a number or knows a model.

Tables of rows (:mod:`storage.rows`) are imported by those that need them: commands read their flags before pandas.
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
