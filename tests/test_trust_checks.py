"""Trust checks: silent on a sound victim, and each tripped by a victim or a result that deserves it."""

import re

import pandas as pd
import pytest
import torch
from torch import nn

from attacks import ATTACKS
from attacks.gradient_counter import GradientCounter
from attacks.plan import AttackPlan
from attacks.victim import check_victim
from commands.attack_cli import checks_beside
from lightning_modules.attack_rows import attack_batch
from metrics.trust_checks import check_outcomes
from tests.victims import MaskedVictim, TinyConvolution, maps

DELTAS = (0.01, 0.05, 0.3)
STEPS = tuple({"delta": delta, "steps": 10} for delta in DELTAS)
PLANS = [
    AttackPlan("bim_a", ATTACKS["bim_a"], STEPS),
    AttackPlan("bim_b", ATTACKS["bim_b"], STEPS),
    AttackPlan("deepfool", ATTACKS["deepfool"], ({"iterations": 30},)),
]


class Saturated(nn.Module):
    """A victim whose logits are so large that float32 probabilities are exactly 0 and 1: cross-entropy has no slope."""

    def __init__(self, victim):
        super().__init__()
        self.victim = victim

    def forward(self, inputs):
        return 1e4 * self.victim(inputs)


class OfPrecision(nn.Module):
    """A victim that computes in a precision of its own; its largest margin is 80, so float32 never underflows."""

    def __init__(self, victim, dtype):
        super().__init__()
        inputs, _ = inputs_and_labels(victim)
        with torch.no_grad():
            best = victim(inputs).topk(2).values
        self.scale = 80 / float((best[:, 0] - best[:, 1]).max())
        self.victim = victim.to(dtype)
        self.dtype = dtype

    def forward(self, inputs):
        return self.scale * self.victim(inputs.to(self.dtype)).float()


class RandomVictim(nn.Module):
    """A victim that adds noise to its logits at every call."""

    def __init__(self, victim, size):
        super().__init__()
        self.victim = victim
        self.size = size

    def forward(self, inputs):
        logits = self.victim(inputs)
        return logits + self.size * torch.randn_like(logits)


def inputs_and_labels(victim, clips=12):
    inputs = torch.rand(clips, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return inputs, victim(inputs).argmax(dim=1)


def attacked(victim, plans=PLANS, *, full=False, labels_of=None):
    """Rows of the plans, and of what the checks run beside them, for one victim."""
    inputs, labels = inputs_and_labels(labels_of or victim)
    beside, _ = checks_beside(plans, full=full)
    frames = []
    for plan in [*plans, *beside]:
        rows, _ = attack_batch(plan, GradientCounter(victim), inputs, labels, torch.arange(len(inputs)), seed=0)
        frames.append(rows)
    return pd.concat(frames, ignore_index=True).assign(fold=1, reporting_batch=0, recording="alone")


def failed(rows):
    return {(check.name, check.attack) for check in check_outcomes(rows) if not check.passed}


def names(rows):
    return {name for name, _ in failed(rows)}


def test_a_sound_victim_passes_every_check_and_every_check_is_made():
    rows = attacked(TinyConvolution(), full=True)
    checks = check_outcomes(rows)
    assert not [check for check in checks if not check.passed]
    assert {check.name for check in checks} == {
        *("confirmed", "in_bounds", "hook_agrees", "bim_b_implies_bim_a", "bim_a_not_below_fgsm"),
        *("rate_rises_with_delta", "unbounded_fools_all", "noise_fools_no_more", "zero_gradients"),
        "black_box_beats_no_gradient",
    }


def test_a_masked_gradient_trips_the_checks_of_strength():
    victim = MaskedVictim(TinyConvolution())
    tripped = failed(attacked(victim, full=True))
    assert {("unbounded_fools_all", "bim_b"), ("zero_gradients", "bim_b"), ("zero_gradients", "deepfool")} <= tripped
    assert ("black_box_beats_no_gradient", "bim_b") in tripped
    assert ("noise_fools_no_more", "bim_b") not in tripped, "an attack that does not move is compared with no noise"


def test_saturated_probabilities_trip_the_share_of_zero_gradients():
    tripped = failed(attacked(Saturated(TinyConvolution())))
    assert ("zero_gradients", "bim_b") in tripped
    assert ("zero_gradients", "deepfool") not in tripped, "DeepFool differentiates logits, which are not saturated"


def test_vanishing_half_precision_gradients_trip_the_share_of_zero_gradients():
    assert ("zero_gradients", "bim_b") not in failed(attacked(OfPrecision(TinyConvolution(), torch.float32)))
    assert ("zero_gradients", "bim_b") in failed(attacked(OfPrecision(TinyConvolution(), torch.float16)))


def test_a_random_victim_is_found_before_and_after_the_attack():
    torch.manual_seed(0)
    victim = RandomVictim(TinyConvolution(), 1.0).eval()
    inputs, _ = inputs_and_labels(victim.victim)
    assert {finding.name for finding in check_victim(victim, inputs) if not finding.passed} == {"deterministic"}
    assert "confirmed" in names(attacked(victim, labels_of=victim.victim))


def test_probabilities_instead_of_logits_are_found():
    victim = nn.Sequential(TinyConvolution(), nn.Softmax(dim=1)).eval()
    inputs, _ = inputs_and_labels(victim)
    assert {finding.name for finding in check_victim(victim, inputs) if not finding.passed} == {"logits"}


def test_training_mode_and_infinite_outputs_are_found():
    victim = TinyConvolution()
    inputs, _ = inputs_and_labels(victim)
    assert all(finding.passed for finding in check_victim(victim, inputs))
    victim.features[1].train()
    found = {finding.name: finding for finding in check_victim(victim, inputs) if not finding.passed}
    assert "features.1" in found["eval_mode"].found
    assert not {"logits", "finite"} & set(found)
    victim.eval()
    victim.head.bias.data[0] = torch.nan
    assert "finite" in {finding.name for finding in check_victim(victim, inputs) if not finding.passed}


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [("confirmed", False, "confirmed"), ("in_bounds", False, "in_bounds"), ("hook_agrees", False, "hook_agrees")],
)
def test_one_bad_row_trips_a_hard_check(column, value, name):
    rows = attacked(TinyConvolution())
    place = rows.index[rows["attack"] == "bim_a"][0]
    rows.loc[place, column] = value
    assert failed(rows) == {(name, "bim_a")}
    found = next(check for check in check_outcomes(rows) if not check.passed)
    assert found.kind == "hard"
    assert "violated by 1 of" in found.found


