"""The text of ``--help``: what a command does, two examples, and its flags in groups, as wide as the terminal."""

import shutil
import textwrap
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

from commands.signatures import Flag

INDENT = 6
WIDEST = 120


@dataclass(frozen=True)
class Example:
    """A command line, and what it does in a few words."""

    command: str
    meaning: str


@dataclass(frozen=True)
class Group:
    """Flags under a heading."""

    title: str
    flags: Sequence[Flag]


def help_text(
    program: str,
    description: str,
    examples: Sequence[Example],
    groups: Sequence[Group],
    positional: Sequence[Flag] = (),
) -> str:
    """The text of ``--help``, wrapped to the width of the terminal.

    Args:
        program: the command, train.py for example.
        description: what it does, in a sentence.
        examples: command lines that work as they stand.
        groups: the flags, in order.
        positional: arguments without a flag in front of them.
    """
    width = max(40, min(WIDEST, shutil.get_terminal_size().columns) - 1)
    lines = [*textwrap.wrap(f"{program}: {description}", width)]
    if examples:
        lines += ["", "examples:"]
        for example in examples:
            lines += textwrap.wrap(example.meaning, width, initial_indent="  # ", subsequent_indent="  # ")
            # With backslashes a command that is wrapped over several lines can still be pasted.
            parts = textwrap.wrap(example.command, width - 8, break_long_words=False, break_on_hyphens=False)
            lines += [f"  {parts[0]}", *(f"      {part}" for part in parts[1:])]
            lines[-len(parts) :] = [*(f"{line} \\" for line in lines[-len(parts) : -1]), lines[-1]]
    everything = [Group("arguments", positional)] if positional else []
    for group in (*everything, *groups):
        lines += ["", f"{group.title}:"]
        for flag in group.flags:
            name = flag.name if flag in positional else f"--{flag.name}{_value(flag.annotation)}"
            lines += textwrap.wrap(name, width, initial_indent="  ", subsequent_indent=" " * INDENT)
            said = " ".join(filter(None, (flag.help, _default(flag))))
            lines += textwrap.wrap(said, width, initial_indent=" " * INDENT, subsequent_indent=" " * INDENT)
    return "\n".join(lines)


def _value(annotation: Any) -> str:
    if annotation is bool:
        return " [true|false]"
    text = in_words(annotation)
    return f" {text}" if text else ""


def in_words(annotation: Any) -> str:
    """A type as a help text shows it: ``INT``, ``grouped|random|official``, ``TEXT [TEXT ...]``."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return "|".join(map(str, members))
    if origin in (Union, types.UnionType):
        shown = [in_words(member) for member in members if member is not types.NoneType]
        return "|".join(dict.fromkeys(shown))
    if origin is list and members == (str,):
        return "TEXT [TEXT ...]"
    if origin in (list, tuple):
        return "[" + ",".join("..." if member is ... else in_words(member) for member in members) + "]"
    return {int: "INT", float: "FLOAT", str: "TEXT", bool: "true|false"}.get(annotation, "VALUE")


def _default(flag: Flag) -> str:
    if flag.required:
        return "(required)"
    if flag.default is None or flag.default == [] or (flag.annotation is bool and flag.default is False):
        return ""
    shown = " ".join(flag.default) if isinstance(flag.default, list) else str(flag.default)
    return f"(default: {shown})"
