"""A folder of rows that a long command computes in parts, and resumes after an interruption."""

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from storage.errors import DataError
from storage.folder_lock import alone_in
from storage.json_file import plain_numbers, read_json, write_json
from storage.rows import read_rows, write_rows
from storage.schema import SCHEMA_VERSION


class RowStore:
    """``settings.json``, ``rows.parquet``, ``summary.json``, and ``parts/`` while a command is running.

    Files are written atomically, so the parts that exist are those that are finished.

    Args:
        path: the folder; it need not exist.
        key: the columns that together identify a row.
    """

    def __init__(self, path: Path | str, key: Sequence[str]) -> None:
        self.path = Path(path)
        self.key = list(key)

    @property
    def rows_file(self) -> Path:
        """Path of the table of all rows."""
        return self.path / "rows.parquet"

    @property
    def summary_file(self) -> Path:
        """Path of the numbers computed from the rows."""
        return self.path / "summary.json"

    def alone(self) -> AbstractContextManager[None]:
        """Lock the folder against a second command, see :func:`alone_in`."""
        return alone_in(self.path)

    def open(self, settings: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Start the folder, or add to it.

        Args:
            settings: the settings that determine the rows; they must equal those with which the folder was started,
                except that a mapping may gain keys.
            overwrite: first delete the folder.

        Raises:
            ValueError: if the folder was started with different settings.
            DataError: if the stored settings cannot be read.
        """
        if overwrite and self.path.exists():
            shutil.rmtree(self.path)
        file = self.path / "settings.json"
        wanted = {**json.loads(json.dumps(settings)), "schema_version": SCHEMA_VERSION}
        if file.is_file():
            stored = read_json(file, f"remove {self.path}")
            for name in stored.keys() | wanted.keys():
                before, now = stored.get(name), wanted.get(name)
                if isinstance(before, dict) and isinstance(now, dict):
                    changed = sorted(key for key in before.keys() & now.keys() if before[key] != now[key])
                    wanted[name] = {**before, **now}
                else:
                    changed = [name] if before != now else []
                if changed:
                    setting = name if changed == [name] else f"{changed[0]} in {name}"
                    raise ValueError(
                        f"expected the settings that {self.path} was begun with, got another value of {setting}; "
                        "--overwrite computes everything anew"
                    )
        write_json(file, wanted)

    def write_part(self, name: str, rows: pd.DataFrame) -> None:
        """Store finished rows as a part with a name of its own."""
        write_rows(self.path / "parts" / f"{name}.parquet", rows)

    def rows(self) -> pd.DataFrame:
        """All finished rows, each once, sorted by the key; empty before the first part.

        Raises:
            DataError: if the merged rows cannot be read; an unreadable part is removed with a warning.
        """
        frames = []
        for path in (self.rows_file, *sorted((self.path / "parts").glob("[!.]*.parquet"))):
            if not path.is_file():
                continue
            try:
                rows = read_rows(path, "remove it to compute them again")
                absent = [name for name in self.key if name not in rows]
                if absent:
                    raise DataError(f"expected the column {absent[0]} in {path}, found none; remove it")
            except DataError:
                if path == self.rows_file:
                    raise
                warnings.warn(f"{path} cannot be read; its rows are computed again", stacklevel=2)
                # Another process that reads the parts may have removed it by now.
                path.unlink(missing_ok=True)
            else:
                frames.append(rows)
        if not frames:
            return pd.DataFrame()
        together = pd.concat(frames, ignore_index=True)
        return together.drop_duplicates(self.key).sort_values(self.key, ignore_index=True)

    def merge(self) -> pd.DataFrame:
        """Merge all parts into one file and remove them.

        Returns:
            All rows.
        """
        rows = self.rows()
        if len(rows):
            write_rows(self.rows_file, rows)
        shutil.rmtree(self.path / "parts", ignore_errors=True)
        return rows

    def write_summary(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Write the numbers computed from the rows, with the schema version.

        Returns:
            The content of ``summary.json``.
        """
        content: dict[str, Any] = plain_numbers({"schema_version": SCHEMA_VERSION, **summary})
        write_json(self.summary_file, content)
        return content
