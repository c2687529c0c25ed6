import math
import statistics
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, bootstrap

from metrics.auc import auc, paired_rank_auc, rank_auc
from metrics.intervals import SourceResampling, bca_interval, clopper_pearson, near_the_end, rate_interval
from metrics.rates import fooling_rate


def weighted_mean(values, weights):
    return weights @ values / weights.sum(dim=-1)


@pytest.mark.parametrize("size", [8, 40])
def test_bca_with_clusters_of_one_clip_equals_scipy(size):
    # Multiples of 1/64 have exact sums, so that ties with the estimate are the same on both sides.
    values = np.round(64 * np.random.default_rng(size).exponential(size=size)) / 64
    expected = bootstrap((values,), np.mean, n_resamples=1500, method="BCa", rng=np.random.default_rng(7))
    names = [f"{index:03d}" for index in range(size)]  # draws follow the sorted names
    found = bca_interval(partial(weighted_mean, torch.from_numpy(values)), SourceResampling(names, 1500, seed=7))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), rel=1e-10)
    assert found.method == "bca"


def test_bca_of_an_area_equals_scipy_on_paired_scores():
    generator = np.random.default_rng(0)
    clean, attacked = generator.normal(size=30), generator.normal(0.8, size=30)

    def area(a, c, axis=-1):
        del axis
        return np.array([float(rank_auc(torch.from_numpy(x), torch.from_numpy(y))) for x, y in zip(a, c, strict=True)])

    def vectorised(a, c, axis=-1):
        return area(np.atleast_2d(a), np.atleast_2d(c)).reshape(a.shape[:-1])

    expected = bootstrap(
        (attacked, clean), vectorised, n_resamples=400, paired=True, vectorized=True, rng=np.random.default_rng(3)
    ).confidence_interval
    resampling = SourceResampling([f"{index:03d}" for index in range(30)], 400, seed=3)
    found = bca_interval(lambda w: rank_auc(torch.from_numpy(attacked), torch.from_numpy(clean), w, w), resampling)
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-9)


def test_clips_of_a_source_are_drawn_together_and_sources_as_often_as_there_are():
    sources = ["a", "b", "a", "c", "b"]
    resampling = SourceResampling(sources, resamples=50, seed=1)
    assert torch.equal(resampling.weights[:, 0], resampling.weights[:, 2])
    assert torch.equal(resampling.weights[:, 1], resampling.weights[:, 4])
    assert (resampling.weights[:, [0, 1, 3]].sum(dim=1) == 3).all()
    assert resampling.sources == 3
    assert resampling.without_one.tolist() == [[0, 1, 0, 1, 1], [1, 0, 1, 1, 0], [1, 1, 1, 0, 1]]


