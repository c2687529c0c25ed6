"""The victim of sound space: its gradients against finite differences, silence, and chunks that change nothing."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from attacks import ATTACKS
from classifiers import build_classifier
from classifiers.sound_victim import SoundVictim
from datamodules.audio import fit_length, read_sound
from representations import DWT, MFCC, STFT
from tests.victims import TinyConvolution

RATE = 8000
MOTHERS = ("morlet", "mexican_hat", "haar")
REPRESENTATIONS = {
    "stft": STFT(sample_rate=RATE),
    "stft power_mean": STFT(sample_rate=RATE, resize_method="power_mean"),
    "mfcc": MFCC(sample_rate=RATE),
    **{mother: DWT(sample_rate=RATE, mother=mother) for mother in MOTHERS},
}


def clips(count, *, seconds=1.0, zeros=0.0, dtype=torch.float64):
    """Seconds of ESC-10 without digital silence where ESC10_ROOT says where they lie, else synthesised sounds.

    In digital silence |W| has a kink, where a derivative does not exist and only a subgradient can be asked for; a
    share of it is put at the end where a test wants it.
    """
    samples = round(seconds * RATE)
    root = os.environ.get("ESC10_ROOT")
    if root:
        files = sorted((Path(root) / "audio").glob("*"))[::17]
        recordings = (fit_length(read_sound(file, RATE, 5).waveform, 5 * RATE, "pad") for file in files)
        loudest = (loudest_part(recording, samples) for recording in recordings)
        sounds = np.stack(list(islice((one for one in loudest if (abs(one) < 1e-4).mean() < 0.1), count)))
    else:
        sounds = np.stack([sound(kind, samples) for kind in range(count)])
    waveforms = torch.from_numpy(np.ascontiguousarray(sounds)).to(dtype)[:, None]
    if zeros:
        waveforms[:, :, round((1 - zeros) * samples) :] = 0
    return waveforms


def loudest_part(recording, samples):
    """The stretch of most energy: many recordings of ESC-10 begin with silence."""
    parts = recording[: len(recording) // samples * samples].reshape(-1, samples)
    return parts[np.square(parts).sum(axis=1).argmax()]


def sound(kind, samples):
    """A decaying tone over noise, quantised to 16 bits as a recording is."""
    random = np.random.default_rng(kind)
    time = np.arange(samples) / RATE
    tone = np.sin(2 * np.pi * random.uniform(200, 2500) * time) * np.exp(-time * random.uniform(0, 4))
    values = 0.3 * tone + 0.02 * random.standard_normal(samples)
    return (np.round(values * 32768) / 32768).astype(np.float32)


def victim_of(representation, dtype=torch.float64, architecture=None, **settings):
    torch.manual_seed(0)
    classifier = small_classifier() if architecture is None else build_classifier(architecture, 10)
    return SoundVictim(representation, classifier.to(dtype).eval(), **settings).requires_grad_(False)


def small_classifier():
    """Smooth, so that a finite difference meets no kink but those of the representation."""
    classifier = nn.Sequential(
        *(nn.Conv2d(1, 8, 5, stride=3), nn.Softplus(), nn.Conv2d(8, 8, 3, stride=2), nn.Softplus()),
        *(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 10)),
    )
    # Slopes that stand out from the rounding of the logits.
    nn.init.normal_(classifier[-1].weight, std=3.0)
    return classifier


def gradient_of(victim, waveforms, labels=None):
    points = waveforms.clone().requires_grad_()
    logits = victim(points)
    loss = logits.logsumexp(dim=1) - logits[:, 0]
    return loss.detach(), torch.autograd.grad(loss.sum(), points)[0]


@pytest.mark.parametrize(("name", "architecture"), [*((name, None) for name in REPRESENTATIONS), ("stft", "resnet18")])
def test_gradients_agree_with_finite_differences(name, architecture):
    victim, waveforms = victim_of(REPRESENTATIONS[name], architecture=architecture), clips(2)
    # Equal neighbours among 16-bit samples make Haar coefficients of 0, where |W| has no derivative. Noise at -80 dB of
    # full scale, far above the steps below, moves them away from it.
    waveforms += 1e-4 * torch.randn(waveforms.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    _, gradient = gradient_of(victim, waveforms)
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        direction = torch.randn(waveforms.shape, generator=generator, dtype=torch.float64)
        expected = (gradient * direction).flatten(1).sum(dim=1)
        # A derivative that happens to vanish in this direction has no relative error.
        scale = torch.maximum(expected.abs(), 0.01 * gradient.flatten(1).norm(dim=1))
        assert bool((scale > 0).all())
        # A long step passes kinks and bends, a short one is lost in rounding; where they lie is the clip's own.
        measured = torch.stack([central_difference(victim, waveforms, direction, 10.0**-k) for k in (6, 7, 8, 9)])
        assert bool(((measured - expected).abs().amin(dim=0) <= 1e-4 * scale).all())


@torch.no_grad()
def central_difference(victim, waveforms, direction, step):
    """Slope of every clip's loss along a direction, the step a share of the clip's peak."""
    steps = step * waveforms.abs().amax(dim=2, keepdim=True)
    above, below = (victim(waveforms + sense * steps * direction) for sense in (1, -1))
    above, below = (logits.logsumexp(dim=1) - logits[:, 0] for logits in (above, below))
    return (above - below) / (2 * steps.flatten())


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silence_within_a_clip_leaves_gradients_finite_and_sound_with_gradients(name, dtype):
    victim, waveforms = victim_of(REPRESENTATIONS[name], dtype), clips(3, zeros=0.75, dtype=dtype)
    loss, gradient = gradient_of(victim, waveforms)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
    sounding = gradient[:, :, : waveforms.shape[2] // 4]
    assert float((sounding == 0).double().mean()) < 0.01


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_silence_alone_has_finite_logits_and_no_gradient(name):
    victim = victim_of(REPRESENTATIONS[name], torch.float32)
    waveforms = torch.cat([torch.zeros(1, 1, RATE), clips(1, dtype=torch.float32)])
    loss, gradient = gradient_of(victim, waveforms)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
    assert bool((gradient[0] == 0).all())
    assert bool((gradient[1] != 0).any())


@pytest.mark.parametrize("name", ["stft", "haar"])
def test_chunks_change_no_logit_and_no_gradient(name):
    waveforms = clips(5)
    whole = victim_of(REPRESENTATIONS[name], chunk=5)
    expected = gradient_of(whole, waveforms)
    for chunk in (1, 2):
        found = gradient_of(victim_of(REPRESENTATIONS[name], chunk=chunk), waveforms)
        # In float64 the rounding of another batch size is far below what an attack decides by.
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_chunks_can_be_differentiated_several_times():
    victim, waveforms = victim_of(REPRESENTATIONS["stft"], chunk=2), clips(3)
    points = waveforms.clone().requires_grad_()
    logits = victim(points)
    gradients = [torch.autograd.grad(logits[:, k].sum(), points, retain_graph=k < 2)[0] for k in range(3)]
    for k, gradient in enumerate(gradients):
        alone = waveforms.clone().requires_grad_()
        (expected,) = torch.autograd.grad(victim_of(REPRESENTATIONS["stft"])(alone)[:, k].sum(), alone)
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


def test_a_longer_clip_and_a_heavier_transform_make_smaller_chunks():
    light, heavy = (victim_of(representation, torch.float32) for representation in (STFT(), DWT(sample_rate=22050)))
    short, long = torch.zeros(1, 1, 11025), torch.zeros(1, 1, 55125)
    assert light.clips_at_once(long) >= heavy.clips_at_once(long) >= 1
    assert heavy.clips_at_once(short) > heavy.clips_at_once(long)
    with pytest.raises(ValueError, match="expected a chunk of at least one clip, got 0"):
        SoundVictim(STFT(), TinyConvolution(), chunk=0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("fgsm", {"snr_db": 20.0}),
        ("fgsm_l2", {"snr_db": 20.0}),
        ("bim_a", {"snr_db": 20.0, "steps": 3}),
        ("bim_b_l2", {"snr_db": 20.0, "steps": 3}),
        ("deepfool", {"iterations": 2}),
        ("jsma", {"iterations": 2}),
        ("cwa", {"search_steps": 1, "iterations": 3}),
        ("lbfgs", {"search_steps": 1, "iterations": 2}),
        ("minimal_norm", {"iterations": 2}),
        ("minimal_norm_linf", {"iterations": 2}),
    ],
)
def test_every_attack_moves_waveforms_within_their_bounds_alike_in_every_batch(name, settings):
    victim, waveforms = victim_of(STFT(sample_rate=RATE, resize=32)), clips(4, seconds=0.5)
    waveforms[2] = waveforms[2] / waveforms[2].abs().max()
    labels = victim(waveforms).argmax(dim=1)
    numbers = torch.arange(4)
    attack = ATTACKS[name](victim, bounds=(-1.0, 1.0)).with_settings(**settings)
    together = attack.run(waveforms, labels, ids=numbers)
    assert bool((together.adversarial.abs() <= 1).all())
    assert bool((together.adversarial != waveforms).flatten(1).any(dim=1).all())
    order = torch.tensor([3, 1])
    other = attack.run(waveforms[order], labels[order], ids=numbers[order])
    torch.testing.assert_close(other.adversarial, together.adversarial[order], rtol=0, atol=1e-9)
    for field in ("success", "gradients", "iterations", "targets"):
        assert getattr(other, field).tolist() == getattr(together, field)[order].tolist()
