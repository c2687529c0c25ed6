"""How well the classes of a test part are recognised, beside accuracy."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import f1_score, recall_score


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
