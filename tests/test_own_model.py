"""A network of one's own: built by its import path, with weights from elsewhere, then attacked and reported."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

import attack
import report
import train
import transfer
from classifiers import build_classifier
from classifiers.weights_file import load_weights
from commands.errors import UsageError
from commands.train_cli import TrainCLI
from lightning_modules.trained_classifier import load_classifier
from storage import DataError
from tests.corpus_fixtures import write_esc_corpus
from tests.own_networks import ThreeChannels

SHAPE = (1, 16, 20)
OWN = "tests.own_networks.ThreeChannels"
# In the middle of rows of a map of 16, so that each class has a row of its own.
TONES_HZ = (np.arange(2, 13) + 0.5) * 513 / 16 * 8000 / 1024


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of a network of one's own on a miniature ESC-10: trained here, and imported from its weights alone."""
    folder = tmp_path_factory.mktemp("own")
    write_esc_corpus(folder / "corpus", classes=11, tones_hz=TONES_HZ)
    flags = [
        *("--data", "ESC10", "--data.representation", "tests.own_networks.OwnSTFT"),
        *("--data.representation.sample_rate", "8000", "--data.representation.resize", "16", "--folds", "1"),
        *(
            "--data.augmentation",
            "none",
            "--data.batch_size",
            "10",
            "--data.split",
            "official",
            "--data.root",
            str(folder / "corpus"),
        ),
        *("--data.cache_dir", str(folder / "cache"), "--runs_dir", str(folder / "runs"), "--wandb.mode", "disabled"),
        *("--model.architecture", OWN, "--trainer.accelerator", "cpu"),
    ]
    learning = ["--trainer.max_epochs", "10", "--model.learning_rate", "0.02", "--model.mixup", "0"]
    train.main([*flags, *learning, "--name", "here"])
    state = torch.load(folder / "runs" / "here" / "fold1" / "best.ckpt", weights_only=True)["state_dict"]
    # As DataParallel would have saved it.
    weights = {f"module.{key.removeprefix('classifier.')}": value for key, value in state.items()}
    save_file(weights, folder / "own.safetensors")
    train.main(
        [*flags, "--trainer.max_epochs", "0", "--model.weights", str(folder / "own.safetensors"), "--name", "elsewhere"]
    )
    return folder


def summary_of(folder, name):
    return json.loads((folder / "runs" / name / "summary.json").read_text())


def test_a_model_trained_elsewhere_is_tested_and_recorded_like_one_that_was_trained_here(trained):
    here, elsewhere = (summary_of(trained, name) for name in ("here", "elsewhere"))
    assert elsewhere["accuracy_mean"] == here["accuracy_mean"] > 0.5
    predictions = [pd.read_csv(trained / "runs" / name / "fold1" / "predictions.csv") for name in ("here", "elsewhere")]
    assert predictions[0].equals(predictions[1])
    (fold,) = elsewhere["folds"]
    assert (fold["weights"], fold["epochs"], fold["n_test"]) == ("trained elsewhere", 0, 20)
    assert (trained / "runs" / "elsewhere" / "fold1" / "split.csv").is_file()
    assert elsewhere["architecture"] == OWN
    assert len(elsewhere["training"]["weights"]["weights_sha256"]) == 64
    assert elsewhere["parameters"] == sum(one.numel() for one in ThreeChannels(10).parameters())
    # Its weights are in the checkpoint: the file that they came from is not needed again.
    (trained / "own.safetensors").rename(trained / "gone.safetensors")
    loaded = load_classifier(trained / "runs" / "elsewhere" / "fold1" / "best.ckpt", ["tests"])
    (trained / "gone.safetensors").rename(trained / "own.safetensors")
    assert isinstance(loaded.model.classifier, ThreeChannels)


def test_a_model_whose_outputs_are_sigmoids_is_imported_with_a_warning(trained):
    settings = yaml.safe_load((trained / "runs" / "elsewhere" / "config.yaml").read_text())
    settings["model"]["architecture"] = "tests.own_networks.Sigmoid"
    (trained / "sigmoid.yaml").write_text(yaml.safe_dump(settings))
    flags = ["--config", str(trained / "sigmoid.yaml"), "--name", "sigmoid", "--allow-import", "tests"]
    with pytest.warns(
        UserWarning, match=r"the imported model's outputs are probabilities: .*; attack the layer before the sigm"
    ):
        train.main(flags)


def test_a_run_goes_on_with_the_weights_that_it_was_started_with_only(trained, tmp_path):
    config = trained / "runs" / "elsewhere" / "config.yaml"
    other = {key: value + 1 for key, value in ThreeChannels(10).state_dict().items()}
    save_file(other, tmp_path / "own.safetensors")
    flags = ["--config", str(config), "--allow-import", "tests", "--folds", "2"]
    with pytest.raises(UsageError, match=r"got others for model\.weights, weights\.weights_sha256; choose another"):
        train.main([*flags, "--model.weights", str(tmp_path / "own.safetensors")])


