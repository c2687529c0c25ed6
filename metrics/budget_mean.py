"""Average over budgets, the form of every entry of Tables I to III."""

import torch
from torch import Tensor


def budget_mean(values: Tensor, clips: Tensor) -> Tensor:
    r"""Plain mean over the profile's budgets, then over reporting batches weighted by clips.

    .. math:: \frac{1}{\sum_b n_b} \sum_b n_b \, \frac{1}{m} \sum_{k=1}^{m} v_{kb}

    Args:
        values: the number of each budget and reporting batch ``(budgets, batches)``.
        clips: clips of S in each reporting batch ``(batches,)``.

    Returns:
        float64 scalar; NaN if a value is missing, so that a partial run does not pass for a whole one.

    Raises:
        ValueError: without a budget, or for another number of reporting batches.
    """
    if values.ndim != 2 or not len(values) or values.shape[1:] != clips.shape:
        raise ValueError(
            f"expected values (budgets, batches), clips (batches,), got {tuple(values.shape)} and {tuple(clips.shape)}"
        )
    weights = clips.cpu().double()
    return torch.dot(values.cpu().double().mean(dim=0), weights) / weights.sum()
