"""From the outcomes of clips to the numbers of a table, as ``docs/definitions.md`` defines them.

Each number is a pure function of per-clip tensors over S, the test clips that the victim classifies correctly when
clean. Batches and processes are put together as rows of outcomes, before any number is computed.
A number that gets an interval takes ``weights``, how often each clip counts, so that one resampling of recordings
serves every number and every victim. Nothing here knows what an input is or how it was attacked.

``success`` judges and counts clips; ``auc`` holds the areas; ``distances`` the size of a perturbation; ``cost`` its
price; ``transfer_ratio`` what carries over; ``intervals`` how sure a number is, given the models, and
``model_variance`` with models varying too. What is listed in ``__all__`` is public. A file belongs here if it
computes a number; reading and writing files belongs in ``storage``, laying a number out in ``reporting``.
"""

from metrics.auc import auc, auc_budget, auc_ovr
from metrics.cost import batch_gradients, cost_auc90, reporting_batch
from metrics.distances import l0_distance, l2_distance, linf_distance, snr_db
from metrics.success import confident_success, round_to_8bit, success, target_hit

__all__ = [
    "auc",
    "auc_budget",
    "auc_ovr",
    "batch_gradients",
    "confident_success",
    "cost_auc90",
    "l0_distance",
    "l2_distance",
    "linf_distance",
    "reporting_batch",
    "round_to_8bit",
    "snr_db",
    "success",
    "target_hit",
]
