"""Sweeps: W&B's schema, grid and agent on every file, what a point runs and finds finished, and kill -9 of the grid."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sweeps
import wandb
import yaml
from rich.console import Console
from wandb import wandb_agent

import sweep
from commands.errors import UsageError
from commands.flags import SEVEN
from commands.sweeps.cli import SweepCLI, matches
from commands.sweeps.end_table import show_points
from commands.sweeps.file import SweepFile
from commands.sweeps.flags import read_sweep_command
from commands.sweeps.local_runner import Grid, GridPoint, last_line
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI, setting
from commands.sweeps.point_record import point_numbers
from lightning_modules.run_values import attack_numbers
from storage import DataError, write_json, write_text
from tests.corpus_fixtures import write_esc_corpus
from tests.light_sweep import STFT, write_light_programs, write_light_sweep

PROJECT = Path(sweep.__file__).parent
DEMO = PROJECT / "configs" / "sweeps" / "demo.yaml"
SWEEPS = sorted(set((PROJECT / "configs" / "sweeps").glob("*.yaml")) - {DEMO})
CORPORA = {"ESC10", "ESC50", "UrbanSound8K"}
# The settings of the paper, as its text and tables state them.
PAPER = {
    "table1_mfcc_sampling_rate": ("data.representation.sample_rate", [8000, 16000, 22050, 24000]),
    "table2_stft_n_fft": ("data.representation.n_fft", [512, 1024, 2048]),
    "table3_dwt_sampling_rate": ("data.representation.sample_rate", [8000, 16000]),
    "table4_dwt_mother": ("data.representation.mother", ["haar", "mexican_hat", "morlet"]),
    "table5_transfer": ("data.representation", ["DWT", "MFCC", "STFT"]),
    "figure1_n_mfcc": ("data.representation.n_mfcc", [13, 20, 40]),
    "figure2_dct_norm": ("data.representation.norm", [None, "ortho"]),
    "figure3_lifter": ("data.representation.lifter_scale", [0, 0.3, 0.5, 1, 1.5, 2, 2.5]),
    "figure4_stft_window": ("data.representation.win_length_ratio", [0.25, 0.5, 0.75, 1]),
    "figure5_dwt_frame": ("data.representation.frame_milliseconds", [30, 40, 50]),
    "section5a_classifiers": (
        "model.architecture",
        ["alexnet", "googlenet", "linear_svm", "random_forest", "rbf_svm", "resnet18", "resnet34", "resnet56"],
    ),
    "section5b_augmentation": ("data.augmentation", ["none", "pitch_shift", "time_stretch"]),
    "mfcc_dct_type": ("data.representation.dct_type", [2, 3]),
    "dwt_magnitude": ("data.representation.magnitude", ["linear", "log"]),
    "map_resize": ("data.representation.resize_method", ["bilinear", "bilinear_antialias", "power_mean"]),
    "map_resize_window": ("data.representation.resize_method", ["bilinear", "bilinear_antialias", "power_mean"]),
}


@pytest.fixture(scope="module")
def parser():
    return PointCLI()


@pytest.fixture
def scripts(tmp_path):
    return write_light_programs(tmp_path / "scripts")


@pytest.fixture
def point_flags(scripts, tmp_path):
    """Flags of a point whose programs are the light ones."""
    return ["--config", STFT, "--scripts", str(scripts), "--runs_dir", str(tmp_path / "runs"), "--budgets", "smoke"]


@pytest.fixture
def light_sweep(scripts, tmp_path):
    return write_light_sweep(tmp_path / "light.yaml", scripts)


def covering(file):
    """Points in which every value of every key occurs."""
    parameters = file.parameters
    most = max(map(len, parameters.values()))
    return [{key: values[i % len(values)] for key, values in parameters.items()} for i in range(most)]


def test_there_is_a_sweep_for_every_table_figure_and_section():
    assert {file.stem for file in SWEEPS} == set(PAPER)


@pytest.mark.parametrize("file", [*SWEEPS, DEMO], ids=lambda file: file.stem)
def test_weights_and_biases_finds_no_fault_and_makes_the_same_grid(file):
    content = yaml.safe_load(file.read_text())
    assert sweeps.schema_violations_from_proposed_config(content) == []
    assert content["method"] == "grid"
    assert content["metric"]["goal"] in ("minimize", "maximize")
    assert "seed" in content["parameters"]
    read = SweepFile.read(file)
    suggested = [run for run in sweeps.next_runs(content, [], n=1000) if run is not None]
    theirs = [{key: entry["value"] for key, entry in run.config.items()} for run in suggested]
    ours = read.points()
    assert sorted(map(repr, ours)) == sorted(repr(dict(sorted(point.items()))) for point in theirs)
    # The configuration is read before what differs from it, in the order in which an agent gives the flags.
    assert next(iter(ours[0])) == "config"


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_every_key_is_a_flag_and_reaches_the_setting_it_names(file, parser, monkeypatch):
    monkeypatch.chdir(PROJECT)
    read = SweepFile.read(file)
    flag, values = PAPER[file.stem]
    seen, corpora, names = set(), set(), []
    for parameters in covering(read):
        parser.read(read.arguments(parameters))
        for key, value in parameters.items():
            if key not in ("config", "data.representation"):
                assert setting(parser.settings, key) == value
        seen.add(setting(parser.settings, flag))
        corpora.add(setting(parser.settings, "data"))
        assert setting(parser.settings, "budgets") == "paper"
        names.append(parser.run_name)
    assert seen == set(values)
    assert corpora == CORPORA
    assert {setting(parser.settings, "data.split")} == {"official"}
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in names)
    assert len(set(names)) == len(names)


def test_the_demo_trains_two_architectures_on_two_representations_and_attacks_with_all_seven(parser, monkeypatch):
    monkeypatch.chdir(PROJECT)
    read = SweepFile.read(DEMO)
    runs = set()
    for parameters in read.points():
        parser.read(read.arguments(parameters))
        point = Point(parser)
        assert setting(parser.settings, "data") == "SyntheticSounds"
        assert parser.settings["attacks"] == list(SEVEN)
        assert parser.settings["budgets"] == "smoke"
        assert [step.what.split()[0] for step in point.steps()] == ["train.py", "train.py", "transfer.py"]
        runs |= {run.path.name for run in point.runs.values()}
    assert runs == {"demo-stft", "demo-stft-googlenet", "demo-dwt", "demo-dwt-googlenet"}


def test_a_setting_has_one_name_in_every_sweep(parser, monkeypatch):
    monkeypatch.chdir(PROJECT)

    def name(*flags):
        parser.read(flags)
        return parser.run_name

    config = ("--config", "configs/train/esc10_dwt.yaml")
    assert name(*config) == "esc10-dwt"
    assert name(*config, "--data.representation.sample_rate=8000", "--seed=0", "--data.root", "x") == "esc10-dwt"
    assert name(*config, "--data.representation.frame_milliseconds=50") == "esc10-dwt"
    assert name(*config, "--data.representation.sample_rate=16000") == "esc10-dwt-sample_rate-16000"
    assert name(*config, "--model.architecture=googlenet", "--seed=1") == "esc10-dwt-seed-1-googlenet"
    assert name(*config, "--name", "mine", "--data.augmentation=none") == "mine-augmentation-none"
    assert name(*config, '--data.representation={"magnitude": "linear"}') == "esc10-dwt-magnitude-linear"
    mfcc = name("--config", "configs/train/esc10_mfcc.yaml", '--data.representation={"norm": null}')
    assert mfcc == "esc10-mfcc-norm-null"
    assert name(*config, "--data", "ESC50") == "esc10-dwt-esc50"
    with pytest.raises(UsageError, match="expected --config or --name, by which the run of a point is named"):
        name("--data", "ESC10")
    with pytest.raises(UsageError, match=r"expected --transfer to name some of resnet18, .* got 'vgg'"):
        name(*config, "--transfer", "resnet18", "vgg")
    with pytest.raises(UsageError, match=r"data.representation.sample_rate: expected int"):
        name(*config, "--data.representation.sample_rate=fast")


def test_a_point_trains_attacks_and_reports_under_the_metrics_name(point_flags, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("ESC10_ROOT", "/sounds")
    flags = [*point_flags, "--attacks", "fgsm", "jsma", "--clips", "8", "--seed=3"]
    numbers = sweep.main(["point", *flags])
    run = tmp_path / "runs" / "esc10-stft-seed-3"
    assert numbers["test/accuracy"] == 0.7
    assert numbers["attack/fgsm/auc"] == 0.9
    assert numbers["attack/jsma/batch_gradients"] == 7
    given = json.loads((run / "attacks" / "summary.json").read_text())["given"]
    assert given[:2] == ["--checkpoints", str(run)]
    assert given[given.index("--budgets") + 1 :][:5] == ["smoke", "--seed", "3", "--clips", "8"]
    assert "--data.root=/sounds" in given
    for file in SWEEPS:
        metric = SweepFile.read(file).metric
        assert metric in numbers or metric == "transfer/ratio"
    # A second call has nothing left to run.
    capfd.readouterr()
    assert sweep.main(["point", *flags]) == numbers
    assert "train.py" not in capfd.readouterr().out


def test_a_transfer_trains_every_architecture_and_carries_attacks_between_them(point_flags, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    numbers = sweep.main(["point", *point_flags, "--attacks", "fgsm", "--transfer", "resnet18", "googlenet", "alexnet"])
    runs = {path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()}
    assert runs == {"esc10-stft", "esc10-stft-googlenet", "esc10-stft-alexnet"}
    assert numbers["transfer/ratio"] == 0.25
    assert numbers["transfer/googlenet/alexnet/ratio"] == 0.25
    assert numbers["attack/alexnet/auc"] == 0.95
    assert numbers["test/googlenet/accuracy"] == 0.7
    assert not (tmp_path / "runs" / "esc10-stft" / "attacks").exists()


def test_a_point_is_finished_by_its_files_alone(point_flags, tmp_path, parser):
    def point(*flags):
        parser.read([*point_flags, "--attacks", "fgsm", "--clips", "8", *flags])
        return Point(parser)

    def steps(*flags):
        return [step.what.split()[0] for step in point(*flags).steps()]

    run = tmp_path / "runs" / "esc10-stft"
    assert steps() == ["train.py", "attack.py"]
    summary = {"folds": [{"fold": 1}, {"fold": 2}], "folds_finished": 2, "folds_in_all": 5}
    write_json(run / "summary.json", summary)
    assert steps() == ["train.py", "attack.py"]
    assert steps("--folds", "1,2") == ["attack.py"]
    assert steps("--folds=2,3") == ["train.py", "attack.py"]
    attacks = {"profile": "smoke", "seed": 0, "clips": 8, "attacks": [{"fold": 1, "attack": "fgsm"}]}
    write_json(run / "attacks" / "summary.json", attacks)
    assert steps("--folds", "1") == []
    assert point("--folds", "1").is_finished()
    assert steps("--folds", "1,2") == ["attack.py"]
    assert steps("--folds", "1", "--clips", "9") == ["attack.py"]
    assert steps("--folds", "1", "--budgets", "reduced") == ["attack.py"]
    assert steps("--folds", "1", "--attacks", "fgsm", "cwa") == ["attack.py"]
    assert steps("--folds", "1", "--seed=1") == ["train.py", "attack.py"]
    # Baselines have no gradients.
    assert steps("--model.architecture=linear_svm") == ["train.py"]
    (run / "config.yaml").write_text(yaml.safe_dump({"identity": {**parser.identity, "seed": 9}}))
    with pytest.raises(UsageError, match=r"expected .*esc10-stft to be a run of this point, found another value of"):
        steps("--folds", "1")
    (run / "config.yaml").unlink()
    (run / "summary.json").write_text("{")
    with pytest.raises(DataError, match=r"expected JSON in .*summary.json, found a file .*; remove the file"):
        steps()


def test_the_attack_command_allows_what_the_point_itself_names(point_flags, parser):
    parser.read([*point_flags, "--allow-import", "mine"])
    point = Point(parser)
    command = point._attack("attack.py", [point.path])
    assert command[command.index("--allow-import") + 1 :][:1] == ["mine"]
    parser.read(point_flags)
    assert "--allow-import" not in Point(parser)._attack("attack.py", [point.path])


def test_the_train_command_has_trains_flags_only(point_flags, parser):
    parser.read([*point_flags, "--attacks", "fgsm", "cwa", "--data.root", "DIR", "--clips=4", "--folds", "1"])
    command = next(Point(parser).steps()).command
    assert command[2:4] == ["--config", STFT]
    assert command[-6:] == ["--data.root", "DIR", "--folds", "1", "--name", "esc10-stft"]
    assert not {"--attacks", "fgsm", "--clips=4", "--scripts", "--budgets", "smoke"} & set(command)


def test_dry_run_lists_a_line_a_point_and_only_chooses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(PROJECT)
    file = "configs/sweeps/table2_stft_n_fft.yaml"
    runs = str(tmp_path / "runs")
    flags = [file, "--dry-run", "--runs_dir", runs, "--budgets", "reduced", "--only", "data=ESC10"]
    finished = tmp_path / "runs" / "esc10-stft"
    rows = [{"fold": fold, "accuracy": 0.5, "seconds": 1} for fold in range(1, 6)]
    write_json(finished / "summary.json", {"folds": rows, "folds_finished": 5, "folds_in_all": 5})
    names = ("fgsm", "bim_a", "bim_b", "deepfool", "jsma", "cwa", "lbfgs")
    attacked = [{"fold": fold, "attack": name} for fold in range(1, 6) for name in names]
    write_json(
        finished / "attacks" / "summary.json", {"profile": "reduced", "seed": 0, "clips": None, "attacks": attacked}
    )
    result = sweep.main([*flags, "--", "--data.root", "a folder"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:1] for line in lines] == ["/", "#", "/"]
    assert lines[1] == "# finished: esc10-stft"
    command = shlex.split(lines[0])
    assert command[:4] == ["/usr/bin/env", sys.executable, str(PROJECT / "sweep.py"), "point"]
    assert command[-2:] == ["--data.root", "a folder"]
    assert "--data.representation.n_fft=512" in command
    assert result["pending"] == ["esc10-stft-n_fft-512", "esc10-stft-n_fft-2048"]
    assert result["finished"] == ["esc10-stft"]
    # A run of this name that is another's is told, and stops no other point.
    other = tmp_path / "runs" / "esc10-stft-n_fft-2048"
    write_text(other / "config.yaml", yaml.safe_dump({"identity": {"seed": 7}}))
    sweep.main([*flags, "--", "--data.root", "a folder"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:1] for line in lines] == ["/", "#", "/"]
    assert " # " not in lines[0]
    assert shlex.split(lines[2], comments=True)[-2:] == ["--data.root", "a folder"]
    assert f"  # will be refused: expected {other} to be a run of this point, found another value of " in lines[2]
    with pytest.raises(UsageError, match="expected a point of table2_stft_n_fft with data=ESC11, found none"):
        sweep.main([file, "--dry-run", "--only", "data=ESC11"])


def test_points_are_chosen_by_the_sweeps_keys_and_by_any_flag(parser):
    parser.read(["--config", STFT])
    parameters = {"config": STFT, "seed": 0}
    assert matches([], parameters, parser.settings)
    assert matches(["seed=0", f"config={STFT}", "data=ESC10"], parameters, parser.settings)
    assert matches(["data.representation=STFT", "data.representation.n_fft=1024"], parameters, parser.settings)
    assert not matches(["data=ESC10", "data.split=random"], parameters, parser.settings)
    with pytest.raises(UsageError, match=r"expected --only with a key such as config, .*, got 'corpus'"):
        matches(["corpus=ESC10"], parameters, parser.settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "bayes"}, "expected a sweep with method: grid in .*, found 'bayes'"),
        ({"method": None}, "expected a sweep in .*, found no method: grid; train.py reads settings"),
        ({"program": "train.py"}, "to have program: sweep.py and a command that begins with .* found 'train.py'"),
        ({"command": ["${args}"]}, "to have program: sweep.py and a command that begins with .* point, found"),
        ({"parameters": None}, "expected parameters in .*, found None"),
        ({"parameters": {"seed": {"min": 1, "max": 2}}}, "expected value or values for seed in"),
        ({"parameters": {"x": {"values": [1, None]}}}, "expected numbers and words for x in .*, found None; quote it"),
    ],
)
def test_an_impossible_sweep_is_refused_in_a_sentence(change, message, light_sweep):
    light_sweep.write_text(yaml.safe_dump({**yaml.safe_load(light_sweep.read_text()), **change}))
    with pytest.raises(UsageError, match=message):
        SweepFile.read(light_sweep)


def test_impossible_flags_are_refused_in_a_sentence(light_sweep, tmp_path):
    with pytest.raises(UsageError, match=r"expected a sweep in .*none.yaml, found: No such file"):
        SweepCLI(read_sweep_command([str(tmp_path / "none.yaml")]))
    with pytest.raises(UsageError, match="expected --jobs of at least 1, got 0"):
        SweepCLI(read_sweep_command([str(light_sweep), "--jobs", "0"]))
    with pytest.raises(UsageError, match="expected --only KEY=VALUE, data=ESC10 for example, got 'ESC10'"):
        SweepCLI(read_sweep_command([str(light_sweep), "--only", "ESC10"]))
    for wrong, message in (
        (["--clips", "0"], "expected --clips of at least 1, got 0"),
        (["--budgets", "huge"], "expected a profile of budgets among .* got 'huge'"),
        (["--attacks", "fgms"], "expected an attack among .* got 'fgms'"),
    ):
        with pytest.raises(UsageError, match=message):
            sweep.main([str(light_sweep), "--dry-run", *wrong])
    light_sweep.write_text("a: [")
    with pytest.raises(UsageError, match="expected YAML in"):
        SweepCLI(read_sweep_command([str(light_sweep)]))


def grid_point(tmp_path, name, program):
    return GridPoint(name, [sys.executable, "-c", program], tmp_path / f"{name}.log")


def test_a_failing_point_stops_no_other_and_is_named(tmp_path, capsys):
    done = str(tmp_path / "done")
    points = [
        grid_point(tmp_path, "bad", "import sys; print('working'); sys.exit('error: expected a root, got none')"),
        grid_point(tmp_path, "worse", "import os; os._exit(9)"),
        grid_point(
            tmp_path, "good", f"import os; open({str(tmp_path / 'done')!r}, 'w').write(os.environ['WANDB_RUN_GROUP'])"
        ),
    ]
    grid = Grid("light", points, finished=2, jobs=1, console=Console(width=40))
    assert grid.run() == {"bad": "expected a root, got none", "worse": "exit code 9"}
    assert Path(done).read_text() == "light"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["bad", "bad", "worse", "worse", "good", "good"]
    assert "2 of 5 finished, 1 failed, time left unknown" in lines[1]
    assert "3 of 5 finished, 2 failed, 0 min 00 s left" in lines[5]


def test_jobs_run_side_by_side(tmp_path):
    # Each waits for the file of the other: one after the other they would wait for ever.
    meet = """
