"""A sweep as Weights & Biases reads it: a YAML file that says which settings are combined and what is run for each."""

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from commands.errors import UsageError
from storage.yaml_file import read_yaml

PROGRAM = Path(__file__).parents[2] / "sweep.py"
POINT = ["${env}", "${interpreter}", "${program}", "point"]


@dataclass(frozen=True)
class SweepFile:
    """A grid of settings.

    Args:
        name: the sweep's name, that of its file by default.
        metric: the number by which Weights & Biases ranks the points.
        parameters: values of each key, keys in alphabetical order, in which W&B gives them to a command.
        command: what is run for a point, with W&B's macros.
    """

    name: str
    metric: str
    parameters: dict[str, list[Any]]
    command: list[str]

    @classmethod
    def read(cls, path: Path | str) -> "SweepFile":
        """Read a sweep of this project.

        Raises:
            UsageError: if the file is not there, or not a grid whose command is ``sweep.py point``.
        """
        path = Path(path)
        if not path.is_file():
            raise UsageError(f"expected a sweep in {path}, found: {'a folder' if path.is_dir() else 'No such file'}")
        try:
            content = read_yaml(path)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if content.get("method") != "grid":
            found = content.get("method")
            if found is None:
                raise UsageError(
                    f"expected a sweep in {path}, found no method: grid; train.py reads settings (--config)"
                )
            raise UsageError(f"expected a sweep with method: grid in {path}, found {found!r}; others need W&B's server")
        command = content.get("command")
        if not isinstance(command, list) or command[: len(POINT)] != POINT or content.get("program") != PROGRAM.name:
            raise UsageError(
                f"expected {path} to have program: {PROGRAM.name} and a command that begins with {' '.join(POINT)}, "
                f"found {content.get('program')!r} and {command!r}; `wandb sweep` takes any command"
            )
        parameters = content.get("parameters")
        if not isinstance(parameters, dict) or not parameters:
            raise UsageError(f"expected parameters in {path}, found {parameters!r}")
        wrong = [key for key in parameters if not isinstance(key, str)]
        if wrong:
            raise UsageError(f"expected names of flags as parameters in {path}, found {wrong[0]!r}")
        metric, name = content.get("metric") or {}, content.get("name") or path.stem
        if not isinstance(metric, dict) or not isinstance(name, str):
            raise UsageError(f"expected a name, and a metric with one, in {path}, found {name!r} and {metric!r}")
        return cls(
            name=name,
            metric=str(metric.get("name", "")),
            parameters={key: _values(path, key, parameters[key]) for key in sorted(parameters)},
            command=[str(part) for part in command],
        )

    def points(self) -> list[dict[str, Any]]:
        """Every combination of the values, the last key changing fastest, as W&B's grid search makes them."""
        return [
            dict(zip(self.parameters, values, strict=True)) for values in itertools.product(*self.parameters.values())
        ]

    def arguments(self, point: dict[str, Any]) -> list[str]:
        """What follows ``sweep.py point`` in the command of a point, its macros replaced as W&B's agent does."""
        macros = create_sweep_command_args({"args": {key: {"value": value} for key, value in point.items()}})
        filled: list[str] = []
        for part in create_sweep_command(list(self.command))[len(POINT) :]:
            macro = part[2:-1] if part.startswith("${") and part.endswith("}") else None
            filled += [part] if macro is None else macros.get(macro) or []
        return filled


def full_command(arguments: Sequence[str]) -> list[str]:
    """The command of a point for this machine's Python, as W&B's agent would write it.

    Args:
        arguments: what follows ``sweep.py point``.
    """
    return ["/usr/bin/env", sys.executable, str(PROGRAM), "point", *arguments]


def _values(path: Path, key: str, parameter: Any) -> list[Any]:
    if isinstance(parameter, dict) and "value" in parameter:
        return [parameter["value"]]
    values = parameter.get("values") if isinstance(parameter, dict) else None
    if not isinstance(values, list) or not values:
        raise UsageError(f"expected value or values for {key} in {path}, found {parameter!r}")
    missing = [value for value in values if value is None or isinstance(value, dict)]
    if missing:
        # W&B writes them as Python does, which no flag reads.
        raise UsageError(f"expected numbers and words for {key} in {path}, found {missing[0]!r}; quote it")
    return values
