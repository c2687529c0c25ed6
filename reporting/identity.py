"""The settings that identify a run, and the differences between two runs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storage.run_folder import ADDED_LATER

if TYPE_CHECKING:
    from reporting.runs import Run

INCIDENTAL = {"root", "cache_dir", "cache_maps", "fold", "seed", "num_workers", "download", "num_classes"}
"""Settings that do not distinguish runs: paths, numbers of processes, the fold named first, and the seed."""
OWN_PLACE = {"representation", "augmentation", "architecture", "instance_norm", "split"}
"""Settings that are in a run's ``settings``, or are equal for all runs of a report."""
COMMON = {"resize", "align_corners", "antialias"}
"""Settings that are equal for nearly all runs of this project; named only if runs differ in them."""
NOT_RECORDED = "not recorded"


def settings_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that tables compare: representation and its settings, architecture, augmentation, normalisation.

    Args:
        summary: content of a run's ``summary.json``.

    Raises:
        KeyError: if the summary lacks one of them.
    """
    representation = dict(summary["representation"])
    settings = {
        "representation": class_name(representation.pop("class")),
        **representation,
        "architecture": class_name(summary["architecture"]),
        "augmentation": summary["recipe"]["data"]["init_args"].get("augmentation"),
    }
    if summary["recipe"]["model"].get("instance_norm"):
        settings["instance_norm"] = True
    return {key: _hashable(value) for key, value in settings.items()}


def training_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """All other settings that determine a run: its data, its training, and the import paths of a user's own classes.

    Args:
        summary: content of a run's ``summary.json``.

    Returns:
        Plain values by the names of their flags without the groups, such as ``max_epochs``, ``patience``, ``decay``,
        ``learning_rate``, ``padding``. Settings that an earlier version did not record are absent.

    Raises:
        KeyError: if the summary lacks its recipe.
    """
    data, model = summary["recipe"]["data"], summary["recipe"]["model"]
    found: dict[str, Any] = {"corpus_class": class_name(data.get("class_path"))}
    later = {name.split(".")[1]: value for name, value in ADDED_LATER.items() if name.startswith("model.")}
    for group in (data["init_args"], {**later, **model}):
        found |= {key: value for key, value in group.items() if key not in INCIDENTAL | OWN_PLACE}
    for group in (summary.get("training") or {}).values():
        found |= group
    if "table_digest" in summary:
        found["table_digest"] = summary["table_digest"]
    # Two classes of the same name are distinguished by their import path and arguments.
    for what, given in (
        ("representation", data["init_args"].get("representation")),
        ("architecture", model.get("architecture")),
    ):
        path = given.get("class_path") if isinstance(given, dict) else given
        if isinstance(path, str) and "." in path and path.split(".")[0] not in ("representations", "classifiers"):
            found[f"{what}_class"] = path
            if what == "architecture" and isinstance(given, dict):
                found |= {f"architecture.{key}": value for key, value in (given.get("init_args") or {}).items()}
    return {key: _hashable(value) for key, value in found.items()}


def class_name(given: Any) -> str:
    """Name of a class without its module, from a name, an import path, or a dictionary with ``class_path``."""
    path = given.get("class_path") if isinstance(given, dict) else given
    return str(path).rsplit(".", 1)[-1]


def setting_key(run: "Run") -> tuple[Any, ...]:
    """A key that is equal for runs of one setting, which differ only in the seed."""
    return (run.corpus, run.split, *_items(run.settings), "trained", *_items(run.training))


def training_key(run: "Run") -> tuple[Any, ...]:
    """A key that is equal for runs trained in the same way, whatever their representation and architecture."""
    return _items(run.training)


def varying(runs: Sequence["Run"]) -> list[str]:
    """Names of the settings, other than the seed, in which these runs differ and which :func:`differences` can show."""
    names = COMMON.union(*(run.training for run in runs))
    by_name: dict[tuple[str, str], set[Any]] = {}
    for run in runs:
        for key in names:
            # The default learning rate depends on the architecture, and not every representation resizes.
            whose = str(run.settings["architecture"]) if key == "learning_rate" else ""
            whose = run.representation if key in COMMON else whose
            by_name.setdefault((key, whose), set()).add(_value(run, key))
    return sorted({key for (key, _), values in by_name.items() if len(values) > 1})


def differences(run: "Run", names: Iterable[str]) -> str:
    """The values of a run for these names in words, such as ``max_epochs 24, patience 5``; empty without names."""
    # Waveforms are not resized.
    shown = (name for name in names if name not in COMMON or name in run.settings)
    return ", ".join(f"{name} {_printed(_value(run, name))}" for name in shown)


def unlike(run: "Run", other: "Run", without: Iterable[str] = ()) -> str:
    """How the settings of a run differ from another's, in words: ``max_epochs 24, not 12``; empty if they are equal."""
    names = run.settings.keys() | other.settings.keys() | run.training.keys() | other.training.keys()
    return ", ".join(
        f"{name} {_printed(_value(run, name))}, not {_printed(_value(other, name))}"
        for name in sorted(names - set(without))
        if _value(run, name) != _value(other, name)
    )


def differing(run: "Run", other: "Run") -> set[str]:
    """Names of the settings in which two runs differ, with ``seed`` if they differ in it.

    What only one of two representations has, and the learning rate of another architecture, come with the choice and do
    not count.
    """
    names = run.settings.keys() | other.settings.keys() | run.training.keys() | other.training.keys()
    if run.representation != other.representation:
        names -= (run.settings.keys() ^ other.settings.keys()) - {"instance_norm"}
    if run.settings["architecture"] != other.settings["architecture"]:
        names -= {"learning_rate"}
    found = {name for name in names if _value(run, name) != _value(other, name)}
    return found | {"seed"} if run.seed != other.seed else found


def _value(run: "Run", name: str) -> Any:
    return run.settings.get(name, run.training.get(name, NOT_RECORDED if name != "instance_norm" else False))


def _printed(value: Any) -> str:
    return "none" if value is None else str(value)


def _items(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(values.items()))


def _hashable(value: Any) -> Any:
    """A hashable copy of a setting, so that it can be part of a key: lists as tuples, dictionaries as JSON."""
    if isinstance(value, list):
        return tuple(_hashable(part) for part in value)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