import pathlib, sys, time
mine, other = (pathlib.Path({folder!r}) / name for name in ({mine!r}, {other!r}))
mine.touch()
limit = time.monotonic() + 30
while not other.exists():
    time.sleep(0.01)
    if time.monotonic() > limit: sys.exit(1)
"""
    pair = [("a", "b"), ("b", "a")]
    points = [grid_point(tmp_path, a, meet.format(folder=str(tmp_path), mine=a, other=b)) for a, b in pair]
    assert Grid("light", points, finished=0, jobs=2, console=Console(quiet=True)).run() == {}


def test_without_a_terminal_a_sweep_says_now_and_then_where_its_points_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("commands.sweeps.local_runner.REPORT_SECONDS", 0.3)
    program = "import time; print('epoch 1', flush=True); time.sleep(2); print('epoch 2', flush=True); time.sleep(2)"
    points = [grid_point(tmp_path, "slow", program)]
    Grid("light", points, finished=0, jobs=1, console=Console(width=200)).run()
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("slow: epoch")]
    assert said == ["slow: epoch 1", "slow: epoch 2"]


def test_the_last_line_of_a_log_is_found_behind_colours_and_redrawn_bars(tmp_path):
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"error: first\n\x1b[31merror: second\x1b[0m\nfold 1\rfold 2 \xff\n\n")
    assert last_line(log).startswith("fold 2")
    assert last_line(log, beginning="error: ") == "second"


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux's")
def test_what_a_program_starts_dies_with_it_even_when_it_is_killed(tmp_path):
    started = tmp_path / "started"
    sleeper = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    parent = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from commands.sweeps.child_process import start_bound
start_bound([sys.executable, "-c", {sleeper!r}]).wait()
"""
    process = subprocess.Popen([sys.executable, "-c", parent])
    wait_until(lambda: started.is_file() and started.read_text(), 60)
    child = int(started.read_text())
    assert alive(child)
    process.kill()
    process.wait()
    wait_until(lambda: not alive(child), 10)


