"""Checks of inputs, labels, targets and settings that every attack makes before it computes anything."""

from __future__ import annotations

import numbers
import typing
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from attacks.ledger import Problem


def require_count(name: str, value: object, least: int) -> None:
    """Raise ``ValueError`` unless a setting is a whole number of at least ``least``."""
    # A float would be truncated silently later.
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"expected {name} to be a whole number of at least {least}, got {value!r}")


def check_inputs(inputs: Tensor, bounds: tuple[float, float]) -> None:
    """Raise ``ValueError`` unless inputs are floating point ``(clips, ...)``, at least one clip, within the bounds."""
    if not inputs.is_floating_point() or inputs.ndim < 2 or len(inputs) == 0:
        raise ValueError(
            f"expected floating inputs (clips, ...) with at least one clip, "
            f"got {inputs.dtype} of shape {tuple(inputs.shape)}"
        )
    # In the precision of the inputs: 0.2 in float32 is larger than 0.2.
    lower, upper = inputs.new_tensor(bounds).tolist()
    smallest, largest = float(inputs.amin()), float(inputs.amax())
    # Comparisons with NaN are false, so NaN is refused too.
    if not (lower <= smallest and largest <= upper):
        raise ValueError(
            f"expected inputs within the bounds [{bounds[0]}, {bounds[1]}], got values from {smallest} to {largest}: "
            "pass the bounds of the inputs"
        )


def integers(name: str, values: Tensor, inputs: Tensor) -> Tensor:
    """Check values of one integer per clip.

    Args:
        name: what they are, for the error message.
        values: labels, targets or identities of clips ``(clips,)``.
        inputs: the batch that they belong to.

    Returns:
        The values as int64 ``(clips,)`` on the device of the inputs.

    Raises:
        ValueError: for a different shape, or floats.
    """
    if values.shape != inputs.shape[:1] or values.is_floating_point():
        raise ValueError(
            f"expected integer {name} of shape ({len(inputs)},), got {values.dtype} of shape {tuple(values.shape)}"
        )
    return values.to(inputs.device, torch.long)


def check_logits(logits: Tensor, points: Tensor, problem: Problem | None = None) -> None:
    """Check the output of a victim.

    Args:
        logits: its output.
        points: its input, ``(clips, ...)``.
        problem: the batch under attack, whose labels and targets must be classes of the victim; None if they have been
            checked before.

    Raises:
        ValueError: unless there is one row of at least two logits per point, and labels and targets are valid classes.
    """
    if logits.ndim != 2 or len(logits) != len(points) or logits.shape[1] < 2:
        raise ValueError(
            f"expected a victim that returns logits ({len(points)}, classes) of at least two classes, "
            f"got an output of shape {tuple(logits.shape)}"
        )
    if problem is None:
        return
    classes = logits.shape[1]
    for name, values in (("labels", problem.true_labels), ("targets", problem.targets)):
        if values is None:
            continue
        lowest, highest = int(values.amin()), int(values.amax())
        if lowest < 0 or highest >= classes:
            raise ValueError(
                f"expected {name} among the victim's {classes} classes, 0 .. {classes - 1}, "
                f"got {lowest if lowest < 0 else highest}"
            )


def require_numbers(settings: Mapping[str, Any], annotations: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if a setting annotated as a number is not one, or one annotated as bool is not a bool.

    Args:
        settings: values by name.
        annotations: types of the constructor's arguments; settings without a type are not checked.
    """
    for name, value in settings.items():
        wanted = annotations.get(name)
        kinds = typing.get_args(wanted) or (wanted,)
        if value is None and type(None) in kinds:
            continue
        if bool in kinds and not isinstance(value, bool):
            raise ValueError(f"expected {name} to be true or false, got {value!r}")
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if {int, float} & set(kinds) and bool not in kinds and not number:
            raise ValueError(f"expected {name} to be a number, got {value!r}")
