"""Means of cells over the pixels of a coarser grid, and interpolation to a finer one, along one axis of a map."""

import torch
from torch import Tensor

from representations.products import banded_product, bands


def averaging_weights(inputs: int, size: int) -> tuple[Tensor, Tensor]:
    """Weight of each cell in each pixel along an axis.

    Pixel i covers the interval [i, i + 1) * inputs / size of the axis. Where the axis shrinks, a cell is weighted by
    the share of the pixel that it fills; where it grows, values are interpolated between the two nearest centres, and
    the outermost values are repeated.

    Args:
        inputs: number of cells.
        size: number of pixels.

    Returns:
        Indices of the cells and their float64 weights, which sum to 1 per pixel, both ``(size, width)``, for
        :func:`~representations.products.banded_product`.
    """
    step = inputs / size
    cell = torch.arange(inputs, dtype=torch.float64)
    pixel = torch.arange(size, dtype=torch.float64).unsqueeze(1)
    if size < inputs:
        overlap = torch.minimum((pixel + 1) * step, cell + 1) - torch.maximum(pixel * step, cell)
        # Rounding leaves tiny overlaps with neighbours, which would double the width of the bands.
        weights = torch.where(overlap > 1e-9 * step, overlap, 0.0)
    else:
        centre = ((pixel + 0.5) * step - 0.5).clamp(0, inputs - 1)
        weights = (1 - (cell - centre).abs()).clamp(min=0)
    return bands(weights / weights.sum(1, keepdim=True))


def resample_axis(cells: Tensor, axis: int, places: Tensor, weights: Tensor) -> Tensor:
    """Weighted means along an axis; the result of a clip is bit-identical whatever the rest of the batch.

    Args:
        cells: ``(batch, rows, columns)``.
        axis: 1 for the rows, 2 for the columns.
        places: from :func:`averaging_weights`.
        weights: from :func:`averaging_weights`, in the precision of the cells.

    Returns:
        ``(batch, rows, columns)`` with the new size along the axis.
    """
    if axis == 2:
        return banded_product(places, weights, cells.transpose(1, 2)).transpose(1, 2)
    return banded_product(places, weights, cells)