def test_a_run_repeats_itself_from_its_own_file_bit_by_bit(trained):
    config = str(trained / "runs" / "here" / "config.yaml")
    with pytest.raises(UsageError, match=r"'tests.own_networks.OwnSTFT', which is not imported because a file names"):
        train.main(["--config", config, "--name", "again"])
    train.main(["--config", config, "--name", "again", "--allow-import", "tests"])
    first, second = (
        torch.load(trained / "runs" / name / "fold1" / "best.ckpt", weights_only=True)["state_dict"]
        for name in ("here", "again")
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    repeated = [yaml.safe_load((trained / "runs" / name / "config.yaml").read_text()) for name in ("here", "again")]
    assert {**repeated[0], "name": "again"} == repeated[1]


def test_attacks_transfers_and_the_report_take_it_by_its_name(trained, capsys):
    runs = [str(trained / "runs" / name) for name in ("elsewhere", "here")]
    flags = ["--attacks", "fgsm_untargeted", "deepfool", "--budgets", "smoke", "--wandb.mode", "disabled"]
    flags += ["--trainer.accelerator", "cpu", "--data.cache_dir", str(trained / "cache")]
    with pytest.raises(DataError, match=r"which is not imported because a file names it; --allow-import tests allows"):
        attack.main(["--checkpoints", runs[0], *flags])
    summary = attack.main(["--checkpoints", runs[0], *flags, "--allow-import", "tests"])["elsewhere"]
    assert summary["architecture"] == OWN
    assert summary["means"]["deepfool"]["fooling_rate"] == 1
    # Attacks repeat themselves from the file beside their results.
    attacks = trained / "runs" / "elsewhere" / "attacks"
    repeated = ["--config", str(attacks / "config.yaml"), "--output", str(trained / "again"), "--allow-import", "tests"]
    attack.main(repeated)
    folders = (attacks, trained / "again")
    first, second = (pd.read_parquet(folder / "outcomes.parquet").drop(columns="seconds") for folder in folders)
    pd.testing.assert_frame_equal(first, second)
    carried = transfer.main(["--checkpoints", *runs, *flags, "--allow-import", "tests"])["elsewhere"]
    # The target has the source's weights: what fools the one fools the other.
    ratios = [row["ratio"] for row in carried["rows"] if row["target_run"] == "here" and row["fold"] is None]
    assert ratios
    assert set(ratios) == {1.0}
    report.main([str(trained / "runs"), "--output", str(trained / "report")])
    page = (trained / "report" / "index.html").read_text()
    assert "ThreeChannels" in page
    assert "tests.own_networks" in page  # where it comes from, beside its name
    assert "ThreeChannels" in (trained / "runs" / "elsewhere" / "config.yaml").read_text()


def test_a_builder_gets_the_shape_of_the_maps_if_it_asks_for_it():
    network = build_classifier("tests.own_networks.shaped", 7, input_shape=SHAPE, allowed=["tests"])
    assert network(torch.rand(3, *SHAPE)).shape == (3, 7)
    assert build_classifier("tests.own_networks.lazy", 7, input_shape=SHAPE, allowed=["tests"])[1].in_features == 320
    with pytest.raises(ValueError, match=r"expected pretrained=False for .*shaped, got True; --model.weights names"):
        build_classifier("tests.own_networks.shaped", 7, True, input_shape=SHAPE, allowed=["tests"])


def test_looking_at_a_network_changes_nothing_of_it_or_of_the_random_numbers():
    torch.manual_seed(3)
    plain = ThreeChannels(5)
    expected = torch.rand(1)
    torch.manual_seed(3)
    built = build_classifier(OWN, 5, input_shape=SHAPE, allowed=["tests"])
    assert torch.equal(torch.rand(1), expected)
    assert built.training
    assert all(torch.equal(one, two) for one, two in zip(plain.parameters(), built.parameters(), strict=True))


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model.", "classifier."])
@pytest.mark.parametrize("form", ["pt", "safetensors", "lightning"])
def test_weights_are_found_under_the_usual_prefixes_and_forms(tmp_path, prefix, form):
    torch.manual_seed(0)
    source, target = ThreeChannels(5), ThreeChannels(5)
    state = {prefix + key: value for key, value in source.state_dict().items()}
    path = tmp_path / f"weights.{form}"
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if form == "lightning" else state, path)
    load_weights(target, path, "ThreeChannels")
    maps = torch.rand(2, *SHAPE)
    assert torch.equal(source.eval()(maps), target.eval()(maps))


def test_a_prefix_that_the_network_itself_has_stays(tmp_path):
    network = torch.nn.ModuleDict({"model": torch.nn.Linear(2, 3)})
    torch.save({"model.weight": torch.ones(3, 2), "model.bias": torch.zeros(3)}, tmp_path / "one.pt")
    load_weights(network, tmp_path / "one.pt", "it")
    assert torch.equal(network["model"].weight, torch.ones(3, 2))


def test_a_builtin_architecture_takes_weights_too(tmp_path):
    source, target = build_classifier("sb_cnn", 10), build_classifier("sb_cnn", 10)
    torch.save(source.state_dict(), tmp_path / "one.pt")
    load_weights(target, tmp_path / "one.pt", "sb_cnn")
    assert all(torch.equal(one, two) for one, two in zip(source.parameters(), target.parameters(), strict=True))


def test_settings_of_a_builtin_run_are_repeated_without_leave_to_import(tmp_path):
    flags = ["--data.representation", "MFCC", "--model.architecture", "crnn", "--model.learning_rate", "1e-3"]
    first = TrainCLI([*flags, "--name", "one"])
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**first.settings, "identity": first.identity}))
    second = TrainCLI(["--config", str(tmp_path / "config.yaml"), "--name", "two"])
    assert second.identity == first.identity
    assert (first.settings["name"], second.settings["name"]) == ("one", "two")
