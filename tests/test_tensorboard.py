"""``--logger tensorboard`` and ``none``: the event files, read back with TensorBoard's own reader."""

import json
import sys

import pytest
import yaml

import attack
import sweep
import train
import transfer
from commands.errors import UsageError
from commands.flags import TransferFlags
from commands.loggers import record_transfer
from tests.corpus_fixtures import write_esc_corpus


def read_back(folder):
    """Scalars (last value by name) and settings in a folder of event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(folder)).Reload()
    scalars = {name: events.Scalars(name)[-1].value for name in events.Tags()["scalars"]}
    data = HParamsPluginData.FromString(events.PluginTagToContent("hparams")["_hparams_/session_start_info"])
    settings = {
        name: getattr(value, value.WhichOneof("kind")) for name, value in data.session_start_info.hparams.items()
    }
    return scalars, settings


FLAT = {
    **{"corpus": "ESC10", "split": "official", "representation": "STFT", "sample_rate": 8000, "n_fft": 256},
    **{"architecture": "crnn", "seed": 0},
}


@pytest.mark.slow
def test_training_attacks_and_points_have_the_same_settings_and_their_numbers(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    write_esc_corpus(tmp_path / "corpus", classes=11)
    settings = tmp_path / "tiny.yaml"
    representation = {"class_path": "STFT", "init_args": {"sample_rate": 8000, "n_fft": 256, "resize": 16}}
    data = {"split": "official", "augmentation": "none", "representation": representation}
    content = {"data": {"class_path": "ESC10", "init_args": data}, "model": {"architecture": "crnn"}}
    settings.write_text(yaml.safe_dump({**content, "trainer": {"max_epochs": 2, "log_every_n_steps": 1}}))
    places = ["--data.root", str(tmp_path / "corpus"), "--data.cache_dir", str(tmp_path / "cache")]
    places += ["--trainer.accelerator", "cpu"]
    trained = ["--config", str(settings), *places]
    attacked = ["--attacks", "fgsm", "--budgets", "smoke", "--clips", "10", "--folds", "2"]
    run = tmp_path / "runs" / "tiny"

    train.main([*trained, "--name", "tiny", "--folds", "1", "--logger", "none"])
    assert not [path for path in run.rglob("*") if path.name in ("wandb", "tensorboard", "wandb_id.txt")]
    train.main([*trained, "--name", "tiny", "--folds", "2", "--logger", "tensorboard"])
    attack.main(["--checkpoints", str(run), *attacked, *places, "--logger", "tensorboard"])
    sweep.main(["point", *trained, *attacked, "--logger", "tensorboard"])
    assert not list(run.rglob("wandb"))

    scalars, hparams = read_back(run / "tensorboard" / "fold2")
    assert {**hparams, **FLAT, "fold": 2} == hparams
    record = json.loads((run / "fold2" / "record.json").read_text())
    assert scalars["test/accuracy"] == scalars["record/accuracy"] == pytest.approx(record["accuracy"])
    assert {"train/loss", "val/accuracy", "best/val_loss", "best/val_accuracy", "best/epoch"} <= scalars.keys()
    assert any(name.startswith("lr-") for name in scalars)

    means = json.loads((run / "attacks" / "summary.json").read_text())["means"]
    for folder in (run / "attacks" / "tensorboard", run / "tensorboard" / "point"):
        scalars, hparams = read_back(folder)
        assert {**hparams, **FLAT, "budget_profile": "smoke", "space": "map"} == hparams
        assert scalars["attack/fgsm/fooling_rate"] == pytest.approx(means["fgsm"]["fooling_rate"])
        assert not [name for name in scalars if name.startswith("attack/six/")]
    assert "test/accuracy" in scalars


def test_a_transfer_has_its_ratios(tmp_path):
    pytest.importorskip("tensorboard")
    whole = {"fold": None, "attack": None, "target_architecture": "alexnet", "ratio": 0.25, "auc_on_target": None}
    summary = {
        **{"corpus": "ESC10", "split": "official", "representation": {"class": "STFT", "sample_rate": 8000}},
        **{"source_architecture": "resnet18", "seed": 3, "profile": "smoke", "rows": [whole, {**whole, "fold": 1}]},
    }
    record_transfer(TransferFlags(checkpoints=[], logger="tensorboard"), "source", tmp_path, summary)
    scalars, hparams = read_back(tmp_path / "tensorboard")
    assert scalars == {"transfer/six/alexnet/ratio": 0.25}
    assert (hparams["architecture"], hparams["seed"], hparams["budget_profile"]) == ("resnet18", 3, "smoke")


@pytest.mark.parametrize("main", [train.main, attack.main, transfer.main])
def test_tensorboard_that_is_not_installed_is_one_sentence(main, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.chdir(tmp_path)
    checkpoints = [] if main is train.main else ["--checkpoints", "run"]
    with pytest.raises(UsageError, match=r"found none; install it with: pip install '\.\[tensorboard\]'"):
        main([*checkpoints, "--logger", "tensorboard"])
    assert not list(tmp_path.iterdir())


def test_lightning_s_own_flag_is_refused_because_it_would_be_ignored():
    with pytest.raises(UsageError, match=r"expected --logger wandb, tensorboard or none, got --trainer\.logger"):
        train.main(["--trainer.logger", "false"])
