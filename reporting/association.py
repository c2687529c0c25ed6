"""Accuracy against robustness: tests of whether more accurate settings are fooled more, or cost more to fool.

A point is one setting. Values are centred within each stratum (one representation on one corpus), so that differences
between representations and corpora are not mistaken for a relation between accuracy and robustness, as they can be in
the pooled correlation.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from reporting.accuracy import Accuracies
from reporting.estimates import log_gradients, six_auc
from reporting.fold_means import attacked_folds
from reporting.paper_numbers import ITERATIVE, PaperSetting, paper_settings
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA
from reporting.studies import MODEL, REPRESENTATIONS, same_setting

FEWEST_STRATA = 5
FEWEST_SHOWN = 2
"""Smallest number of strata for a correlation: a single one says nothing about others, and r of two points is +-1."""
EXACT_UP_TO = 20_000
DRAWS = 100_000
SIGNIFICANT = 0.05

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """One setting: its stratum, its accuracy, and its robustness.

    Attributes:
        representation: class of the representation.
        corpus: name of the corpus.
        accuracy: in [0, 1].
        auc: mean AUC of the six attacks.
        log_gradients: mean natural log of batch gradients over the five iterative attacks; None if one is missing.
        runs: names of the runs; empty for the paper's.
    """

    representation: str
    corpus: str
    accuracy: float
    auc: float
    log_gradients: float | None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Association:
    """The relation of accuracy with one measure of robustness.

    Attributes:
        within: Pearson correlation of values centred in their strata.
        p: two-sided p of the stratified permutation test.
        smallest_p: smallest p that these strata can give.
        strata: number of strata with two points or more.
        points: points in them.
        pooled: Spearman correlation of all points.
        pooled_p: its two-sided p.
        all_points: points in the pooled correlation.
        verdict: ``positive``, ``negative`` or ``undecided``.
    """

    within: float
    p: float
    smallest_p: float
    strata: int
    points: int
    pooled: float
    pooled_p: float
    all_points: int
    verdict: str


def holm(found: Sequence[Association | None]) -> list[float | None]:
    r"""Holm's adjusted p of each test (Holm 1979), which controls the error probability of all tests together.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) \, p_{(j)})

    Args:
        found: results of all tests that are shown; None for a test without a result.

    Returns:
        The adjusted p values in the same order, None for a test without a result.
    """
    order = sorted((place for place, one in enumerate(found) if one), key=lambda place: _p(found[place]))
    adjusted: list[float | None] = [None] * len(found)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * _p(found[place])))
        adjusted[place] = highest
    return adjusted


def _p(found: Association | None) -> float:
    return math.nan if found is None else found.p


def paper_points() -> list[Point]:
    """The points of the 27 models of Tables I to III."""
    return [_paper_point(row) for table in (1, 2, 3) for row in paper_settings(table)]


def _paper_point(row: PaperSetting) -> Point:
    logs = [math.log(row.gradients[attack]) for attack in ITERATIVE]
    return Point(row.representation, row.corpus, row.accuracy, row.auc_six, sum(logs) / len(logs))


def run_points(runs: Sequence[Run], accuracies: Accuracies) -> list[Point]:
    """The points of all attacked settings of the front-end classifier, averaged over folds and seeds.

    Folds differ in difficulty, so the points of a stratum are averaged over the folds on which all of its settings were
    tested and attacked. A stratum whose settings have no such fold has no points.
    """
    strata: dict[tuple[str, str], list[tuple[list[Run], set[int]]]] = {}
    for group in same_setting([run for run in runs if all(run.settings.get(k) == v for k, v in MODEL.items())]):
        folds = attacked_folds(group) & {fold for run in group for fold in run.folds}
        if folds:
            strata.setdefault((group[0].representation, group[0].corpus), []).append((group, folds))
    points = []
    for (representation, corpus), settings in strata.items():
        common = set.intersection(*(folds for _, folds in settings))
        for group, _ in settings:
            robustness, accuracy = six_auc(group, common), accuracies.mean(group, common)
            if robustness is not None and accuracy is not None:
                logs = log_gradients(group, common)
                points.append(Point(representation, corpus, accuracy.value, robustness.value, logs, robustness.runs))
    order = {name: place for place, name in enumerate((*PAPER_CORPORA, *REPRESENTATIONS))}
    return sorted(points, key=lambda point: (order.get(point.corpus, 9), order.get(point.representation, 9)))


def associate(points: Sequence[Point], measure: str, seed: int = 0) -> Association | None:
    """Test the relation between accuracy and one measure of robustness.

    Args:
        points: settings.
        measure: ``auc`` or ``log_gradients``.
        seed: seed of permutations.

    Returns:
        Both correlations with their tests; None without at least two strata of two or more differing points.
    """
    pairs = [(point, float(y)) for point in points if (y := getattr(point, measure)) is not None]
    strata: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for point, y in pairs:
        strata.setdefault((point.representation, point.corpus), []).append((point.accuracy, y))
    centred = [_centred(np.array(values)) for values in strata.values() if len(values) > 1]
    if len(centred) < FEWEST_SHOWN or any(
        sum(float(np.square(part[:, k]).sum()) for part in centred) < 1e-24 for k in (0, 1)
    ):
        return None
    within, p, smallest = stratified_permutation(centred, seed)
    x, y = (np.array(values) for values in zip(*((point.accuracy, y) for point, y in pairs), strict=True))
    pooled, pooled_p = _spearman(x, y, seed)
    decided = len(centred) >= FEWEST_STRATA and p < SIGNIFICANT
    return Association(
        within=within,
        p=p,
        smallest_p=smallest,
        strata=len(centred),
        points=sum(map(len, centred)),
        pooled=pooled,
        pooled_p=pooled_p,
        all_points=len(pairs),
        verdict=("positive" if within > 0 else "negative") if decided else "undecided",
    )


def stratified_permutation(centred: Sequence[Values], seed: int = 0) -> tuple[float, float, float]:
    r"""Pearson correlation of centred values, and its permutation test within strata.

    .. math:: r = \sum_s \sum_{i \in s} x_i y_i \Big/ \sqrt{\sum x_i^2 \sum y_i^2}

    Up to 20,000 permutations are enumerated; otherwise they are sampled, and p includes the observed order.

    Args:
        centred: x and y of each stratum minus their means, ``(points, 2)``.
        seed: seed of the draws.

    Returns:
        The correlation, its two-sided p, and the smallest p that the strata can give.
    """
    scale = math.sqrt(np.prod([sum(float(np.square(part[:, k]).sum()) for part in centred) for k in (0, 1)]))
    observed = sum(float(part[:, 0] @ part[:, 1]) for part in centred) / scale
    number = math.prod(math.factorial(len(part)) for part in centred)
    if number <= EXACT_UP_TO:
        sums = np.zeros(1)
        for part in centred:
            orders = np.array(list(itertools.permutations(part[:, 1])))
            sums = (sums[:, None] + orders @ part[:, 0]).ravel()
        strength = np.abs(sums / scale)
        smallest = float(np.mean(strength >= strength.max() - 1e-12))
        return observed, float(np.mean(strength >= abs(observed) - 1e-12)), smallest
    generator = np.random.default_rng(seed)
    drawn = np.zeros(DRAWS)
    for part in centred:
        drawn += generator.permuted(np.tile(part[:, 1], (DRAWS, 1)), axis=1) @ part[:, 0]
    reached = int((np.abs(drawn / scale) >= abs(observed) - 1e-12).sum())
    return observed, (reached + 1) / (DRAWS + 1), max(1 / (DRAWS + 1), 1 / number)


def _spearman(x: Values, y: Values, seed: int) -> tuple[float, float]:
    """Rank correlation and its two-sided p: exact for few points, otherwise by scipy's t approximation."""
    ranks = _centred(np.stack([rankdata(x), rankdata(y)], axis=1))
    if np.any(np.square(ranks).sum(axis=0) == 0):
        return math.nan, math.nan
    if math.factorial(len(x)) <= EXACT_UP_TO:
        return stratified_permutation([ranks], seed)[:2]
    found = spearmanr(x, y)
    return float(found.statistic), float(found.pvalue)


def _centred(values: Values) -> Values:
    return values - values.mean(axis=0)
