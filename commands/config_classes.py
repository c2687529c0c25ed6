"""The classes that a settings file may name: those of the project, and of packages named on the command line.

The parser builds objects from text in many places: the name of a class, a mapping with its path, another file.
Therefore a file is checked before it is parsed, and text that could lead to an import or to another file is refused.
"""

import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union

from datamodules import CORPORA, SoundDataModule
from representations import REPRESENTATIONS, Representation
from storage.untrusted import constructor_types, is_import_path, named_class, shortened

WORD = re.compile(r"[A-Za-z0-9_,:+-]*")
"""Text that names neither a module nor a file: ``16-mixed``, ``ddp``, ``cuda:0``."""


def refuse_foreign_names(settings: Mapping[str, Any], named: Sequence[str], folder: Path) -> None:
    """Refuse settings of train.py that would import or read something which the command line does not name.

    The architecture is looked at when it is built.

    Args:
        settings: what a file says.
        named: packages that the command line names.
        folder: where the file lies; names of other files are relative to it.

    Raises:
        ValueError: if a class of another package is named, or text stands where the parser would follow it.
    """
    for key, value in settings.items():
        if key == "data":
            _check_class(value, SoundDataModule, CORPORA, named)
        elif key == "trainer":
            _check_words(value, "trainer", named, folder)
        elif key == "model" and not isinstance(value, Mapping):
            raise ValueError(f"expected settings of model by name, got {shortened(value)}")


def _check_class(value: Any, expected: type[Any], known: Mapping[str, type[Any]], named: Sequence[str]) -> None:
    """Refuse a class of a package that is not named, and arguments by which a class of one could come in."""
    if isinstance(value, str):
        value = {"class_path": value}
    if not isinstance(value, Mapping):
        return
    arguments = {key: one for key, one in value.items() if key not in ("class_path", "init_args")}
    arguments |= value.get("init_args") or {}
    found = named_class(value["class_path"], expected, known.values(), named) if "class_path" in value else expected
    annotations = constructor_types(found)
    for name, argument in arguments.items():
        if name == "representation":
            _check_class(argument, Representation, REPRESENTATIONS, named)
        elif name not in annotations or not _is_plain_type(annotations[name]):
            _check_words(argument, str(name), named, Path())


def _check_words(value: Any, place: str, named: Sequence[str], folder: Path) -> None:
    """Refuse text that could lead to a module or to another file, where the parser would follow it."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            _check_words(one, str(key), named, folder)
    elif isinstance(value, list | tuple):
        for one in value:
            _check_words(one, place, named, folder)
    elif isinstance(value, str):
        if place == "class_path" and is_import_path(value):
            package = value.split(".")[0]
            if not any(value.startswith(f"{one}.") for one in named):
                raise ValueError(
                    f"expected no class outside the project, got {shortened(value)}, which is not imported because a "
                    f"file names it; --allow-import {package} allows that, if you trust it"
                )
        elif not WORD.fullmatch(value) or (value and ((folder / value).is_file() or Path(value).is_file())):
            raise ValueError(
                f"expected a number or a word as {place}, got {shortened(value)}; what names a file, a class or a "
                "function there belongs on the command line"
            )


def _is_plain_type(annotation: Any) -> bool:
    """Whether the parser takes text for such an argument as text, and for nothing to import or to read."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return True
    if origin in (Union, types.UnionType, list, tuple, dict, Sequence, Mapping):
        return all(_is_plain_type(argument) for argument in arguments if argument is not Ellipsis)
    return annotation in (int, float, str, bool, type(None))
