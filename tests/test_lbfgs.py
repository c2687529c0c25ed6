import threading

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, minimize, rosen, rosen_der

from attacks.batched_lbfgsb import minimise_in_lock_step
from attacks.gradient_counter import GradientCounter
from attacks.lbfgs import LBFGS
from attacks.outcome import concatenate
from tests.row_by_row import RowByRow
from tests.victims import FailingVictim, LinearVictim, TinyConvolution, linear_problem, maps, target_region_distance

COUNTS = ("iterations", "gradients", "full_jacobian_gradients", "forward_rows", "zero_gradients")
OPTIONS = {"maxiter": 60, "ftol": 1e-12, "gtol": 1e-9}


@pytest.mark.parametrize(("classes", "steps", "tolerance"), [(2, 12, 1.01), (10, 9, 1.15)])
def test_the_exact_distance_of_a_linear_victim_in_the_box(classes, steps, tolerance):
    victim, inputs, labels = linear_problem(classes, 8, features=30, zeros=0.6)
    victim.weight.data *= 20
    victim.bias.data *= 20
    targets = (labels + 1 + torch.arange(8) % (classes - 1)) % classes
    exact = target_region_distance(victim, inputs, targets)
    outcome = LBFGS(victim, search_steps=steps).run(inputs, labels, targets=targets)
    assert outcome.target_hit.all()
    ratio = outcome.l2 / exact
    assert ratio.min() > 0.999
    assert (ratio.max() if classes == 2 else ratio.median()) < tolerance
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1


def test_every_target_of_fifty_classes_is_hit():
    victim, inputs, labels = linear_problem(50, 8, zeros=0.6)
    outcome = LBFGS(victim).run(inputs, labels, targets=(labels + 1 + 6 * torch.arange(8)) % 50)
    assert outcome.target_hit.all()
    assert torch.equal(victim(outcome.adversarial).argmax(dim=1), outcome.targets)


def test_lock_step_equals_one_after_the_other():
    starts = np.random.default_rng(0).uniform(-1.5, 1.5, size=(6, 4))
    rounds = []

    def objective(problems, points):
        rounds.append(problems)
        assert problems == sorted(problems)
        return np.array([rosen(p) for p in points]), np.array([rosen_der(p) for p in points])

    together = minimise_in_lock_step(objective, starts, (-2.0, 0.8), OPTIONS)
    for start, found in zip(starts, together, strict=True):
        alone = minimize(
            rosen, start, jac=rosen_der, bounds=Bounds([-2.0] * 4, [0.8] * 4), method="L-BFGS-B", options=OPTIONS
        )
        np.testing.assert_array_equal(found.x, alone.x)
        assert (found.nfev, found.nit, found.status) == (alone.nfev, alone.nit, alone.status)
    assert len(rounds) == max(found.nfev for found in together)
    assert sum(len(problems) for problems in rounds) == sum(found.nfev for found in together)


def test_one_that_breaks_down_leaves_the_others_alone():
    starts = np.full((3, 2), 0.9)

    def objective(problems, points):
        gradients = 2 * points
        gradients[[problem == 1 for problem in problems]] *= -1  # no descent along what it calls the gradient
        return np.square(points).sum(axis=1), gradients

    results = minimise_in_lock_step(objective, starts, (0.0, 1.0), OPTIONS)
    assert not results[1].success
    for index in (0, 2):
        assert results[index].success
        np.testing.assert_allclose(results[index].x, 0, atol=1e-6)