def test_a_success_of_bim_b_that_bim_a_does_not_have_trips_a_hard_check():
    rows = attacked(TinyConvolution())
    fooled = rows.index[(rows["attack"] == "bim_a") & (rows["success"] == 1) & (rows["budget_index"] == 2)]
    rows.loc[fooled[0], "success"] = 0.0
    assert ("bim_b_implies_bim_a", "bim_a") in failed(rows)
    rows = attacked(TinyConvolution())
    rows.loc[rows.index[rows["attack"] == "bim_a"][0], "gradients"] = 11.0
    assert ("bim_b_implies_bim_a", "bim_a") in failed(rows)


def test_a_rate_that_falls_with_delta_and_strong_noise_are_found():
    rows = attacked(TinyConvolution())
    rows.loc[rows["attack"] == "bim_b", "success"] = (rows["budget_index"] == 1).astype(float)
    rows.loc[rows["attack"] == "deepfool", ["success", "noise_success"]] = (0.0, 1.0)
    assert {("rate_rises_with_delta", "bim_b"), ("noise_fools_no_more", "deepfool")} <= failed(rows)


def test_an_attack_that_leaves_its_delta_or_miscounts_is_found():
    class Escaping(type(ATTACKS["bim_b"](nn.Identity()))):
        def _perturb(self, problem, ledger):
            super()._perturb(problem, ledger)
            ledger.adversarial += 0.05
            ledger.recorded_counts["gradients"] += 1

    plan = AttackPlan("escaping", Escaping, ({"delta": 0.01, "steps": 2},))
    tripped = names(attacked(TinyConvolution(), [plan]))
    assert {"in_bounds", "hook_agrees"} <= tripped


@pytest.mark.parametrize(
    ("squash", "found", "remedy"),
    [
        (lambda logits: logits.softmax(dim=1), "every row adds up to 1 .softmax.", "or log.p., which gives logits"),
        (
            torch.sigmoid,
            "all from 0 to 1, rows add up to .* .sigmoid, as of a",
            "or torch.logit.p., the inverse",
        ),
    ],
)
def test_probabilities_are_named_and_their_inverse_is_offered(squash, found, remedy):
    class Squashed(TinyConvolution):
        def forward(self, inputs):
            return squash(super().forward(inputs))

    finding = next(one for one in check_victim(Squashed(), maps(8)) if one.name == "logits")
    assert not finding.passed
    assert re.search(found, finding.found)
    assert re.search(remedy, finding.remedy)