@pytest.mark.slow
def test_after_kill_9_a_sweep_continues_and_repeats_only_the_unit_in_progress(
    light_sweep, tmp_path, monkeypatch, capsys
):
    runs = tmp_path / "runs"
    work = runs / "work.log"
    command = [sys.executable, str(PROJECT / "sweep.py"), str(light_sweep), "--runs_dir", str(runs)]
    environment = {**os.environ, "WANDB_MODE": "disabled", "FOLD_SECONDS": "600", "PYTHONPATH": str(PROJECT)}
    # The first point is finished, and of the second a fold; the sweep is killed in the next.
    finished, interrupted = runs / "esc10-stft", runs / "esc10-stft-seed-1"
    write_json(finished / "summary.json", {"folds": [{"fold": 1}], "folds_finished": 1, "folds_in_all": 1})
    attacks = {"profile": "smoke", "seed": 0, "clips": None, "attacks": [{"fold": 1, "attack": "fgsm"}]}
    write_json(finished / "attacks" / "summary.json", attacks)
    write_json(interrupted / "fold1" / "record.json", {"fold": 1, "accuracy": 0.6, "seconds": 1.0})
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        # Both sweep.py and its point import PyTorch first.
        wait_until(lambda: work.is_file() and work.read_text().endswith("\n"), 900)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    _, name, fold, train, point = work.read_text().split()
    assert (name, fold) == (interrupted.name, "2")
    wait_until(lambda: not alive(int(train)) and not alive(int(point)), 20)
    assert not (interrupted / "fold2" / "record.json").exists()

    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("FOLD_SECONDS", "0")
    sweep.main(command[2:])
    # The fold in progress is begun again, the next for the first time, and nothing else is.
    begun = [tuple(line.split()[1:3]) for line in work.read_text().splitlines()]
    assert begun == [(interrupted.name, fold) for fold in ("2", "2", "3")]
    assert "2 of 2 finished" in capsys.readouterr().out
    assert (interrupted / "attacks" / "summary.json").is_file()


