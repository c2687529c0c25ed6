"""Small matrix products whose rounding depends neither on the batch, nor the position in it, nor the number of threads.

A BLAS library sums in an order that depends on the number of threads. Here the products are summed pairwise, in a fixed
order.
"""

import torch
from torch import Tensor


def bands(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Extract the band of each row of a matrix that holds its non-zero elements.

    Args:
        matrix: ``(rows, inputs)``.

    Returns:
        Indices into the inputs and weights, both ``(rows, width)``, with one width for all rows, a power of two.
        Weights beyond the band of a row are zero.
    """
    inputs = matrix.shape[1]
    nonzero = matrix != 0
    first = nonzero.int().argmax(1)
    widths = torch.where(nonzero.any(1), inputs - nonzero.flip(1).int().argmax(1) - first, 0)
    width = 1 << (max(1, int(widths.max())) - 1).bit_length()
    columns = first[:, None] + torch.arange(width)
    inside = (torch.arange(width) < widths[:, None]) & (columns < inputs)
    columns = columns.clamp(max=inputs - 1)
    return columns, torch.where(inside, matrix.gather(1, columns), 0.0)


def banded_product(columns: Tensor, weights: Tensor, values: Tensor) -> Tensor:
    """Multiply the matrix given by its :func:`bands` with the values of each clip.

    Args:
        columns: ``(rows, width)``, from :func:`bands`.
        weights: ``(rows, width)``, from :func:`bands`.
        values: ``(batch, inputs, time)``.

    Returns:
        ``(batch, rows, time)``.
    """
    terms = values[:, columns] * weights.unsqueeze(-1)
    while terms.shape[2] > 1:
        half = terms.shape[2] // 2
        terms = terms[:, :, :half] + terms[:, :, half:]
    return terms.squeeze(2)
