"""One-versus-rest area: what an attack leaves of the victim's ability to rank the true label."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from metrics.auc import rank_auc


def auc_ovr(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""One minus the macro one-versus-rest AUC of the true labels, over the classes present.

    .. math:: 1 - \frac{1}{|C|} \sum_{c \in C}
              P(p_c(x'_i) > p_c(x'_j) \mid l_i = c, l_j \ne c) + \tfrac12 P(\text{tie})

    C are the classes with a clip; a class without one is left out and not counted as 0. About 0 means no effect.

    Args:
        logits: ``(clips, classes)`` of the adversarials, over S.
        labels: true classes ``(clips,)``.
        weights: how often each clip counts, ``(..., clips)``; once each by default.

    Returns:
        float64 of the weights' leading shape, in [0, 1]; NaN where fewer than two classes are present.

    Raises:
        ValueError: if there is not one label a row of logits, or if a logit is not finite.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"expected logits (clips, classes) and a label a clip, got {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    if not logits.isfinite().all():
        raise ValueError("expected finite logits, got NaN or an infinity")
    # log p ranks as p does, and does not tie where p underflows.
    scores, labels = logits.detach().cpu().double().log_softmax(dim=1), labels.cpu()
    weights = torch.ones(len(labels), dtype=torch.float64) if weights is None else weights.double()
    areas = [torch.full(weights.shape[:-1], torch.nan, dtype=torch.float64)]
    for present in labels.unique():
        positive = labels == present
        column = scores[:, present]
        areas.append(rank_auc(column[positive], column[~positive], weights[..., positive], weights[..., ~positive]))
    return 1 - torch.stack(areas).nanmean(dim=0)


class OneVersusRestAUC(Metric):
    """:func:`auc_ovr` over batches and processes: the logits are kept, since ranks need all of them."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    logits: list[Tensor]
    labels: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("logits", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Keep a batch of clips of S; arguments as in :func:`auc_ovr`."""
        self.logits.append(logits.detach())
        self.labels.append(labels)

    def compute(self) -> Tensor:
        """The area over all clips so far; NaN before the first."""
        if isinstance(self.logits, list) and not self.logits:
            return torch.tensor(torch.nan, dtype=torch.float64)
        return auc_ovr(dim_zero_cat(self.logits), dim_zero_cat(self.labels))