def test_exceptions_arrive_and_no_thread_is_left():
    before = threading.active_count()
    rounds = []

    def fails_at_the_third(problems, points):
        rounds.append(problems)
        if len(rounds) == 3:
            raise RuntimeError("the victim broke")
        return np.array([rosen(p) for p in points]), np.array([rosen_der(p) for p in points])

    with pytest.raises(RuntimeError, match="the victim broke"):
        minimise_in_lock_step(fails_at_the_third, np.zeros((5, 3)), (-2.0, 2.0), OPTIONS)
    with pytest.raises(ValueError, match="maxls must be positive"):
        minimise_in_lock_step(lambda _, p: (p.sum(axis=1), p), np.zeros((2, 3)), (-2.0, 2.0), {"maxls": 0})
    victim, inputs, labels = linear_problem(3, 4, features=20)
    with pytest.raises(RuntimeError, match="the victim broke"):
        LBFGS(FailingVictim(victim, fails_at=6), search_steps=2).run(inputs, labels)
    assert threading.active_count() == before


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-12)])
def test_batch_mates_do_not_matter(dtype, tolerance):
    linear, inputs, _ = linear_problem(5, 64, features=24, zeros=0.5, dtype=dtype)
    victim = RowByRow(linear)
    labels, clips = victim(inputs).argmax(dim=1), torch.arange(64)
    attack = LBFGS(victim, search_steps=2, iterations=12)
    together = attack.run(inputs, labels, ids=clips)
    for size in (1, 7):
        parts = [attack.run(inputs[i : i + size], labels[i : i + size], ids=clips[i : i + size]) for i in (0, 7)]
        apart, same = concatenate(parts), together.select(torch.cat([torch.arange(i, i + size) for i in (0, 7)]))
        assert (apart.adversarial - same.adversarial).abs().max() <= tolerance
        for count in COUNTS:
            assert torch.equal(getattr(apart, count), getattr(same, count)), count


def test_search_steps_share_a_run_and_gradients_are_evaluations():
    victim, inputs = TinyConvolution(), maps(6, zeros=0.4)
    labels = victim(inputs).argmax(dim=1)
    labels[3] = (labels[3] + 1) % 6  # wrong before the attack
    counter = GradientCounter(victim)
    attack = LBFGS(counter, iterations=8)
    budgets = [{"search_steps": 3}, {"search_steps": 1}]
    with counter.counting() as counts:
        shared = attack.run_budgets(inputs, labels, budgets)
    assert counts.backward_rows == int(shared[0].gradients.sum()) > 0
    assert (shared[0].iterations <= 24).all()
    # Clean, one forward a gradient, and one for the minimiser of each search.
    others = torch.arange(6) != 3
    assert torch.equal(shared[0].forward_rows[others], shared[0].gradients[others] + 1 + 3)
    for budget, outcome in zip(budgets, shared, strict=True):
        alone = attack.with_settings(**budget).run(inputs, labels)
        for field in ("adversarial", "logits_adversarial", "success", "target_hit", *COUNTS):
            assert torch.equal(getattr(alone, field), getattr(outcome, field)), (budget, field)
        assert outcome.gradients[3] == 0
        assert torch.equal(outcome.adversarial[3], inputs[3])


def test_no_adversarial_that_was_met_is_lost():
    victim, inputs, labels = linear_problem(4, 12, features=40)
    nearest = LBFGS(victim, search_steps=3, iterations=20).run(inputs, labels)
    minimiser = LBFGS(victim, search_steps=3, iterations=20, every_query=False).run(inputs, labels)
    assert torch.equal(nearest.gradients, minimiser.gradients)
    assert (nearest.target_hit | ~minimiser.target_hit).all()
    hit = minimiser.target_hit
    assert hit.any()
    assert (nearest.l2[hit] <= minimiser.l2[hit]).all()


def test_what_cannot_be_hit_is_judged_by_the_last_minimiser():
    victim = LinearVictim(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([9.0, 0.0]))
    outcome = LBFGS(victim, search_steps=6).run(torch.full((1, 2), 0.5), torch.tensor([0]))
    assert not outcome.target_hit.item()
    torch.testing.assert_close(outcome.adversarial, torch.ones(1, 2))


def test_the_door():
    victim = LinearVictim(torch.eye(2))
    with pytest.raises(ValueError, match="iterations to be a whole number of at least 1"):
        LBFGS(victim, iterations=0)
    with pytest.raises(ValueError, match="tolerances of at least 0"):
        LBFGS(victim, value_tolerance=-1.0)
    with pytest.raises(ValueError, match="expected targeted=True"):
        LBFGS(victim, targeted=False)
