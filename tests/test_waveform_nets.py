"""Classifiers of waveforms: sizes beside the published ones, lengths, gradients, what is refused, a run end to end."""

import json
import re

import pandas as pd
import pytest
import torch

import attack
import round_trip
import train
from benchmarks.bare_training import compare
from classifiers import WAVEFORM_ARCHITECTURES, build_classifier, count_parameters, require_fitting_input
from classifiers.waveform_windows import OverWindows, window_starts
from commands.errors import UsageError
from commands.train_cli import TrainCLI
from lightning_modules import SoundClassifier
from lightning_modules.map_augmentation import mix_up, roll_in_time
from lightning_modules.trained_classifier import load_classifier
from representations import STFT, Waveform

SMALL = ("m5", "m11", "cnn_1d")


def test_a_waveform_represents_itself_and_its_box_is_that_of_samples():
    waveform = torch.tensor([[[-1.0, 0.25, 1.0]], [[0.0, 0.0, 0.0]]], requires_grad=True)
    representation = Waveform(sample_rate=16000)
    same = representation(waveform)
    assert torch.equal(same, waveform)
    (gradient,) = torch.autograd.grad((3 * same).sum(), waveform)
    assert torch.equal(gradient, torch.full_like(waveform, 3.0))
    assert representation.settings == {"class": "Waveform", "sample_rate": 16000}
    assert (Waveform.bounds, Waveform.is_map) == ((-1.0, 1.0), False)
    assert (STFT.bounds, STFT.is_map) == ((0.0, 1.0), True)
    assert torch.equal(representation.inverse(waveform, 0.5 * waveform), 0.5 * waveform)
    with pytest.raises(ValueError, match=r"expected a waveform \(batch, 1, time\), got shape \(2, 3\)"):
        representation(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"expected changed waveforms \(2, 1, 3\), got \(2, 1, 4\)"):
        representation.inverse(waveform, torch.zeros(2, 1, 4))


def test_parameter_counts_are_the_published_ones():
    # Dai et al. 2017, Table 1: 0.5 M and 1.8 M. Kernels of 80 and 3, two numbers per channel of batch normalisation.
    m5 = 80 * 128 + 3 * (128 * 128 + 128 * 256 + 256 * 512) + 2 * (128 + 128 + 256 + 512) + 513 * 10
    assert count_parameters(build_classifier("m5", 10)) == m5
    assert round(m5 / 1e6, 1) == 0.6
    assert round((m5 - 513 * 10 - 2 * 1024) / 1e6, 2) == 0.55
    assert round(count_parameters(build_classifier("m11", 10)) / 1e6, 1) == 1.8
    # Abdoli et al. 2019, the variant for 16,000 samples with random weights.
    assert count_parameters(build_classifier("cnn_1d", 10)) == 256_538


@pytest.mark.slow
def test_envnet_v2_has_its_101_million_parameters_and_takes_other_lengths():
    net = build_classifier("envnet_v2", 50).eval()
    # Tokozume et al. 2018: 101 M, of which 20,480 x 4096 lie in the first dense layer.
    assert round(count_parameters(net) / 1e6) == 101
    with torch.inference_mode():
        assert net(torch.zeros(1, 1, 70_000)).shape == (1, 50)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("samples", [1600, 16_000, 20_001])
def test_any_length_gives_logits_with_gradients_that_do_not_depend_on_batch_mates(name, samples):
    torch.manual_seed(0)
    net = build_classifier(name, 10).eval()
    waveforms = torch.rand(3, 1, samples, generator=torch.Generator().manual_seed(1)).mul(2).sub(1).requires_grad_()
    logits = net(waveforms)
    assert logits.shape == (3, 10)
    (gradient,) = torch.autograd.grad(logits[0, 3], waveforms)
    assert gradient[0].abs().max() > 0
    assert gradient[1:].abs().max() == 0
    torch.testing.assert_close(net(waveforms[1:2]), logits[1:2], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("time", "starts"), [(5, [0]), (10, [0]), (11, [0, 1]), (20, [0, 5, 10]), (26, [0, 4, 8, 12, 16])]
)
def test_windows_cover_a_clip_from_its_beginning_to_its_end(time, starts):
    assert window_starts(time, 10) == starts


def test_logits_of_a_clip_are_the_mean_over_its_windows():
    class Sums(torch.nn.Module):
        def forward(self, windows):
            return windows.sum(dim=2)

    clip = torch.arange(20.0)[None, None]
    expected = (clip[..., :10].sum() + clip[..., 5:15].sum() + clip[..., 10:].sum()) / 3
    assert OverWindows(Sums(), 10)(clip) == expected
    assert OverWindows(Sums(), 30)(clip) == clip.sum()


