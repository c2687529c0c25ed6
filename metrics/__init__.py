"""From per-clip outcomes to the numbers of a table, as ``docs/definitions.md`` defines them.

Each number is a pure function of per-clip tensors over S, the test clips that the victim classifies correctly when
clean. The outcomes of all batches and processes are gathered as rows before any number is computed.
A number that gets an interval takes ``weights``, how much each clip counts, from which the influence of each recording
on it is computed. Nothing here knows what an input is or how it was attacked.

``success`` decides which clips count as fooled and computes rates; ``auc`` holds the areas under curves;
``distances`` the sizes of perturbations; ``cost`` the gradients spent; ``transfer_ratio`` transfer between models;
``intervals`` the uncertainty of a number given the trained models, and ``model_variance`` its uncertainty over
trainings as well. Names in ``__all__`` are public. A file belongs here if it computes a number; reading and writing
files belongs in ``storage``, and presenting numbers in ``reporting``.
"""

from metrics.auc import auc, auc_budget, auc_ovr
from metrics.cost import batch_gradients, cost_auc90, reporting_batch
from metrics.distances import l0_distance, l2_distance, linf_distance, snr_db
from metrics.success import confident_success, round_to_8bit, round_to_16bit, success, target_hit

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
    "round_to_16bit",
    "snr_db",
    "success",
    "target_hit",
]
