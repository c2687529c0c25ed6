"""Profiles of budgets, the settings that attacks are run with, read from YAML and checked before any long work."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.space import MAP, SPACES, Space
from storage.yaml_file import read_yaml

PROFILES = Path(__file__).resolve().parent.parent / "configs" / "budgets"

Budget = dict[str, Any]
"""The settings of an attack that one budget fixes, for example ``{"delta": 0.004, "steps": 20}``."""


def read_profile(name: str | Path, space: Space = MAP) -> dict[str, list[Budget]]:
    """Read the budgets of every attack of a profile.

    Args:
        name: ``smoke``, ``reduced``, ``paper``, or a YAML file that maps names of attacks to grids.
        space: what is attacked; each space has profiles of its own.

    Returns:
        Budgets by attack, in the order of the grid.

    Raises:
        ValueError: if there is no such profile, it is not a mapping of attacks to grids, or its sizes are those of
            another space.
    """
    folder = PROFILES if space == MAP else PROFILES / space.name
    path = Path(name) if str(name).endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise ValueError(f"expected a profile of budgets among {known}, or a YAML file, got {str(name)!r}")
    content = read_yaml(path)
    profile = {str(attack): expand_grid(f"{attack} in {path}", grid) for attack, grid in content.items()}
    for other in (one for one in SPACES.values() if one != space):
        wrong = [attack for attack, budgets in profile.items() if any(other.size in budget for budget in budgets)]
        if wrong:
            raise ValueError(
                f"expected budgets of attacks on {space.name}s in {path}, with {space.size} as their size, found "
                f"{other.size} for {wrong[0]}; choose another file, or --space {other.name}"
            )
    return profile


def expand_grid(place: str, grid: Any) -> list[Budget]:
    """Make one budget from every combination of a grid's values.

    Args:
        place: what the grid belongs to, for the error message.
        grid: settings by name; a list is an axis of the grid, any other value is the same in every budget.

    Returns:
        Budgets, with the last axis varying fastest.

    Raises:
        ValueError: for a grid that is not a mapping, an empty axis, or a repeated value.
    """
    if not isinstance(grid, Mapping):
        raise ValueError(f"expected settings and their values for {place}, got {grid!r}")
    axes = {str(name): value if isinstance(value, list) else [value] for name, value in grid.items()}
    for name, values in axes.items():
        nested = [value for value in values if isinstance(value, list | dict)]
        if nested:
            raise ValueError(f"expected numbers and words as {name} for {place}, got {nested[0]}")
        if not values or len({repr(value) for value in values}) < len(values):
            raise ValueError(f"expected at least one value of {name} for {place} and each only once, got {values}")
    return [dict(zip(axes, combination, strict=True)) for combination in itertools.product(*axes.values())]
