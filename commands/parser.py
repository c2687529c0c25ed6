"""A command line read by jsonargparse: flags from dataclasses; an error is one sentence and names the nearest flag."""

import itertools
import json
import os
import re
import sys
from argparse import HelpFormatter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args, get_type_hints

from jsonargparse import ArgumentParser, Namespace

from commands.config_file import as_yaml, settings_in
from commands.errors import UsageError
from commands.help import Example, Group, help_text
from commands.nearest_flag import meant, unknown_flag
from commands.signatures import dataclass_flags, keys_of
from storage.untrusted import SEARCHED

T = TypeVar("T")

CHOICES: dict[str, tuple[str, ...]] = {
    "--data": keys_of("datamodules", "CORPORA"),
    "--data.representation": keys_of("representations", "REPRESENTATIONS"),
    "--model.architecture": (*keys_of("classifiers", "ARCHITECTURES"), *keys_of("classifiers.baselines", "BASELINES")),
}
"""The names that a flag takes, beside import paths of users' own classes."""


class BadValueError(UsageError):
    """An invalid value of a flag; a parser inside another one reports it to the outer one.

    Args:
        names: parts of the flag's dotted name, one from each parser.
        reason: what was expected and what was got.
    """

    def __init__(self, names: Sequence[str], reason: str) -> None:
        self.names, self.reason = list(names), reason
        super().__init__(f"{'.'.join(names)}: {reason}" if names else reason)


class OneSentenceParser(ArgumentParser):
    """Takes its flags from dataclasses; hyphens count as underscores, and an error is one sentence."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # An abbreviated or truncated flag must not start hours of a different job.
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self.switches: set[str] = set()
        self.lists: set[str] = set()
        self.page: Callable[[], str] | None = None
        self.absent: Mapping[str, str] = {}

    def add_flags(self, settings: type) -> None:
        """Add the fields of a dataclass; one of type ``bool`` needs no value, one of type ``list`` takes several."""
        self.add_class_arguments(settings, instantiate=False)
        for name, annotation in get_type_hints(settings).items():
            members = {annotation, *get_args(annotation)}
            if annotation is bool:
                self.switches.add(f"--{name}")
            elif annotation == list[str] or list[str] in members:
                self.lists.add(f"--{name}")
        for flag in dataclass_flags(settings):
            for action in self._actions:
                if action.dest == flag.name:
                    action.help = flag.help

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """The text of ``--help``; a command's own page where it has one."""
        return super().format_help(formatter) if self.page is None else self.page() + "\n"

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None, **kwargs: Any
    ) -> Namespace:
        """Parse a command line, that of the process by default; ``~`` stands for the user's home folder."""
        parsed = super().parse_args(self.spelt_out(sys.argv[1:] if args is None else args), namespace, **kwargs)
        for name, value in list(parsed.items()):
            parsed[name] = _expanded(value)
        return parsed

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Namespace:
        """Parse a file of settings (``--config``)."""
        try:
            content = self.read_config(Path(path).expanduser())
        except ValueError as error:
            raise UsageError(str(error)) from error
        return self.parse_string(content, str(path), *args, **kwargs)

    def read_config(self, path: Path) -> str:
        """The settings of a file as YAML; a parser whose flags stand for classes looks at what the file names."""
        settings = settings_in(path)
        for name, reason in self.absent.items():
            # A file that repeats the other command names its flags too; a switch asks for what is done anyway.
            if isinstance(settings.pop(name, None), str):
                raise UsageError(f"expected no {name} in {path}, because {reason}")
        return as_yaml(settings)

    def spelt_out(self, arguments: Iterable[str]) -> list[str]:
        """A command line as jsonargparse writes it: ``--overwrite true``, ``--attacks '["fgsm", "cwa"]'``."""
        known = {option for action in self._actions for option in action.option_strings}
        written: list[str] = []
        for flag, values in groups(arguments):
            name, equals, value = flag.partition("=")
            if name not in known and name.replace("-", "_").replace("__", "--", 1) in known:
                name = name.replace("-", "_").replace("__", "--", 1)
            given = [value] if equals else values
            if name in self.switches and not given:
                written.append(f"{name}=true")
            elif name in self.lists and given and not given[0].startswith("["):
                written.append(f"{name}={json.dumps(given)}")
            else:
                written += [name + equals + value, *values] if flag else values
        return written

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a sentence instead of printing a page of usage."""
        inner = next((one for one in causes(ex) if isinstance(one, BadValueError)), None)
        key = KEY.match(message)
        names = [key["key"]] if key else []
        if inner is not None:
            raise BadValueError([*names, *inner.names], inner.reason) from None
        if message.startswith(UNKNOWN):
            raise UsageError(self.unknown(message.removeprefix(UNKNOWN))) from None
        if message.startswith(REQUIRED):
            missing = message.removeprefix(REQUIRED).split(", ")
            written = {action.dest: action.option_strings[0] for action in self._actions if action.option_strings}
            flags = " and ".join(written.get(name, name.upper()) for name in missing)
            raise UsageError(f"expected {flags} on the command line, found none; see --help") from None
        group = next((found for one in causes(ex) if (found := GROUP.search(str(one)))), None)
        if group is not None:
            below = [name for name in self.names() if re.match(rf"{re.escape(group['group'])}\.(?!help)\w+$", name)]
            such = f", or single ones such as --{below[0]}" if below else ""
            raise UsageError(
                f"expected --{group['group']} to be a file of settings{such}, got {group['value']!r}"
            ) from None
        raise BadValueError(names, message if ex is None else reason_of(ex)) from None

    def unknown(self, arguments: str) -> str:
        """The error message for words of a command line that belong to no flag."""
        words = arguments.split()
        flag = next((word for word in words if word.startswith("-")), None)
        if flag is not None:
            name = flag.partition("=")[0].lstrip("-").replace("-", "_")
            if name in self.absent:
                return f"expected no --{name}, because {self.absent[name]}"
            return unknown_flag(flag, self.names(), self.prog)
        if all(word.isdecimal() for word in words):
            # Numbers without a flag of their own: more folds.
            return f"{UNKNOWN}{arguments}; expected several folds with commas between them, such as --folds 1,2"
        return f"expected flags of {self.prog}, which begin with two hyphens, got {arguments!r}; see --help"

    def names(self) -> list[str]:
        """The flags that the parser knows, without hyphens."""
        options = [option for action in self._actions for option in action.option_strings[:1]]
        return [option[2:] for option in options if option.startswith("--")]


KEY = re.compile(r'^(?:Parser key|Problem with given class_path) [^\w]?(?P<key>[\w.]+)"?')
GROUP = re.compile(r'"(?P<group>[\w.]+)": Unable to load config "(?P<value>.*)"')
"""What jsonargparse says of a word given to a group of flags."""
UNKNOWN = "unrecognized arguments: "
REQUIRED = "the following arguments are required: "


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what caused it, what caused that, and so on; a union's first alternative caused the union's error."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def reason_of(error: BaseException) -> str:
    """The message of an error of jsonargparse, worded like those of this project: ``expected int, got x``.

    A value that fits none of several types, or a class that refuses its settings, is told in a page around the first
    reason; that is the error's cause.
    """
    told = (str(one) for one in causes(error))
    reason = next((one for one in told if not KEY.match(one) and "Union subtypes" not in one), str(error))
    reason = re.sub(r"<class '([\w.]+\.)?(\w+)'>", r"\2", reason)
    reason = re.sub(r"typing\.Literal\[(.*?)\]", lambda found: "one of " + found[1].replace("'", ""), reason)
    reason = re.sub(r"^Expected (an?|the) ", "expected ", reason)
    reason = re.sub(r"^No module named '\w+'$", rf"expected a class to import, found: \g<0>{SEARCHED}", reason)
    return " ".join(reason.replace(". Got value: ", ", got ").split())


def groups(arguments: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each flag of a command line with the words behind it; words before the first flag have an empty one."""
    flag, values = "", list[str]()
    for word in arguments:
        if word.startswith("--") and len(word) > 2:
            if flag or values:
                yield flag, values
            flag, values = word, []
        else:
            values.append(word)
    if flag or values:
        yield flag, values


