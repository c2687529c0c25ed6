"""Sizes of perturbations as signal-to-noise ratios, and attacks of other libraries on inputs of other bounds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attacks import ATTACKS, TorchAttacksAttack
from attacks.fgsm import FGSM
from attacks.gradient_counter import GradientCounter
from attacks.radii import snr_radii
from attacks.unit_inputs import UnitInputs, picture_shape
from metrics.distances import snr_db
from tests.victims import LinearVictim

GRID = (70.0, 60.0, 50.0, 40.0, 30.0, 20.0, 10.0)


def problem(clips=6, samples=300, dtype=torch.float64, level=0.05):
    generator = torch.Generator().manual_seed(3)
    victim = LinearVictim(torch.randn(5, samples, generator=generator, dtype=torch.float64).to(dtype))
    levels = level * 10.0 ** -torch.arange(clips, dtype=torch.float64)[:, None, None]
    waveforms = (levels * torch.randn(clips, 1, samples, generator=generator, dtype=torch.float64)).to(dtype)
    return victim, waveforms, victim(waveforms).argmax(dim=1)


@pytest.mark.parametrize("name", ["fgsm", "fgsm_l2", "fgsm_untargeted", "bim_b", "bim_b_l2"])
def test_a_perturbation_has_the_ratio_of_its_budget(name):
    victim, waveforms, labels = problem()
    budgets = [{"snr_db": ratio} for ratio in GRID]
    outcomes = ATTACKS[name](victim, bounds=(-1.0, 1.0)).run_budgets(waveforms, labels, budgets)
    for ratio, outcome in zip(GRID, outcomes, strict=True):
        moved = outcome.gradients > 0
        assert moved.all()
        # Signs of a linear victim's gradient are never zero, so every sample moves by the radius.
        torch.testing.assert_close(
            snr_db(waveforms, outcome.adversarial), torch.full((len(labels),), ratio).double(), rtol=0, atol=1e-9
        )


def test_radii_in_closed_form():
    waveforms = torch.tensor([[[3.0, -4.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]], dtype=torch.float64) / 10
    torch.testing.assert_close(snr_radii(waveforms, 20.0, "l2"), torch.tensor([0.05, 0.0]).double())
    torch.testing.assert_close(snr_radii(waveforms, 40.0, "linf"), torch.tensor([0.0025, 0.0]).double())
    with pytest.raises(ValueError, match="expected snr_db with a norm among l2 and linf, got 'l0'"):
        snr_radii(waveforms, 20.0, "l0")


@given(ratio=st.floats(-20, 120), scale=st.floats(1e-4, 1), seed=st.integers(0, 1000))
@settings(max_examples=50)
def test_a_radius_grows_with_the_clip_and_falls_with_the_ratio(ratio, scale, seed):
    waveforms = torch.randn(2, 1, 50, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for norm in ("l2", "linf"):
        radii = snr_radii(waveforms, ratio, norm)
        torch.testing.assert_close(snr_radii(scale * waveforms, ratio, norm), scale * radii)
        torch.testing.assert_close(snr_radii(waveforms, ratio + 20, norm), radii / 10)
    torch.testing.assert_close(snr_radii(waveforms, ratio, "l2"), math.sqrt(50) * snr_radii(waveforms, ratio, "linf"))


def test_budgets_of_both_kinds_stand_beside_each_other_and_steps_are_prefixes():
    victim, waveforms, labels = problem()
    attack = ATTACKS["bim_a"](victim, bounds=(-1.0, 1.0))
    budgets = [{"snr_db": 30.0, "steps": 2}, {"snr_db": 30.0, "steps": 6}, {"delta": 0.001, "steps": 2}]
    assert attack.shared_runs(budgets) == [[0, 1], [2]]
    together = attack.run_budgets(waveforms, labels, budgets)
    for budget, outcome in zip(budgets, together, strict=True):
        alone = attack.with_settings(**budget).run(waveforms, labels)
        torch.testing.assert_close(outcome.adversarial, alone.adversarial, rtol=0, atol=0)
        assert outcome.gradients.tolist() == alone.gradients.tolist()
    one_gradient = ATTACKS["fgsm"](victim, bounds=(-1.0, 1.0))
    assert one_gradient.shared_runs([{"snr_db": 30.0}, {"snr_db": 10.0}, {"delta": 0.1}]) == [[1, 0], [2]]


def test_the_door():
    victim, waveforms, labels = problem()
    with pytest.raises(ValueError, match="expected delta or snr_db in a budget of FGSM, got both"):
        FGSM(victim).with_settings(delta=0.1, snr_db=20.0)
    with pytest.raises(ValueError, match="expected a finite snr_db, got inf"):
        FGSM(victim, snr_db=math.inf)
    with pytest.raises(ValueError, match="expected snr_db to be a number, got 'loud'"):
        FGSM(victim).with_settings(snr_db="loud")
    with pytest.raises(ValueError, match="expected a norm among"):
        ATTACKS["bim_a"](victim).with_settings(norm="l0")
    with pytest.raises(ValueError, match=r"expected settings of DeepFool among .* got"):
        ATTACKS["deepfool"](victim).with_settings(snr_db=20.0)
    # A delta takes the place of a ratio that the attack was built with.
    assert FGSM(victim, snr_db=20.0).with_settings(delta=0.5).radii(waveforms).tolist() == [0.5] * len(labels)


def test_l2_steps_stay_in_the_ball_and_end_on_the_best_point_of_it():
    weight = torch.tensor([[3.0, -4.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    victim, point = LinearVictim(weight, torch.tensor([2.0, 0.0]).double()), torch.tensor([[0.1, 0.2, 0.0]]).double()
    outcome = ATTACKS["bim_b_l2"](victim, delta=0.1, steps=25, bounds=(-1.0, 1.0)).run(point, torch.tensor([0]))
    # Down the only gradient direction to the edge of the ball.
    torch.testing.assert_close(outcome.adversarial, point + 0.1 * torch.tensor([[-0.6, 0.8, 0.0]]).double())
    assert outcome.l2.item() == pytest.approx(0.1)


def test_other_libraries_see_pictures_in_unit_bounds_and_their_bound_is_that_of_the_inputs():
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Conv1d(1, 4, 9, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 98, 5)).double()
    waveforms = (0.2 * torch.randn(4, 1, 400, generator=generator, dtype=torch.float64)).clamp(-1, 1)
    labels = network(waveforms).argmax(dim=1)
    numbers = torch.arange(4)
    theirs = TorchAttacksAttack(network, "FGSM", bounds=(-1.0, 1.0)).with_settings(snr_db=20.0)
    ours = FGSM(network, snr_db=20.0, bounds=(-1.0, 1.0)).run(waveforms, labels)
    torch.testing.assert_close(theirs.run(waveforms, labels).adversarial, ours.adversarial, rtol=0, atol=1e-12)
    counter = GradientCounter(network)
    bounded = TorchAttacksAttack(counter, "PGD", {"steps": 3}, bounds=(-1.0, 1.0), relative={"alpha": 0.25})
    with counter.counting() as counts:
        outcome = bounded.with_settings(delta=0.05).run(waveforms, labels, ids=numbers)
    assert counts.backward_rows == 3 * 4 == int(outcome.gradients.sum())
    assert bool((outcome.linf <= 0.05 + 1e-12).all())
    alone = bounded.with_settings(delta=0.05).run(waveforms[2:3], labels[2:3], ids=numbers[2:3])
    torch.testing.assert_close(alone.adversarial, outcome.adversarial[2:3], rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="expected snr_db for an attack with a bound in l_inf or l_2, got CW"):
        TorchAttacksAttack(network, "CW", bounds=(-1.0, 1.0)).with_settings(snr_db=20.0)
    with pytest.raises(ValueError, match="expected batched=False with snr_db, because each clip has its own bound"):
        TorchAttacksAttack(network, "PGD", batched=True, bounds=(-1.0, 1.0)).with_settings(snr_db=20.0)
    with pytest.raises(ValueError, match="expected eps or snr_db in a budget of PGD, got both"):
        TorchAttacksAttack(network, "PGD").with_settings(delta=0.1, snr_db=20.0)


def test_pictures_and_back():
    assert picture_shape((1, 110250)) == (1, 315, 350)
    assert picture_shape((1, 40000)) == (1, 200, 200)
    assert picture_shape((1, 7)) == (1, 1, 7)
    assert picture_shape((3, 20, 30)) == (3, 20, 30)
    unit = UnitInputs(nn.Flatten(), (-1.0, 1.0), (1, 12))
    waveforms = torch.linspace(-1, 1, 12).view(1, 1, 12)
    assert unit.pictures(waveforms).shape == (1, 1, 3, 4)
    torch.testing.assert_close(unit(unit.pictures(waveforms)), waveforms.flatten(1))
    assert UnitInputs(nn.Flatten(), (0.0, 1.0), (1, 8, 8)).is_identity