def test_training_rolls_and_mixes_waveforms_as_it_does_maps():
    waveforms = torch.arange(12.0).reshape(2, 1, 6)
    rolled = roll_in_time(waveforms, torch.Generator().manual_seed(0))
    maps = roll_in_time(waveforms[:, :, None], torch.Generator().manual_seed(0))
    assert torch.equal(rolled, maps[:, :, 0])
    assert all(
        any(torch.equal(one, before.roll(k, -1)) for k in range(6))
        for one, before in zip(rolled, waveforms, strict=True)
    )
    mixed, _ = mix_up(waveforms, torch.eye(2), 0.3, torch.Generator().manual_seed(0))
    assert mixed.shape == waveforms.shape


def test_combinations_that_do_not_fit_are_refused_in_a_sentence():
    for architecture in WAVEFORM_ARCHITECTURES:
        require_fitting_input(architecture, "Waveform")
    with pytest.raises(
        ValueError, match="expected the representation Waveform with m11, which takes samples, got STFT"
    ):
        require_fitting_input("m11", "STFT")
    with pytest.raises(
        UsageError, match="expected the representation Waveform with m11, which takes samples, got STFT"
    ):
        TrainCLI(["--model.architecture", "m11", "--data.representation", "STFT"])
    for other in ("resnet18", "linear_svm"):
        message = (
            f"expected one of m5, m11, cnn_1d, envnet_v2 with the representation Waveform, got {other}, which takes"
        )
        with pytest.raises(UsageError, match=message):
            TrainCLI(["--model.architecture", other, "--data.representation", "Waveform"])
    with pytest.raises(ValueError, match="expected instance_norm, frequency_masks and time_masks off with m5"):
        SoundClassifier(num_classes=10, architecture="m5", instance_norm=True)
    with pytest.raises(ValueError, match="expected pretrained=False for m5, got True; no weights of it are published"):
        build_classifier("m5", 10, pretrained=True)


def trained_for_an_epoch(folder, monkeypatch, architecture):
    """Train a net on a fold of the embedded corpus, in a folder that becomes the current one; returns the summary."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(folder)
    return train.main(
        [
            *("--data.representation", "Waveform", "--model.architecture", architecture),
            *("--data.augmentation", "none", "--data.cache_dir", str(folder / "cache"), "--trainer.max_epochs", "1"),
            *("--trainer.accelerator", "cpu", "--folds", "1", "--name", architecture),
        ]
    )


# M11 takes half a minute and EnvNet-v2 minutes.
@pytest.mark.slow
def test_cnn_1d_is_trained_as_by_a_bare_loop(tmp_path, monkeypatch):
    summary = trained_for_an_epoch(tmp_path, monkeypatch, "cnn_1d")
    checkpoint = tmp_path / "runs" / "cnn_1d" / "fold1" / "best.ckpt"
    found = compare(checkpoint, root=None)
    assert found.difference == 0
    assert found.accuracies[0] == found.accuracies[1] == pytest.approx(summary["folds"][0]["accuracy"])
    # The comparison is of weights that training has moved.
    trained = load_classifier(checkpoint).model
    torch.manual_seed(trained.hparams["seed"])
    first = build_classifier("cnn_1d", trained.hparams["num_classes"]).state_dict()
    assert any(not torch.equal(first[name], tensor) for name, tensor in trained.classifier.state_dict().items())


@pytest.mark.slow
def test_a_net_on_waveforms_is_trained_as_by_a_bare_loop_and_attacked_in_sound_only(tmp_path, monkeypatch, capsys):
    summary = trained_for_an_epoch(tmp_path, monkeypatch, "m5")
    said = "".join(capsys.readouterr()).replace("\n", " ")
    assert re.search(r"next: python attack.py --checkpoints \S*runs/m5 --space sound --budgets smoke", said)
    assert summary["folds"][0]["n_test"] > 0
    written = json.loads((tmp_path / "runs" / "m5" / "summary.json").read_text())
    assert written["recipe"]["data"]["init_args"]["representation"]["class_path"].endswith("Waveform")
    found = compare(tmp_path / "runs" / "m5" / "fold1" / "best.ckpt", root=None)
    assert found.difference == 0
    assert found.accuracies[0] == found.accuracies[1] == pytest.approx(summary["folds"][0]["accuracy"])
    # Samples are in the cache of waveforms already.
    assert summary["parameters"] == count_parameters(build_classifier("m5", 10))
    with pytest.raises(
        UsageError, match=r"expected a classifier of maps to attack maps, found .*--space sound attacks"
    ):
        attack.main(["--checkpoints", "runs/m5", "--attacks", "fgsm", "--budgets", "smoke", "--clips", "2"])
    with pytest.raises(UsageError, match=r"expected a run on maps, found runs/m5, which takes waveforms"):
        round_trip.main(["--checkpoints", "runs/m5"])
    in_sound = ("--attacks", "fgsm", "bim_a", "--budgets", "smoke", "--space", "sound", "--clips", "10")
    attacked = attack.main(["--checkpoints", "runs/m5", *in_sound, "--wandb.mode", "disabled"])["m5"]
    assert set(attacked["means"]) == {"fgsm", "bim_a"}
    rows = pd.read_parquet("runs/m5/attacks-sound/outcomes.parquet")
    assert rows["in_bounds"].all()
    assert (rows["snr_db"] > 19.9).all()