def check_names(arguments: Sequence[str]) -> None:
    """Refuse unknown names of corpora, representations and architectures before the parser sees them.

    An import path (``package.Class``), a file or a dictionary passes: users may bring their own classes.

    Raises:
        UsageError: naming what is allowed, and the nearest of it.
    """
    flat = [part for argument in arguments for part in (argument.split("=", 1) if argument[:2] == "--" else [argument])]
    for flag, value in itertools.pairwise(flat):
        allowed = CHOICES.get(flag)
        if allowed and value not in allowed and not set(value) & set("./{"):
            raise UsageError(f"expected {flag} to be one of {', '.join(allowed)}, got {value!r}{meant(value, allowed)}")


def read_flags(
    settings: type[T],
    program: str,
    args: Sequence[str] | None,
    *,
    description: str,
    examples: Sequence[Example],
    absent: Mapping[str, str] | None = None,
) -> T:
    """Read the command line of a command whose flags are a dataclass.

    Args:
        settings: the dataclass; a group of flags is a dataclass inside it.
        program: the command.
        args: the command line; that of the process by default.
        description: what the command does, in a sentence.
        examples: command lines that work as they stand.
        absent: flags of a kindred command that this one does without, values and switches for what it does anyway, each
            with the reason that is given to a user who asks for it.

    Raises:
        UsageError: if a flag is invalid.
        SystemExit: after ``--help``.
    """
    parser = OneSentenceParser(prog=program)
    parser.add_argument("--config", action="config", help="YAML with any of these flags; flags behind it override it")
    parser.add_flags(settings)
    parser.absent = absent or {}
    parser.page = lambda: help_text(program, description, examples, help_groups(settings))
    return build(settings, parser.parse_args(args).as_dict())


def build(settings: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass from plain values by name, those of a dataclass inside it as a mapping; other names are left out."""
    annotations = get_type_hints(settings)
    chosen = {name: value for name, value in values.items() if name in annotations}
    return settings(
        **{
            name: build(annotations[name], value) if is_dataclass(annotations[name]) else value
            for name, value in chosen.items()
        }
    )


def help_groups(settings: type) -> list[Group]:
    """The flags of a dataclass for ``--help``: its own first, then those of each dataclass inside it."""
    flags = dataclass_flags(settings)
    titles = {"data": "data on this machine", "wandb": "Weights & Biases", "trainer": "devices (Lightning's Trainer)"}
    found = [Group("flags", [flag for flag in flags if "." not in flag.name])]
    for prefix in dict.fromkeys(flag.name.split(".")[0] for flag in flags if "." in flag.name):
        group = [flag for flag in flags if flag.name.startswith(f"{prefix}.")]
        found.append(Group(titles.get(prefix, prefix), group))
    return found


def _expanded(value: Any) -> Any:
    """A flag's value, or each of several, with the user's home folder in place of a ``~`` at the beginning.

    The shell does that for words of their own only, neither behind ``--flag=`` nor in a file of settings.
    """
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    # Path would change other text too, "" to "." for example, and refuse a ~ that begins no user's name.
    return os.path.expanduser(value) if isinstance(value, str) else value  # noqa: PTH111
