import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kurtosis, norm
from scipy.stats import t as student

from metrics.auc import auc, paired_rank_auc
from metrics.intervals import (
    TOO_FEW,
    Recordings,
    difference_interval,
    effective_trials,
    influence_kurtosis,
    median_interval,
    mid_p_ends,
    rate_interval,
    share_interval,
)
from metrics.recordings import effective_number
from metrics.success import fooling_rate


def weighted_mean(values, weights):
    return weights @ values / weights.sum(dim=-1)


def test_clips_of_a_recording_count_together():
    recordings = Recordings(["a", "b", "a", "c", "b"])
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    influence = recordings.influence(partial(weighted_mean, values))
    assert influence.tolist() == pytest.approx([(1 + 3 - 2 * 3) / 5, (2 + 5 - 2 * 3) / 5, (4 - 3) / 5])
    assert (recordings.clips, recordings.number, recordings.effective) == (5, 3, pytest.approx(25 / 9))
    for chosen in (torch.tensor([True, False, True, False, True]), torch.tensor([0, 2, 4]), slice(0, 5, 2)):
        some = recordings.of(chosen)
        assert (some.clips, some.number) == (3, 2)
        assert some.influence(partial(weighted_mean, values[chosen])).tolist() == pytest.approx([-2 / 3, 2 / 3])


def of_paired(first, second, recordings):
    """The interval of the mean difference of two models' answers on the same clips."""
    values = first.double() - second.double()
    return difference_interval(partial(weighted_mean, values), Recordings(recordings))


def test_a_mean_over_folds_is_known_no_better_than_its_smallest_fold():
    everything = Recordings(range(50))
    folds = [slice(0, 40), slice(40, 50)]
    joined = Recordings.joined([everything.of(fold) for fold in folds])
    for recordings in (everything.over_folds(folds), joined):
        assert recordings.effective == 20
        assert (recordings.clips, recordings.number) == (50, 50)
    # Of seven recordings the variance is not known: no interval, however many clips the other folds have.
    for smallest, known in ((7, 7), (8, 16)):
        few = everything.over_folds([slice(0, 40), slice(40, 40 + smallest)])
        assert few.effective == known
        assert (rate_interval(torch.arange(50) < 30, few).method == TOO_FEW) == (smallest == 7)
    # Equal folds, and folds that test the same clips, have as many recordings as there are.
    assert Recordings(range(40)).over_folds([slice(0, 20), slice(20, 40)]).effective == 40
    assert Recordings(range(20)).over_folds([slice(0, 20)] * 3).effective == 20
    assert Recordings(range(20)).over_folds([]).effective == 20
    with pytest.raises(ValueError, match="expected parts of one set of recordings, got parts of several"):
        Recordings.joined([everything, Recordings(range(50))])


def test_a_median_of_few_clips_has_no_interval_at_a_level_that_they_cannot_reach():
    values, ten = torch.arange(10, dtype=torch.float64), Recordings(range(10))
    # The median lies outside all of ten values with probability 2 / 2^10.
    for confidence, known in ((0.95, True), (0.998, True), (0.9981, False), (1 - 0.05 / 45, False)):
        assert (1 - confidence >= 2 / 2**10) == known
        found = median_interval(values, ten, confidence)
        assert math.isfinite(found.low) == math.isfinite(found.high) == known
        assert (found.low, found.high) == ((0, 9) if confidence == 0.998 else (found.low, found.high))


