"""Non-differentiable baselines from scikit-learn, compared by accuracy and as targets of transferred attacks.

The paper considers a linear SVM, a Gaussian SVM and a random forest (section IV-B). They take the cells of a map as a
vector, without any dimensionality reduction.
"""

import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from skops.io.exceptions import UntrustedTypesFoundException

from storage import DataError, write_atomically

BASELINES: dict[str, Callable[[int], Pipeline]] = {
    # With far more cells than clips, the dual problem is the smaller one.
    "linear_svm": lambda seed: make_pipeline(StandardScaler(), LinearSVC(dual=True, random_state=seed)),
    "rbf_svm": lambda seed: make_pipeline(StandardScaler(), SVC(kernel="rbf")),
    "random_forest": lambda seed: make_pipeline(RandomForestClassifier(500, random_state=seed, n_jobs=-1)),
}

# The nodes of a forest, in addition to the types that skops trusts. A forged forest can crash the process but not
# execute code in it.
TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline.

    Args:
        name: a name in :data:`BASELINES`.
        pipeline: the fitted scikit-learn pipeline on flattened maps.
    """

    name: str
    pipeline: Pipeline

    def __post_init__(self) -> None:
        if isinstance(self.pipeline[-1], RandomForestClassifier):
            # One thread predicts a few maps faster, and the threads of scikit-learn race for the warning filters, which
            # ends in one warning per tree.
            self.pipeline[-1].n_jobs = 1

    def predict(self, maps: NDArray[np.float32]) -> NDArray[np.int64]:
        """Predicted classes ``(clips,)`` of maps ``(clips, 1, rows, columns)``."""
        return self.pipeline.predict(maps.reshape(len(maps), -1)).astype(np.int64)

    @property
    def parameter_count(self) -> int:
        """Size of the model: number of weights and offsets, of values in support vectors, or of nodes of all trees."""
        model = self.pipeline[-1]
        if isinstance(model, RandomForestClassifier):
            return sum(tree.tree_.node_count for tree in model.estimators_)
        if isinstance(model, SVC):
            return model.support_vectors_.size + model.dual_coef_.size + model.intercept_.size
        return model.coef_.size + model.intercept_.size


def fit_baseline(name: str, maps: NDArray[np.float32], labels: NDArray[np.int64], seed: int) -> Baseline:
    """Fit a baseline.

    Args:
        name: a name in :data:`BASELINES`.
        maps: ``(clips, 1, rows, columns)`` in [0, 1].
        labels: class of each clip ``(clips,)``.
        seed: seed of the baseline's random numbers.

    Returns:
        The fitted baseline.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in BASELINES:
        raise ValueError(f"expected a baseline of {', '.join(BASELINES)}, got {name!r}")
    # The threads that fit a forest may leave the warning filters empty.
    with warnings.catch_warnings():
        pipeline = BASELINES[name](seed).fit(maps.reshape(len(maps), -1), labels)
    return Baseline(name, pipeline)


def save_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline to a file that can be read without executing anything in it."""
    with write_atomically(path) as temporary:
        skops.io.dump({"name": baseline.name, "pipeline": baseline.pipeline}, temporary)


def load_baseline(path: Path) -> Baseline:
    """Read a baseline; a file with types other than those of scikit-learn's classifiers is refused.

    Raises:
        DataError: if the file is missing, damaged or holds something else.
    """
    if not path.is_file():
        raise DataError(f"expected a baseline at {path}, found no file")
    try:
        content = skops.io.load(path, trusted=TRUSTED_TYPES)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, UntrustedTypesFoundException) as error:
        raise DataError(
            f"expected a baseline of train.py in {path}, found a file that cannot be read as one; train the fold again"
        ) from error
    if not isinstance(content, dict) or content.keys() != {"name", "pipeline"}:
        raise DataError(f"expected a baseline of train.py in {path}, found something else")
    return Baseline(content["name"], content["pipeline"])
