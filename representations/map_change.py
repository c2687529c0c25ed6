"""From a change of a resized map back to the cells of the native map, one axis at a time.

A resize is a matrix R along each axis, pixels = R cells. Its inverse is a matrix U, cells = U pixels:

- where the axis shrinks (fewer pixels than cells), U = E (R E)^-1, with E the linear interpolation from the centres of
  the pixels to those of the cells. The change is then linear between pixels, cells that the resize skips change with
  their neighbours, and R U is the identity: resizing the changed map gives exactly the wanted pixels;
- where it grows, U = (R^T R)^-1 R^T, least squares, so that U R is the identity: a change that is the resize of a
  native one is recovered exactly, and any other is replaced by the nearest such change.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from representations.products import banded_product, bands

if TYPE_CHECKING:
    from representations.representation import Representation

NEGLIGIBLE = 1e-10
"""Weights below this share of the largest one of a matrix are dropped: the inverses decay away from the diagonal."""


def resize_matrix(cells: int, pixels: int, *, align_corners: bool, antialias: bool) -> Tensor:
    """The matrix R of PyTorch's bilinear resize along one axis, ``(pixels, cells)`` float64; its rows sum to 1."""
    identity = torch.eye(cells, dtype=torch.float64)[None, None]
    resized = F.interpolate(
        identity, size=(pixels, cells), mode="bilinear", align_corners=align_corners, antialias=antialias
    )
    return resized[0, 0]


def way_back(resize: Tensor, *, align_corners: bool) -> Tensor:
    """The inverse U of a resize, as the module's docstring defines it.

    Args:
        resize: R ``(pixels, cells)``, from :func:`resize_matrix`.
        align_corners: whether R maps the corner cells to the corner pixels.

    Returns:
        ``(cells, pixels)`` float64.
    """
    pixels, cells = resize.shape
    if pixels >= cells:
        return torch.linalg.pinv(resize)
    between = resize_matrix(pixels, cells, align_corners=align_corners, antialias=False)
    return between @ torch.linalg.pinv(resize @ between)


def coverage(inputs: int, size: int) -> Tensor:
    """Weights of the mean over the pixels that cover each cell, by the share of the cell that each covers.

    The matrix is the transpose of an average over cells, with its rows normalised to sum 1.

    Args:
        inputs: number of cells.
        size: number of pixels, fewer than cells.

    Returns:
        ``(inputs, size)`` float64.
    """
    step = size / inputs
    pixel = torch.arange(size, dtype=torch.float64)
    cell = torch.arange(inputs, dtype=torch.float64).unsqueeze(1)
    overlap = torch.minimum((cell + 1) * step, pixel + 1) - torch.maximum(cell * step, pixel)
    weights = torch.where(overlap > 1e-9 * step, overlap, 0.0)
    return weights / weights.sum(1, keepdim=True)


def change_before_resize(representation: Representation, change: Tensor, rows: int, columns: int) -> Tensor:
    """Convert a change of a resized map to a change of the map before the resize.

    Args:
        representation: defines how maps are resized, and caches the constants.
        change: ``(batch, height, width)``, in units of the map.
        rows: number of rows before the resize.
        columns: number of columns before the resize.

    Returns:
        ``(batch, rows, columns)``.
    """
    antialias = representation.resize_method == "bilinear_antialias"
    for axis, cells in ((1, rows), (2, columns)):
        pixels = change.shape[axis]
        if pixels != cells:

            def matrix(cells: int = cells, pixels: int = pixels) -> Tensor:
                corners = representation.align_corners
                resize = resize_matrix(cells, pixels, align_corners=corners, antialias=antialias)
                return way_back(resize, align_corners=corners)

            change = banded(representation, ("way back", cells, pixels), matrix, change, axis)
    return change


def gains_of_cells(representation: Representation, decibels: Tensor, rows: int, columns: int) -> Tensor:
    """Convert gains of the pixels of a power mean to gains of the cells that they cover.

    A cell takes the mean gain of the pixels that cover it, in proportion (:func:`coverage`), so that the mean power of
    a pixel changes by the pixel's gain. Where an axis grew, a cell takes the gain whose interpolation gives those of
    the pixels.

    Args:
        representation: caches the constants.
        decibels: ``(batch, height, width)`` in dB.
        rows: number of rows of cells.
        columns: number of columns of cells.

    Returns:
        ``(batch, rows, columns)`` in dB.
    """
    for axis, cells in ((1, rows), (2, columns)):
        pixels = decibels.shape[axis]
        if pixels != cells:

            def matrix(cells: int = cells, pixels: int = pixels) -> Tensor:
                if pixels < cells:
                    return coverage(cells, pixels)
                return way_back(resize_matrix(cells, pixels, align_corners=False, antialias=False), align_corners=False)

            decibels = banded(representation, ("coverage", cells, pixels), matrix, decibels, axis)
    return decibels


def banded(
    representation: Representation, key: Hashable, matrix: Callable[[], Tensor], values: Tensor, axis: int = 1
) -> Tensor:
    """Multiply each map by a constant matrix along its rows (axis 1) or columns (axis 2), without negligible weights.

    Args:
        representation: caches the constants.
        key: key of the matrix in the cache.
        matrix: computes the matrix, ``(out, in)`` float64.
        values: ``(batch, rows, columns)``.
        axis: 1 or 2.

    Returns:
        ``(batch, out, columns)`` for axis 1, ``(batch, rows, out)`` for axis 2.
    """

    def bands_of() -> tuple[Tensor, Tensor]:
        full = matrix()
        return bands(torch.where(full.abs() > NEGLIGIBLE * full.abs().max(), full, 0.0))

    places = representation.table((key, "places"), lambda: bands_of()[0], values)
    weights = representation.table((key, "weights"), lambda: bands_of()[1], values)
    if axis == 1:
        return representation.clip_by_clip(lambda one: banded_product(places, weights, one), values)
    return banded(representation, key, matrix, values.transpose(1, 2)).transpose(1, 2)
