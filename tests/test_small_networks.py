"""SB-CNN and CRNN: their parts, small maps, every attack, derivatives in evaluation mode."""

import pytest
import torch
import torch.nn.functional as F

from attacks import ATTACKS
from attacks.gradient_counter import GradientCounter
from classifiers import build_classifier
from classifiers.crnn import lstm_outputs
from classifiers.sb_cnn import SBCNN

FEW = {
    "bim_a": {"steps": 3},
    "bim_b": {"steps": 3},
    "deepfool": {"iterations": 3},
    "deepfool_targeted": {"iterations": 2},
    "deepfool_linf": {"iterations": 3},
    "jsma": {"iterations": 2},
    "jsma_single": {"iterations": 2},
    "cwa": {"search_steps": 1, "iterations": 3},
    "cwa_untargeted": {"search_steps": 1, "iterations": 3},
    "lbfgs": {"search_steps": 1, "iterations": 3},
}


def network(name, seed=0):
    torch.manual_seed(seed)
    return build_classifier(name, 3).eval().requires_grad_(False)


def maps(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_maps_of_128_by_128_reach_the_published_2400_numbers_unchanged():
    sb_cnn = SBCNN(10).eval()
    features = sb_cnn.features(maps(2, 1, 128, 128))
    assert features.shape == (2, 48, 25, 2)
    assert torch.equal(sb_cnn.cells(features), features)


def test_small_maps_are_surrounded_by_silence():
    sb_cnn, small = SBCNN(4).eval(), maps(2, 1, 30, 37)
    # 32 - 30 rows and 100 - 37 columns: one above, 31 before.
    assert torch.equal(sb_cnn(small), sb_cnn(F.pad(small, (31, 32, 1, 1))))
    assert sb_cnn(maps(1, 1, 1, 1)).shape == (1, 4)


def test_lstm_steps_are_those_of_the_module():
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(7, 5, batch_first=True).double()
    sequence = maps(3, 9, 7).double().requires_grad_()
    ours, theirs = lstm_outputs(lstm, sequence), lstm(sequence)[0]
    torch.testing.assert_close(ours, theirs)
    weights = maps(*theirs.shape, seed=2).double()
    gradients = [torch.autograd.grad((outputs * weights).sum(), sequence)[0] for outputs in (ours, theirs)]
    torch.testing.assert_close(*gradients)
    assert torch.autograd.gradgradcheck(lambda inputs: lstm_outputs(lstm, inputs), (sequence[:1, :2],))


def test_a_crnn_hears_the_order_of_time():
    crnn, sound = network("crnn"), maps(1, 1, 32, 64)
    assert not torch.allclose(crnn(sound), crnn(sound.flip(3)), atol=1e-6)


@pytest.mark.parametrize("name", ["sb_cnn", "crnn"])
def test_a_clip_has_the_same_logits_in_every_batch_and_again(name):
    victim, clips = network(name).double(), maps(5, 1, 32, 100).double()
    together = victim(clips)
    assert torch.equal(together, victim(clips))
    torch.testing.assert_close(together, torch.cat([victim(clip) for clip in clips.split(1)]), atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", ["sb_cnn", "crnn"])
def test_every_attack_works_on_them_and_counts_agree(name, attack):
    victim, clips = network(name), maps(2, 1, 16, 32)
    labels = victim(clips).argmax(1)
    counter = GradientCounter(victim)
    with counter.counting() as counts:
        outcome = ATTACKS[attack](counter, **FEW.get(attack, {})).run(clips, labels, ids=torch.arange(2))
    singles = outcome.per_target or (outcome,)
    assert counts.backward_rows == sum(int(single.gradients.sum()) for single in singles) > 0
    assert outcome.adversarial.shape == clips.shape
    assert outcome.adversarial.isfinite().all()
    assert not victim.training


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_crnn_is_differentiated_in_evaluation_mode_on_the_gpu():
    crnn, clips = network("crnn"), maps(2, 1, 32, 64)
    on_gpu = clips.cuda().requires_grad_()
    (gradient,) = torch.autograd.grad(crnn.cuda()(on_gpu)[:, 0].sum(), on_gpu)
    on_cpu = clips.requires_grad_()
    (expected,) = torch.autograd.grad(crnn.cpu()(on_cpu)[:, 0].sum(), on_cpu)
    torch.testing.assert_close(gradient.cpu(), expected, atol=1e-5, rtol=1e-3)
