"""Small matrix products that round alike whatever the batch, the position in it and the number of threads.

A BLAS library sums in an order that depends on the number of threads. Here the products of elements are added in pairs,
the sums again in pairs, until one is left.
"""

import torch
from torch import Tensor


def bands(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The non-zero stretch of each row of a matrix, all cut to one length, a power of two.

    Args:
        matrix: ``(rows, inputs)``.

    Returns:
        Indices into the inputs and weights, both ``(rows, width)``; weights are zero outside the matrix.
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
    """The matrix behind :func:`bands` times each clip's values.

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
