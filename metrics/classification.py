"""How well the classes of a test part are recognised, beside accuracy."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import f1_score, recall_score


def class_scores(labels: ArrayLike, predictions: ArrayLike, num_classes: int) -> dict[str, Any]:
    """Recall of every class, balanced accuracy and macro-F1, in float64, as scikit-learn defines them.

    Args:
        labels: true classes ``(clips,)``, at least one clip.
        predictions: predicted classes ``(clips,)``.
        num_classes: number of classes, 0 to ``num_classes - 1``.

    Returns:
        ``balanced_accuracy``, the mean recall of the classes that the labels have; ``macro_f1``, the mean F1 of the
        classes that labels or predictions have; ``recall``, a list with the recall of each class, None where the labels
        do not have it.
    """
    recall = recall_score(labels, predictions, labels=range(num_classes), average=None, zero_division=np.nan)
    return {
        "balanced_accuracy": float(np.nanmean(recall)),
        "macro_f1": float(f1_score(labels, predictions, average="macro", zero_division=0.0)),
        "recall": [None if np.isnan(value) else float(value) for value in recall],
    }
