import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks import ATTACKS
from attacks.box_projection import box_distance, project
from attacks.deepfool import DeepFool
from attacks.gradient_counter import GradientCounter
from attacks.losses import margin
from tests.victims import (
    LinearVictim,
    MaskedVictim,
    TinyConvolution,
    exact_box_distance,
    linear_problem,
    maps,
)


@pytest.mark.parametrize("classes", [2, 10, 50])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_exact_distance_of_a_linear_victim_in_the_box(classes, zeros, norm):
    victim, inputs, labels = linear_problem(classes, 16, zeros=zeros)
    exact = exact_box_distance(victim, inputs, labels, norm)
    outcome = DeepFool(victim, norm=norm).run(inputs, labels)
    assert outcome.success.all()
    ratio = getattr(outcome, norm) / exact
    assert ratio.max() < 1.025
    assert ratio.min() > 0.999
    assert outcome.iterations.tolist() == [1] * 16
    assert outcome.gradients.tolist() == [classes - 1] * 16
    assert outcome.full_jacobian_gradients.tolist() == [classes] * 16
    halved = DeepFool(victim, norm=norm, bisection_steps=10).run(inputs, labels)
    assert halved.success.all()
    assert (getattr(halved, norm) / exact).max() < 1.01
    assert torch.equal(halved.gradients, outcome.gradients)
    assert (halved.forward_rows - outcome.forward_rows).tolist() == [10] * 16


def test_a_step_by_hand_where_the_box_is_in_the_way():
    # Class 0 leads by 3 a - b. At (1, 0.1) that is 2.9, and the step (-3, 1) * 2.9 / 10 stays inside.
    victim = LinearVictim(torch.tensor([[3.0, -1.0], [0.0, 0.0]]))
    free = DeepFool(victim, overshoot=0.0, shortest_step=0.0, iterations=1)(
        torch.tensor([[1.0, 0.1]]), torch.tensor([0])
    )
    torch.testing.assert_close(free, torch.tensor([[1.0 - 3 * 0.29, 0.1 + 0.29]]))
    # With the upper bound at 0.2 and the start at (0.2, 0.19) it leads by 0.41: b gains 0.01 and a does the rest.
    boxed = DeepFool(victim, overshoot=0.0, shortest_step=0.0, iterations=1, bounds=(0.0, 0.2))
    ends = boxed(torch.tensor([[0.2, 0.19]]), torch.tensor([0]))
    torch.testing.assert_close(ends, torch.tensor([[0.2 - 0.4 / 3, 0.2]]))


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.99), norm=st.sampled_from(["l2", "linf"]))
def test_the_projection_meets_its_optimality_conditions(seed, share, norm):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(3, 30, generator=generator, dtype=torch.float64)
    points[:, :10] = 0.0
    gradient = torch.randn(3, 30, generator=generator, dtype=torch.float64)
    reach = torch.where(gradient > 0, gradient * (1 - points), -gradient * points).sum(dim=1)
    deficit = share * reach
    step, reachable = project(points, gradient, deficit, (0.0, 1.0), norm, rounds=40)
    assert reachable.all()
    assert (points + step).min() >= -1e-12
    assert (points + step).max() <= 1 + 1e-12
    torch.testing.assert_close((gradient * step).sum(dim=1), deficit)
    # Optimal: every value that has not met its bound moves by m |w_i| (l_2) or m (l_inf), with one m for all.
    free = ((points + step) > 1e-9) & ((points + step) < 1 - 1e-9)
    rate = step.abs() / (gradient.abs() if norm == "l2" else 1.0)
    for row in range(3):
        rates = rate[row][free[row]]
        if len(rates):
            assert float(rates.max() - rates.min()) < 1e-9
            assert (rate[row][~free[row]] <= rates.max() + 1e-9).all()
    length = step.norm(dim=1) if norm == "l2" else step.abs().amax(dim=1)
    distance = box_distance(points, gradient, deficit, (0.0, 1.0), norm, rounds=40)
    torch.testing.assert_close(distance, length, rtol=1e-6, atol=1e-9)


def test_out_of_reach_comes_last_and_does_not_run_into_the_corner():
    points = torch.full((1, 4), 0.5)
    gradient = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    near = box_distance(points, gradient, torch.tensor([0.9]), (0.0, 1.0), "l2")
    far = box_distance(points, gradient, torch.tensor([1.1]), (0.0, 1.0), "l2")
    nothing = box_distance(points, 0 * gradient, torch.tensor([0.1]), (0.0, 1.0), "l2")
    assert near < 1 < far < nothing == torch.inf
    step, reachable = project(points, 0 * gradient, torch.tensor([0.1]), (0.0, 1.0), "l2")
    assert not reachable.any()
    assert torch.equal(step, torch.zeros(1, 4))


def test_the_target_of_a_linear_victim_is_reached_at_its_exact_distance():
    victim, inputs, labels = linear_problem(2, 10, zeros=0.6)
    outcome = DeepFool(victim, targeted=True).run(inputs, labels, targets=1 - labels)
    assert outcome.target_hit.all()
    assert (outcome.l2 / exact_box_distance(victim, inputs, labels)).max() < 1.025
    assert outcome.gradients.tolist() == [1] * 10
    victim, inputs, labels = linear_problem(10, 10, zeros=0.6)
    targets = (labels + 3) % 10
    outcome = DeepFool(victim, targeted=True).run(inputs, labels, targets=targets)
    assert outcome.target_hit.all()
    assert torch.equal(outcome.gradients, outcome.iterations)
    assert torch.equal(victim(outcome.adversarial).argmax(dim=1), targets)


