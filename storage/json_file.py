"""JSON files of results and settings: written atomically, and read with one error for anything that is wrong."""

import json
import math
from pathlib import Path
from typing import Any

from storage.atomic import write_text
from storage.errors import DataError


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Content of a JSON file that holds an object (values by name).

    Args:
        path: the file.
        remedy: what to do about a broken file, as the end of the error message.

    Raises:
        DataError: if the file cannot be read, is not JSON, or does not hold an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"expected JSON in {path}, found a file that cannot be read as such; {remedy}") from error
    if not isinstance(content, dict):
        raise DataError(f"expected values by name in {path}, found {type(content).__name__}; {remedy}")
    return content


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON, atomically.

    Raises:
        ValueError: if it holds NaN or infinity, which JSON cannot represent.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def plain_numbers(value: Any) -> Any:
    """A copy of a value in which numbers that JSON cannot represent are replaced: NaN by None, infinity by a string.

    The median over a majority of failures is infinite, which differs from missing: it becomes ``"inf"`` (or
    ``"-inf"``), which ``float`` reads.
    """
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
