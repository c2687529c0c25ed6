"""train.py from the command line: the run folder, resuming, processes, and every refusal in one sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from pytorch_lightning.utilities import rank_zero_only
from sklearn.metrics import balanced_accuracy_score, f1_score

import train
from classifiers.baselines import load_baseline
from commands import train_command
from commands.errors import UsageError, run_command
from lightning_modules.trained_classifier import load_classifier
from storage import DataError
from tests.corpus_fixtures import write_esc_corpus

PROJECT = Path(train.__file__).parent
# The fastest architecture on 16 x 16 maps: the real program in a second.
SMALL = [
    *("--data", "ESC10", "--data.representation", "STFT", "--data.representation.sample_rate", "8000"),
    *("--data.representation.resize", "16", "--data.augmentation", "none", "--data.split", "official"),
    *("--model.architecture", "crnn", "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu"),
    *("--wandb.mode", "disabled"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A miniature ESC-10: ten classes, five folds, two clips of each in each."""
    root = tmp_path_factory.mktemp("corpus")
    write_esc_corpus(root, classes=11)
    return root


@pytest.fixture
def small(corpus, tmp_path_factory, tmp_path):
    """Flags of a small run on the miniature corpus, in its own runs folder and with a shared cache."""
    cache = corpus.parent / "cache"
    return [*SMALL, "--data.root", str(corpus), "--data.cache_dir", str(cache), "--runs_dir", str(tmp_path / "runs")]


