"""Confounders: other settings in which the two sides of a comparison differ, and the control run without them."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reporting.runs import Run

INCIDENTAL = {"root", "cache_dir", "cache_maps", "fold", "seed", "num_workers", "download", "num_classes"}
"""Settings that do not affect results, or that differ between the models of one setting by design."""
EPOCHS = "epochs trained"
WAVEFORM = "Waveform"
"""Class of the representation of end-to-end nets."""


def beyond_the_claim(
    first: Iterable[Run], second: Iterable[Run], varied: str | None = None
) -> tuple[tuple[str, ...], str | None]:
    """Training settings in which two sides differ, although the claim is not about them.

    Settings of the representation are not considered: within one representation only the varied one differs, and
    different representations have different settings.

    Args:
        first: runs of one side.
        second: runs of the other.
        varied: the setting that the claim is about; None for the representation.

    Returns:
        Names of the settings with the values of both sides, such as ``instance_norm (false; true)``, and the command
        that trains the first differing run of the second side with the values of the first side; None if nothing
        differs, or no such run can be.
    """
    sides = [[(run, _settings(run)) for run in runs] for runs in (first, second)]
    if not all(sides):
        return (), None
    # A setting that an earlier version did not record is not known to differ.
    known = set.intersection(*(set(settings) for side in sides for _, settings in side))
    differing = []
    for key in sorted(known):
        values = [dict.fromkeys(_written(settings[key]) for _, settings in side) for side in sides]
        if key.rsplit(".", 1)[-1] != varied and set(values[0]) != set(values[1]):
            differing.append((key, values))
    if not differing:
        return (), None
    said = tuple(
        f"{key.rsplit('.', 1)[-1]} ({' or '.join(values[0])}; {' or '.join(values[1])})" for key, values in differing
    )
    wanted = {key: sides[0][0][1][key] for key, _ in differing}
    other = next(
        (run for run, settings in sides[1] if any(settings[key] != value for key, value in wanted.items())),
        sides[1][0][0],
    )
    if (
        "model.architecture" in wanted
        and len({run.representation == WAVEFORM for run, _ in (*sides[0], *sides[1])}) > 1
    ):
        # A net for maps takes no waveform, nor the other way round.
        return said, None
    return said, control_command(other, wanted)


def note_of(first: Iterable[Run], second: Iterable[Run], varied: str | None = None) -> str:
    """:func:`beyond_the_claim` as a sentence; empty if nothing differs."""
    differing, command = beyond_the_claim(first, second, varied)
    if not differing:
        return ""
    control = f"; control: {command}" if command else ""
    return f"the two sides also differ in {', '.join(differing)}{control}"


def control_command(run: Run, changed: Mapping[str, Any]) -> str | None:
    """The command that trains a run again from its own ``config.yaml`` with some settings changed.

    Args:
        run: the run to repeat.
        changed: new values by dotted name, as in :func:`beyond_the_claim`.

    Returns:
        The command; None if the run's recipe is unknown.
    """
    if not run.summary.get("recipe"):
        return None
    # A run without a recorded number of epochs is repeated for as many as the other was trained.
    flags = {"trainer.max_epochs" if key == EPOCHS else key: value for key, value in changed.items()}
    words = ["python", "train.py", "--config", f"runs/{run.name}/config.yaml"]
    for key, value in {**flags, "data.root": "DIR", "name": f"{run.path.name}-control"}.items():
        words += [f"--{key}", _written(value)]
    return " ".join(word if word.startswith("--") else shlex.quote(word) for word in words)


def runs_of(side: Sequence[Sequence[Run]]) -> list[Run]:
    """All runs of the settings of one side."""
    return [run for runs in side for run in runs]


def _settings(run: Run) -> dict[str, Any]:
    """The training settings of a run by dotted name, as in the flags of ``train.py``, without its representation."""
    found: dict[str, Any] = {
        "model.instance_norm": bool(run.settings.get("instance_norm")),
        "model.architecture": run.settings.get("architecture"),
        "data.augmentation": run.settings.get("augmentation"),
    }
    recipe = run.summary.get("recipe") or {}
    data = (recipe.get("data") or {}).get("init_args") or {}
    parts = {
        "data": {key: value for key, value in data.items() if key != "representation"},
        "model": recipe.get("model") or {},
        **(run.summary.get("training") or {}),
    }
    found |= {key: value for key, value in _dotted(parts) if key.rsplit(".", 1)[-1] not in INCIDENTAL}
    if "training" not in run.summary and run.summary.get("folds") and run.epochs:
        # Runs of earlier versions have no recorded number of epochs.
        found[EPOCHS] = run.epochs
    return found


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _written(value: Any) -> str:
    """A value in the notation of a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_written, value))}]"
    return str(value)