def test_the_average_over_targets_is_the_mean_of_single_runs():
    victim = TinyConvolution()
    inputs = maps(7, zeros=0.4)
    labels = victim(inputs).argmax(dim=1)
    outcome = ATTACKS["deepfool_targeted"](victim, iterations=30).run(inputs, labels)
    singles = [
        DeepFool(victim, targeted=True, iterations=30).run(inputs, labels, targets=(labels + 1 + offset) % 6)
        for offset in range(5)
    ]
    assert len(outcome.per_target) == 5
    gradients = sum(single.gradients for single in singles).double() / 5
    torch.testing.assert_close(outcome.gradients, gradients)
    torch.testing.assert_close(outcome.target_hit, sum(single.target_hit.double() for single in singles) / 5)
    l2 = torch.stack([single.l2.where(single.target_hit, torch.inf) for single in singles])
    hit = torch.isfinite(l2).any(dim=0)
    kept = (outcome.adversarial - inputs).flatten(1).double().norm(dim=1)
    torch.testing.assert_close(kept[hit], l2.amin(dim=0)[hit], rtol=1e-5, atol=1e-7)
    predictions = victim(outcome.adversarial).argmax(dim=1)
    assert torch.equal(predictions[hit], outcome.targets[hit])
    with pytest.raises(ValueError, match="every wrong label is one"):
        ATTACKS["deepfool_targeted"](victim).run(inputs, labels, targets=(labels + 1) % 6)


def test_candidate_classes_limit_the_gradients():
    victim, inputs, labels = linear_problem(50, 6, zeros=0.6)
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        outcome = DeepFool(counter, candidates=10).run(inputs, labels)
    assert outcome.success.all()
    assert (outcome.gradients == 9 * outcome.iterations).all()
    assert counts.backward_rows == int(outcome.gradients.sum())
    # The nearest boundary is nearly always among the largest logits; it can never be nearer than the exact one.
    ratio = outcome.l2 / exact_box_distance(victim, inputs, labels)
    assert ratio.min() > 0.999
    assert ratio.median() < 1.025


def test_the_class_is_found_wherever_the_label_stands():
    weight = torch.eye(5) * 2
    for label in range(5):
        point = torch.full((1, 5), 0.5)
        point[0, label] = 0.6
        point[0, (label + 2) % 5] = 0.55
        outcome = DeepFool(LinearVictim(weight)).run(point, torch.tensor([label]))
        assert outcome.logits_adversarial.argmax().item() == (label + 2) % 5
        torch.testing.assert_close(
            outcome.l2, torch.tensor([1.02 * 0.05 / 2**0.5], dtype=torch.float64), rtol=1e-4, atol=0
        )


def test_no_gradient_means_a_stop_that_is_reported():
    inputs = maps(3)
    victim = MaskedVictim(TinyConvolution())
    labels = victim(inputs).argmax(dim=1)
    outcome = DeepFool(victim, iterations=50).run(inputs, labels)
    assert torch.equal(outcome.adversarial, inputs)
    assert outcome.zero_gradients.tolist() == outcome.gradients.tolist() == [5] * 3
    assert not outcome.success.any()


def test_a_nonlinear_victim_falls_every_time_and_bisection_only_helps():
    victim = TinyConvolution()
    inputs = maps(24, zeros=0.6)
    labels = victim(inputs).argmax(dim=1)
    plain, halved = (
        DeepFool(victim, bisection_steps=steps).run_budgets(inputs, labels, [{"iterations": 2}, {"iterations": 50}])
        for steps in (0, 12)
    )
    assert plain[1].success.all()
    for before, after in zip(plain, halved, strict=True):
        assert torch.equal(before.success, after.success)
        assert (after.l2 <= before.l2 + 1e-9).all()
        assert (after.l2 < before.l2)[before.success].any()
        assert torch.equal(victim(after.adversarial).argmax(dim=1) != labels, after.success)


@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_what_bisection_keeps_fools_alone_too(steps):
    victim = TinyConvolution()
    inputs = maps(48, zeros=0.6)
    labels = victim(inputs).argmax(dim=1)
    outcome = DeepFool(victim, bisection_steps=steps).run(inputs, labels)
    alone = torch.cat([victim(one[None]).argmax(dim=1) for one in outcome.adversarial])
    assert outcome.success.all()
    assert torch.equal(alone != labels, outcome.success)
    # A tie would be anybody's: what is left of the margin is not less than a share of what there was before.
    before = DeepFool(victim).run(inputs, labels).logits_adversarial
    clean, plain, left = (margin(z, labels) for z in (outcome.logits_clean, before, outcome.logits_adversarial))
    assert (-left >= 0.99 * torch.minimum(1e-3 * clean, -plain / 4)).all()


def test_impossible_settings():
    victim = TinyConvolution()
    for arguments, message in (
        ({"iterations": 0}, "iterations to be a whole number of at least 1, got 0"),
        ({"norm": "l0"}, "norm among"),
        ({"overshoot": -0.1}, "overshoot of at least 0"),
        ({"shortest_step": -1.0}, "shortest step of at least 0"),
        ({"candidates": 1}, "candidate classes, the label included, to be a whole number of at least 2"),
        ({"bisection_steps": -1}, "bisection_steps to be a whole number of at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            DeepFool(victim, **arguments)