def test_draws_depend_on_the_sources_and_the_seed_alone():
    sources = [index // 3 for index in range(30)]
    first = SourceResampling(sources, 20, seed=5)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    shuffled = SourceResampling([sources[index] for index in order.tolist()], 20, seed=5)
    assert torch.equal(first.weights[:, order], shuffled.weights)
    assert not torch.equal(first.weights, SourceResampling(sources, 20, seed=6).weights)
    # Two victims that know different clips still see the same draws.
    some, others = torch.arange(30) % 2 == 0, torch.arange(30) % 3 > 0
    both = torch.arange(30)[some & others]
    one, two = first.of(some), first.of(others)
    assert torch.equal(one.weights[:, (torch.arange(30)[some][:, None] == both).any(1)], first.weights[:, both])
    assert torch.equal(two.weights[:, (torch.arange(30)[others][:, None] == both).any(1)], first.weights[:, both])
    assert first.of(torch.arange(30) < 4).sources == 2


def test_clusters_widen_an_interval():
    values = torch.randn(20, generator=torch.Generator().manual_seed(0)).repeat_interleave(5).double()
    alone = bca_interval(partial(weighted_mean, values), SourceResampling(range(100)))
    clustered = bca_interval(partial(weighted_mean, values), SourceResampling([index // 5 for index in range(100)]))
    ratio = (clustered.high - clustered.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(5), rel=0.15)


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 20), st.floats(0.2, 0.8))
def test_interval_of_a_rate_stays_within_the_unit_interval_and_around_the_rate(sources, clips, seed, share):
    generator = torch.Generator().manual_seed(seed)
    fooled = torch.rand(sources * clips, generator=generator) < share
    resampling = SourceResampling([index // clips for index in range(sources * clips)], 200, seed)
    interval = rate_interval(fooled, resampling)
    assert 0 <= interval.low <= float(fooling_rate(fooled)) <= interval.high <= 1
    near = min(int(fooled.sum()), int((~fooled).sum())) <= 3
    assert interval.method == ("clopper_pearson" if near else "bca")


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_equals_scipy_where_every_clip_is_its_own_source(counts):
    successes, clips = counts
    expected = binomtest(successes, clips).proportion_ci(method="exact")
    found = clopper_pearson(successes, clips, sources=clips)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_clopper_pearson_counts_sources_and_not_clips():
    # All of 120 clips from 40 sources: the rule of three on 40, not on 120.
    interval = clopper_pearson(120, 120, sources=40)
    assert (interval.low, interval.high) == pytest.approx((0.025 ** (1 / 40), 1.0))
    fooled = torch.ones(120, dtype=torch.bool)
    assert rate_interval(fooled, SourceResampling([index // 3 for index in range(120)], 10)) == interval
    assert math.isnan(clopper_pearson(0, 0, sources=0).low)


def test_a_rate_of_shares_keeps_its_fractions():
    # DeepFool's success is a mean over target labels. 20 clips with a sum of 18.6: a whole number would be 18.
    shares = torch.tensor([1.0] * 18 + [0.4, 0.2])
    found = rate_interval(shares, SourceResampling(range(20)))
    expected = (beta.ppf(0.025, 18.6, 20 - 18.6 + 1), beta.ppf(0.975, 18.6 + 1, 20 - 18.6))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.method == "clopper_pearson"
    # 3.5 of 20 is not within 3 of 0, and no success at all is not the same as a tenth of one.
    assert rate_interval(torch.tensor([1.0] * 3 + [0.5] + [0.0] * 16), SourceResampling(range(20))).method == "bca"
    tenth = rate_interval(torch.tensor([0.1] + [0.0] * 19), SourceResampling(range(20)))
    assert 0 < tenth.low < 0.005 < tenth.high < 1


def test_a_count_that_misses_three_by_rounding_is_three():
    # The mean of five folds of 80 clips, three of which have one success, times 400.
    successes = statistics.fmean([0, 0, 1 / 80, 1 / 80, 1 / 80]) * 400
    assert successes > 3
    assert near_the_end(successes, 400)
    assert near_the_end(400 - successes, 400)
    assert not near_the_end(3.5, 400)


def test_number_without_an_interval_is_missing_and_a_constant_is_a_point():
    values = torch.ones(6, dtype=torch.float64)
    assert math.isnan(bca_interval(partial(weighted_mean, values), SourceResampling(["a"] * 6)).low)
    point = bca_interval(partial(weighted_mean, values), SourceResampling(range(6), 100))
    assert (point.low, point.high) == (1.0, 1.0)
    missing = bca_interval(lambda weights: weights.sum(dim=-1) * torch.nan, SourceResampling(range(6), 100))
    assert math.isnan(missing.high)


def test_draws_in_which_the_number_does_not_exist_are_left_out():
    # Only two of ten sources hold a clip of S; many draws hold neither.
    sources = range(10)
    resampling = SourceResampling(sources, 300).of(torch.tensor([2, 5]))
    assert (resampling.weights.sum(dim=1) == 0).any()
    interval = bca_interval(partial(weighted_mean, torch.tensor([0.0, 1.0], dtype=torch.float64)), resampling)
    assert 0 <= interval.low <= interval.high <= 1


def test_interval_of_an_auc_covers_the_truth_as_often_as_it_says():
    # Sources share an offset; the positives' scores lie one standard deviation above the negatives'.
    generator = torch.Generator().manual_seed(0)
    truth = 0.5 * (1 + math.erf(0.5))  # Phi(1 / sqrt 2): the difference of two scores has mean 1, variance 2
    sources, clips, runs = 40, 3, 200
    resampling = SourceResampling([index // clips for index in range(sources * clips)], 400)
    labels = torch.zeros(sources * clips, dtype=torch.long)
    covered = naive = 0
    alone = SourceResampling(range(sources * clips), 400)
    for _ in range(runs):
        offset = torch.randn(sources, 2, generator=generator).repeat_interleave(clips, dim=0) * math.sqrt(0.7)
        scores = offset + torch.randn(sources * clips, 2, generator=generator) * math.sqrt(0.3)
        # A logit pair (0, g) has -log p_0 = log(1 + e^g), which rises with g.
        clean, attacked = (
            torch.stack([torch.zeros(len(labels)), scores[:, column] + shift], dim=1)
            for column, shift in ((0, 0.0), (1, 1.0))
        )
        for draws in (resampling, alone):
            interval = bca_interval(lambda w, c=clean, a=attacked: auc(c, a, labels, w), draws)
            hit = interval.low <= truth <= interval.high
            covered += hit and draws is resampling
            naive += hit and draws is alone
    assert 0.90 <= covered / runs <= 0.99
    assert naive / runs < 0.85


def test_interval_of_an_auc_covers_with_a_handful_of_clips_a_fold():
    # What ten clips a fold leave: five folds of eight, their areas averaged. In so small a fold the own pairs are an
    # eighth of all, so the truth is the expected area at this size, from many more folds.
    generator = torch.Generator().manual_seed(0)
    folds, clips, runs = 5, 8, 300

    def areas(number):
        clean = torch.randn(number, folds, clips, generator=generator, dtype=torch.float64)
        moved = clean + 1.5 + 0.8 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        return clean, moved

    clean, attacked = areas(20000)
    truth = float((attacked.unsqueeze(-1) > clean.unsqueeze(-2)).double().mean())
    resampling = SourceResampling(range(folds * clips), 500)
    covered = plain = 0
    for clean, attacked in zip(*areas(runs), strict=True):
        for area in (paired_rank_auc, lambda a, c, w: rank_auc(a, c, w, w)):

            def mean_area(weights, area=area, clean=clean, attacked=attacked):
                drawn = weights.unflatten(-1, (folds, clips)).unbind(dim=-2)
                parts = [area(a, c, w) for a, c, w in zip(attacked, clean, drawn, strict=True)]
                return torch.stack(parts).mean(dim=0)

            interval = bca_interval(mean_area, resampling)
            hit = interval.low <= truth <= interval.high
            covered += hit and area is paired_rank_auc
            plain += hit and area is not paired_rank_auc
    assert 0.92 <= covered / runs <= 0.98
    assert plain < covered


def test_intervals_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="expected clips and at least one resample, got 0 clips"):
        SourceResampling([])
    with pytest.raises(ValueError, match="expected confidence in \\(0, 1\\), got 95"):
        clopper_pearson(1, 2, 2, confidence=95)
    with pytest.raises(ValueError, match="expected successes and sources within 2 clips, got 3 and 2"):
        clopper_pearson(3, 2, 2)
    with pytest.raises(ValueError, match="expected confidence in \\(0, 1\\), got 1"):
        bca_interval(lambda weights: weights.sum(dim=-1), SourceResampling(["a", "b"]), confidence=1)
