"""Coverage of the 95 % intervals of means over folds with unequal numbers of clips, by simulation.

python -m benchmarks.coverage_of_folds [--samples 4000]

Every fold counts alike, however few clips it has, so the smallest decides how well the mean is known
(:func:`metrics.recordings.effective_over_folds`). Each clip is a recording of its own. The last column is the coverage
with the effective number of all clips together instead.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import coverage
from metrics.intervals import adjusted_t_ends, influence_kurtosis, share_ends
from metrics.recordings import Recordings

Values = NDArray[np.float64]

FOLDS = ((100, 8), (8, 8, 8), (40, 10), (100, 12), (22, 16), (40, 20, 10), (80, 80, 80, 80, 10))
"""Clips of each fold."""
RATES = (0.5, 0.7, 0.9, 0.95, 0.99)
AREAS = (0.5, 0.7, 0.8, 0.9, 0.95)
DISAGREEMENTS = ((0.01, 0.01), (0.1, 0.1), (0.1, 0.3), (0.3, 0.3))
"""How often the first of two models alone is right, and the second alone."""


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        number: the quantity that is averaged over folds.
        truth: the population's value.
        folds: clips of each fold.
        effective: effective number of recordings of the mean.
        covered: share of the samples whose interval contains the true value.
        together: the same with the effective number of all clips together.
    """

    number: str
    truth: float
    folds: tuple[int, ...]
    effective: float
    covered: float
    together: float


def lines(samples: int, seed: int = 0) -> Iterator[Line]:
    """All rows of the table."""
    for folds in FOLDS:
        generator = np.random.default_rng([seed, *folds])
        for rate in RATES:
            drawn = [(generator.random((samples, clips)) < rate).astype(float) for clips in folds]
            yield _line("rate", rate, folds, *_mean([_of_clips(fold) for fold in drawn]))
        for area in AREAS:
            parts = [coverage._areas(generator, area, samples, np.arange(clips), 0.0, False) for clips in folds]
            yield _line("area", area, folds, *_mean(parts))
        for first, second in DISAGREEMENTS:
            chances = [first, second, 1 - first - second]
            drawn = [generator.choice([1.0, -1.0, 0.0], (samples, clips), p=chances) for clips in folds]
            yield _line("difference", first - second, folds, *_mean([_of_clips(fold) for fold in drawn]))


def _of_clips(values: Values) -> tuple[Values, Values]:
    """The mean over clips, and the influence of each clip on it."""
    return values.mean(1), (values - values.mean(1, keepdims=True)) / values.shape[1]


def _mean(folds: Sequence[tuple[Values, Values]]) -> tuple[Values, Values]:
    """The mean over folds, and the influence of each clip on it."""
    estimates, influences = zip(*folds, strict=True)
    return np.mean(estimates, axis=0), np.concatenate(influences, axis=1) / len(folds)


def _line(number: str, truth: float, folds: tuple[int, ...], estimate: Values, influence: Values) -> Line:
    together = Recordings(range(sum(folds)))
    ends = np.cumsum((0, *folds)).tolist()
    own = together.over_folds([slice(*pair) for pair in pairwise(ends)])
    covered = [_covered(number, truth, estimate, influence, one.effective) for one in (own, together)]
    return Line(number, truth, folds, own.effective, *covered)


def _covered(number: str, truth: float, estimate: Values, influence: Values, effective: float) -> float:
    variance = np.square(influence).sum(1)
    if number == "difference":
        low, high = adjusted_t_ends(estimate, variance, effective)
    else:
        kurtosis = influence_kurtosis(influence) if number == "area" else None
        low, high = share_ends(estimate, variance, effective, kurtosis=kurtosis)
    return float(((low <= truth + 1e-12) & (truth - 1e-12 <= high)).mean())


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4000)
    torch.set_num_threads(1)
    found = list(lines(parser.parse_args().samples))
    print("| mean over folds of a | clips of the folds | effective | truth | covers, % | all clips together, % |")
    print("|---|---|---|---|---|---|")
    for line in found:
        folds = ", ".join(map(str, line.folds))
        print(
            f"| {line.number} | {folds} | {line.effective:.0f} | {line.truth:.3g} | {100 * line.covered:.1f} "
            f"| {100 * line.together:.1f} |"
        )
    least = [100 * min(values) for values in zip(*((one.covered, one.together) for one in found), strict=True)]
    print(f"\n{len(found)} lines; the least {least[0]:.1f} %, with all clips together {least[1]:.1f} %")


if __name__ == "__main__":
    main()
