"""What an offline W&B run holds, read back with W&B's own inspector."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import attack
import sweep
import train
from lightning_modules.weights_and_biases import attack_logger, fold_logger, resolve_mode
from storage import RunFolder
from tests.corpus_fixtures import write_esc_corpus


def inspect(run, *flags):
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", *flags, str(run)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


FLAT = {
    **{"corpus": "ESC10", "split": "official", "representation": "STFT", "sample_rate": 8000, "n_fft": 256},
    **{"architecture": "crnn", "seed": 0},
}


def identity(path):
    """The identity in a folder's name, which ends in a number if a call of the same second has the name already."""
    return path.name.split("-")[3]


def records(folder):
    """Name of the W&B run folder, configuration and summary of each offline record in a folder."""
    found = sorted((folder / "wandb").glob("offline-run-*"))
    return [(path, json.loads(inspect(path, "--summary"))) for path in found]


@pytest.mark.slow
def test_every_job_of_a_study_has_the_same_settings_and_tags_and_an_identity_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    write_esc_corpus(tmp_path / "corpus", classes=11)
    settings = tmp_path / "tiny.yaml"
    representation = {"class_path": "STFT", "init_args": {"sample_rate": 8000, "n_fft": 256, "resize": 16}}
    data = {"split": "official", "augmentation": "none", "representation": representation}
    content = {"data": {"class_path": "ESC10", "init_args": data}, "model": {"architecture": "crnn"}}
    settings.write_text(yaml.safe_dump(content))
    places = ["--data.root", str(tmp_path / "corpus"), "--data.cache_dir", str(tmp_path / "cache")]
    places += ["--trainer.accelerator", "cpu"]
    # What a point of these settings is called, so that the point finds it trained and attacked.
    name = "tiny-max_epochs-2"
    run = tmp_path / "runs" / name
    attacked = ["--attacks", "fgsm", "--budgets", "smoke", "--clips", "10", "--folds", "2"]
    train.main(
        [
            "--config",
            str(settings),
            *places,
            "--name",
            name,
            "--trainer.max_epochs",
            "2",
            "--folds",
            "2",
            "--trainer.log_every_n_steps",
            "1",
        ]
    )
    attack.main(["--checkpoints", str(run), *attacked, *places])
    attack.main(["--checkpoints", str(run), *attacked, *places, "--attacks", "fgsm", "bim_a"])
    flags = ["--config", str(settings), "--name", "tiny", "--trainer.max_epochs", "2", *attacked, *places]
    sweep.main(["point", *flags])

    (fold_path, fold), *more = [record for record in records(run) if record[1]["config"].get("fold") == 2]
    assert not more
    assert {**fold["config"], **FLAT} == fold["config"]
    assert {"leakage", "parameters", "settings"} <= fold["config"].keys()
    names = {"train/loss", "val/accuracy", "test/accuracy", "record/accuracy", "example_maps"}
    assert names | {"best/val_loss", "best/val_accuracy", "best/epoch"} <= fold["summary"].keys()
    assert any(key.startswith("lr-") for key in fold["summary"])
    assert any(key.startswith("test/confusion_matrix") for key in fold["summary"])
    assert list((fold_path / "files" / "media" / "images").glob("example_maps*.png"))
    # The checkpoint lies where training wrote it and nowhere else.
    checkpoint = (run / "fold2" / "best.ckpt").stat().st_size
    assert not [path for path in (run / "wandb").rglob("*") if path.is_file() and path.stat().st_size == checkpoint]

    # Two calls of attack.py on one folder are one W&B run.
    calls = records(run / "attacks")
    assert len(calls) == 2
    assert len({identity(path) for path, _ in calls}) == 1
    assert {identity(path) for path, _ in calls}.isdisjoint({identity(fold_path)})
    attacks = calls[-1][1]
    assert {**attacks["config"], **FLAT, "budget_profile": "smoke", "space": "map"} == attacks["config"]
    assert {"attack/fgsm/fooling_rate", "attack/bim_a/fooling_rate", "attack/budgets"} <= attacks["summary"].keys()

    (_, point) = next(record for record in records(run) if "run" in record[1]["config"])
    assert {**point["config"], **FLAT, "budget_profile": "smoke", "space": "map"} == point["config"]
    assert {"test/accuracy", "attack/fgsm/fooling_rate", "attack/budgets", "attack/fgsm/example"} <= point[
        "summary"
    ].keys()
    # Only fgsm and bim_a ran, which is no mean of the six.
    for seen in (attacks, point):
        assert not any(name.startswith("attack/six/") for name in seen["summary"])
    tags = "ESC10", "official", "STFT", "crnn"
    for folder in (fold_path, *(path for path, _ in calls)):
        (record,) = folder.glob("*.wandb")
        content = record.read_bytes()
        assert all(tag.encode() in content for tag in tags)


def test_every_run_of_a_process_stages_its_artifacts_in_its_own_folder_or_where_the_user_wants(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DATA_DIR", "/of the user")
    assert fold_logger(RunFolder(tmp_path / "one"), 1, project="p", mode="offline") is not None
    assert os.environ["WANDB_DATA_DIR"] == "/of the user"
    monkeypatch.delenv("WANDB_DATA_DIR")
    for name in ("one", "two"):
        fold_logger(RunFolder(tmp_path / name), 1, project="p", mode="offline")
        assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / name / "wandb")
    attack_logger("one", tmp_path / "one" / "attacks", project="p", mode="offline")
    assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "one" / "attacks" / "wandb")


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
