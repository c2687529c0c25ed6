"""Settings files (``--config FILE``), which import nothing that the user did not name.

A settings file may come from anyone, for example with a published run. A class outside the project is imported only if
the command line names its package too: with ``--allow-import PACKAGE``, or in the import path of a corpus,
representation or architecture.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import get_loader

from storage.untrusted import is_import_path, shortened
from storage.yaml_file import read_yaml

NOT_SETTINGS = ("identity", "table_digest", "overwrite", "allow_import", "config")
"""What a run's own file says beside its settings, and what only a command line may say."""
NAMING_FLAGS = ("--data", "--data.representation", "--model.architecture")


def settings_in(path: Path) -> dict[str, Any]:
    """Read a file of settings.

    Args:
        path: a YAML file, or the ``config.yaml`` of a run, which repeats it.

    Returns:
        The settings, without what only a command line may say.

    Raises:
        ValueError: if it is no YAML, is a sweep, or holds a key twice or with dots in it.
    """
    read_yaml(path)
    # As the parser reads numbers: 1e-3 is one, unlike in YAML 1.1.
    content = get_loader("yaml")(path.read_text(encoding="utf-8"))
    if {"method", "parameters"} <= content.keys() or {"study", "parts"} <= content.keys():
        raise ValueError(
            f"expected settings of this command in {path}, found a sweep; run it with python sweep.py {path}"
        )
    wrong = next((key for key in content if not isinstance(key, str) or "." in key), None)
    if wrong is not None:
        raise ValueError(f"{path}: expected settings in groups, got the key {shortened(wrong)}")
    return {key: value for key, value in content.items() if key not in NOT_SETTINGS}


def as_yaml(settings: Mapping[str, Any]) -> str:
    """Settings as the parser takes them."""
    return yaml.safe_dump(dict(settings), sort_keys=False)


def packages_named(arguments: Sequence[str]) -> tuple[str, ...]:
    """Packages that a command line names: behind ``--allow-import``, and as classes or functions to use."""
    found: dict[str, None] = {}
    flag = ""
    for argument in arguments:
        flag, equals, value = argument.partition("=") if argument.startswith("--") else (flag, "", argument)
        if argument.startswith("--") and not equals:
            continue
        if flag in ("--allow-import", "--allow_import"):
            found[value] = None
        elif flag in NAMING_FLAGS and is_import_path(value):
            found[value.split(".")[0]] = None
    return tuple(found)
