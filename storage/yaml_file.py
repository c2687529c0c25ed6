"""YAML files of settings: one mapping, each key once."""

from pathlib import Path
from typing import Any

import yaml


class UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys, as YAML requires and PyYAML does not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, or raise if a key is duplicated."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            # Merge keys may be repeated; keys that are not scalars are refused by the parent class.
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} twice, the second time in line {key.start_mark.line + 1}", None
                )
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ValueError: if the file is not readable as one, or a key is duplicated.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), UniqueKeys)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"expected YAML in {path}, found: {reason}") from error
    if not isinstance(content, dict) or not content:
        raise ValueError(f"expected a mapping in {path}, found {type(content).__name__}")
    return content
