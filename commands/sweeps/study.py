"""A study: several sweeps and single settings in the order of their importance, with each setting run once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands.errors import UsageError
from commands.sweeps.file import SweepFile
from storage.untrusted import shortened
from storage.yaml_file import read_yaml

SWEEPS = Path(__file__).parents[2] / "configs" / "sweeps"
KEYS = {"study", "corpus", "flags", "folds", "parts"}
PART_KEYS = {"part", "sweep", "without", "points", "flags"}


@dataclass(frozen=True)
class StudyPoint:
    """One setting of a study.

    Attributes:
        part: which part of the study asks for it.
        parameters: values by flag, as in a sweep.
        arguments: what follows ``sweep.py point`` on its command line, without ``--folds``.
    """

    part: str
    parameters: dict[str, Any]
    arguments: list[str]


@dataclass(frozen=True)
class Study:
    """The content of a study's YAML file.

    Attributes:
        name: the study's name, that of its file by default.
        corpus: class of the corpus (``ESC10``); settings of a sweep on another corpus are left out.
        folds: passes over all settings, each with the folds that it trains and attacks; one pass over all by default.
        points: the settings in the order of the file; one may stand in several parts.
    """

    name: str
    corpus: str | None
    folds: list[list[int]]
    points: list[StudyPoint]

    @classmethod
    def read(cls, path: Path | str) -> "Study":
        """Read a study, and the sweeps that it names.

        Raises:
            UsageError: if the file is not there, has other keys, or names a sweep that is not in ``configs/sweeps``.
        """
        path = Path(path)
        content = read_mapping(path)
        unknown = sorted(set(content) - KEYS)
        if unknown:
            raise UsageError(f"expected only {', '.join(sorted(KEYS))} in the study {path}, found {unknown[0]!r}")
        corpus, parts, folds = content.get("corpus"), content.get("parts"), content.get("folds")
        if not isinstance(parts, list) or not parts:
            raise UsageError(f"expected parts in the study {path}, found {shortened(parts)}")
        flags = _flags(path, content.get("flags"))
        return cls(
            name=str(content.get("study") or path.stem),
            corpus=None if corpus is None else str(corpus),
            folds=_passes(path, folds),
            points=[
                point
                for part in parts
                for point in _points(path, part, flags)
                if corpus is None or _corpus_of(point) in (None, corpus)
            ],
        )


def is_study(path: Path | str) -> bool:
    """Whether a file is a study rather than a sweep: it has ``parts`` and no ``method``.

    Raises:
        UsageError: if it is not a readable YAML file.
    """
    content = read_mapping(Path(path))
    return "parts" in content and "method" not in content


def read_mapping(path: Path) -> dict[str, Any]:
    """Content of a YAML file of settings.

    Raises:
        UsageError: if the file is not there, or not readable as one mapping.
    """
    if not path.is_file():
        raise UsageError(
            f"expected a sweep or a study in {path}, found: {'a folder' if path.is_dir() else 'No such file'}"
        )
    try:
        return read_yaml(path)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _points(path: Path, part: Any, flags: list[str]) -> Iterator[StudyPoint]:
    known = ", ".join(sorted(PART_KEYS))
    if not isinstance(part, dict) or set(part) - PART_KEYS or ("sweep" in part) == ("points" in part):
        raise UsageError(
            f"expected each part of {path} to have either sweep or points and no keys but {known}, "
            f"found {shortened(part)}"
        )
    flags = [*flags, *_flags(path, part.get("flags"))]
    if "sweep" in part:
        name = str(part["sweep"])
        file = SWEEPS / f"{name}.yaml"
        if file.name not in {one.name for one in SWEEPS.glob("*.yaml")}:
            names = ", ".join(sorted(one.stem for one in SWEEPS.glob("*.yaml")))
            raise UsageError(f"expected a sweep of {path} to be one of {names}, found {name!r}")
        sweep = SweepFile.read(file)
        without = _without(path, part.get("without"), sweep)
        for parameters in sweep.points():
            if any(parameters[key] in values for key, values in without.items()):
                continue
            yield StudyPoint(str(part.get("part", name)), parameters, [*sweep.arguments(parameters), *flags])
        return
    points = part["points"]
    if not isinstance(points, list) or not all(_is_setting(point) for point in points):
        raise UsageError(f"expected points of {path} to be flags with numbers and words, found {shortened(points)}")
    for parameters in points:
        given = [f"--{flag}={_written(value)}" for flag, value in parameters.items()]
        yield StudyPoint(str(part.get("part", "points")), parameters, [*given, *flags])


def _without(path: Path, without: Any, sweep: SweepFile) -> dict[str, list[Any]]:
    """Values of a sweep's keys that a study leaves out."""
    if without is None:
        return {}
    known = isinstance(without, dict) and all(
        key in sweep.parameters and isinstance(values, list) and set(values) <= set(sweep.parameters[key])
        for key, values in without.items()
    )
    if not known:
        raise UsageError(f"expected without in {path} to hold values of {sweep.name}, found {shortened(without)}")
    return dict(without)


def _is_setting(point: Any) -> bool:
    return (
        isinstance(point, dict)
        and "config" in point
        and all(isinstance(key, str) and isinstance(value, str | int | float) for key, value in point.items())
    )


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flags(path: Path, flags: Any) -> list[str]:
    if flags is None:
        return []
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise UsageError(f"expected flags of {path} to be a list of words, found {shortened(flags)}; quote numbers")
    return flags


def _passes(path: Path, folds: Any) -> list[list[int]]:
    """The passes over the folds; an empty list is one pass with whatever folds the points themselves name."""
    folds = [] if folds is None else folds
    wrong = not isinstance(folds, list) or not all(
        isinstance(chosen, list) and chosen and all(type(fold) is int and fold > 0 for fold in chosen)
        for chosen in folds
    )
    if wrong:
        raise UsageError(f"expected folds of {path} to be lists of numbers, [[1, 2], [3]], found {shortened(folds)}")
    return folds


def _corpus_of(point: StudyPoint) -> str | None:
    """The corpus that a setting's configuration file names; None where it names none."""
    if "data" in point.parameters:
        return str(point.parameters["data"])
    data = read_mapping(Path(str(point.parameters.get("config")))).get("data")
    return str(data["class_path"]).rsplit(".", 1)[-1] if isinstance(data, dict) and "class_path" in data else None