def test_clusters_widen_an_interval():
    values = torch.randn(20, generator=torch.Generator().manual_seed(0)).repeat_interleave(5).double()
    alone, clustered = (Recordings(names) for names in (range(100), [index // 5 for index in range(100)]))
    ratio = clustered.variance(partial(weighted_mean, values)) / alone.variance(partial(weighted_mean, values))
    assert ratio == pytest.approx(5)


@given(st.integers(10, 40), st.integers(1, 5), st.integers(0, 20), st.floats(0, 1))
def test_interval_of_a_rate_stays_within_the_unit_interval_and_around_the_rate(sources, clips, seed, share):
    generator = torch.Generator().manual_seed(seed)
    fooled = torch.rand(sources * clips, generator=generator) < share
    interval = rate_interval(fooled, Recordings([index // clips for index in range(sources * clips)]))
    assert 0 <= interval.low <= float(fooling_rate(fooled)) + 1e-12
    assert float(fooling_rate(fooled)) - 1e-12 <= interval.high <= 1
    assert interval.high - interval.low > 0.01
    assert interval.method == "mid_p"


@pytest.mark.parametrize(("successes", "trials"), [(0, 12), (1, 12), (7, 20), (20, 20), (199, 200)])
def test_mid_p_ends_solve_their_definition_in_binomial_probabilities(successes, trials):
    low, high = (float(end) for end in mid_p_ends(successes, trials))
    if successes:
        assert binom.sf(successes, trials, low) + binom.pmf(successes, trials, low) / 2 == pytest.approx(0.025)
    if successes < trials:
        assert binom.cdf(successes - 1, trials, high) + binom.pmf(successes, trials, high) / 2 == pytest.approx(0.025)
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)


def test_a_rate_of_single_clips_has_the_interval_of_so_many_trials():
    fooled = torch.arange(40) < 31
    interval = rate_interval(fooled, Recordings(range(40)))
    assert (interval.low, interval.high) == pytest.approx(tuple(map(float, mid_p_ends(31, 40))))
    # All of 120 clips of 40 recordings are 40 trials, none of which failed: 0.05^(1/40).
    all_fooled = rate_interval(torch.ones(120, dtype=torch.bool), Recordings([k // 3 for k in range(120)]))
    assert (all_fooled.low, all_fooled.high) == pytest.approx((0.05 ** (1 / 40), 1.0))


def test_variance_over_recordings_is_that_of_their_sums_and_of_a_jackknife():
    generator = torch.Generator().manual_seed(0)
    place = [0] * 7 + [1] * 5 + list(range(2, 30))
    values = torch.rand(len(place), generator=generator, dtype=torch.float64)
    recordings = Recordings(place)
    mean = float(values.mean())
    sums = [sum(float(values[k]) - mean for k, r in enumerate(place) if r == recording) for recording in range(30)]
    found = recordings.variance(partial(weighted_mean, values))
    assert found == pytest.approx(sum(one**2 for one in sums) / len(place) ** 2)
    # Of an area the delete-one jackknife says nearly the same.
    clean, attacked = torch.randn(2, 200, generator=generator, dtype=torch.float64)
    singles = Recordings(range(200))
    left_out = paired_rank_auc(attacked + 1, clean, 1 - torch.eye(200, dtype=torch.float64))
    jackknife = float((left_out - left_out.mean()).square().sum()) * 199 / 200
    assert singles.variance(lambda w: paired_rank_auc(attacked + 1, clean, w)) == pytest.approx(jackknife, rel=0.03)


def test_kurtosis_of_influences():
    # Of a share of single clips it is that of a binary outcome, 1 / (p (1 - p)) - 3.
    clips = torch.arange(50) < 47
    influence = Recordings(range(50)).influence(partial(weighted_mean, clips.double())).numpy()
    assert influence_kurtosis(influence) == pytest.approx(kurtosis(clips.double().numpy(), fisher=False))
    assert influence_kurtosis(influence) == pytest.approx(1 / (0.94 * 0.06) - 3)
    # Where nothing has an influence but rounding, there is nothing to know.
    rounding = [1e-17, -3e-17, 0.0]
    assert influence_kurtosis(np.array([[2.0, -2.0, 0.0], [0.0] * 3, rounding])).tolist() == [1.5, np.inf, np.inf]


def test_intervals_need_ten_effective_recordings_and_say_so():
    assert effective_number(torch.tensor([3, 3, 3])) == pytest.approx(3)
    assert effective_number(torch.tensor([])) == 0
    nine = rate_interval(torch.arange(9) < 5, Recordings(range(9)))
    assert math.isnan(nine.low)
    assert math.isnan(nine.high)
    assert nine.method == TOO_FEW == "fewer than 10 recordings"
    assert rate_interval(torch.arange(10) < 5, Recordings(range(10))).method == "mid_p"
    # Forty recordings, but half of all clips are of one.
    place = [0] * 39 + list(range(1, 40))
    assert 78**2 / (39**2 + 39) < 10
    assert rate_interval(torch.arange(78) < 30, Recordings(place)).method == TOO_FEW
    assert of_paired(torch.ones(9), torch.zeros(9), range(9)).method == TOO_FEW


def test_near_the_end_an_interval_is_no_point():
    scores = torch.arange(20, dtype=torch.float64)
    twenty = Recordings(range(20))
    assert rate_interval(torch.ones(20), twenty).low == pytest.approx(0.05 ** (1 / 20))
    area = share_interval(lambda w: paired_rank_auc(scores + 100, scores, w), twenty, area=True)
    # A prior that counts 1 / 0.75 as many trials, and Student's t for the normal quantile.
    trials = 20 / 0.75 * (norm.ppf(0.975) / student.ppf(0.975, 19)) ** 2
    assert (area.low, area.high) == pytest.approx((0.05 ** (1 / trials), 1.0))
    right = torch.arange(80) < 75
    same = of_paired(right, right, range(80))
    assert (same.low, same.high) == pytest.approx((-0.0343, 0.0343), abs=1e-4)


@settings(max_examples=40)
@given(st.integers(10, 60), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_the_interval_of_a_median_is_that_of_the_sign_test(clips, without, seed):
    values = np.random.default_rng(seed).normal(size=clips)
    values[:without] = -np.inf
    found = median_interval(torch.from_numpy(values), Recordings(range(clips)))
    # With so few values below it, the sign test rejects a median.
    few = max(number for number in range(clips) if binom.cdf(number, clips, 0.5) <= 0.025)
    ordered = np.sort(values)
    assert (found.low, found.high) == (ordered[few], ordered[clips - few - 1])


def test_the_interval_of_a_median_counts_recordings():
    values = torch.arange(40, dtype=torch.float64)
    alone = median_interval(values, Recordings(range(40)))
    # Four equal clips of each recording are worth one.
    four = median_interval(values.repeat_interleave(4), Recordings(np.repeat(np.arange(40), 4).tolist()))
    assert (four.low, four.high) == pytest.approx((alone.low, alone.high), abs=1)
    assert median_interval(values, Recordings(np.arange(40) // 5)).method == TOO_FEW


def test_a_paired_difference_of_single_clips_is_that_of_bonett_and_price():
    # 12 clips that the first alone has right, 5 the second alone, of 100; their formula, with t for z.
    first = torch.tensor([1.0] * 12 + [0.0] * 5 + [1.0] * 83)
    second = torch.tensor([0.0] * 12 + [1.0] * 5 + [1.0] * 83)
    found = of_paired(first, second, range(100))
    one, other = 13 / 102, 6 / 102
    reach = student.ppf(0.975, 99) * math.sqrt((one + other - (one - other) ** 2) / 102)
    assert (found.low, found.high) == pytest.approx((one - other - reach, one - other + reach))
    assert found.method == "adjusted_t"
    swapped = of_paired(second, first, range(100))
    assert (-swapped.high, -swapped.low) == pytest.approx((found.low, found.high))
    difference = first - second
    general = difference_interval(partial(weighted_mean, difference.double()), Recordings(range(100)))
    assert general == found


def test_no_interval_jumps_where_a_count_passes_three():
    """The old intervals changed their method, and their width up to fourfold, between 3 and 4 opposite outcomes."""
    shares = np.linspace(0, 0.2, 81)
    low, high = mid_p_ends(shares * 60, effective_trials(shares, shares * (1 - shares) / 60 * 0.4, 60.0))
    width = high - low
    assert np.abs(np.diff(np.log(width))).max() < 0.08
    assert (np.diff(width[20:]) > 0).all()


def test_a_rate_of_shares_keeps_its_fractions():
    # DeepFool's success is a mean over target labels. 20 clips with a sum of 18.6: a whole number would be 18.
    found = rate_interval(torch.tensor([1.0] * 18 + [0.4, 0.2]), Recordings(range(20)))
    assert found.low < 0.93 < found.high
    tenth = rate_interval(torch.tensor([0.1] + [0.0] * 19), Recordings(range(20)))
    assert 0 < tenth.low < 0.005 < tenth.high < 1


def test_interval_of_an_auc_covers_the_truth_as_often_as_it_says():
    # Sources share an offset; the positives' scores lie one standard deviation above the negatives'.
    generator = torch.Generator().manual_seed(0)
    truth = 0.5 * (1 + math.erf(0.5))  # Phi(1 / sqrt 2): the difference of two scores has mean 1, variance 2
    sources, clips, runs = 40, 3, 200
    clustered = Recordings([index // clips for index in range(sources * clips)])
    labels = torch.zeros(sources * clips, dtype=torch.long)
    covered = naive = 0
    alone = Recordings(range(sources * clips))
    for _ in range(runs):
        offset = torch.randn(sources, 2, generator=generator).repeat_interleave(clips, dim=0) * math.sqrt(0.7)
        scores = offset + torch.randn(sources * clips, 2, generator=generator) * math.sqrt(0.3)
        # A logit pair (0, g) has -log p_0 = log(1 + e^g), which rises with g.
        clean, attacked = (
            torch.stack([torch.zeros(len(labels)), scores[:, column] + shift], dim=1)
            for column, shift in ((0, 0.0), (1, 1.0))
        )
        for recordings in (clustered, alone):
            interval = share_interval(lambda w, c=clean, a=attacked: auc(c, a, labels, w), recordings, area=True)
            hit = interval.low <= truth <= interval.high
            covered += hit and recordings is clustered
            naive += hit and recordings is alone
    assert 0.93 <= covered / runs <= 0.99
    assert naive / runs < 0.9


def test_intervals_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="expected the recording of each clip, got no clip"):
        Recordings([])
    with pytest.raises(ValueError, match="expected confidence in \\(0, 1\\), got 2"):
        rate_interval(torch.ones(12), Recordings(range(12)), confidence=2)
