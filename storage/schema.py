"""The version of the files that hold results, so that none is read as something that it is not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.errors import DataError

SCHEMA_VERSION = 2
"""Counts changes of what a stored column or number means. 2: an AUC compares different clips only and is taken over all
clips of a fold; rows say ``recording`` and ``target_label``; n counts distinct clips; infinity is written as "inf"."""


def require_version(summary: Mapping[str, Any], path: Path, remedy: str) -> None:
    """Refuse results of another version: their numbers have the same names and mean something else.

    Args:
        summary: content of a file of results.
        path: the file.
        remedy: what to do instead, for example which command makes the file anew.

    Raises:
        DataError: if the version is another one, or none is named.
    """
    found = summary.get("schema_version", 1)
    if found != SCHEMA_VERSION:
        raise DataError(
            f"expected results of schema version {SCHEMA_VERSION} in {path}, found version {found}, whose numbers mean "
            f"something else; {remedy}"
        )
