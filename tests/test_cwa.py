import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attacks.box_smoother import BoxSmoother
from attacks.cwa import CWA
from attacks.deepfool import DeepFool
from attacks.gradient_counter import GradientCounter
from attacks.losses import margin
from attacks.outcome import concatenate
from attacks.penalty_search import ConstantSearch, Nearest
from tests.row_by_row import RowByRow
from tests.victims import (
    LinearVictim,
    TinyConvolution,
    exact_box_distance,
    linear_problem,
    maps,
    target_region_distance,
)

COUNTS = ("iterations", "gradients", "full_jacobian_gradients", "forward_rows", "zero_gradients")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [10, 50])
def test_the_exact_distance_to_the_target_of_a_linear_victim_in_the_box(classes):
    victim, inputs, labels = linear_problem(classes, 12, zeros=0.6, features=64)
    targets = (labels + 1 + torch.arange(12) % (classes - 1)) % classes
    outcome = CWA(victim, search_steps=9, iterations=500, targeted=True).run(inputs, labels, targets=targets)
    assert outcome.target_hit.all()
    ratio = outcome.l2 / target_region_distance(victim, inputs, targets)
    assert ratio.min() > 0.999
    assert ratio.max() < 1.01


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 10])
def test_the_exact_distance_to_the_nearest_class_of_a_linear_victim_in_the_box(classes):
    victim, inputs, labels = linear_problem(classes, 12, zeros=0.6, features=64)
    outcome = CWA(victim, search_steps=9, iterations=500).run(inputs, labels)
    assert outcome.success.all()
    ratio = outcome.l2 / exact_box_distance(victim, inputs, labels)
    assert ratio.min() > 0.999
    # With more than two classes the attack may settle on a class that is not the nearest.
    assert (ratio.max() if classes == 2 else ratio.median()) < 1.01


def test_near_the_exact_distance_after_few_iterations():
    victim, inputs, labels = linear_problem(2, 8, features=400)
    outcome = CWA(victim, search_steps=5, iterations=100).run(inputs, labels)
    assert outcome.success.all()
    assert (outcome.l2 / exact_box_distance(victim, inputs, labels)).median() < 1.05


@pytest.mark.parametrize("targeted", [False, True])
def test_one_search_step_is_adam_on_the_published_objective(targeted):
    victim, inputs, labels = linear_problem(4, 1, features=20, zeros=0.4, dtype=torch.float64)
    labels, targets = labels[:1], (labels[:1] + 2) % 4
    attack = CWA(victim, search_steps=1, iterations=40, early_stopping=False, learning_rate=0.05, targeted=targeted)
    outcome = attack.run(inputs, labels, targets=targets if targeted else None)
    variables = torch.atanh(0.999 * (2 * inputs - 1)).requires_grad_(True)
    adam = torch.optim.Adam([variables], lr=0.05)
    best, nearest = math.inf, None
    for iteration in range(41):
        points = (variables.tanh() / 0.999 + 1) / 2
        logits = victim(points)
        wanted = margin(logits, targets) if targeted else -margin(logits, labels)
        distance = (points - inputs).square().sum()
        if wanted > 0 and distance < best:
            best, nearest = distance.item(), points.detach().clone()
        if iteration < 40:
            adam.zero_grad()
            (distance + (-wanted).clamp(min=0).sum()).backward()
            adam.step()
            with torch.no_grad():
                variables.clamp_(-math.atanh(0.999), math.atanh(0.999))
    expected = points.detach() if nearest is None else nearest
    torch.testing.assert_close(outcome.adversarial, expected, rtol=0, atol=1e-10)
    assert outcome.gradients.item() == outcome.iterations.item() == 40
    assert outcome.forward_rows.item() == 42  # clean, 40 with a gradient, and the last iterate


