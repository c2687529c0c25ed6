"""Intervals that count models and recordings: worked examples, SciPy, and how often a true null is excluded."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from metrics.model_variance import (
    corrected_resampled_interval,
    excluded_nulls,
    excluded_nulls_of_seeds,
    seed_interval,
)

STFT_MINUS_MFCC = [8.75, -5.0, 10.0, 10.0, 8.75]
DWT_16_MINUS_8 = np.subtract([81.25, 90, 81.25, 93.75, 90], [78.75, 85, 77.5, 92.5, 88.75])


@pytest.mark.parametrize(
    ("differences", "ratio", "ends"),
    [
        (STFT_MINUS_MFCC, 0, (-1.52, 14.52)),
        (STFT_MINUS_MFCC, 1 / 3, (-6.60, 19.60)),
        (STFT_MINUS_MFCC, 1, (-13.14, 26.14)),
        (DWT_16_MINUS_8, 0, (0.73, 4.77)),
        (DWT_16_MINUS_8, 1 / 3, (-0.55, 6.05)),
    ],
)
def test_worked_examples_of_folds(differences, ratio, ends):
    assert corrected_resampled_interval(differences, ratio) == pytest.approx(ends, abs=0.005)


def test_without_a_correction_it_is_the_paired_t_interval_of_scipy():
    expected = ttest_1samp(STFT_MINUS_MFCC, 0).confidence_interval(0.9)
    assert corrected_resampled_interval(STFT_MINUS_MFCC, 0, 0.9) == pytest.approx((expected.low, expected.high))


def test_seeds_without_an_error_of_recordings_are_a_t_interval_and_with_one_wider():
    expected = ttest_1samp([1.0, 2.0, 4.0], 0).confidence_interval()
    assert seed_interval([1.0, 2.0, 4.0], 0, 40) == pytest.approx((expected.low, expected.high))
    # Seeds that agree leave the recordings alone: t of 39 degrees of freedom at 97.5 % is 2.0227.
    assert seed_interval([2.0, 2.0, 2.0], 1, 40) == pytest.approx((2 - 2.0227, 2 + 2.0227), abs=1e-4)


@pytest.mark.parametrize("given", [([1.0], 0.3), ([1.0, float("nan")], 0.3), ([1.0, 2.0], -0.1)])
def test_what_is_no_sample_of_folds_is_refused(given):
    with pytest.raises(ValueError, match="expected"):
        corrected_resampled_interval(*given)


@pytest.mark.slow
@pytest.mark.parametrize("folds", [5, 10])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
def test_a_true_null_is_excluded_in_at_most_six_of_a_hundred(folds, correlation):
    assert excluded_nulls(correlation, 1, folds) <= 0.06


@pytest.mark.slow
def test_the_ratio_of_the_protocol_does_not_cover_strongly_correlated_folds():
    # Why claims are judged with the ratio 1: 13.7 % with 1/3, 31.9 % without a correction.
    assert excluded_nulls(0.5, 1 / 3) == pytest.approx(0.137, abs=0.01)
    assert excluded_nulls(0.5, 0) == pytest.approx(0.319, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("models", [0.0, 1.0, 4.0])
def test_seeds_exclude_a_true_null_in_at_most_six_of_a_hundred_and_not_much_less_than_three(models, seeds):
    assert 0.02 <= excluded_nulls_of_seeds(models, seeds, trials=4000) <= 0.06
