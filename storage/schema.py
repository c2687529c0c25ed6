"""The version of the results files, and the conversion of files of the previous version.

Version 3 calls the position of a budget in its profile ``budget_index`` and its settings ``budget``; version 2 called
them ``budget`` and ``settings``, and stored no class names beside class numbers. All numbers mean the same, so files of
version 2 are read with the names of version 3. The numbers of version 1 have different meanings, so its files are
refused.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from storage.errors import DataError

SCHEMA_VERSION = 3
"""Incremented whenever a stored column or number changes its meaning. 2: an AUC compares different clips only and is
taken over all clips of a fold; rows have ``recording`` and ``target_label``; n counts distinct clips; infinity is
written as "inf". 3: ``budget_index`` and ``budget``."""

READABLE = (2, SCHEMA_VERSION)
RENAMED = {"budget": "budget_index", "settings": "budget"}
"""Names of version 2 -> names of version 3, for the columns or keys of a row that identify its budget."""


def in_this_version(summary: Mapping[str, Any], path: Path, remedy: str) -> dict[str, Any]:
    """A copy of a summary with the names of this version.

    Args:
        summary: content of a ``summary.json``, of a run, of its attacks or of a transfer.
        path: the file, for the error message.
        remedy: what to do instead of reading it, for example the command that creates the file again.

    Raises:
        DataError: if its version is neither 2 nor 3, so that its numbers have different meanings.
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
    """Refuse a results file whose numbers have the same names but different meanings.

    Args:
        version: the ``schema_version`` that the file states; 1 if it states none.
        path: the file or folder, for the error message.
        remedy: as in :func:`in_this_version`.

    Raises:
        DataError: if the version is neither 2 nor 3.
    """
    if version not in READABLE:
        raise DataError(
            f"expected results of schema version {SCHEMA_VERSION} (or 2, which is converted) in {path}, found version "
            f"{version}, whose numbers mean something else; {remedy}"
        )


def version_of_columns(names: Iterable[str]) -> int:
    """The schema version of a table that does not state one, as written before version 3.

    Args:
        names: names of its columns.
    """
    names = set(names)
    if "recording" not in names:
        return 1
    return 2 if "settings" in names or "budget_index" not in names else SCHEMA_VERSION
