"""Coverage of the 95 % intervals by simulation: how often they contain the population's value.

python -m benchmarks.coverage [--samples 2000] [--correlation 0.3]

A sample has n clips: from recordings with one clip each, from recordings with four clips, or from recordings whose
sizes decrease as 1 / rank (Zipf). Clips of a recording have an intra-recording correlation, 0.3 unless told. The true
value is that of the population, for any sample size. Below ten effective recordings there is no interval, so these
cells are left out.

An interval covers the truth for some run of neighbouring estimates, and near 1 few estimates are possible, each with a
large probability: with 10 clips and a rate of 0.95, an interval covers 91.4 or 98.8 % and nothing between. The column
*forced* is the smallest probability of at least 93 % that a run of neighbouring estimates has.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from metrics.intervals import (
    FEWEST_RECORDINGS,
    adjusted_t_ends,
    influence_kurtosis,
    median_interval,
    share_ends,
)
from metrics.recordings import Recordings, effective_number

Values = NDArray[np.float64]

SIZES = (10, 20, 100, 400)
LAYOUTS = ("one clip", "four clips", "Zipf")
RATES = (0.5, 0.7, 0.9, 0.95, 0.99, 1.0)
AREAS = (0.5, 0.7, 0.9, 0.95, 0.99, 0.993, 1.0)
DISAGREEMENTS = ((0.0, 0.0), (0.01, 0.0), (0.01, 0.01), (0.05, 0.05), (0.02, 0.1), (0.1, 0.3))
"""How often the first of two models alone is right, and the second alone."""
RATIOS = (0.02, 0.1, 0.3, 0.5, 0.9)
CENSORED = (0.0, 0.4)
"""Shares of clips that have no finite value."""
CORRELATION = 0.3
"""Of two clips of one recording, unless the command line has another."""
LEAST, MOST = 0.93, 0.98
"""Coverage asked of a nominal 95 %."""


@dataclass(frozen=True)
class Coverage:
    """One row of the table.

    Attributes:
        number: the quantity of which the interval is computed.
        truth: the population's value.
        layout: how clips are distributed over recordings.
        clips: number of clips in a sample.
        recordings: effective number of recordings.
        covered: share of the samples whose interval contains the true value.
        width: mean width of the intervals.
        forced: the least coverage of at least 93 % that any interval can have whose ends grow with the estimate.
    """

    number: str
    truth: float
    layout: str
    clips: int
    recordings: float
    covered: float
    width: float
    forced: float


def least_coverage(estimates: Values, at_least: float = LEAST) -> float:
    """Smallest share, of at least 93 %, that a run of neighbouring values has among some estimates.

    Args:
        estimates: simulated estimates ``(samples,)``.
        at_least: share that is asked for.
    """
    # Rounding tells sums of the same counts apart.
    _, counts = np.unique(estimates.round(9), return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    ends = np.searchsorted(below, below + at_least * len(estimates) - 1e-9)
    starts = np.flatnonzero(ends < len(below))
    return float((below[ends[starts]] - below[starts]).min() / len(estimates))


def recording_of(layout: str, clips: int) -> NDArray[np.int64]:
    """Recording of each clip, ``(clips,)``.

    Args:
        layout: one of ``LAYOUTS``.
        clips: number of clips.
    """
    if layout == "one clip":
        return np.arange(clips)
    if layout == "four clips":
        return np.arange(clips) // 4
    ranks = np.arange(1, clips // 3 + 1)
    sizes = np.maximum(1, np.floor(clips / (1 / ranks).sum() / ranks)).astype(int)
    sizes[0] += clips - sizes.sum()
    return np.repeat(np.arange(len(sizes)), sizes)


def coverage_of_rates(samples: int, seed: int = 0, correlation: float = CORRELATION) -> Iterator[Coverage]:
    """Rows for rates: the clips of each recording are fooled at a rate drawn from a beta distribution."""
    for layout, clips, place in _layouts():
        generator = np.random.default_rng([seed, clips, LAYOUTS.index(layout)])
        for rate in RATES:
            own = _own_rates(generator, rate, (samples, place.max() + 1), correlation)
            happened = (generator.random((samples, clips)) < own[:, place]).astype(float)
            sums = _by_recording(happened, place)
            estimate = happened.mean(1)
            influence = (sums - estimate[:, None] * np.bincount(place)) / clips
            yield _share("rate", rate, layout, place, estimate, influence)


def coverage_of_areas(
    samples: int, seed: int = 0, correlation: float = CORRELATION, *, mixture: bool = False
) -> Iterator[Coverage]:
    """Rows for areas: all adversarials move by the same amount, or some move far and the others not (``mixture``)."""
    for layout, clips, place in _layouts():
        generator = np.random.default_rng([seed, clips, LAYOUTS.index(layout), mixture])
        some = min(samples, 40_000_000 // clips**2)
        for area in AREAS:
            parts = [samples] if some >= samples else [some] * (samples // some)
            drawn = [_areas(generator, area, part, place, correlation, mixture) for part in parts]
            estimate, influence = (np.concatenate(part) for part in zip(*drawn, strict=True))
            name = "area, some clips move" if mixture else "area, all clips move"
            yield _share(name, area, layout, place, estimate, influence, area=True)


def _areas(
    generator: np.random.Generator,
    area: float,
    samples: int,
    place: NDArray[np.int64],
    correlation: float,
    mixture: bool,
) -> tuple[Values, Values]:
    clips, recordings = len(place), place.max() + 1

    def normal() -> Values:
        shared = generator.normal(size=(samples, recordings))[:, place]
        return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * generator.normal(size=(samples, clips))

    clean = normal()
    # The score of an adversarial shares half of the variance of its clean clip's score.
    attacked = np.sqrt(0.5) * clean + np.sqrt(0.5) * normal()
    if area == 1:
        attacked = attacked + 1000.0
    elif mixture:
        own = _own_rates(generator, 2 * area - 1, (samples, recordings), correlation)
        attacked = np.where(generator.random((samples, clips)) < own[:, place], attacked + 1000.0, attacked)
    else:
        attacked = attacked + np.sqrt(2) * ndtri(area)
    # Of each clip: clean clips below its adversarial, and adversarials above it; no clip is compared with itself.
    itself = attacked > clean
    of_clip = _number_below(clean, attacked) - itself
    total = of_clip.sum(1)
    of_clip = of_clip + _number_below(-attacked, -clean) - itself
    area_of = total / (clips * (clips - 1))
    slope = of_clip / (clips * (clips - 1)) - 2 * area_of[:, None] / clips
    return area_of, _by_recording(slope, place)


def coverage_of_differences(samples: int, seed: int = 0, correlation: float = CORRELATION) -> Iterator[Coverage]:
    """Rows for differences between the accuracies of two models on the same clips."""
    for layout, clips, place in _layouts():
        generator = np.random.default_rng([seed, clips, LAYOUTS.index(layout)])
        for first, second in DISAGREEMENTS:
            values = np.array([1.0, -1.0, 0.0])
            chances = [first, second, 1 - first - second]
            own = generator.choice(values, (samples, clips), p=chances)
            shared = generator.choice(values, (samples, place.max() + 1), p=chances)[:, place]
            # With this probability, two clips of a recording both take its common draw; it equals their correlation.
            difference = np.where(generator.random((samples, clips)) < np.sqrt(correlation), shared, own)
            estimate, counts = difference.mean(1), np.bincount(place)
            influence = (_by_recording(difference, place) - estimate[:, None] * counts) / clips
            number = effective_number(torch.from_numpy(counts))
            ends = adjusted_t_ends(estimate, np.square(influence).sum(1), number)
            name = f"difference, {first:.0%} against {second:.0%}"
            yield _covered(name, first - second, layout, clips, estimate, np.full(samples, number), ends)


def coverage_of_ratios(
    samples: int, seed: int = 0, correlation: float = CORRELATION, attacks: int = 6
) -> Iterator[Coverage]:
    """Transfer ratios, means over attacks of what fools both over what fools the source, summed over five budgets."""
    for layout, clips, place in _layouts():
        generator = np.random.default_rng([seed, clips, LAYOUTS.index(layout)])
        for ratio in RATIOS:
            own = _own_rates(generator, ratio, (samples, place.max() + 1), correlation)[:, place]
            ratios, influences, shares = [], [], []
            for attack in range(attacks):
                # The number of budgets that fool the source; an adversarial that transfers does so at each of them.
                fools = generator.binomial(5, (attack + 1) / (attacks + 1), (samples, clips)).astype(float)
                carried = fools * (generator.random((samples, clips)) < own)
                above, below = (_by_recording(values, place) for values in (carried, fools))
                total = below.sum(1, keepdims=True)
                # A sample in which an attack fools no clip has no interval.
                total[total == 0] = np.nan
                ratios.append(above.sum(1, keepdims=True) / total)
                influences.append((above - ratios[-1] * below) / total)
                shares.append(below / total)
            number = np.min([1 / np.square(share).sum(1) for share in shares], axis=0)
            given = number >= FEWEST_RECORDINGS
            if given.mean() > 0.5:
                estimate, influence = np.mean(ratios, axis=0)[given, 0], np.mean(influences, axis=0)[given]
                yield _share("transfer ratio", ratio, layout, place, estimate, influence, number[given])


def coverage_of_medians(samples: int, seed: int = 0, correlation: float = CORRELATION) -> Iterator[Coverage]:
    """Medians of normal values, and of values of which some are minus infinity, as of clips that nothing fools."""
    for layout, clips, place in _layouts():
        generator = np.random.default_rng([seed, clips, LAYOUTS.index(layout)])
        units = Recordings(place.tolist())
        for censored in CENSORED:
            shared = generator.normal(size=(samples, place.max() + 1))[:, place]
            own = generator.normal(size=(samples, clips))
            values = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
            values[values < ndtri(censored)] = -np.inf
            found = [median_interval(torch.from_numpy(sample), units) for sample in values]
            ends = tuple(np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
            number, name = np.full(samples, units.effective), f"median, {censored:.0%} without a value"
            estimate = np.median(values, axis=1)
            yield _covered(name, 0.0, layout, clips, estimate, number, (ends[0], ends[1]))


def table(samples: int, correlation: float = CORRELATION) -> list[Coverage]:
    """All rows of the table."""
    return [
        *coverage_of_rates(samples, correlation=correlation),
        *coverage_of_areas(samples, correlation=correlation),
        *coverage_of_areas(samples, correlation=correlation, mixture=True),
        *coverage_of_differences(samples, correlation=correlation),
        *coverage_of_ratios(samples, correlation=correlation),
        *coverage_of_medians(samples, correlation=correlation),
    ]


def _layouts() -> Iterator[tuple[str, int, NDArray[np.int64]]]:
    for layout in LAYOUTS:
        for clips in SIZES:
            place = recording_of(layout, clips)
            if effective_number(torch.from_numpy(np.bincount(place))) >= FEWEST_RECORDINGS:
                yield layout, clips, place


def _own_rates(generator: np.random.Generator, rate: float, shape: tuple[int, int], correlation: float) -> Values:
    if rate in (0, 1) or not correlation:
        return np.full(shape, rate)
    concentration = 1 / correlation - 1
    return generator.beta(concentration * rate, concentration * (1 - rate), shape)


def _number_below(values: Values, limits: Values) -> Values:
    """How many of each sample's values ``(samples, n)`` lie below each of its limits ``(samples, m)``."""
    ordered, places = (torch.from_numpy(np.ascontiguousarray(some)) for some in (np.sort(values, axis=1), limits))
    return torch.searchsorted(ordered, places).numpy().astype(np.float64)