def test_a_value_at_the_bound_moves_and_one_that_nobody_pushes_does_not():
    victim = LinearVictim(torch.tensor([[0.0, 0.0, 0.0], [0.0, 4.0, 0.0]]), torch.tensor([0.2, 0.0]))
    inputs, labels = torch.tensor([[0.5, 0.0, 1.0]]), torch.tensor([0])
    outcome = CWA(victim, search_steps=3, iterations=400).run(inputs, labels)
    assert outcome.success.item()
    assert outcome.adversarial[0, 1] == pytest.approx(0.05, rel=0.03)
    assert torch.equal(outcome.adversarial[0, [0, 2]], inputs[0, [0, 2]])
    smoother = BoxSmoother((-1.0, 3.0), 0.99)
    points = torch.tensor([-1.0, -0.3, 3.0], dtype=torch.float64)
    variables = smoother.variables(points)
    restored, slope = smoother.points(variables, points, variables.tanh())
    assert torch.equal(restored, points)
    middle = smoother.points(torch.zeros_like(variables), points, variables.tanh())[0]
    torch.testing.assert_close(middle, torch.ones_like(points))
    nudged = smoother.points(variables * (1 - 1e-6), points, variables.tanh())[0]
    torch.testing.assert_close(nudged - restored, -1e-6 * variables * slope, rtol=1e-4, atol=0)


def test_kappa_is_a_margin_that_every_success_has():
    victim, inputs, labels = linear_problem(5, 10, features=100)
    outcome = CWA(victim, search_steps=4, iterations=80, kappa=0.1).run(inputs, labels)
    margins = -margin(outcome.logits_adversarial, labels)
    assert outcome.success.all()
    assert margins.min() >= 0.1
    plain = CWA(victim, search_steps=4, iterations=80).run(inputs, labels)
    assert (plain.l2 < outcome.l2).all()


def test_a_shift_of_all_logits_changes_nothing():
    victim, inputs, labels = linear_problem(4, 6, features=30, dtype=torch.float64)
    attack = CWA(victim, search_steps=2, iterations=25)
    reference = attack.run(inputs, labels)
    for shift in (-50.0, 50.0):
        victim.bias.data += shift
        shifted = attack.run(inputs, labels)
        victim.bias.data -= shift
        assert torch.equal(shifted.success, reference.success)
        torch.testing.assert_close(shifted.adversarial, reference.adversarial, rtol=0, atol=1e-6)


def test_early_stopping_spends_less_for_the_same():
    victim, inputs, labels = linear_problem(3, 8, features=100)
    stopped = CWA(victim, search_steps=3, iterations=300).run(inputs, labels)
    full = CWA(victim, search_steps=3, iterations=300, early_stopping=False).run(inputs, labels)
    assert full.gradients.tolist() == [900] * 8
    assert (stopped.gradients < 900).all()
    assert len(stopped.gradients.unique()) > 1
    assert (stopped.l2 / full.l2).median() < 1.01


def test_early_stopping_waits_for_adversarials_nearer_than_the_first_step():
    victim, inputs, labels = linear_problem(10, 8, zeros=0.25, features=4096)
    victim.weight.data *= 10
    victim.bias.data *= 10
    boundary = DeepFool(victim, overshoot=0.0).run(inputs, labels).adversarial
    inputs = (inputs + 0.9 * (boundary - inputs)).clamp(0, 1)
    # Adam's first step is about 0.3 long, twenty times the distance to the boundary.
    assert exact_box_distance(victim, inputs, labels).median() < 0.02
    stopped = CWA(victim, search_steps=3, iterations=100).run(inputs, labels)
    full = CWA(victim, search_steps=3, iterations=100, early_stopping=False).run(inputs, labels)
    assert stopped.success.all()
    assert (stopped.gradients < full.gradients).all()
    assert (stopped.l2 / full.l2).median() < 1.1


def test_what_never_succeeds_is_judged_by_its_last_iterate():
    victim = LinearVictim(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([9.0, 0.0]))
    outcome = CWA(victim, search_steps=2, iterations=15).run(torch.full((1, 2), 0.5), torch.tensor([0]))
    assert not outcome.success.item()
    assert outcome.adversarial.min() > 0.5
    torch.testing.assert_close(outcome.logits_adversarial, victim(outcome.adversarial).detach())


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-12)])
def test_batch_mates_do_not_matter(targeted, dtype, tolerance):
    linear, inputs, _ = linear_problem(5, 64, features=24, zeros=0.5, dtype=dtype)
    victim = RowByRow(linear)
    labels, clips = victim(inputs).argmax(dim=1), torch.arange(64)
    attack = CWA(victim, search_steps=2, iterations=60, learning_rate=0.05, targeted=targeted)
    together = attack.run(inputs, labels, ids=clips)
    for size in (1, 7):
        parts = [attack.run(inputs[i : i + size], labels[i : i + size], ids=clips[i : i + size]) for i in (0, 7)]
        apart, same = concatenate(parts), together.select(torch.cat([torch.arange(i, i + size) for i in (0, 7)]))
        assert (apart.adversarial - same.adversarial).abs().max() <= tolerance
        for count in COUNTS:
            assert torch.equal(getattr(apart, count), getattr(same, count)), count


