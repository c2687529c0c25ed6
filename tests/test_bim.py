import pytest
import torch

from attacks import ATTACKS
from attacks.bim import BIM
from tests.victims import LinearVictim, TinyConvolution, maps

HAND = LinearVictim(torch.tensor([[2.0, -1.0], [0.0, 0.0]]))
POINT = torch.tensor([[0.5, 0.1]])
LABEL = torch.tensor([0])


def test_steps_by_hand():
    # Each step moves by delta / 10 against (2, -1): the logit 0.9 - 0.3 i / 10 for delta = 1.
    outcome = ATTACKS["bim_b"](HAND, delta=0.2, steps=4).run(POINT, LABEL)
    torch.testing.assert_close(outcome.adversarial, torch.tensor([[0.42, 0.18]]))
    # After more than ten steps the iterate rests on the ball, and the ball is cut by the box.
    torch.testing.assert_close(ATTACKS["bim_b"](HAND, delta=0.2, steps=25)(POINT, LABEL), torch.tensor([[0.3, 0.3]]))
    torch.testing.assert_close(ATTACKS["bim_b"](HAND, delta=0.6, steps=25)(POINT, LABEL), torch.tensor([[0.0, 0.7]]))


def test_the_first_success_stops_bim_a_and_not_bim_b():
    # With delta 1 a step lowers the logit from 0.9 by 0.3: 0.6, 0.3, 0.0 (a tie keeps class 0), then below.
    outcome = ATTACKS["bim_a"](HAND, delta=1.0, steps=30, step_size=0.12).run(POINT, LABEL)
    # 0.9 - 3 * 0.36 < 0 <= 0.9 - 2 * 0.36, so three steps.
    assert outcome.iterations.tolist() == outcome.gradients.tolist() == [3]
    assert outcome.forward_rows.tolist() == [4]
    torch.testing.assert_close(outcome.adversarial, torch.tensor([[0.14, 0.46]]))
    full = ATTACKS["bim_b"](HAND, delta=1.0, steps=30, step_size=0.12).run(POINT, LABEL)
    assert full.gradients.tolist() == [30]
    assert full.forward_rows.tolist() == [31]


def test_bim_b_success_implies_bim_a_success_with_no_more_gradients():
    victim = TinyConvolution()
    inputs = maps(20, zeros=0.5)
    labels = victim(inputs).argmax(dim=1)
    for delta in (0.01, 0.05, 0.2):
        first = ATTACKS["bim_a"](victim, delta=delta, steps=20).run(inputs, labels)
        full = ATTACKS["bim_b"](victim, delta=delta, steps=20).run(inputs, labels)
        assert (first.success | ~full.success).all()
        assert (first.gradients <= full.gradients).all()
        assert (full.linf <= delta + 1e-6).all()
        assert full.gradients.tolist() == [20] * 20


def test_a_target_ends_the_clip_at_its_hit():
    victim = TinyConvolution()
    inputs = maps(12)
    labels = victim(inputs).argmax(dim=1)
    outcome = BIM(victim, delta=0.4, steps=40, targeted=True).run(inputs, labels)
    assert outcome.target_hit.any()
    assert (outcome.success | ~outcome.target_hit).all()
    assert (outcome.iterations[outcome.target_hit] <= 40).all()
    # A clip that never hits is judged by its last iterate, after all steps.
    assert (outcome.iterations[~outcome.target_hit] == 40).all()


def test_bim_b_agrees_with_torchattacks():
    torchattacks = pytest.importorskip("torchattacks")
    victim = TinyConvolution()
    inputs = maps(6, zeros=0.3)
    labels = victim(inputs).argmax(dim=1)
    peer = torchattacks.BIM(victim, eps=0.05, alpha=0.01, steps=8)
    ours = BIM(victim, delta=0.05, step_size=0.01, steps=8, stops_at_success=False)
    torch.testing.assert_close(ours(inputs, labels), peer(inputs, labels), atol=1e-6, rtol=0)


def test_impossible_settings():
    with pytest.raises(ValueError, match="delta of at least 0"):
        BIM(HAND, delta=float("nan"))
    with pytest.raises(ValueError, match="steps to be a whole number of at least 1"):
        BIM(HAND, steps=0)
    with pytest.raises(ValueError, match="step size above 0"):
        BIM(HAND, step_size=0)
    with pytest.raises(ValueError, match="loss among"):
        BIM(HAND, loss="hinge")
