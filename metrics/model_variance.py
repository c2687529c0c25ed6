"""95 % intervals of a paired difference over both trainings and recordings.

An interval over recordings alone holds for the models at hand; training again gives other models. The intervals here
use models trained on several folds or from several seeds.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from metrics.intervals import require_confidence

FEWEST_FOLDS = 5
"""Smallest number of folds from which the variance between models is estimated."""
FEWEST_SEEDS = 3
"""Smallest number of seeds from which the variance between models is estimated."""


def corrected_resampled_interval(
    differences: Sequence[float], test_to_train: float, confidence: float = 0.95
) -> tuple[float, float]:
    r"""Corrected resampled t interval of a mean over folds (Nadeau and Bengio 2003, Machine Learning 52, 239-281).

    .. math:: \bar d \pm t_{k - 1} \, s \sqrt{\tfrac1k + \tfrac{n_{test}}{n_{train}}}

    The training parts of the folds overlap, so their differences are correlated and :math:`s^2 / k` is too small. The
    test parts hold different recordings, so s contains the variance over recordings as well as over models.

    Args:
        differences: one paired difference per fold, in any unit.
        test_to_train: number of test clips divided by number of training clips; 0 gives the plain paired t interval.
        confidence: nominal coverage, in (0, 1).

    Returns:
        Lower and upper end in the unit of the differences.

    Raises:
        ValueError: for fewer than two differences, one that is not finite, a negative ratio, or a confidence outside
            (0, 1).
    """
    values = _finite(differences)
    if not 0 <= test_to_train < math.inf:
        raise ValueError(f"expected a test-to-train ratio of at least 0, got {test_to_train}")
    require_confidence(confidence)
    spread = float(values.std(ddof=1)) * math.sqrt(1 / len(values) + test_to_train)
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * spread
    return float(values.mean()) - half, float(values.mean()) + half


def seed_interval(
    differences: Sequence[float], recording_error: float, recordings: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Satterthwaite interval of a mean over seeds tested on the same clips.

    It is a t interval whose variance is the sum of those over seeds and over recordings.

    Args:
        differences: one paired difference per seed, in any unit.
        recording_error: standard error of their mean over recordings, given the models, in the same unit.
        recordings: effective number of recordings, at least 2.
        confidence: nominal coverage, in (0, 1).

    Returns:
        Lower and upper end in the unit of the differences.

    Raises:
        ValueError: for fewer than two differences or recordings, a number that is not finite, or a confidence outside
            (0, 1).
    """
    values = _finite(differences)
    if recordings < 2 or not 0 <= recording_error < math.inf:
        raise ValueError(
            f"expected at least two recordings and a finite error of at least 0, got {recordings} and {recording_error}"
        )
    require_confidence(confidence)
    models = float(values.var(ddof=1)) / len(values)
    clips = recording_error**2
    mean = float(values.mean())
    if models + clips == 0:
        return mean, mean
    freedom = (models + clips) ** 2 / (models**2 / (len(values) - 1) + clips**2 / (recordings - 1))
    half = float(t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(models + clips)
    return mean - half, mean + half


def excluded_nulls(
    correlation: float, test_to_train: float, folds: int = 5, trials: int = 20000, seed: int = 0
) -> float:
    """Simulate how often :func:`corrected_resampled_interval` excludes zero when there is no true difference.

    Args:
        correlation: correlation between the differences of two folds, in [0, 1).
        test_to_train: ratio used in the correction; 0 for the plain paired t interval.
        folds: number of folds.
        trials: number of simulated cross-validations.
        seed: seed of the simulation.

    Returns:
        Share of trials, in [0, 1]; 0.05 where the interval is exact.
    """
    generator = np.random.default_rng(seed)
    shared = generator.standard_normal((trials, 1)) * math.sqrt(correlation)
    drawn = shared + generator.standard_normal((trials, folds)) * math.sqrt(1 - correlation)
    half = t.ppf(0.975, folds - 1) * drawn.std(axis=1, ddof=1) * math.sqrt(1 / folds + test_to_train)
    return float(np.mean(np.abs(drawn.mean(axis=1)) > half))


def excluded_nulls_of_seeds(
    models: float, seeds: int = 3, recordings: int = 40, trials: int = 20000, seed: int = 0
) -> float:
    """Simulate how often :func:`seed_interval` excludes zero when there is no true difference.

    The difference on a recording is the sum of an effect of the recording (variance 1, shared by all seeds), an effect
    of the seed's model (variance ``models / recordings``, shared by all recordings) and a residual (variance 1).

    Args:
        models: variance of the model effect divided by that of the mean recording effect, at least 0.
        seeds: number of seeds.
        recordings: number of recordings.
        trials: number of simulated experiments.
        seed: seed of the simulation.

    Returns:
        Share of trials, in [0, 1]; 0.05 where the interval is exact.
    """
    generator = np.random.default_rng(seed)
    excluded = 0
    for _ in range(trials):
        difference = generator.standard_normal((seeds, recordings)) + generator.standard_normal(recordings)
        difference += generator.standard_normal((seeds, 1)) * math.sqrt(models / recordings)
        error = float(difference.mean(0).std(ddof=1)) / math.sqrt(recordings)
        low, high = seed_interval(difference.mean(1).tolist(), error, recordings)
        excluded += low > 0 or high < 0
    return excluded / trials


def _finite(differences: Sequence[float]) -> np.ndarray:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected at least two finite differences, got {list(differences)}")
    return values


if __name__ == "__main__":
    print("| folds | correlation | plain t excludes a true null | ratio 1/3 | ratio 1 |")
    print("|---|---|---|---|---|")
    for number in (5, 10):
        for rho in (0.0, 0.3, 0.5):
            shares = [f"{100 * excluded_nulls(rho, ratio, number):.1f} %" for ratio in (0.0, 1 / 3, 1.0)]
            print(f"| {number} | {rho:.1f} | {' | '.join(shares)} |")
    print("\n| seeds | variance of models over that of recordings | interval over seeds excludes a true null |")
    print("|---|---|---|")
    for number in (3, 5):
        for part in (0.0, 1.0, 4.0):
            print(f"| {number} | {part:.0f} | {100 * excluded_nulls_of_seeds(part, number):.1f} % |")
