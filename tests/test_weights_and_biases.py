"""What an offline W&B run holds, read back with W&B's own inspector."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import train
from lightning_modules.weights_and_biases import resolve_mode
from tests.corpus_fixtures import write_esc_corpus


def inspect(run, *flags):
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", *flags, str(run)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_fold_logs_settings_curves_maps_confusion_matrix_and_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    write_esc_corpus(tmp_path / "corpus", classes=11)
    train.main(
        [
            *("--data", "ESC10", "--data.root", str(tmp_path / "corpus"), "--data.cache_dir", str(tmp_path / "cache")),
            *("--data.representation", "STFT", "--data.representation.sample_rate", "8000"),
            *("--data.representation.resize", "16", "--data.augmentation", "none", "--data.split", "official"),
            *("--model.architecture", "resnet56", "--trainer.max_epochs", "2", "--folds", "2"),
            *("--name", "logged", "--wandb.mode", "offline"),
        ]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "corpus", "runs"]
    (folder,) = (tmp_path / "runs" / "logged" / "wandb").glob("offline-run-*")
    run = json.loads(inspect(folder, "--summary"))
    assert run["config"]["settings"]["data"]["init_args"]["representation"]["class_path"].endswith("STFT")
    assert run["config"]["fold"] == 2
    assert {"train/loss", "val/accuracy", "test/accuracy", "record/accuracy", "example_maps"} <= run["summary"].keys()
    assert any(key.startswith("test/confusion_matrix") for key in run["summary"])
    assert list((folder / "files" / "media" / "images").glob("example_maps*.png"))
    assert "logged-fold2" in inspect(folder)


def test_without_an_account_everything_stays_offline(tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    keys = tmp_path / "netrc"
    keys.write_text("")
    monkeypatch.setenv("NETRC", str(keys))
    assert resolve_mode("auto") == "offline"
    keys.write_text("machine api.wandb.ai login user password 0123")
    assert resolve_mode("auto") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert resolve_mode("auto") == "disabled"
    assert resolve_mode("offline") == "offline"
