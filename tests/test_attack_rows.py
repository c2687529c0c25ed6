import math

import pytest
import torch

from attacks import ATTACKS
from attacks.gradient_counter import GradientCounter
from attacks.plan import AttackPlan
from lightning_modules.attack_rows import attack_batch
from tests.victims import LinearVictim


def test_a_map_that_only_rounding_carries_over_the_boundary_is_no_success_after_rounding():
    # Class 1 above 0.501. FGSM brings 0.4 to 0.5005, which rounds to 128 / 255 = 0.502, and 0.45 to 0.5505.
    victim = LinearVictim(torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, -0.501])).eval()
    inputs = torch.tensor([0.4, 0.45]).reshape(2, 1, 1, 1)
    plan = AttackPlan("fgsm_untargeted", ATTACKS["fgsm_untargeted"], ({"delta": 0.1005},))
    labels = torch.zeros(2, dtype=torch.long)
    rows, _ = attack_batch(plan, GradientCounter(victim), inputs, labels, torch.arange(2), seed=0)
    assert rows["success"].tolist() == [0, 1]
    assert rows["success_8bit"].tolist() == [0, 1]


def test_the_ratio_of_an_attack_on_several_targets_is_the_mean_over_those_it_hits():
    # From class 0 at 0.5, class 1 lies above 0.6 and class 2 below 0.3.
    victim = LinearVictim(torch.tensor([[0.0], [1.0], [-1.0]]), torch.tensor([0.0, -0.6, 0.3])).eval()
    inputs = torch.full((1, 1, 1, 1), 0.5)
    plan = AttackPlan("deepfool_targeted", ATTACKS["deepfool_targeted"], ({},))
    rows, _ = attack_batch(plan, GradientCounter(victim), inputs, torch.tensor([0]), torch.arange(1), seed=0)
    assert rows["target_hit"].item() == 1
    # The change is 0.1 and 0.2, and a little more, by which DeepFool overshoots.
    nearest, farthest = (20 * math.log10(0.5 / size) for size in (0.1, 0.2))
    assert rows["snr_db"].item() == pytest.approx((nearest + farthest) / 2, abs=0.5)
