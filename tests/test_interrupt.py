"""Ctrl-C as a terminal sends it: one line, what is kept, how to go on, and never a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train
from tests.trained_run_fixture import write_trained_run

PROJECT = Path(train.__file__).parent


def start(script, *arguments):
    """Start a command whose SIGINT is that of a terminal, whatever this process ignores."""
    return subprocess.Popen(
        [sys.executable, str(PROJECT / script), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def interrupted(process):
    """Send SIGINT; the lines of standard error behind the first one."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    return errors.splitlines()


def wait_for(process, reached):
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, "the command ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_trained_run(folder, "tones")
    return folder


@pytest.mark.parametrize("seconds", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    ("script", "arguments"), [("train.py", ["--runs_dir", "RUNS"]), ("attack.py", ["--checkpoints", "RUNS/none"])]
)
def test_while_libraries_are_imported(tmp_path, script, arguments, seconds):
    process = start(script, *(word.replace("RUNS", str(tmp_path / "runs")) for word in arguments))
    assert process.stderr.readline().startswith(f"{script}: ")
    time.sleep(seconds)
    lines = interrupted(process)
    assert lines == ["interrupted while starting; nothing was begun, and nothing of an earlier call is lost"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_while_training_and_a_continued_run_says_from_where(trained, tmp_path):
    flags = [
        *("--data", "ESC10", "--data.representation", "STFT", "--data.representation.sample_rate", "8000"),
        *("--data.representation.resize", "16", "--data.augmentation", "none", "--data.split", "official"),
        *("--model.architecture", "resnet56", "--trainer.accelerator", "cpu", "--wandb.mode", "disabled"),
        *("--data.root", trained / "corpus", "--data.cache_dir", trained / "cache", "--runs_dir", tmp_path),
        *("--trainer.max_epochs", "200", "--folds", "1", "--name", "run"),
    ]
    for time_of_day in ("first", "second"):
        process = start("train.py", *flags)
        if time_of_day == "first":
            wait_for(process, (tmp_path / "run" / "fold1" / "last.ckpt").is_file)
            lines = interrupted(process)
        else:
            said = ""
            while "goes on" not in said:
                said = process.stdout.readline()
                assert said, process.stderr.read()
            assert f"of fold 1, in {tmp_path / 'run'}" in said
            lines = interrupted(process)
        if time_of_day == "first":
            assert "interrupted; kept: " in lines[-1]
            assert "of fold 1, in " in lines[-1]
            assert lines[-1].endswith("the same command continues where this one stopped")


@pytest.mark.slow
def test_while_attacking_says_how_many_clips_are_kept(trained, tmp_path):
    process = start(
        "attack.py",
        *(
            "--checkpoints",
            trained / "runs" / "tones",
            "--folds",
            "1",
            "--attacks",
            "fgsm",
            "cwa",
            "--budgets",
            "paper",
        ),
        *("--output", tmp_path / "out", "--wandb.mode", "disabled", "--data.cache_dir", trained / "cache"),
    )
    wait_for(process, lambda: list((tmp_path / "out" / "parts").glob("fold1-fgsm-*")))
    lines = interrupted(process)
    assert "interrupted; kept: " in lines[-1]
    assert f"attacked clips, in {tmp_path / 'out'}; the same command continues" in lines[-1]
