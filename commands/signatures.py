"""The flags that follow from a class or a dataclass, read from source code without importing PyTorch.

Importing PyTorch and Lightning takes seconds; what a constructor is called with, which types its arguments have and
what its docstring says about them is text, which takes milliseconds to read. Nothing here is a copy that could become
outdated.
"""

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Optional, Union, get_type_hints

from docstring_parser import parse

PROJECT = Path(__file__).resolve().parent.parent
PLAIN: dict[str, Any] = {
    **{one.__name__: one for one in (int, float, str, bool, list, dict, tuple)},
    **{"None": None, "Any": Any, "Literal": Literal, "Optional": Optional, "Union": Union},
}
"""The names that annotations of flags consist of; whatever else an annotation names is taken for ``Any``."""


@dataclass(frozen=True)
class Flag:
    """One argument of a constructor.

    Args:
        name: dotted name, without hyphens.
        annotation: its type; ``Any`` where it cannot be told without importing something.
        default: its default; the text of it where that is not a number, text or a collection of these.
        help: what the docstring says.
        required: whether there is no default.
    """

    name: str
    annotation: Any
    default: Any
    help: str
    required: bool = False

    def under(self, prefix: str) -> "Flag":
        """The same flag in a group."""
        return replace(self, name=f"{prefix}.{self.name}")


def dataclass_flags(settings: type) -> list[Flag]:
    """Fields of a dataclass, in order; those of a dataclass inside it have its field's name in front.

    Args:
        settings: the dataclass; its docstring has an Args section.
    """
    annotations, helps = get_type_hints(settings), _helps(inspect.getdoc(settings) or "")
    found = []
    for base in settings.__mro__:
        helps = {**_helps(inspect.getdoc(base) or ""), **helps}
    for field in fields(settings):
        annotation = annotations[field.name]
        if is_dataclass(annotation):
            assert isinstance(annotation, type)
            found += [flag.under(field.name) for flag in dataclass_flags(annotation)]
            continue
        default = field.default if field.default_factory is MISSING else field.default_factory()
        required = default is MISSING
        found.append(Flag(field.name, annotation, None if required else default, helps.get(field.name, ""), required))
    return found


def constructor_flags(module: str, name: str) -> list[Flag]:
    """Arguments of a class's constructor, those that it passes on to its base classes included.

    Args:
        module: dotted name of the module; it is not imported.
        name: the class.
    """
    return list(_flags(module, name).values())


def keys_of(module: str, name: str) -> tuple[str, ...]:
    """Keys of a dictionary that a module writes out at its top level.

    Raises:
        LookupError: if there is no such dictionary with text as keys.
    """
    value = _assignments(module).get(name)
    if not isinstance(value, ast.Dict):
        raise LookupError(f"expected {name} of {module} to be a dictionary, found none written out")
    keys = [key.value for key in value.keys if isinstance(key, ast.Constant)]
    return tuple(key for key in keys if isinstance(key, str))


def where(module: str, name: str) -> tuple[str, str]:
    """Module that defines what another module imports under a name, and its name there."""
    while name in (found := _imports(module)) and _source(found[name][0]) is not None:
        module, name = found[name]
    return module, name


def _flags(module: str, name: str) -> dict[str, Flag]:
    module, name = where(module, name)
    definition = next(
        (one for one in _tree(module).body if isinstance(one, ast.ClassDef) and one.name == name),
        None,
    )
    if definition is None:
        return {}
    inherited: dict[str, Flag] = {}
    for base in reversed(definition.bases):
        if isinstance(base, ast.Name):
            inherited |= _flags(module, base.id)
    helps = _helps(ast.get_docstring(definition) or "")
    own = {}
    constructor = next((one for one in definition.body if getattr(one, "name", "") == "__init__"), None)
    if isinstance(constructor, ast.FunctionDef):
        helps = {**_helps(ast.get_docstring(constructor) or ""), **helps}
        for argument, default in _arguments(constructor.args):
            own[argument.arg] = Flag(
                argument.arg,
                _type(module, argument.annotation),
                _value(default),
                helps.get(argument.arg, ""),
                required=default is None,
            )
        return {**inherited, **own} if constructor.args.kwarg else own
    return inherited


def _value(default: ast.expr | None) -> Any:
    if default is None:
        return None
    try:
        return ast.literal_eval(default)
    except ValueError:
        return ast.unparse(default)


def _arguments(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    positional = [*arguments.posonlyargs, *arguments.args][1:]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    yield from zip(positional, [*missing, *arguments.defaults], strict=True)
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)


def _helps(docstring: str) -> dict[str, str]:
    """What the Args section of a docstring says of each argument, without marks of reStructuredText."""
    described = {one.arg_name: one.description or "" for one in parse(docstring).params}
    return {name: " ".join(re.sub(r"(:\w+:)?`+~?([^`]*)`+", r"\2", text).split()) for name, text in described.items()}


def _type(module: str, annotation: ast.expr | None) -> Any:
    """The type that an annotation writes; ``Any`` for whatever would have to be imported."""
    match annotation:
        case ast.Constant(value=str(text)):
            return _type(module, ast.parse(text, mode="eval").body)
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in PLAIN:
            return PLAIN[name]
        case ast.Name(id=name):
            place, original = where(module, name)
            alias = _assignments(place).get(original)
            return Any if alias is None else _type(place, alias)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _joined(_type(module, left), _type(module, right))
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return Literal[ast.literal_eval(choices)]
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=members)):
            return _joined(*(_type(module, member) for member in members))
        case ast.Subscript(value=ast.Name(id="Optional"), slice=member):
            return _joined(_type(module, member), None)
        case ast.Subscript(value=ast.Name(id="list" | "dict" | "tuple" as name), slice=inner):
            members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            found = [... if ast.unparse(member) == "..." else _type(module, member) for member in members]
            return PLAIN[name][tuple(found)]
    return Any


def _joined(*members: Any) -> Any:
    # A union with a member that is not known may take anything.
    return Any if Any in members else Union[members]  # noqa: UP007


def _assignments(module: str) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for statement in _tree(module).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = value
    return found


def _imports(module: str) -> dict[str, tuple[str, str]]:
    return {
        name.asname or name.name: (statement.module, name.name)
        for statement in _tree(module).body
        if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level
        for name in statement.names
    }


@cache
def _tree(module: str) -> ast.Module:
    source = _source(module)
    if source is None:
        raise LookupError(f"expected the source of {module}, found none")
    return ast.parse(source.read_text(encoding="utf-8"))


@cache
def _source(module: str) -> Path | None:
    """File of a module of the project, or of a third-party package, without importing it."""
    package, *inner = module.split(".")
    folders = [PROJECT / package]
    if not folders[0].is_dir():
        # Only for Lightning: other packages hold no class that a flag stands for.
        found = importlib.util.find_spec(package) if package == "pytorch_lightning" else None
        folders = [Path(one) for one in (found.submodule_search_locations or [])] if found else []
    for folder in folders:
        for path in (folder.joinpath(*inner).with_suffix(".py"), folder.joinpath(*inner, "__init__.py")):
            if path.is_file():
                return path
    return None