def run_script(arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, str(PROJECT / "train.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)


def same_weights(first, second):
    one = torch.load(first, weights_only=True)["state_dict"]
    two = torch.load(second, weights_only=True)["state_dict"]
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_cross_validation_writes_what_the_contract_says_and_nothing_else(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    summary = train.main([*small, "--name", "run", "--folds", "1,2"])
    run = tmp_path / "runs" / "run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    assert sorted(path.name for path in run.iterdir() if path.suffix != ".lock") == [
        *("config.yaml", "fold1", "fold2", "summary.json"),
    ]
    assert sorted(path.name for path in (run / "fold1").iterdir()) == [
        *("best.ckpt", "predictions.csv", "record.json", "split.csv"),
    ]
    assert summary == json.loads((run / "summary.json").read_text())
    accuracies = []
    for row in summary["folds"]:
        predictions = pd.read_csv(run / f"fold{row['fold']}" / "predictions.csv")
        assert len(predictions) == predictions["clip"].nunique() == row["n_test"] == 20
        accuracies.append((predictions["label"] == predictions["prediction"]).mean())
        assert row["accuracy"] == pytest.approx(accuracies[-1])
        assert (run / row["checkpoint"]).is_file()
        assert row["leakage"] == 0
    assert summary["accuracy_mean"] == pytest.approx(sum(accuracies) / 2)
    assert summary["accuracy_std"] == pytest.approx(pd.Series(accuracies).std())
    assert summary["folds_finished"] == 2
    assert summary["parameters"] == load_classifier(run / "fold1" / "best.ckpt").model.parameter_count
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["init_args"]["representation"]["class_path"]
    assert config["model"]["learning_rate"] == 2e-3  # the record says the architecture's, not that none was given

    with pytest.raises(UsageError, match="run finished; --overwrite trains it again"):
        train.main([*small, "--name", "run", "--folds", "1,2"])
    with pytest.raises(UsageError, match=r"got others for model\.learning_rate; choose another --name"):
        train.main([*small, "--name", "run", "--model.learning_rate", "0.01"])
    # Not "--overwrite trains it again", which would delete another experiment.
    with pytest.raises(UsageError, match=r"got others for model\.learning_rate; choose another --name"):
        train.main([*small, "--name", "run", "--folds", "1,2", "--model.learning_rate", "0.01"])
    for name in ("../run", "runs/run", ""):
        with pytest.raises(UsageError, match=f"expected --name to be the name of a folder, got '{name}'; --runs_dir"):
            train.main([*small, "--name", name])

    again = train.main(["--test-only", str(run / "fold1" / "best.ckpt"), "--trainer.accelerator", "cpu"])
    assert again["accuracy"] == pytest.approx(summary["folds"][0]["accuracy"])
    assert again["n_seen"] == 0
    other = train.main(
        ["--test-only", str(run / "fold1" / "best.ckpt"), "--data.split", "random", "--trainer.accelerator", "cpu"]
    )
    assert other["split"] == "random"
    assert other["n_test"] == 30
    assert other["n_seen"] > 0


def test_a_fold_that_another_command_finished_meanwhile_is_not_trained_again(small, tmp_path, monkeypatch):
    train_fold, trained = train_command.train_fold, []

    def and_another_command(cli, fold, *more):
        trained.append(fold)
        train_fold(cli, fold, *more)
        if trained == [1]:
            train.main([*small, "--name", "run", "--folds", "2"])

    monkeypatch.setattr(train_command, "train_fold", and_another_command)
    summary = train.main([*small, "--name", "run", "--folds", "1,2,3"])
    assert trained == [1, 2, 3]
    assert [row["fold"] for row in summary["folds"]] == [1, 2, 3]


def test_a_checkpoint_says_by_itself_how_its_data_are_rebuilt(small, tmp_path):
    train.main([*small, "--name", "run", "--folds", "3", "--data.representation.n_fft", "256"])
    trained = load_classifier(tmp_path / "runs" / "run" / "fold3" / "best.ckpt")
    data = trained.data()
    assert (data.corpus, data.fold, data.representation.n_fft) == ("ESC10", 3, 256)
    assert not trained.model.training
    assert not any(parameter.requires_grad for parameter in trained.model.parameters())
    data.prepare_data()
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    assert trained.model(data.on_after_batch_transfer(batch, 0).inputs).shape == (len(batch.labels), 10)

    checkpoint = torch.load(trained.path, weights_only=True)
    checkpoint["hyper_parameters"]["warp"] = 1.0
    torch.save(checkpoint, trained.path)
    with pytest.raises(DataError, match=r"settings that it does not have \(warp\); use the version that wrote it"):
        load_classifier(trained.path)


def test_without_validation_all_other_folds_train_and_the_last_epoch_is_kept(small, tmp_path):
    summary = train.main([*small, "--name", "all", "--folds", "1", "--data.validation", "none"])
    (record,) = summary["folds"]
    assert (record["n_train"], record["n_validation"], record["n_test"]) == (80, 0, 20)
    assert (record["validation"], record["weights"], record["epochs"]) == ("none", "last epoch", 2)
    kept = torch.load(tmp_path / "runs" / "all" / "fold1" / "best.ckpt", weights_only=True)
    assert kept["epoch"] == 1
    predictions = pd.read_csv(tmp_path / "runs" / "all" / "fold1" / "predictions.csv")
    assert record["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(predictions["label"], predictions["prediction"])
    )
    assert record["macro_f1"] == pytest.approx(
        f1_score(predictions["label"], predictions["prediction"], average="macro", zero_division=0)
    )
    assert summary["recall_mean"] == pytest.approx(record["recall"])


def test_waveform_changes_pass_the_map_cache_by_and_repeat_for_a_seed(small, tmp_path):
    choices = [
        *("--data.random_gain", "6", "--data.noise_snr", "[0, 20]", "--model.class_weights", "balanced"),
        *("--model.frequency_masks", "1", "--model.time_masks", "1", "--folds", "1", "--model.architecture", "crnn"),
        # A cache of its own, so that the maps that it holds are those of this run alone.
        *("--data.cache_dir", str(tmp_path / "cache")),
    ]
    for name in ("first", "second"):
        train.main([*small, *choices, "--name", name])
    checkpoints = [tmp_path / "runs" / name / "fold1" / "best.ckpt" for name in ("first", "second")]
    assert same_weights(*checkpoints)
    train.main([*small, *choices, "--data.noise_snr", "null", "--name", "third"])
    assert not same_weights(checkpoints[0], tmp_path / "runs" / "third" / "fold1" / "best.ckpt")
    data = load_classifier(checkpoints[0]).data(cache_dir=str(tmp_path / "cache"))
    data.prepare_data()
    data.setup("fit")
    # 20 validation and 20 test clips have maps; no training clip has one.
    clips = [data.waveforms.entry(clip, 0) for clip in range(len(data.table))]
    assert sorted(data._maps.store.missing(clips)) == sorted(data.split.train.tolist())
    assert data.train_set[0][0].ndim == 2
    assert data.validation_set[0][0].ndim == 3


@pytest.mark.slow
def test_a_killed_run_continues_and_ends_as_if_it_had_not_been_killed(small, tmp_path):
    # Epochs that take long enough for the process to be killed between them.
    longer = [*small, "--model.architecture", "resnet56", "--trainer.max_epochs", "4", "--folds", "1"]
    train.main([*longer, "--name", "undisturbed"])
    assert torch.load(tmp_path / "runs/undisturbed/fold1/best.ckpt", weights_only=True)["epoch"] > 1
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    killed = tmp_path / "runs" / "killed" / "fold1"
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *longer, "--name", "killed"], env=environment
    )
    while not (killed / "last.ckpt").is_file():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "record.json").exists()
    train.main([*longer, "--name", "killed"])
    undisturbed = tmp_path / "runs" / "undisturbed" / "fold1"
    assert same_weights(killed / "best.ckpt", undisturbed / "best.ckpt")
    pd.testing.assert_frame_equal(pd.read_csv(killed / "predictions.csv"), pd.read_csv(undisturbed / "predictions.csv"))


