import pytest
import torch

from attacks import ATTACKS
from attacks.fgsm import FGSM, unit_l2
from attacks.gradient_counter import GradientCounter
from tests.victims import LinearVictim, MaskedVictim, TinyConvolution, maps

# Two classes on two values: logits (2 a - b, 0). The cross-entropy of label 0 falls along (2, -1).
HAND = LinearVictim(torch.tensor([[2.0, -1.0], [0.0, 0.0]]))
POINT = torch.tensor([[0.5, 0.1]])
LABEL = torch.tensor([0])


def test_linf_by_hand():
    adversarial = FGSM(HAND, delta=0.05)(POINT, LABEL)
    torch.testing.assert_close(adversarial, torch.tensor([[0.45, 0.15]]))
    outcome = FGSM(HAND, delta=0.4).run(POINT, LABEL)
    torch.testing.assert_close(outcome.adversarial, torch.tensor([[0.1, 0.5]]))
    torch.testing.assert_close(outcome.logits_adversarial, torch.tensor([[-0.3, 0.0]]))
    assert outcome.success.tolist() == [True]
    assert outcome.gradients.tolist() == outcome.full_jacobian_gradients.tolist() == [1]
    assert outcome.forward_rows.tolist() == [2]


def test_the_box_cuts_a_step_off():
    torch.testing.assert_close(FGSM(HAND, delta=0.7)(POINT, LABEL), torch.tensor([[0.0, 0.8]]))
    torch.testing.assert_close(FGSM(HAND, delta=0.7, bounds=(0.0, 0.6))(POINT, LABEL), torch.tensor([[0.0, 0.6]]))


def test_l2_by_hand():
    adversarial = FGSM(HAND, delta=0.05, norm="l2")(POINT, LABEL)
    unit = torch.tensor([[-2.0, 1.0]]) / 5**0.5
    torch.testing.assert_close(adversarial, POINT + 0.05 * unit)


def test_a_target_is_approached():
    victim = LinearVictim(torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]))
    outcome = FGSM(victim, delta=0.2, targeted=True).run(torch.tensor([[0.6, 0.5]]), LABEL, targets=torch.tensor([1]))
    # Towards class 1: a has weight 1 there and more than its mean over classes, b has -1 and less than its mean.
    torch.testing.assert_close(outcome.adversarial, torch.tensor([[0.8, 0.3]]))
    assert outcome.target_hit.tolist() == outcome.success.tolist() == [False]
    far = FGSM(victim, delta=0.55, targeted=True).run(torch.tensor([[0.6, 0.5]]), LABEL, targets=torch.tensor([1]))
    torch.testing.assert_close(far.adversarial, torch.tensor([[1.0, 0.0]]))


def test_tiny_gradients_are_scaled_without_underflow():
    gradient = torch.tensor([[3e-24, -4e-24], [0.0, 0.0], [3e20, 4e20]])
    torch.testing.assert_close(unit_l2(gradient), torch.tensor([[0.6, -0.8], [0.0, 0.0], [0.6, 0.8]]))


def test_all_deltas_share_one_gradient():
    victim = TinyConvolution()
    inputs = maps(5)
    labels = victim(inputs).argmax(dim=1)
    counter = GradientCounter(victim)
    budgets = [{"delta": delta} for delta in (0.5, 0.0, 0.01)]
    with counter.counting() as counts:
        outcomes = ATTACKS["fgsm"](counter).run_budgets(inputs, labels, budgets, targets=(labels + 1) % 6)
    assert counts.backward_rows == 5
    assert all(outcome.gradients.tolist() == [1] * 5 for outcome in outcomes)
    assert torch.equal(outcomes[1].adversarial, inputs)
    for outcome, budget in zip(outcomes, budgets, strict=True):
        assert (outcome.linf <= budget["delta"] + 1e-6).all()


def test_agrees_with_torchattacks():
    torchattacks = pytest.importorskip("torchattacks")
    victim = TinyConvolution()
    inputs = maps(6, zeros=0.3)
    labels = victim(inputs).argmax(dim=1)
    peer = torchattacks.FGSM(victim, eps=0.03)
    torch.testing.assert_close(FGSM(victim, delta=0.03)(inputs, labels), peer(inputs, labels))


def test_zero_gradients_are_counted_and_the_margin_does_not_saturate():
    inputs = maps(4)
    masked = MaskedVictim(TinyConvolution())
    labels = masked(inputs).argmax(dim=1)
    outcome = FGSM(masked, delta=0.1).run(inputs, labels)
    assert outcome.zero_gradients.tolist() == [1] * 4
    assert torch.equal(outcome.adversarial, inputs)

    sure = LinearVictim(HAND.weight.detach() * 1e4)
    assert FGSM(sure, delta=0.4).run(POINT, LABEL).zero_gradients.tolist() == [1]
    assert FGSM(sure, delta=0.4, loss="margin").run(POINT, LABEL).success.tolist() == [True]


def test_impossible_settings():
    with pytest.raises(ValueError, match="delta of at least 0, got -1"):
        FGSM(HAND, delta=-1)
    with pytest.raises(ValueError, match="norm among"):
        FGSM(HAND, norm="l1")
    with pytest.raises(ValueError, match="loss among"):
        FGSM(HAND, loss="hinge")