@pytest.mark.parametrize("targeted", [False, True])
def test_search_steps_share_a_run_and_iterations_do_not(targeted):
    victim, inputs = TinyConvolution(), maps(6, zeros=0.4)
    labels = victim(inputs).argmax(dim=1)
    labels[3] = (labels[3] + 1) % 6  # wrong before the attack
    budgets = [{"search_steps": s, "iterations": i} for s in (1, 3) for i in (5, 12)]
    counter = GradientCounter(victim)
    attack = CWA(counter, targeted=targeted)
    with counter.counting() as counts:
        shared = attack.run_budgets(inputs, labels, budgets)
    assert counts.backward_rows == int(shared[2].gradients.sum() + shared[3].gradients.sum()) > 0
    for budget, outcome in zip(budgets, shared, strict=True):
        alone = attack.with_settings(**budget).run(inputs, labels)
        for field in ("adversarial", "logits_adversarial", "success", "target_hit", *COUNTS):
            assert torch.equal(getattr(alone, field), getattr(outcome, field)), (budget, field)
        assert outcome.gradients[3] == 0
        assert torch.equal(outcome.adversarial[3], inputs[3])


def test_constants_by_hand():
    search = ConstantSearch(3, torch.device("cpu"))
    taken = [search.constants.tolist()]
    for success in ([0, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]):
        search.advance(torch.tensor(success, dtype=torch.bool))
        taken.append(search.constants.tolist())
    columns = [list(column) for column in zip(*taken, strict=True)]
    assert columns[0] == pytest.approx([1, 10, 100, 10**1.5, 10**1.75])
    assert columns[1] == pytest.approx([1, 0.1, 0.01, 10**-1.5, 10**-1.25])
    assert columns[2] == pytest.approx([1, 10, 10**0.5, 10**0.75, 10**0.625])


@given(st.floats(-4, 4))
def test_the_search_closes_in_on_the_smallest_constant(threshold):
    search = ConstantSearch(1, torch.device("cpu"))
    smallest = math.inf
    for _ in range(14):
        constant = search.constants.item()
        if constant >= 10**threshold:
            smallest = min(smallest, constant)
        search.advance(search.constants >= 10**threshold)
    assert -1e-9 <= math.log10(smallest) - threshold <= 0.01


def test_the_nearest_success_is_kept_and_the_last_failure():
    nearest = Nearest(torch.zeros(2, 1), torch.zeros(2, 2))
    rows, no = torch.tensor([0, 1]), torch.tensor([False, False])
    far, near = torch.tensor([3.0, 3.0]).double(), torch.tensor([1.0, 1.0]).double()
    nearest.offer(rows, torch.tensor([[1.0], [1.0]]), torch.ones(2, 2), near, no)
    nearest.offer(rows, torch.tensor([[2.0], [2.0]]), torch.ones(2, 2), far, torch.tensor([True, False]))
    nearest.offer(rows, torch.tensor([[3.0], [3.0]]), torch.ones(2, 2), near, no)
    assert nearest.points.tolist() == [[2.0], [3.0]]
    nearest.offer(rows[:1], torch.tensor([[4.0]]), torch.full((1, 2), 4.0), near[:1], torch.tensor([True]))
    assert nearest.points.tolist() == [[4.0], [3.0]]
    assert nearest.logits.tolist() == [[4.0, 4.0], [1.0, 1.0]]


def test_the_door():
    victim = LinearVictim(torch.eye(2))
    for settings, message in (
        ({"search_steps": 0}, "search_steps to be a whole number of at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning rate above 0, got 0.0"),
        ({"kappa": -1.0}, "kappa of at least 0, got -1.0"),
        ({"smoothness": 1.0}, "box smoother in"),
    ):
        with pytest.raises(ValueError, match=message):
            CWA(victim, **settings)