@pytest.mark.slow
def test_weights_and_biases_own_agent_runs_a_point(light_sweep, tmp_path, monkeypatch, request):
    # W&B reads the environment once a process, and would keep this one's folder for later tests.
    request.addfinalizer(wandb.teardown)
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_DIR", "WANDB_RUN_GROUP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("WANDB_MODE", "offline")
    # What `wandb agent` sets before it asks for a point.
    monkeypatch.setenv("WANDB_SWEEP_ID", "abcd1234")
    monkeypatch.setenv("WANDB_PROJECT", "sound-robustness")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.chdir(PROJECT)
    content = yaml.safe_load(light_sweep.read_text())
    agent = wandb_agent.Agent(api=None, queue=None, sweep_id="abcd1234")
    agent._sweep_command = [*content["command"], "--runs_dir", str(tmp_path / "runs")]
    suggestion = sweeps.next_run(content, [])
    run = {"type": "run", "run_id": "point1", "program": content["program"], "args": suggestion.config}
    response = agent._process_command(run)
    assert "exception" not in response, response
    assert agent._run_processes["point1"].wait(timeout=900) == 0
    (folder,) = (tmp_path / "runs" / "esc10-stft" / "wandb").glob("offline-run-*-point1")
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", "--summary", str(folder)]
    seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert seen["summary"]["test/accuracy"] == 0.7
    assert seen["summary"][content["metric"]["name"]] == 0.9
    flat = ("corpus", "split", "representation", "sample_rate", "architecture", "seed", "budget_profile", "space")
    expected = ["ESC10", "official", "STFT", 22050, "resnet18", 0, "smoke", "map"]
    assert [seen["config"][name] for name in flat] == expected
    assert setting(seen["config"]["settings"], "data.representation.n_fft") == 1024