@pytest.mark.slow
def test_sigterm_is_no_success(small, tmp_path):
    command = [sys.executable, str(PROJECT / "train.py"), *small, "--trainer.max_epochs", "200", "--name", "ended"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen([*command, "--folds", "1"], env=environment, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "runs" / "ended" / "fold1" / "last.ckpt").is_file():
        assert process.poll() is None, "the run ended before it could be told to"
        time.sleep(0.02)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "error: ended by SIGTERM; " in errors
    assert "; the same command continues where this one stopped" in errors


def test_a_baseline_is_recorded_like_a_convnet(small, tmp_path, monkeypatch):
    summary = train.main([*small, "--model.architecture", "linear_svm", "--name", "svm", "--folds", "1"])
    (row,) = summary["folds"]
    predictions = pd.read_csv(tmp_path / "runs" / "svm" / "fold1" / "predictions.csv")
    assert len(predictions) == row["n_test"] == 20
    assert row["accuracy"] == pytest.approx((predictions["label"] == predictions["prediction"]).mean())
    baseline = load_baseline(tmp_path / "runs" / "svm" / row["checkpoint"])
    assert baseline.name == "linear_svm"
    assert summary["parameters"] == baseline.parameter_count == 10 * 16 * 16 + 10
    # A second process of a Trainer summarises too, and leaves the file to the first.
    (tmp_path / "runs" / "svm" / "summary.json").unlink()
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    summary = train.main([*small, "--model.architecture", "linear_svm", "--name", "svm", "--folds", "1,2"])
    assert summary["folds_finished"] == 2
    assert not (tmp_path / "runs" / "svm" / "summary.json").exists()


@pytest.mark.slow
def test_two_processes_test_exactly_the_test_clips_each_once(small, tmp_path):
    # With a logger, whose first process writes into the folder of the fold before the second looks at it.
    two = ("--wandb.mode", "offline", "--trainer.strategy", "ddp", "--trainer.devices", "2")
    done = run_script([*small, "--name", "two", "--folds", "1,2", *two], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "runs" / "two" / "summary.json").read_text())["folds_finished"] == 2
    for fold in (1, 2):
        predictions = pd.read_csv(tmp_path / "runs" / "two" / f"fold{fold}" / "predictions.csv")
        assert len(predictions) == predictions["clip"].nunique() == 20
    # Trained by two processes and tested by one: the clips' predictions are those of the checkpoint.
    best = tmp_path / "runs" / "two" / "fold2" / "best.ckpt"
    accuracy = (predictions["label"] == predictions["prediction"]).mean()
    again = train.main(["--test-only", str(best), "--trainer.accelerator", "cpu"])
    assert again["accuracy"] == pytest.approx(accuracy)


