import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attacks.jsma import best_pair, best_pixel


def brute_force(alpha, beta, domain):
    """Largest admissible product of one clip, 0 where there is none."""
    best = 0.0
    for p, q in itertools.combinations([pixel for pixel in range(len(alpha)) if domain[pixel]], 2):
        ascent, descent = float(alpha[p] + alpha[q]), -float(beta[p] + beta[q])
        if ascent > 0 and descent > 0:
            best = max(best, ascent * descent)
    return best


def product(alpha, beta, first, second):
    return -float(alpha[first] + alpha[second]) * float(beta[first] + beta[second])


@st.composite
def gradients(draw):
    clips, pixels = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    if draw(st.booleans()):  # few levels: many ties, many zeros
        alpha, beta = (torch.randint(-2, 3, (clips, pixels), generator=generator).double() for _ in range(2))
    else:
        alpha, beta = (torch.randn(clips, pixels, generator=generator, dtype=torch.float64) for _ in range(2))
    coupling = draw(st.sampled_from([0.0, 1.0, -1.0]))  # anticorrelated gradients have wide Pareto layers
    domain = torch.rand(clips, pixels, generator=generator) < draw(st.sampled_from([0.3, 1.0]))
    return alpha, coupling * alpha + beta, domain


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(gradients(), st.sampled_from([1, 7, 1 << 22]))
def test_the_best_pair_is_that_of_brute_force(problem, cells):
    alpha, beta, domain = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attacks.jsma.CELLS", cells)
        first, second, admissible = best_pair(alpha, beta, domain)
    for clip in range(len(alpha)):
        expected = brute_force(alpha[clip], beta[clip], domain[clip])
        assert bool(admissible[clip]) == (expected > 0)
        if expected > 0:
            p, q = int(first[clip]), int(second[clip])
            assert p != q
            assert domain[clip, p]
            assert domain[clip, q]
            assert product(alpha[clip], beta[clip], p, q) == pytest.approx(expected, rel=1e-12)
        alone = best_pair(alpha[clip : clip + 1], beta[clip : clip + 1], domain[clip : clip + 1])
        if expected > 0:
            assert (int(alone[0]), int(alone[1])) == (int(first[clip]), int(second[clip]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(gradients())
def test_the_best_pixel_is_that_of_brute_force(problem):
    alpha, beta, domain = problem
    pixel, admissible = best_pixel(alpha, beta, domain)
    values = torch.where(domain & (alpha > 0) & (beta < 0), -alpha * beta, 0.0)
    assert torch.equal(admissible, values.amax(dim=1) > 0)
    assert torch.equal(values.gather(1, pixel[:, None]).squeeze(1), values.amax(dim=1))


def test_small_gradients_do_not_vanish_in_the_product():
    alpha = torch.tensor([[1e-30, 3e-30, 2e-30, 0.0]])
    first, second, admissible = best_pair(alpha, -alpha, torch.ones(1, 4, dtype=torch.bool))
    assert admissible.item()
    assert {first.item(), second.item()} == {1, 2}
    pixel, admissible = best_pixel(alpha, -alpha, torch.ones(1, 4, dtype=torch.bool))
    assert admissible.item()
    assert pixel.item() == 1


def test_no_pixel_and_one_pixel_have_no_pair():
    alpha, beta = torch.ones(2, 3), -torch.ones(2, 3)
    domain = torch.tensor([[False, False, False], [False, True, False]])
    assert best_pair(alpha, beta, domain)[2].tolist() == [False, False]
    assert best_pixel(alpha, beta, domain)[1].tolist() == [False, True]
    assert best_pair(alpha[:1], beta[:1], domain[:1])[2].tolist() == [False]
