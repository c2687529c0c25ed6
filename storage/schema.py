"""The version of the files that hold results, and the conversion of files of the version before.

Version 3 calls the position of a budget in its profile ``budget_index`` and its settings ``budget``; version 2 called
them ``budget`` and ``settings``, and had no names of classes beside their numbers. All numbers are the same, so files
of version 2 are read under the names of version 3. The numbers of version 1 mean something else, and are refused.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from storage.errors import DataError

SCHEMA_VERSION = 3
"""Counts changes of what a stored column or number means. 2: an AUC compares different clips only and is taken over all
clips of a fold; rows say ``recording`` and ``target_label``; n counts distinct clips; infinity is written as "inf".
3: ``budget_index`` and ``budget``."""

READABLE = (2, SCHEMA_VERSION)
RENAMED = {"budget": "budget_index", "settings": "budget"}
"""Names of version 2 -> names of version 3, of a column or a key of a row that says which budget it is about."""


def in_this_version(summary: Mapping[str, Any], path: Path, remedy: str) -> dict[str, Any]:
    """A summary under the names of this version.

    Args:
        summary: content of a ``summary.json``, of a run, of its attacks or of a transfer.
        path: the file, for the error message.
        remedy: what to do instead of reading it, for example which command makes the file anew.

    Raises:
        DataError: if its numbers mean something else, because it is of another version than 2 and 3 or names none.
    """
    found = summary.get("schema_version", 1)
    require_readable(found, path, remedy)
    current = {**summary, "schema_version": SCHEMA_VERSION}
    if found == 2 and isinstance(summary.get("budgets"), list):
        current["budgets"] = [
            {RENAMED.get(key, key): value for key, value in row.items()} if isinstance(row, dict) else row
            for row in summary["budgets"]
        ]
    return current


def require_readable(version: Any, path: Path, remedy: str) -> None:
    """Refuse a file of results whose numbers have the same names and mean something else.

    Args:
        version: the ``schema_version`` that it names; 1 where it names none.
        path: the file or folder.
        remedy: as in :func:`in_this_version`.

    Raises:
        DataError: for another version than 2 and 3.
    """
    if version not in READABLE:
        raise DataError(
            f"expected results of schema version {SCHEMA_VERSION} (or 2, which is converted) in {path}, found version "
            f"{version}, whose numbers mean something else; {remedy}"
        )


def version_of_columns(names: Iterable[str]) -> int:
    """The version of a table of rows that does not name one, as those before version 3 do not.

    Args:
        names: names of its columns.
    """
    names = set(names)
    if "recording" not in names:
        return 1
    return 2 if "settings" in names or "budget_index" not in names else SCHEMA_VERSION
