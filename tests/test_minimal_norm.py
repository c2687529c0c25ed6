"""The minimal-norm attack against closed forms and quadratic programmes, and in the form of the house."""

import pytest
import torch
from torch import nn

from attacks import ATTACKS
from attacks.gradient_counter import GradientCounter
from attacks.minimal_norm import MinimalNorm
from attacks.outcome import concatenate
from tests.victims import (
    LinearVictim,
    MaskedVictim,
    TinyConvolution,
    exact_box_distance,
    linear_problem,
    maps,
    target_region_distance,
)

NAMES = ["minimal_norm", "minimal_norm_linf"]
COUNTS = ("iterations", "gradients", "full_jacobian_gradients", "forward_rows", "zero_gradients")


def problem(clips: int = 12, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    victim = TinyConvolution(dtype=dtype)
    inputs = maps(clips, zeros=0.4, dtype=dtype)
    return victim, inputs, victim(inputs).argmax(dim=1).detach()


@pytest.mark.parametrize("classes", [2, 10, 50])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_exact_distance_of_a_linear_victim_in_the_box(classes, zeros, norm):
    victim, inputs, labels = linear_problem(classes, 16, zeros=zeros)
    exact = exact_box_distance(victim, inputs, labels, norm)
    outcome = MinimalNorm(victim, norm=norm, candidates=None).run(inputs, labels)
    assert outcome.success.all()
    # One clip lies 3e-5 from a boundary, where float32 itself is no finer than the absolute tolerance.
    torch.testing.assert_close(getattr(outcome, norm), exact, rtol=1e-3, atol=2e-7)
    assert torch.equal(outcome.gradients, outcome.iterations + classes - 2)
    assert torch.equal(outcome.full_jacobian_gradients, outcome.iterations - 1 + classes)
    some = MinimalNorm(victim, norm=norm, candidates=2, iterations=5).run(inputs, labels)
    assert torch.equal(some.full_jacobian_gradients, some.iterations + 1)


def test_the_nearest_face_of_the_polytope_as_a_quadratic_programme_finds_it():
    victim, inputs, labels = linear_problem(4, 6, zeros=0.6, features=16, dtype=torch.float64)
    faces = [target_region_distance(victim, inputs, (labels + shift) % 4) for shift in range(1, 4)]
    outcome = MinimalNorm(victim).run(inputs, labels)
    assert outcome.success.all()
    torch.testing.assert_close(outcome.l2, torch.stack(faces).amin(dim=0), rtol=2e-3, atol=0)


def test_a_target_between_several_faces_is_reached_near_its_optimum():
    victim, inputs, labels = linear_problem(10, 10, zeros=0.6, features=64)
    targets = (labels + 3) % 10
    outcome = MinimalNorm(victim, targeted=True, iterations=50).run(inputs, labels, targets=targets)
    assert outcome.target_hit.all()
    ratio = outcome.l2 / target_region_distance(victim, inputs, targets)
    assert ratio.min() > 0.999
    assert ratio.median() < 1.01
    assert ratio.max() < 1.03
    assert torch.equal(outcome.gradients, outcome.iterations)


def test_a_curved_boundary_by_hand():
    class Disc(nn.Module):
        """Class 0 inside the disc of radius 1 around (0.5, 0): the nearest way out of (0.9, 0.2) is radial."""

        def forward(self, inputs):
            inside = 1 - (inputs - inputs.new_tensor([0.5, 0.0])).square().sum(dim=1)
            return torch.stack([inside, torch.zeros_like(inside)], dim=1)

    point, label = torch.tensor([[0.9, 0.2]], dtype=torch.float64), torch.tensor([0])
    outcome = MinimalNorm(Disc(), bounds=(-2.0, 2.0)).run(point, label)
    assert outcome.success.all()
    assert outcome.l2.item() == pytest.approx(1 - 0.2**0.5, rel=2e-3)
    # With the wall at 1 the circle can only be left upwards of (1, 0.866), which l_2 finds on the wall.
    walled = MinimalNorm(Disc(), bounds=(0.0, 1.0)).run(point, label)
    assert walled.success.all()
    assert walled.l2.item() == pytest.approx((0.1**2 + (0.75**0.5 - 0.2) ** 2) ** 0.5, rel=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_nearer_than_deepfool_on_every_clip_but_a_few(name):
    victim, inputs, labels = problem(64)
    norm = "linf" if name.endswith("linf") else "l2"
    ours = ATTACKS[name](victim).run(inputs, labels)
    deepfool = ATTACKS[name.replace("minimal_norm", "deepfool")](victim).run(inputs, labels)
    assert ours.success.all()
    ratio = getattr(ours, norm) / getattr(deepfool, norm)
    assert ratio.median() < 0.95
    assert (ratio < 1.001).double().mean() > 0.95
    assert ours.adversarial.min() >= 0
    assert ours.adversarial.max() <= 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_a_clip_gets_the_same_alone_and_in_batches(name, dtype, tolerance):
    victim, inputs, labels = problem(32, dtype)
    attack = ATTACKS[name](victim)
    together = attack.run(inputs, labels)
    for size in (1, 7):
        rows = range(0, 14, size)
        apart = concatenate([attack.run(inputs[i : i + size], labels[i : i + size]) for i in rows])
        same = together.select(torch.arange(14))
        assert (apart.adversarial - same.adversarial).abs().max() <= tolerance
        for count in COUNTS:
            assert torch.equal(getattr(apart, count), getattr(same, count)), count


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line_steps", [0, 3])
def test_a_smaller_budget_is_an_intermediate_state_of_a_larger_one(name, line_steps):
    victim, inputs, labels = problem()
    attack = ATTACKS[name](victim, line_steps=line_steps)
    budgets = [{"iterations": value} for value in (30, 1, 2, 9)]
    shared = attack.run_budgets(inputs, labels, budgets)
    for settings, outcome in zip(budgets, shared, strict=True):
        alone = attack.with_settings(**settings).run(inputs, labels)
        for field in ("adversarial", "logits_adversarial", "logits_clean", "success", "l2", *COUNTS):
            assert torch.equal(getattr(alone, field), getattr(outcome, field)), (settings, field)
    if line_steps == 0:
        norm = "linf" if name.endswith("linf") else "l2"
        longest, _, _, middle = shared
        assert (getattr(longest, norm) <= getattr(middle, norm))[middle.success].all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("targeted", [False, True])
def test_counts_agree_with_a_hook_and_the_outcome_with_a_fresh_pass(name, targeted):
    victim, inputs, labels = problem()
    # The runner-up, which every clip can reach, as not every class can be inside the bounds.
    targets = victim(inputs).topk(3, dim=1).indices[:, 1] if targeted else None
    labels[3] = victim(inputs[3:4]).topk(3, dim=1).indices[0, 2]
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        outcome = ATTACKS[name](counter, targeted=targeted).run(inputs, labels, targets=targets)
    assert counts.backward_rows == int(outcome.gradients.sum()) > 0
    assert counts.full_jacobian_rows == int(outcome.full_jacobian_gradients.sum())
    torch.testing.assert_close(outcome.logits_adversarial, victim(outcome.adversarial).detach(), rtol=1e-4, atol=1e-4)
    # The clip that is wrong before the attack costs nothing and stays.
    assert torch.equal(outcome.adversarial[3], inputs[3])
    assert outcome.gradients[3] == outcome.iterations[3] == 0
    assert outcome.forward_rows[3] == 1
    right = torch.arange(12) != 3
    assert outcome.success[right].all()
    if targeted:
        assert outcome.target_hit[right].all()
        assert torch.equal(outcome.target_hit, outcome.logits_adversarial.argmax(dim=1) == outcome.targets)


def test_silent_and_saturated_inputs_and_a_victim_without_gradients():
    victim, inputs, _ = problem()
    inputs[0], inputs[1] = 0.0, 1.0
    labels = victim(inputs).argmax(dim=1).detach()
    outcome = MinimalNorm(victim).run(inputs, labels)
    assert outcome.success.all()
    assert torch.isfinite(outcome.adversarial).all()
    masked = MinimalNorm(MaskedVictim(victim), iterations=20).run(inputs, MaskedVictim(victim)(inputs).argmax(dim=1))
    assert not masked.success.any()
    assert torch.equal(masked.adversarial, inputs)
    assert masked.iterations.tolist() == [1] * 12
    assert torch.equal(masked.zero_gradients, masked.gradients)


def test_waveforms_with_their_own_bounds():
    generator = torch.Generator().manual_seed(0)
    victim = LinearVictim(torch.randn(5, 400, generator=generator))
    waveforms = torch.rand(6, 1, 400, generator=generator) * 2 - 1
    waveforms[0] = 0.0
    waveforms[1, :, :300] = -1.0
    labels = victim(waveforms).argmax(dim=1).detach()
    outcome = MinimalNorm(victim, bounds=(-1.0, 1.0)).run(waveforms, labels)
    assert outcome.adversarial.shape == waveforms.shape
    assert outcome.adversarial.abs().max() <= 1
    # All logits of silence are zero, so any step decides; the others have the distance that the box allows.
    exact = 2 * exact_box_distance(_on_unit_box(victim), (waveforms + 1) / 2, labels)
    torch.testing.assert_close(outcome.l2[1:], exact[1:], rtol=2e-3, atol=0)
    assert outcome.success.all()


def _on_unit_box(victim: LinearVictim) -> LinearVictim:
    """The same victim as a function of inputs that are scaled from [-1, 1] to [0, 1]."""
    weight = victim.weight.detach()
    return LinearVictim(2 * weight, victim.bias.detach() - weight.sum(dim=1))


def test_patience_spares_gradients_and_hardly_costs_distance():
    victim, inputs, labels = problem(32)
    patient = MinimalNorm(victim, patience=None).run(inputs, labels)
    hasty = MinimalNorm(victim).run(inputs, labels)
    assert patient.iterations.tolist() == [100] * 32
    assert hasty.gradients.double().mean() < patient.gradients.double().mean() / 2
    assert (hasty.l2 / patient.l2).median() < 1.005


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iterations": 0}, "iterations to be a whole number of at least 1, got 0"),
        ({"norm": "l1"}, r"a norm among \['linf', 'l2'\], got 'l1'"),
        ({"candidates": 1}, "candidate classes, the label included, to be a whole number of at least 2"),
        ({"patience": 0}, "patience to be a whole number of at least 1"),
        ({"line_steps": -1}, "line_steps to be a whole number of at least 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MinimalNorm(nn.Identity(), **settings)