def _by_recording(values: Values, place: NDArray[np.int64]) -> Values:
    return np.add.reduceat(values, np.flatnonzero(np.diff(place, prepend=-1)), axis=1)


def _share(
    name: str,
    truth: float,
    layout: str,
    place: NDArray[np.int64],
    estimate: Values,
    influence: Values,
    number: Values | None = None,
    *,
    area: bool = False,
) -> Coverage:
    """As :func:`metrics.intervals.share_interval`, for all samples at once."""
    if number is None:
        number = np.full(len(estimate), effective_number(torch.from_numpy(np.bincount(place))))
    kurtosis = influence_kurtosis(influence) if area else None
    ends = share_ends(estimate, np.square(influence).sum(1), number, kurtosis=kurtosis)
    return _covered(name, truth, layout, len(place), estimate, number, ends)


def _covered(
    name: str, truth: float, layout: str, clips: int, estimate: Values, number: Values, ends: tuple[Values, Values]
) -> Coverage:
    low, high = ends
    held = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
    # A median may have no finite end.
    finite = np.isfinite(low) & np.isfinite(high)
    recordings, covered = float(number.mean()), float(held.mean())
    width = float((high[finite] - low[finite]).mean()) if finite.any() else np.inf
    return Coverage(name, truth, layout, clips, recordings, covered, width, least_coverage(estimate))


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--correlation", type=float, default=CORRELATION, help="of two clips of one recording")
    arguments = parser.parse_args()
    print(
        "| interval of | truth | recordings with | clips | effective recordings | covers, % | forced, % | mean width |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    lines = table(arguments.samples, arguments.correlation)
    for line in lines:
        print(
            f"| {line.number} | {line.truth:.3g} | {line.layout} | {line.clips} | {line.recordings:.1f} "
            f"| {100 * line.covered:.1f} | {100 * line.forced:.1f} | {line.width:.3f} |"
        )
    wide = [line for line in lines if line.covered > MOST]
    forced = sum(line.forced > MOST for line in wide)
    print(
        f"\n{len(lines)} lines, the least coverage {100 * min(line.covered for line in lines):.1f} %;\n"
        f"{len(wide)} above 98 %, {forced} of them because no interval can be between 93 and 98 %"
    )


if __name__ == "__main__":
    main()
