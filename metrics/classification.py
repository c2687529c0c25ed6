"""Classification scores of a test part: accuracy per file, recall per class, balanced accuracy and macro-F1."""

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
        balanced_accuracy: mean recall over the classes that occur among the labels.
        macro_f1: mean F1 over the classes that occur among the labels or the predictions.
        recall: recall of each class by name, None where the class does not occur among the labels.
    """

    balanced_accuracy: float
    macro_f1: float
    recall: dict[str, float | None]


def class_scores(labels: ArrayLike, predictions: ArrayLike, class_names: Sequence[str]) -> ClassScores:
    """Compute the recall of every class, balanced accuracy and macro-F1 with scikit-learn.

    Args:
        labels: true classes ``(clips,)``, at least one clip.
        predictions: predicted classes ``(clips,)``.
        class_names: names of the classes, indexed by class number.
    """
    recall = recall_score(labels, predictions, labels=range(len(class_names)), average=None, zero_division=np.nan)
    return {
        "balanced_accuracy": float(np.nanmean(recall)),
        "macro_f1": float(f1_score(labels, predictions, average="macro", zero_division=0.0)),
        "recall": {name: None if np.isnan(one) else float(one) for name, one in zip(class_names, recall, strict=True)},
    }


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax of logits ``(clips, classes)``, natural logarithms in float64 on the CPU."""
    return logits.detach().cpu().double().log_softmax(dim=1)


def mean_by_file(scores: Tensor, files: Tensor) -> tuple[Tensor, Tensor]:
    """Average the scores of the windows of each file.

    Args:
        scores: ``(windows, classes)``; log-probabilities of a network, or votes.
        files: number of the file that each window belongs to ``(windows,)``.

    Returns:
        The distinct files in ascending order, ``(files,)``, and their mean scores, ``(files, classes)`` in float64.
        The predicted class of a file is the argmax of its row, the first one in case of a tie.
    """
    found, place, windows = torch.unique(files, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(found), scores.shape[1], dtype=torch.float64).index_add_(0, place, scores.double())
    return found, sums / windows[:, None]


class FileAccuracy(Metric):
    """Share of files classified correctly by the mean log-probabilities of their windows, in [0, 1].

    Where every file is a single clip, this is the accuracy over clips.
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
        """Add a batch of clips.

        Args:
            logits: ``(batch, classes)``.
            labels: true classes ``(batch,)``.
            clips: numbers of the clips ``(batch,)``; sums are taken in their order, so that the result does not
                depend on the order of arrival.
            files: number of each clip's file ``(batch,)``.
        """
        self.clips.append(clips)
        self.files.append(files)
        self.labels.append(labels)
        self.scores.append(logits.detach().double().log_softmax(dim=1))

    def compute(self) -> Tensor:
        """Share over the files of all processes together, a float32 scalar in [0, 1]."""
        order = dim_zero_cat(self.clips).argsort().cpu()
        files, labels, scores = (dim_zero_cat(state).cpu()[order] for state in (self.files, self.labels, self.scores))
        found, means = mean_by_file(scores, files)
        label_of_file = torch.zeros_like(found).scatter_(0, torch.searchsorted(found, files), labels)
        return (means.argmax(dim=1) == label_of_file).float().mean()
