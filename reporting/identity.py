"""What makes a run the setting that it is, and what tells two of them apart."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from storage.run_folder import ADDED_LATER

if TYPE_CHECKING:
    from reporting.runs import Run

INCIDENTAL = {"root", "cache_dir", "cache_maps", "fold", "seed", "num_workers", "download", "num_classes"}
"""Where files lie, how many processes work, which fold the command named first, and the seed: no other setting."""
OWN_PLACE = {"representation", "augmentation", "architecture", "instance_norm", "split"}
"""Kept in a run's ``settings``, or the same for every run of a report."""
COMMON = {"resize", "align_corners", "antialias"}
"""The same for nearly every run of this project: named only where runs differ in it."""
NOT_RECORDED = "not recorded"


def settings_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables compare: class and settings of the representation, architecture, augmentation, normalisation.

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
    """Everything else that decides what a run is: its data, its training, and where classes of one's own come from.

    Args:
        summary: content of a run's ``summary.json``.

    Returns:
        Plain values by the names of their flags without the groups, such as ``max_epochs``, ``patience``, ``decay``,
        ``learning_rate``, ``padding``. What a run of an earlier version does not say is absent.

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
    # Two classes of the same name are told apart by where they come from and by how they were built.
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
    """What to call a class: the last part of its path, however it is given (a name, a path, or a dictionary)."""
    path = given.get("class_path") if isinstance(given, dict) else given
    return str(path).rsplit(".", 1)[-1]


def setting_key(run: "Run") -> tuple[Any, ...]:
    """What runs of one setting share: everything but the seed."""
    return (run.corpus, run.split, *_items(run.settings), "trained", *_items(run.training))


def training_key(run: "Run") -> tuple[Any, ...]:
    """What runs share that were trained alike, whatever representation and architecture they have."""
    return _items(run.training)


def varying(runs: Sequence["Run"]) -> list[str]:
    """Names of what is not the same for all of these runs, seeds apart, of what :func:`differences` can name."""
    names = COMMON.union(*(run.training for run in runs))
    by_name: dict[tuple[str, str], set[Any]] = {}
    for run in runs:
        for key in names:
            # Each architecture has a learning rate of its own by default, and not every representation resizes.
            whose = str(run.settings["architecture"]) if key == "learning_rate" else ""
            whose = run.representation if key in COMMON else whose
            by_name.setdefault((key, whose), set()).add(_value(run, key))
    return sorted({key for (key, _), values in by_name.items() if len(values) > 1})


def differences(run: "Run", names: Iterable[str]) -> str:
    """The values of a run for these names in words: ``max_epochs 24, patience 5``; empty without names."""
    return ", ".join(f"{name} {_printed(_value(run, name))}" for name in names)


def unlike(run: "Run", other: "Run", without: Iterable[str] = ()) -> str:
    """What a run has that another one has not, in words: ``max_epochs 24, not 12``; empty if they are one setting."""
    names = run.settings.keys() | other.settings.keys() | run.training.keys() | other.training.keys()
    return ", ".join(
        f"{name} {_printed(_value(run, name))}, not {_printed(_value(other, name))}"
        for name in sorted(names - set(without))
        if _value(run, name) != _value(other, name)
    )


def _value(run: "Run", name: str) -> Any:
    return run.settings.get(name, run.training.get(name, NOT_RECORDED if name != "instance_norm" else False))


def _printed(value: Any) -> str:
    return "none" if value is None else str(value)


def _items(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(values.items()))


def _hashable(value: Any) -> Any:
    """A list of two sizes has to serve as a part of a key, and so has whatever a class of one's own is given."""
    if isinstance(value, list):
        return tuple(_hashable(part) for part in value)
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
