"""The columns and keys of results files, read from the types that describe them, and their section of the docs.

python -m storage.columns        # rewrites the section of docs/definitions.md between its markers
"""

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

from storage.atomic import write_text
from storage.summaries import SUMMARIES
from storage.tables import TABLES

DOCS = Path(__file__).parents[1] / "docs" / "definitions.md"
BEGIN = "<!-- columns: written by python -m storage.columns -->"
END = "<!-- end of columns -->"


@dataclass(frozen=True)
class Column:
    """A column of a table, or a key of a JSON object.

    Attributes:
        name: its name in the file.
        kind: its type, in words.
        meaning: its meaning.
        unit: unit of its numbers, empty if they have none.
        required: whether every file has it.
    """

    name: str
    kind: str
    meaning: str
    unit: str = ""
    required: bool = True

    @property
    def in_docs(self) -> str:
        """The row that describes it in a Markdown table."""
        name = f"`{self.name}`" if self.required else f"`{self.name}` (not always)"
        return f"| {name} | {self.kind} | {self.meaning} | {self.unit} |"


def columns_of(described: type) -> list[Column]:
    """The columns of a ``TypedDict`` whose fields are ``Annotated`` with a meaning and, if they have one, a unit.

    Args:
        described: a class of ``storage.tables`` or ``storage.summaries``.

    Raises:
        TypeError: if a field has no meaning.
    """
    columns = []
    for name, annotation in typing.get_type_hints(described, include_extras=True).items():
        required = typing.get_origin(annotation) is not NotRequired
        if not required:
            (annotation,) = typing.get_args(annotation)
        if typing.get_origin(annotation) is not Annotated:
            raise TypeError(f"expected {described.__name__}.{name} to be Annotated with its meaning, got {annotation}")
        kind, meaning, *unit = typing.get_args(annotation)
        columns.append(Column(name, _in_words(kind), meaning, "".join(unit), required))
    return columns


def differing_columns(described: type, names: Sequence[str]) -> list[str]:
    """Sorted names that a file has and its description lacks, and names required there that the file lacks."""
    columns = columns_of(described)
    extra = set(names) - {column.name for column in columns}
    return sorted(extra | {column.name for column in columns if column.required} - set(names))


def section() -> str:
    """Markdown tables of the columns and keys of all results files, between the two markers."""
    parts = [BEGIN]
    for described in (*TABLES, *SUMMARIES):
        # The docstring of each type names its file; it may have several paragraphs.
        said = " ".join((described.__doc__ or "").split()).replace("``", "`")
        rows = [column.in_docs for column in columns_of(described)]
        parts += [f"{said}\n\n" + "\n".join(["| name | type | meaning | unit |", "|---|---|---|---|", *rows])]
    return "\n\n".join([*parts, END])


def in_docs(text: str) -> str:
    """The text of the docs with the section between the markers generated anew.

    Raises:
        ValueError: if a marker is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the lines {BEGIN} and {END} around the tables of columns, found not both")
    return before + section() + after


def _in_words(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        return " or ".join(_in_words(one) for one in typing.get_args(kind))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return f"list of {_in_words(arguments[0])}"
    if origin is dict:
        return f"{_in_words(arguments[1])} by name" if arguments[1] is not Any else "object"
    if origin is typing.Literal:
        return " or ".join(f'"{one}"' for one in arguments)
    if typing.is_typeddict(kind):
        return f"{kind.__name__}"
    words = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}
    return words.get(kind, "vector")


if __name__ == "__main__":
    write_text(DOCS, in_docs(DOCS.read_text(encoding="utf-8")))
