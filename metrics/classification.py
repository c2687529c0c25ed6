"""How well the classes of a test part are recognised."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.metrics import f1_score, recall_score
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class ClassScores(TypedDict):
    """Scores of a test part, each in [0, 1], as scikit-learn defines them.

    Attributes:
        balanced_accuracy: mean recall of the classes that the labels have.
        macro_f1: mean F1 of the classes that labels or predictions have.
        recall: recall of each class by its name, None where the labels do not have it.
    """

    balanced_accuracy: float
    macro_f1: float
    recall: dict[str, float | None]


def class_scores(labels: ArrayLike, predictions: ArrayLike, class_names: Sequence[str]) -> ClassScores:
    """Recall of every class, balanced accuracy and macro-F1, in float64, as scikit-learn defines them.

    Args:
        labels: true classes ``(clips,)``, at least one clip.
        predictions: predicted classes ``(clips,)``.
        class_names: names of the classes, by their number.
    """
    recall = recall_score(labels, predictions, labels=range(len(class_names)), average=None, zero_division=np.nan)
    return {
        "balanced_accuracy": float(np.nanmean(recall)),
        "macro_f1": float(f1_score(labels, predictions, average="macro", zero_division=0.0)),
        "recall": {name: None if np.isnan(one) else float(one) for name, one in zip(class_names, recall, strict=True)},
    }


def log_probabilities(logits: Tensor) -> Tensor:
    """Natural logarithms of the probabilities that logits ``(clips, classes)`` stand for, in float64 on the CPU."""
    return logits.detach().cpu().double().log_softmax(dim=1)


def mean_by_file(scores: Tensor, files: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the scores of each file's windows.

    Args:
        scores: ``(windows, classes)``; log-probabilities of a network, or votes.
        files: number of the file that each window is of ``(windows,)``.

    Returns:
        The files, ascending, each once, ``(files,)``; and the means, ``(files, classes)`` in float64. The largest of
        a row is the file's label, the first of equal ones.
    """
    found, place, windows = torch.unique(files, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(found), scores.shape[1], dtype=torch.float64).index_add_(0, place, scores.double())
    return found, sums / windows[:, None]


class FileAccuracy(Metric):
    """Share of the files whose label is right, by the mean log-probabilities of their windows, in [0, 1].

    Where every file is one clip this is the share of right clips.
    """

    higher_is_better = True
    full_state_update = False
    clips: list[Tensor]
    files: list[Tensor]
    labels: list[Tensor]
    scores: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("clips", "files", "labels", "scores"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, logits: Tensor, labels: Tensor, clips: Tensor, files: Tensor) -> None:
        """Add clips.

        Args:
            logits: ``(batch, classes)``.
            labels: true classes ``(batch,)``.
            clips: numbers of the clips ``(batch,)``, by which sums have one order in whatever order clips come.
            files: number of each clip's file ``(batch,)``.
        """
        self.clips.append(clips)
        self.files.append(files)
        self.labels.append(labels)
        self.scores.append(logits.detach().double().log_softmax(dim=1))

    def compute(self) -> Tensor:
        """The share over all files, of all processes together."""
        order = dim_zero_cat(self.clips).argsort().cpu()
        files, labels, scores = (dim_zero_cat(state).cpu()[order] for state in (self.files, self.labels, self.scores))
        found, means = mean_by_file(scores, files)
        label_of_file = torch.zeros_like(found).scatter_(0, torch.searchsorted(found, files), labels)
        return (means.argmax(dim=1) == label_of_file).float().mean()
