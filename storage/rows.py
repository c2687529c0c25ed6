"""Results tables with one row per clip: Parquet files that state their schema version."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from storage.atomic import write_atomically
from storage.errors import DataError
from storage.schema import RENAMED, SCHEMA_VERSION, require_readable, version_of_columns

VERSION_KEY = b"schema_version"
"""Key of the schema version in the metadata of a Parquet file."""
Condition = tuple[str, str, Any]
"""A column, a comparison (``==``, ``in``, ...) and the value to compare with."""
LABELS = ("label", "target_label", "prediction", "target_prediction")
"""Columns of class numbers; each is accompanied by the names of the classes, as ``<column>_name``."""


def write_rows(path: Path, rows: pd.DataFrame) -> None:
    """Write a table atomically, with the schema version of this program."""
    table = pyarrow.Table.from_pandas(rows, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), VERSION_KEY: str(SCHEMA_VERSION).encode()}
    with write_atomically(path) as file:
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file)


def read_rows(
    path: Path, remedy: str, columns: Collection[str] | None = None, filters: Sequence[Condition] | None = None
) -> pd.DataFrame:
    """Read a table, or some of its columns and rows, with the column names of this version.

    Args:
        path: a file written by :func:`write_rows`, in this version or version 2.
        remedy: what to do with a file that cannot be read, as the end of the error message.
        columns: names of the columns to read, all by default.
        filters: conditions that a row has to meet, all of them.

    Raises:
        DataError: if the file is missing, is not a readable table, lacks a column, or is of an unsupported version.
    """
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            stated = (schema.metadata or {}).get(VERSION_KEY)
            version = int(stated) if stated else version_of_columns(schema.names)
            require_readable(version, path, remedy)
            # Names of this version -> names in the file.
            old = {new: before for before, new in RENAMED.items()} if version == 2 else {}
            if columns is not None:
                absent = [name for name in columns if old.get(name, name) not in schema.names]
                if absent:
                    raise ValueError(f"no column {absent[0]}")
            wanted = None if columns is None else [old.get(name, name) for name in columns]
            if filters is None:
                # A report of hundreds of runs reads thousands of small files; pandas would open each twice more.
                rows = file.read(wanted).to_pandas()
            else:
                chosen = [(old.get(name, name), *rest) for name, *rest in filters]
                rows = pd.read_parquet(path, columns=wanted, filters=chosen)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(
            f"expected rows in {path}, found a file that cannot be read ({_reason(error)}); {remedy}"
        ) from error
    return rows.rename(columns=RENAMED) if version == 2 else rows


def last_change(path: Path) -> int:
    """When a file was last changed, in ns since 1970; 0 if it is missing. It tells cached content from new content."""
    return path.stat().st_mtime_ns if path.is_file() else 0


def with_label_names(rows: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Add a column of class names after each column of class numbers in a table.

    Args:
        rows: a table; existing columns of class names are replaced.
        class_names: names of the classes, by number; a number below 0 stands for no class and gets None.
    """
    rows = rows.drop(columns=[f"{column}_name" for column in LABELS if f"{column}_name" in rows])
    names = np.array([*class_names, None], dtype=object)
    for column in LABELS:
        if column in rows:
            numbers = rows[column].to_numpy(np.int64)
            named = names[np.where(numbers < 0, len(class_names), numbers)]
            rows.insert(list(rows).index(column) + 1, f"{column}_name", named)
    return rows


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).split("\n")[0]
