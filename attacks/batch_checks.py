"""What an attack accepts: checked before anything is computed."""

from __future__ import annotations

import torch
from torch import Tensor


def check_inputs(inputs: Tensor, bounds: tuple[float, float]) -> None:
    """Raise ``ValueError`` unless inputs are floating ``(clips, ...)``, at least one clip, all within the bounds."""
    if not inputs.is_floating_point() or inputs.ndim < 2 or len(inputs) == 0:
        raise ValueError(
            f"expected floating inputs (clips, ...) with at least one clip, "
            f"got {inputs.dtype} of shape {tuple(inputs.shape)}"
        )
    # In the precision of the inputs: 0.2 in float32 is larger than 0.2.
    lower, upper = inputs.new_tensor(bounds).tolist()
    smallest, largest = float(inputs.amin()), float(inputs.amax())
    # Written so that NaN, which compares false, is refused too.
    if not (lower <= smallest and largest <= upper):
        raise ValueError(
            f"expected inputs within the bounds [{bounds[0]}, {bounds[1]}], got values from {smallest} to {largest}: "
            "pass the bounds of the inputs"
        )


def integers(name: str, values: Tensor, inputs: Tensor) -> Tensor:
    """One integer a clip, ``(clips,)``, on the device of the inputs.

    Args:
        name: what they are, for the error message.
        values: labels, targets or identities of clips.
        inputs: the batch that they belong to.

    Raises:
        ValueError: for another shape, or floats.
    """
    if values.shape != inputs.shape[:1] or values.is_floating_point():
        raise ValueError(
            f"expected integer {name} of shape ({len(inputs)},), got {values.dtype} of shape {tuple(values.shape)}"
        )
    return values.to(inputs.device, torch.long)
