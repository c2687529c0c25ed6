"""Ctrl-C as a terminal sends it: one line, what is kept, how to go on, and never a traceback."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train
from storage import write_json
from tests.light_sweep import write_light_programs, write_light_sweep
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
        # A terminal sends SIGINT to a command and to all that it has started.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def interrupted(process):
    """Send SIGINT; the lines of standard error behind the first one."""
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    lines = errors.splitlines()
    assert [line for line in lines if line.startswith(("error: ", "interrupted"))] == lines[-1:]
    return lines


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


@pytest.mark.parametrize("seconds", [0.0, 0.8])
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("train.py", ["--runs_dir", "RUNS"]),
        ("attack.py", ["--checkpoints", "RUNS/none"]),
        ("transfer.py", ["--checkpoints", "RUNS/none"]),
        ("sweep.py", [str(PROJECT / "configs" / "sweeps" / "demo.yaml"), "--runs_dir", "RUNS"]),
    ],
)
def test_while_libraries_are_imported(tmp_path, script, arguments, seconds):
    process = start(script, *(word.replace("RUNS", str(tmp_path / "runs")) for word in arguments))
    assert process.stderr.readline().startswith(f"{script}: ")
    time.sleep(seconds)
    lines = interrupted(process)
    assert lines == ["interrupted while starting; nothing was begun, and nothing of an earlier call is lost"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")]
)
def test_a_library_that_fails_while_it_is_interrupted_leaves_no_traceback(number, code, said):
    # Lightning's loaders raise RuntimeError if Ctrl-C comes while they are shut down.
    program = """
import os
from commands.errors import end_at_sigterm, interruptible, run_command

def command():
    end_at_sigterm()
    with interruptible(lambda: "kept: 3 clips"):
        try:
            os.kill(os.getpid(), NUMBER)
        finally:
            raise RuntimeError("cleaned up twice")

run_command(command)
""".replace("NUMBER", str(int(number)))
    # Where the tests run in the background of a shell, they ignore SIGINT, and so would the program.
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert ended.returncode == code, ended.stderr
    assert ended.stderr == f"error: {said}; kept: 3 clips; the same command continues where this one stopped\n"


def test_what_fails_before_or_after_an_interrupt_keeps_its_traceback():
    program = """
from commands.errors import run_command

def command():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    raise RuntimeError("a bug")

run_command(command)
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.endswith("RuntimeError: a bug\n")


@pytest.mark.slow
def test_while_training_and_a_continued_run_says_from_where(trained, tmp_path):
    flags = [
        *("--data", "ESC10", "--data.representation", "STFT", "--data.representation.sample_rate", "8000"),
        *("--data.representation.resize", "16", "--data.augmentation", "none", "--data.split", "official"),
        *("--model.architecture", "crnn", "--trainer.accelerator", "cpu", "--wandb.mode", "disabled"),
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


@pytest.mark.slow
def test_while_attacking_for_a_transfer_says_how_many_clips_of_all_sources_are_kept(trained, tmp_path):
    sources = [tmp_path / name for name in ("first", "second")]
    for source in sources:
        shutil.copytree(trained / "runs" / "tones", source)
    process = start(
        *("transfer.py", "--checkpoints", *sources, "--folds", "1", "--attacks", "fgsm", "--budgets", "paper"),
        *("--logger", "none", "--data.cache_dir", trained / "cache", "--data.root", trained / "corpus"),
        # Batches of two, so that most of the second source's clips are still to be attacked.
        *("--data.batch_size", "2"),
    )
    wait_for(process, lambda: list((sources[1] / "attacks" / "parts").glob("fold1-fgsm-*")))
    line = interrupted(process)[-1]
    places = ", ".join(re.escape(str(source / "attacks")) for source in sources)
    said = re.fullmatch(
        rf"error: interrupted; kept: (\d+) of at most (\d+) attacked clips, in {places}; "
        "the same command continues where this one stopped",
        line,
    )
    assert said is not None, line
    assert 0 < int(said[1]) <= int(said[2])


@pytest.mark.slow
def test_while_a_sweep_runs_says_how_many_points_are_kept_and_leaves_no_process(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLD_SECONDS", "600")
    runs = tmp_path / "runs"
    sweep_file = write_light_sweep(tmp_path / "light.yaml", write_light_programs(tmp_path / "scripts"))
    write_json(runs / "esc10-stft" / "summary.json", {"folds": [{"fold": 1}], "folds_finished": 1, "folds_in_all": 1})
    attacks = {"profile": "smoke", "seed": 0, "clips": None, "attacks": [{"fold": 1, "attack": "fgsm"}]}
    write_json(runs / "esc10-stft" / "attacks" / "summary.json", attacks)
    process = start("sweep.py", sweep_file, "--runs_dir", runs, "--logger", "none")
    work = runs / "work.log"
    wait_for(process, lambda: work.is_file() and work.read_text().endswith("\n"))
    assert interrupted(process)[-1] == (
        "error: interrupted; kept: 1 of 2 finished points, and the finished folds and epochs of others; "
        "the same command continues where this one stopped"
    )
    *_, train, point = work.read_text().split()
    for started in (train, point):
        assert not Path(f"/proc/{started}").exists()