@pytest.mark.slow
def test_a_point_of_the_real_programs_is_trained_and_attacked(tmp_path, monkeypatch, parser):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    write_esc_corpus(tmp_path / "corpus", classes=11)
    config = tmp_path / "tiny.yaml"
    representation = {"class_path": "STFT", "init_args": {"sample_rate": 8000, "resize": 16}}
    data = {"split": "official", "augmentation": "none", "representation": representation}
    content = {"data": {"class_path": "ESC10", "init_args": data}, "model": {"architecture": "crnn"}}
    config.write_text(yaml.safe_dump(content))
    flags = [
        *("--config", str(config), "--data.representation.n_fft=512", "--data.cache_dir", str(tmp_path / "cache")),
        *("--data.root", str(tmp_path / "corpus"), "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu"),
        *("--folds", "1", "--attacks", "fgsm", "jsma", "--budgets", "smoke", "--clips", "10"),
    ]
    numbers = sweep.main(["point", *flags])
    run = tmp_path / "runs" / "tiny-n_fft-512-max_epochs-2"
    assert numbers["test/accuracy"] == json.loads((run / "summary.json").read_text())["accuracy_mean"]
    summary = json.loads((run / "attacks" / "summary.json").read_text())
    assert {name for name, number in numbers.items() if number is None} == set()
    assert numbers["attack/fgsm/fooling_rate"] == summary["means"]["fgsm"]["fooling_rate"]
    assert numbers.get("attack/fgsm/auc") == summary["means"]["fgsm"]["auc"]
    # Two attacks are no mean of the six.
    assert summary["six"] is None
    assert not any(name.startswith("attack/six/") for name in numbers)
    parser.read(flags)
    assert Point(parser).is_finished()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "corpus", "runs", "tiny.yaml"]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_end_table_shows_what_each_classifier_of_a_point_has_found(parser, point_flags, columns):
    parser.read([*point_flags, "--attacks", "fgsm", "--transfer", "resnet18", "googlenet"])
    point = Point(parser)
    whole = {"fold": None, "attack": "fgsm", "source_auc": None, "auc_on_target": None}
    for architecture, run in point.runs.items():
        folds = {"folds": [{"fold": 1}], "folds_finished": 1, "folds_in_all": 1}
        write_json(run.summary_file, {**folds, "accuracy_mean": 0.625})
        write_json(run.path / "attacks" / "summary.json", {"means": {"fgsm": {"fooling_rate": 0.75}}})
        targets = {name: other.path.name for name, other in point.runs.items()}
        rows = [
            {**whole, "fold": fold, "target_run": run, "target_architecture": name, "ratio": ratio}
            for fold, ratio in ((1, 0.5), (None, 1.0 if architecture == "resnet18" else 0.125))
            for name, run in targets.items()
            if name != architecture
        ]
        rows += [{**whole, "target_run": run.path.name, "target_architecture": architecture, "ratio": 1.0}]
        write_json(run.path / "transfer" / "all" / "summary.json", {"profile": "smoke", "seed": 0, "rows": rows})
    output = io.StringIO()
    show_points(Console(file=output, width=columns), [point])
    lines = [line.split() for line in output.getvalue().splitlines()]
    assert ["esc10-stft", "resnet18", "62.5", "75.0", "1", "100.0"] in lines
    assert ["googlenet", "62.5", "75.0", "1", "12.5"] in lines
    (point.path / "transfer" / "all" / "summary.json").unlink()
    (point.path / "attacks" / "summary.json").unlink()
    show_points(Console(file=output, width=columns), [point])
    assert ["esc10-stft", "resnet18", "62.5", "-", "-", "-"] in [
        line.split() for line in output.getvalue().splitlines()
    ]


def test_numbers_of_attacks_leave_out_what_is_missing(parser, point_flags):
    mean = {"auc": 0.75, "target_rate": None, "cost_auc90": {"gradients": 12.0, "censored": True}}
    numbers = attack_numbers({"means": {"fgsm": mean}, "six": None})
    assert numbers == {
        "attack/fgsm/auc": 0.75,
        "attack/fgsm/cost_auc90": 12.0,
        "attack/fgsm/cost_auc90_censored": True,
        "attack/checks_failed": 0,
    }
    parser.read(point_flags)
    assert point_numbers(Point(parser)) == {}
