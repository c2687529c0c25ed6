"""Settings of training that are off by default, and scores per class."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_class_weight
from torchaudio.functional import mask_along_axis

from datamodules.batches import clip_seeds
from datamodules.splits import check_validation
from datamodules.waveform_augmentation import WaveformAugmentation
from lightning_modules.cross_validation import mean_scores
from lightning_modules.map_augmentation import mask_bands
from lightning_modules.sound_classifier import SoundClassifier, balanced_weights
from metrics.classification import class_scores

MASKS = {"frequency_masks": 1, "frequency_mask_width": 0.5, "time_masks": 1, "time_mask_width": 0.25}


def test_seeds_do_not_depend_on_the_number_of_processes():
    state = {"stream": 1, "seed": 3, "epoch": 2, "step": 5}
    alone = clip_seeds(6, **state)
    shared = [clip_seeds(3, **state, rank=rank, processes=2) for rank in (0, 1)]
    assert alone[0::2] == shared[0]
    assert alone[1::2] == shared[1]
    others = [clip_seeds(6, **{**state, name: 9}) for name in state]
    assert len({seed for seeds in (alone, *others) for seed in seeds}) == 30


def test_masks_are_those_of_torchaudio_and_leave_the_global_generator_alone():
    maps = torch.rand(3, 1, 20, 40) + 0.5
    torch.manual_seed(7)
    expected_next = torch.rand(1)
    torch.manual_seed(7)
    masked = mask_bands(maps, [4, 5, 4], **MASKS)
    assert torch.equal(torch.rand(1), expected_next)
    torch.manual_seed(5)
    assert torch.equal(masked[1], mask_along_axis(mask_along_axis(maps[1], 10, 0.0, 1), 10, 0.0, 2))
    assert torch.equal(masked[0] == 0, masked[2] == 0)
    assert torch.equal(masked[masked != 0], maps[masked != 0])


def test_noise_has_the_ratio_and_gain_the_range_that_were_asked_for():
    clips = 0.1 * torch.randn(4, 1, 5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noisy = WaveformAugmentation(noise_snr=(12.0, 12.0))(clips, [1, 2, 3, 4])
    ratios = 10 * (clips.square().sum(2) / (noisy - clips).square().sum(2)).log10()
    torch.testing.assert_close(ratios, torch.full_like(ratios, 12.0))
    louder = WaveformAugmentation(random_gain=6.0)(clips, list(range(4)))
    gains = 20 * (louder / clips).abs().log10()
    torch.testing.assert_close(gains, gains[..., :1].expand_as(gains))
    assert gains.abs().max() <= 6.0
    assert len(set(gains[:, 0, 0].round(decimals=6).tolist())) == 4
    full = WaveformAugmentation(random_gain=60.0, noise_snr=(0.0, 3.0))(clips, list(range(4)))
    assert full.abs().max() <= 1.0
    assert torch.count_nonzero(WaveformAugmentation(6.0, (0.0, 3.0))(torch.zeros(1, 1, 9), [0])) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((-1.0,), "random_gain from 0 to 100 dB, got -1.0"), ((0.0, (9.0, 3.0)), "lowest and the highest ratio in dB")],
)
def test_impossible_waveform_changes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        WaveformAugmentation(*arguments)


def test_weights_are_those_of_scikit_learn():
    labels = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_weights(torch.from_numpy(labels), 3).numpy(), expected, rtol=1e-6)
    assert balanced_weights(torch.tensor([0, 2]), 3)[1] == 0


def test_scores_by_hand_and_by_scikit_learn():
    labels, predictions = [0, 0, 0, 0, 1, 1, 3], [0, 0, 0, 1, 1, 0, 3]
    scores = class_scores(labels, predictions, list("abcd"))
    assert scores["recall"] == {"a": 0.75, "b": 0.5, "c": None, "d": 1.0}
    assert scores["balanced_accuracy"] == pytest.approx(0.75) == balanced_accuracy_score(labels, predictions)
    assert scores["macro_f1"] == pytest.approx((0.75 + 0.5 + 1.0) / 3)
    means = mean_scores([scores, {**scores, "recall": {"a": 0.25, "b": 0.5, "c": 1.0, "d": None}}], list("abcd"))
    assert means["recall_mean"] == {"a": 0.5, "b": 0.5, "c": 1.0, "d": 1.0}
    assert mean_scores([scores, {}], ["a"])["balanced_accuracy_mean"] is None


def test_only_official_folds_and_a_single_model_go_without_validation():
    check_validation("none", "official", 5)
    check_validation("none", "grouped", 1)
    with pytest.raises(ValueError, match="expected split=official or folds=1 with validation=none, got split=grouped"):
        check_validation("none", "grouped", 5)
    with pytest.raises(ValueError, match=r"at least 2 folds, got 1; one model .* has folds=1 and validation=none"):
        check_validation("fold", "random", 1)


@pytest.mark.parametrize("settings", [{"time_masks": -1}, {"time_mask_width": 0.0}, {"class_weights": "all"}])
def test_impossible_choices_are_refused(settings):
    with pytest.raises(ValueError, match=f"expected {next(iter(settings))}"):
        SoundClassifier(num_classes=3, architecture="crnn", **settings)
