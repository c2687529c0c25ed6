"""Limits on what a file can make this program do: choose among known classes and set plain values, nothing else.

A checkpoint or a stored result may come from anyone. A class that it names is looked up among the project's own; any
other module is imported only if it lies in a package that the command line allows, and only a class of the expected
kind, or a function defined in such a package, is used. The values that it gives are checked against the annotations of
the constructor that takes them; no value is ever interpreted as the name of something to import.
"""

import importlib
import inspect
import math
import numbers
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, TypeVar, Union

T = TypeVar("T")
_ABSENT = (types.NoneType, None)
SEARCHED = "; name the folder that holds it in PYTHONPATH"
"""What to do about a package that Python does not find."""


def named_class(name: Any, expected: type[T], known: Collection[type[T]], allowed: Collection[str] = ()) -> type[T]:
    """Find the class that a file names.

    Args:
        name: a short name (``STFT``), or an import path (``representations.STFT``, ``package.module.Class``).
        expected: what the class has to be a subclass of.
        known: the project's own classes, found without importing anything.
        allowed: packages, or dotted prefixes of modules, whose classes the user allows files to name.

    Returns:
        The class itself; nothing of it is called.

    Raises:
        ValueError: if the class is neither known nor allowed, cannot be imported, or is not a subclass of ``expected``.
            No code of a module that is not allowed is executed.
    """
    if not isinstance(name, str):
        raise ValueError(f"expected the name of a {expected.__name__}, got {shortened(name)}")
    for one in known:
        # A package re-exports the classes of its modules.
        if name in (one.__name__, f"{one.__module__}.{one.__name__}", f"{one.__module__.split('.')[0]}.{one.__name__}"):
            return one
    short = ", ".join(one.__name__ for one in known)
    article = "an" if expected.__name__[0] in "AEIOU" else "a"
    found = _allowed_object(name, f"{article} {expected.__name__}, one of {short}", allowed)
    if not (isinstance(found, type) and issubclass(found, expected)):
        raise ValueError(f"expected a subclass of {expected.__name__}, got {shortened(name)}, which is none")
    return found


def named_builder(
    name: Any, kind: str, expected: type[T], known: Mapping[str, Callable[..., T]], allowed: Collection[str] = ()
) -> Callable[..., T]:
    """Find the class or function that a file names as the builder of an object.

    Args:
        name: a name in ``known``, or an import path (``package.module.function``).
        kind: what the name stands for, with its article, for error messages.
        expected: class of the object to build.
        known: the project's own builders by name, found without importing anything.
        allowed: packages, or dotted prefixes of modules, whose builders the user allows files to name.

    Returns:
        The builder. From an allowed package it is a subclass of ``expected``, or a function defined in an allowed
        package; a function that the package merely imports (``from os import system``) is refused.

    Raises:
        ValueError: if the builder is neither known nor allowed, cannot be imported, or is something else. No code of a
            module that is not allowed is executed, and nothing that was found is called.
    """
    if not isinstance(name, str):
        raise ValueError(f"expected {kind}, got {shortened(name)}")
    if name in known:
        return known[name]
    found = _allowed_object(name, f"{kind}, one of {', '.join(known)}", allowed)
    if isinstance(found, type) and issubclass(found, expected):
        return found
    if inspect.isfunction(found) and _lies_under(found.__module__ or "", allowed):
        return found
    packages = " or ".join(allowed)
    raise ValueError(
        f"expected {kind}: a subclass of {expected.__name__}, or a function that is defined in {packages}, got "
        f"{shortened(name)}, which is {_origin(found)}"
    )


def is_import_path(name: Any) -> bool:
    """Whether a value is a string that can name an object of a module: identifiers separated by dots."""
    return isinstance(name, str) and "." in name and all(part.isidentifier() for part in name.split("."))


def _allowed_object(name: str, wanted: str, allowed: Collection[str]) -> Any:
    """The object at an import path whose module lies in an allowed package; ``wanted`` names the expected kind."""
    module, _, attribute = name.rpartition(".")
    if not is_import_path(name):
        raise ValueError(f"expected {wanted} or an import path, got {shortened(name)}")
    if not _lies_under(module, allowed):
        raise ValueError(
            f"expected {wanted}, got {shortened(name)}, which is not imported because a "
            f"file names it; --allow-import {name.split('.')[0]} allows that, if you trust it"
        )
    return imported(module, attribute)


