"""Area under the security curve: fooling rate over the logarithm of the budget."""

import torch
from torch import Tensor


def auc_budget(deltas: Tensor, fooling_rates: Tensor) -> Tensor:
    r"""Area under fooling rate over log delta by trapezoids, divided by the grid's log width.

    .. math:: \frac{1}{\log \delta_m - \log \delta_1}
              \sum_{k=1}^{m-1} \frac{FR_k + FR_{k+1}}{2} \log \frac{\delta_{k+1}}{\delta_k}

    Args:
        deltas: sizes of the perturbation ``(budgets,)``, above 0, each once, in any order.
        fooling_rates: ``(..., budgets)`` in [0, 1], in the order of the deltas.

    Returns:
        float64 of the rates' leading shape, in [0, 1].

    Raises:
        ValueError: for fewer than two budgets, a delta that is not above 0 or comes twice, or another number of rates.
    """
    deltas, fooling_rates = deltas.cpu().double(), fooling_rates.cpu().double()
    if deltas.ndim != 1 or len(deltas) < 2 or fooling_rates.shape[-1:] != deltas.shape:
        raise ValueError(
            f"expected two deltas or more, each with a rate, got {tuple(deltas.shape)} and {tuple(fooling_rates.shape)}"
        )
    if not (deltas > 0).all() or len(deltas.unique()) < len(deltas):
        raise ValueError(f"expected deltas above 0, each once, got {deltas.tolist()}")
    ascending, order = deltas.sort()
    log_deltas = ascending.log()
    return torch.trapezoid(fooling_rates[..., order], log_deltas) / (log_deltas[-1] - log_deltas[0])
