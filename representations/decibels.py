"""Levels in decibels, relative to each clip's own maximum, with finite gradients in silence."""

import torch
from torch import Tensor

RANGE_DB = 80.0


def normalise_peak(clips: Tensor) -> Tensor:
    """Divide each clip by its largest absolute sample, so that no power of a quiet clip underflows.

    The divisor is detached from the graph: the map does not depend on the level, so its derivative is zero.

    Args:
        clips: ``(batch, time)``.

    Returns:
        ``(batch, time)`` with largest absolute value 1 per clip, or all zeros.
    """
    peak = clips.detach().abs().amax(1, keepdim=True)
    return clips / peak.masked_fill(peak == 0.0, 1.0)


def relative_level(values: Tensor, *, decibels_per_decade: float) -> Tensor:
    """Level relative to the clip's largest value, from -80 dB (0) to 0 dB (1), linear in decibels.

    Args:
        values: ``(batch, rows, columns)``, non-negative powers or magnitudes.
        decibels_per_decade: 10 for powers, 20 for magnitudes.

    Returns:
        ``(batch, rows, columns)`` in [0, 1]; all zeros, with zero gradient, where a clip has no positive value.
    """
    decades = RANGE_DB / decibels_per_decade
    # With the bottom of the range at 1, the logarithm of the floor is exactly 0.
    ratios = relative_magnitude(values) * 10.0**decades
    return (ratios.clamp(min=1.0).log10() / decades).clamp(max=1.0)


def relative_magnitude(values: Tensor) -> Tensor:
    """Divide the values by the largest one of the clip; an all-zero clip stays zero.

    Args:
        values: ``(batch, rows, columns)``, non-negative.

    Returns:
        ``(batch, rows, columns)`` in [0, 1].
    """
    largest = values.amax((1, 2), keepdim=True)
    return values / largest.masked_fill(largest == 0.0, 1.0)


def spread(values: Tensor) -> Tensor:
    """Shift and scale the values of each clip to [0, 1], the smallest to 0 and the largest to 1.

    Args:
        values: ``(batch, rows, columns)``.

    Returns:
        ``(batch, rows, columns)`` in [0, 1]; all zeros where all values of a clip are equal.
    """
    smallest = values.amin((1, 2), keepdim=True)
    return relative_magnitude(values - smallest)


def power_decibels(power: Tensor, *, smallest_power: float = 1e-10) -> Tensor:
    """Power in dB relative to 1, clamped at 80 dB below the largest of the clip, as ``librosa.power_to_db`` by default.

    Args:
        power: ``(batch, rows, columns)``, non-negative.
        smallest_power: lower bound of the power before the logarithm.

    Returns:
        ``(batch, rows, columns)`` in dB.
    """
    floor = (power.amax((1, 2), keepdim=True) * 10.0 ** (-RANGE_DB / 10.0)).clamp(min=smallest_power)
    return 10.0 * torch.maximum(power, floor).log10()