def _lies_under(module: str, packages: Collection[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _origin(found: Any) -> str:
    """What kind of object was found, in words, and the module that defines it if known."""
    kind = "a class" if isinstance(found, type) else "a function" if inspect.isroutine(found) else type(found).__name__
    module = getattr(found, "__module__", None)
    return f"{kind} of {module}" if isinstance(module, str) else kind


def imported(module: str, attribute: str) -> Any:
    """Import a module and return one of its attributes.

    Raises:
        ValueError: if there is no such module or attribute, or the module raises anything while it is imported.
    """
    try:
        return getattr(importlib.import_module(module), attribute)
    except KeyboardInterrupt:
        raise
    # The top level of a module is foreign code: it may raise anything, even SystemExit.
    except BaseException as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        raise ValueError(
            f"expected {module}.{attribute} to be importable, got {type(error).__name__}: {shortened(str(error))}"
            f"{SEARCHED if missing else ''}"
        ) from error


def allowed_packages(names: Collection[str] | None) -> tuple[str, ...]:
    """The package names given to ``--allow-import``, checked.

    Raises:
        ValueError: if one is not a valid package name.
    """
    for name in names or ():
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"expected --allow-import to name packages, mypackage for example, got {name!r}")
    return tuple(names or ())


def constructor_types(builder: Callable[..., Any]) -> dict[str, Any]:
    """Annotations, by name, of a class's keyword arguments, those that it passes on to its base classes included.

    An argument without an annotation has ``Any``.
    """
    found: dict[str, Any] = {}
    constructors = [builder]
    if isinstance(builder, type):
        constructors = [vars(one)["__init__"] for one in builder.__mro__ if "__init__" in vars(one)]
    for constructor in constructors:
        hints = typing.get_type_hints(constructor)
        parameters = list(inspect.signature(constructor).parameters.values())
        parameters = parameters[1:] if isinstance(builder, type) else parameters
        for parameter in parameters:
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                found.setdefault(parameter.name, hints.get(parameter.name, Any))
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def check_values(values: Any, annotations: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Check plain values against the annotations of the arguments that take them.

    Args:
        values: settings by name, as a file gives them.
        annotations: as returned by :func:`constructor_types`.
        place: what the values belong to, for the error message.

    Returns:
        The settings, as a new dictionary.

    Raises:
        ValueError: if ``values`` is not a mapping, or a setting is unknown or does not fit its annotation.
    """
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ValueError(f"expected settings of {place} by name, got {shortened(values)}")
    unknown = sorted(set(values) - set(annotations))
    if unknown:
        raise ValueError(f"expected settings of {place} among {', '.join(sorted(annotations))}, got {unknown[0]!r}")
    for name, value in values.items():
        if not fits(value, annotations[name]):
            raise ValueError(f"expected {name} of {place} to be {described(annotations[name])}, got {shortened(value)}")
    return dict(values)


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value, as YAML, JSON or a checkpoint holds it, is of the annotated type.

    Booleans, NaN and infinity do not count as numbers. No plain value fits the annotation of a class, a callable or
    another object.
    """
    if annotation is Any or annotation is object:
        return is_plain(value)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return any(type(value) is type(argument) and value == argument for argument in arguments)
    if annotation in _ABSENT:
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if annotation is int:
        return isinstance(value, numbers.Integral)
    if annotation is float:
        return isinstance(value, numbers.Real) and math.isfinite(value)
    if annotation is str:
        return isinstance(value, str)
    if origin is tuple and isinstance(value, list | tuple):
        if arguments[-1:] == (Ellipsis,):
            return all(fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if inspect.isclass(origin) and issubclass(list, origin) and isinstance(value, list | tuple):
        return all(fits(item, arguments[0]) for item in value)
    if inspect.isclass(origin) and issubclass(dict, origin) and isinstance(value, dict):
        return all(fits(key, arguments[0]) and fits(item, arguments[1]) for key, item in value.items())
    return annotation in (list, dict, tuple) and isinstance(value, annotation) and is_plain(value)


def is_plain(value: Any) -> bool:
    """Whether a value consists of numbers, strings, lists and mappings, none of which names a class to build."""
    if isinstance(value, dict):
        return "class_path" not in value and all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, str | numbers.Real)


def described(annotation: Any) -> str:
    """An annotation in words, for example ``a whole number (int) or null``."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(described(argument) for argument in arguments)
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    words = {
        int: "a whole number (int)",
        float: "a finite number",
        str: "text",
        bool: "true or false",
        types.NoneType: "null",
    }
    return words.get(annotation) or getattr(annotation, "__name__", str(annotation)).replace("typing.", "")


def shortened(value: Any, limit: int = 80) -> str:
    """A value as text for a message: on one line, with at most ``limit`` characters."""
    text = " ".join((value if isinstance(value, str) and " " in value else repr(value)).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."
