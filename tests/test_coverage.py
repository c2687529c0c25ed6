"""Do 95 % intervals hold the population's number in 95 of 100 samples?

The whole table: ``python -m benchmarks.coverage``.
"""

import numpy as np
import pytest
import torch
from scipy.stats import binom, poisson

from benchmarks import coverage, coverage_of_folds
from metrics.auc import paired_rank_auc
from metrics.intervals import Recordings, difference_interval, rate_interval, share_interval

SAMPLES = 1000
"""The standard error of 95 % is 0.7 points."""


def test_layouts_have_their_clips_and_those_with_too_few_recordings_are_left_out():
    for layout in coverage.LAYOUTS:
        for clips in coverage.SIZES:
            place = coverage.recording_of(layout, clips)
            assert len(place) == clips
            assert (np.diff(place) >= 0).all()
    assert {(layout, clips) for layout, clips, _ in coverage._layouts()} == {
        *(("one clip", clips) for clips in coverage.SIZES),
        *(("four clips", clips) for clips in (100, 400)),
        ("Zipf", 400),
    }


def test_the_simulation_makes_the_intervals_that_the_product_makes(monkeypatch):
    seen = []
    monkeypatch.setattr(coverage, "_covered", lambda *args: seen.append(args) or args)
    generator = np.random.default_rng(0)
    place = coverage.recording_of("Zipf", 400)
    recordings = Recordings(place.tolist())
    clean, attacked = generator.normal(size=(2, 400)) + np.array([[0.0], [1.0]])
    above = (attacked[:, None] > clean[None, :]).astype(float)
    np.fill_diagonal(above, 0)
    area = above.sum() / (400 * 399)
    slope = (above.sum(0) + above.sum(1)) / (400 * 399) - 2 * area / 400
    influence = coverage._by_recording(slope[None], place)
    coverage._share("area", 0.5, "Zipf", place, np.array([area]), influence, area=True)
    scores = torch.from_numpy(attacked), torch.from_numpy(clean)
    found = share_interval(lambda weights: paired_rank_auc(*scores, weights), recordings, area=True)
    assert (found.low, found.high) == pytest.approx(tuple(float(end[0]) for end in seen[-1][-1]), abs=1e-9)


def test_the_least_coverage_that_a_discrete_estimate_allows():
    ten = np.repeat(np.arange(11) / 10, np.round(1e6 * binom.pmf(np.arange(11), 10, 0.95)).astype(int))
    assert coverage.least_coverage(ten) == pytest.approx(binom.sf(7, 10, 0.95), abs=1e-4)
    assert coverage.least_coverage(np.ones(100)) == 1
    assert coverage.least_coverage(np.arange(1000.0)) == 0.93


def test_no_interval_tells_apart_two_models_that_disagree_on_fewer_than_four_clips():
    # If neither model is better, s clips on which they disagree all speak for one of them with probability 2^(1 - s).
    expected, numbers = np.linspace(0.1, 20, 400)[:, None], np.arange(1, 80)
    one_sided = poisson.pmf(numbers, expected) * 2.0 ** (1 - numbers)
    wrongly = {least: one_sided[:, numbers >= least].sum(1) for least in (3, 4)}
    assert wrongly[3].max() == pytest.approx(0.089, abs=5e-4)
    assert wrongly[3].max() > 1 - coverage.LEAST > wrongly[4].max()
    assert expected[wrongly[3].argmax(), 0] == pytest.approx(3.6, abs=0.05)
    assert np.interp(2, expected[:, 0], wrongly[4]) == pytest.approx(0.014, abs=5e-4)


@pytest.mark.slow
def test_intervals_of_rates_differences_ratios_and_medians_cover_as_often_as_they_say():
    lines = [
        *coverage.coverage_of_rates(SAMPLES),
        *coverage.coverage_of_differences(SAMPLES),
        *coverage.coverage_of_ratios(SAMPLES),
        *coverage.coverage_of_medians(SAMPLES // 2),
    ]
    assert len(lines) > 100
    assert not [line for line in lines if line.covered < coverage.LEAST]
    # Not by being wide: between the ends, where outcomes are many, no more than 98 %.
    inner = [line for line in lines if line.number == "rate" and line.truth <= 0.7 and line.layout == "one clip"]
    assert not [line for line in inner if line.covered > coverage.MOST]


@pytest.mark.slow
@pytest.mark.parametrize("mixture", [False, True])
def test_intervals_of_areas_cover_as_often_as_they_say(mixture):
    lines = list(coverage.coverage_of_areas(SAMPLES, mixture=mixture))
    assert {line.truth for line in lines} >= {0.5, 0.993, 1.0}
    assert not [line for line in lines if line.covered < coverage.LEAST]


@pytest.mark.slow
def test_intervals_of_means_over_unequal_folds_cover_as_often_as_they_say():
    lines = list(coverage_of_folds.lines(SAMPLES))
    assert {line.number for line in lines} == {"rate", "area", "difference"}
    # Of 1,000 samples: the standard error of 93 % is 0.8 points.
    assert min(line.covered for line in lines) > coverage.LEAST - 0.016
    # With the effective number of all clips together, a fold of few clips is taken for known.
    assert min(line.together for line in lines) < 0.85


def test_recordings_are_what_counts_and_not_clips():
    # The five unequal recordings that used to get an interval which covered 59 to 84 %.
    place = [0] * 40 + [1] * 10 + [2] * 5 + [3] * 3 + [4] * 2
    assert np.isnan(rate_interval(torch.arange(60) < 30, Recordings(place)).low)
    one = difference_interval(lambda weights: weights.sum(-1) / weights.sum(-1), Recordings(place))
    assert np.isnan(one.low)