REFUSALS = [
    (["--data", "ESC11"], 2, "SyntheticSounds, Folder, Table, got 'ESC11'"),
    (["--data.representation", "stft"], 2, "expected --data.representation to be one of"),
    (["--model.architecture", "resnet19"], 2, "expected --model.architecture to be one of resnet18"),
    (["--model.architecture", "sbcnn"], 2, "linear_svm, rbf_svm, random_forest, got 'sbcnn'"),
    (["--model", "{architecture: vgg}"], 2, "expected --model.architecture to be one of resnet18"),
    (
        ["--config", "configs/sweeps/demo.yaml"],
        2,
        "found a sweep; run it with python sweep.py configs/sweeps/demo.yaml",
    ),
    (["--data.fold", "3"], 2, "expected --folds to choose what is trained, got --data.fold 3, of --test-only"),
    (["--model", "resnet18"], 2, "file of settings, or single ones such as --model.architecture, got 'resnet18'"),
    (["--trainer", "gpu"], 2, "file of settings, or single ones such as --trainer.accelerator, got 'gpu'"),
    (["--model.time_masks", "-1"], 2, "expected time_masks of at least 0, got -1"),
    # Before the corpus is looked for.
    (
        ["--model.frequency_mask_width", "2", "--data.root", "/nowhere"],
        2,
        "expected frequency_mask_width above 0 and up to 1, got 2",
    ),
    (["--data.noise_snr", "[9, 3]"], 2, "expected noise_snr to be the lowest and the highest ratio in dB or null"),
    (
        ["--data.split", "random", "--data.validation", "none"],
        2,
        "expected split=official or folds=1 with validation=none",
    ),
    (
        ["--model.architecture", "linear_svm", "--data.random_gain", "3"],
        2,
        "expected a ConvNet with --data.random_gain, got linear_svm",
    ),
    (["--folds", "6"], 2, "expected --folds in 1..5, got 6"),
    (["--folds", "one"], 2, "expected --folds to be all or numbers such as 1 or 1,2, got 'one'"),
    (["--data.root", "/nowhere"], 1, "/nowhere"),
    (["--model.learning_rate", "fast"], 2, "learning_rate"),
    (["--model.learning_rate", "-1"], 2, "expected a learning rate above 0, got -1"),
    (["--data.representation.n_fft", "-3"], 2, "n_fft"),
    (["--no_such_flag", "1"], 2, "no_such_flag"),
    (["--config", "/nowhere.yaml"], 2, "/nowhere.yaml"),
    (["--test-only", "/nowhere.ckpt"], 1, "expected a checkpoint at /nowhere.ckpt, found no file"),
]


@pytest.mark.parametrize(("flags", "code", "sentence"), REFUSALS, ids=[" ".join(case[0]) for case in REFUSALS])
def test_a_refusal_is_one_sentence_and_an_exit_code(small, flags, code, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: train.main([*small, *flags]))
    error = capsys.readouterr().err
    assert stopped.value.code == code
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert sentence in lines[0]
    assert len(lines[0]) < 400
    assert "Traceback" not in error


def test_a_file_that_is_not_audio_is_named_before_training(corpus, small, tmp_path):
    broken = tmp_path / "broken"
    write_esc_corpus(broken, classes=11)
    victim = sorted((broken / "audio").iterdir())[3]
    victim.write_text("this is text")
    with pytest.raises(DataError, match=victim.name):
        train.main([*small, "--data.root", str(broken), "--name", "broken"])
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_sentence(small, tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        with pytest.raises(SystemExit) as ended:
            run_command(lambda: train.main([*small, "--runs_dir", str(disk / "runs"), "--name", "full"]))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    errors = capsys.readouterr().err
    assert ended.value.code == 1
    assert errors.strip().splitlines()[-1].startswith("error: expected to write")
    assert "Traceback" not in errors


def test_help_lists_the_flags(capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "one of resnet18, resnet34, resnet56, googlenet, alexnet, sb_cnn, crnn" in " ".join(text.split())
    for flag in ("--data.root", "--folds", "--seed", "--test_only", "--trainer.max_epochs", "--model.architecture"):
        assert flag in text


@pytest.mark.parametrize("config", sorted((PROJECT / "configs" / "train").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_parses_and_its_classes_accept_it(config):
    from commands.train_cli import TrainCLI

    cli = TrainCLI(["--config", str(config), "--data.root", "nowhere"])
    data = cli.build_data()
    representation = type(data.representation).__name__.lower()
    others = {"esc10_quickstart": "logmel", "esc10_m11": "waveform"}
    names = (f"{data.corpus.lower()}_{representation}", f"demo_{representation}")
    assert config.stem in names or others.get(config.stem) == representation
