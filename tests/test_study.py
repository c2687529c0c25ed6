"""Studies: parts in order, each setting once, what files alone say is finished, and the time that is left."""

import json
import runpy
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

import sweep
from commands.attack_cli import read_plans
from commands.errors import UsageError
from commands.sweeps.cli import SweepCLI
from commands.sweeps.cost import Estimate, Hours, Pace, measured_pace
from commands.sweeps.flags import read_sweep_command
from commands.sweeps.listing import Listing
from commands.sweeps.local_runner import Grid, GridPoint
from commands.sweeps.paper_cost import PaperCost, assumed_gpu, main, measured_rows, paper_cost, paper_points
from commands.sweeps.point import Point
from commands.sweeps.point_cli import PointCLI
from commands.sweeps.study import Study, is_study
from commands.sweeps.unit_times import ONE_CORE, UnitTimes, _seconds
from datamodules import CORPORA
from datamodules.esc50 import ESC10_SIZE
from datamodules.metadata import CorpusSize
from storage import write_json

PROJECT = Path(sweep.__file__).parent
ESC10 = PROJECT / "configs" / "study_esc10.yaml"
STFT = "configs/train/esc10_stft.yaml"
NETS = ("resnet18", "resnet34", "resnet56", "googlenet", "alexnet", "sb_cnn", "crnn")
TIMES = UnitTimes(
    machine="one of whole numbers",
    cores=1,
    train=dict.fromkeys(NETS, 3.0),
    gradient=dict.fromkeys(NETS, 2.0),
    forward=dict.fromkeys(NETS, 1.0),
    representation={"MFCC": 0.5, "STFT": 0.5, "DWT": 0.5},
    copy=7.0,
    rows={"smoke": {"fgsm": 2.0, "deepfool": 30.0, "cwa": 5.0}},
)


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    monkeypatch.chdir(PROJECT)


@pytest.fixture(scope="module")
def parser():
    return PointCLI()


@pytest.fixture(scope="module")
def points_of_the_paper():
    """Every setting of the paper's sweeps and what is said while they are read: parsing two hundred takes a while."""
    said = []
    with pytest.MonkeyPatch.context() as patch:
        # The sweeps name their configurations from the checkout.
        patch.chdir(PROJECT)
        return paper_points(said.append), said


@pytest.fixture
def study(tmp_path):
    """A study of three settings, of which the last part repeats the first."""

    def write(**changes):
        content = {
            "study": "small",
            "corpus": "ESC10",
            "flags": ["--attacks", "fgsm", "--budgets", "smoke", "--clips", "8"],
            "folds": [[1, 2], [3]],
            "parts": [
                {"part": "first", "points": [{"config": STFT, "model.instance_norm": True}, {"config": STFT}]},
                {"sweep": "table2_stft_n_fft", "without": {"data.representation.n_fft": [2048]}},
            ],
        }
        file = tmp_path / "small.yaml"
        file.write_text(yaml.safe_dump({**content, **changes}))
        return str(file)

    return write


def read(args):
    """The command line of sweep.py, read."""
    return SweepCLI(read_sweep_command(args))


def finish(runs, name, folds, attacks=("fgsm",), clips=8, seconds=10.0):
    """The result files of a trained and attacked run, without its checkpoints."""
    rows = [{"fold": fold, "accuracy": 0.5, "seconds": seconds} for fold in folds]
    write_json(runs / name / "summary.json", {"folds": rows, "folds_finished": len(folds), "folds_in_all": 5})
    rows = [{"fold": fold, "attack": attack, "seconds": seconds} for fold in folds for attack in attacks]
    write_json(
        runs / name / "attacks" / "summary.json",
        {"profile": "smoke", "seed": 0, "clips": clips, "attacks": rows if attacks else []},
    )


def test_a_setting_stands_once_in_the_order_of_the_parts_and_passes_go_over_all(study, tmp_path):
    listing = Listing(read([study(), "--runs_dir", str(tmp_path / "runs")]))
    names = ["esc10-stft-instance_norm-true", "esc10-stft", "esc10-stft-n_fft-512"]
    assert [listed.name for listed in listing.points] == [
        *(f"{name} folds 1,2" for name in names),
        *(f"{name} folds 3" for name in names),
    ]
    assert [listed.part for listed in listing.points[:3]] == ["first", "first", "table2_stft_n_fft"]
    assert listing.points[5].command[-1] == "--folds=3"
    # Folds that the command line names are the only pass.
    chosen = Listing(read([study(), "--runs_dir", str(tmp_path / "runs"), "--", "--folds", "2"]))
    assert [listed.name for listed in chosen.points] == [f"{name} folds 2" for name in names]
    only = Listing(read([study(), "--only", "data.representation.n_fft=512"]))
    assert [listed.point.name for listed in only.points] == [names[2]] * 2


def test_result_files_alone_say_what_is_finished_and_what_waits_for_its_checkpoints(study, tmp_path, capsys):
    runs = tmp_path / "runs"
    finish(runs, "esc10-stft", [1, 2])
    # Trained elsewhere and not attacked yet; its checkpoints were not brought.
    finish(runs, "esc10-stft-n_fft-512", [1, 2], attacks=())
    result = sweep.main([study(), "--dry-run", "--runs_dir", str(runs)])
    out, err = capsys.readouterr()
    assert result["finished"] == ["esc10-stft folds 1,2"]
    lines = out.splitlines()
    assert lines[1] == "# finished: esc10-stft folds 1,2"
    assert "# will be refused: its checkpoint" in lines[2]
    assert "fold1/best.ckpt is not here; finish it where it is, or train it anew" in lines[2]
    assert "next: esc10-stft-instance_norm-true folds 1,2; about" in err
    assert "small: 6 points, 1 finished" in err


def test_time_left_is_that_of_the_unit_times_at_the_pace_of_finished_folds(study, tmp_path):
    runs = tmp_path / "runs"
    times = tmp_path / "times.yaml"
    TIMES.write(times)
    flags = [study(folds=[[1, 2]]), "--runs_dir", str(runs), "--unit-times", str(times)]
    # 240 clips and 4 copies of each, 8 epochs of 3 s, and each epoch a forward of 80; a map of each, and of 80 tested.
    training = 0.5 * (5 * 240 + 160) + 8 * (5 * 240 * 3.0 + 80)
    attacks = 8 * 0.85 * 2.0 * 2.0
    listing = Listing(read(flags))
    assert listing.time_left().training == pytest.approx(3 * 2 * training)
    assert listing.time_left().attacks == pytest.approx(3 * 2 * attacks)
    assert listing.pace == Pace()
    # Folds that took half as long, and attacks that took four times as long.
    finish(runs, "esc10-stft", [1, 2])
    for file, group, seconds in (
        ("summary.json", "folds", training / 2),
        ("attacks/summary.json", "attacks", 4 * attacks),
    ):
        path = runs / "esc10-stft" / file
        content = json.loads(path.read_text())
        for row in content[group]:
            row["seconds"] = seconds
        path.write_text(json.dumps(content))
    listing = Listing(read(flags))
    assert listing.pace.training == pytest.approx(0.5)
    assert listing.pace.attacks == pytest.approx(4.0)
    assert listing.time_left().training == pytest.approx(2 * 2 * training / 2)
    assert listing.time_left().attacks == pytest.approx(2 * 2 * attacks * 4)


def test_a_run_that_two_points_share_is_trained_once(parser, tmp_path):
    parser.read(["--config", STFT, "--transfer", "resnet18", "googlenet", "--folds", "1", "--runs_dir", str(tmp_path)])
    both = Point(parser)
    parser.read(["--config", STFT, "--folds", "1,2", "--runs_dir", str(tmp_path)])
    alone = Point(parser)
    estimate, planned = Estimate(TIMES), set()
    one = estimate.training(alone, "resnet18", ESC10_SIZE)
    assert estimate.of(both, planned).training == pytest.approx(2 * one)
    assert estimate.of(alone, planned).training == pytest.approx(one)


def test_models_of_a_transfer_have_epochs_and_learning_rates_of_their_own(parser, tmp_path):
    flags = ["--config", STFT, "--runs_dir", str(tmp_path), "--data.representation.n_fft=512"]
    parser.read([*flags, "--transfer", "resnet18", "googlenet", "alexnet:24"])
    point = Point(parser)
    names = {architecture: run.path.name for architecture, run in point.runs.items()}
    assert names == {
        "resnet18": "esc10-stft-n_fft-512",
        "googlenet": "esc10-stft-n_fft-512-googlenet",
        "alexnet": "esc10-stft-n_fft-512-max_epochs-24-alexnet",
    }
    assert point.identities["alexnet"]["trainer"]["max_epochs"] == 24
    assert point.identities["googlenet"]["trainer"]["max_epochs"] == 8
    command = point._train("alexnet")
    assert command[-4:] == ["--trainer.max_epochs", "24", "--name", names["alexnet"]]
    # The same run alone has the same name and the same settings, AlexNet's own learning rate among them.
    parser.read([*flags, "--model.architecture=alexnet", "--trainer.max_epochs=24"])
    alone = Point(parser)
    assert alone.name == names["alexnet"]
    assert alone.identities["alexnet"] == point.identities["alexnet"]
    assert alone.identities["alexnet"]["model"]["learning_rate"] == 5e-4
    parser.read([*flags, "--model.architecture=alexnet", "--model.learning_rate=0.002"])
    assert Point(parser).name == "esc10-stft-n_fft-512-learning_rate-0.002-alexnet"
    for wrong in ("alexnet:", "alexnet:0", "alexnet:many"):
        with pytest.raises(
            UsageError, match=f"expected --transfer ARCHITECTURE:EPOCHS, alexnet:24 for example, got '{wrong}'"
        ):
            parser.read([*flags, "--transfer", "resnet18", wrong])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": []}, r"expected parts in the study .*small.yaml, found"),
        ({"program": "x"}, r"expected only corpus, flags, folds, parts, study in the study .*, found 'program'"),
        ({"parts": [{"sweep": "table2_stft_n_fft", "points": []}]}, "either sweep or points and no keys but flags"),
        ({"parts": [{"sweep": "../train/esc10_stft"}]}, r"to be one of demo, .*, found '../train/esc10_stft'"),
        ({"parts": [{"sweep": "table6"}]}, "expected a sweep of .* to be one of .*, found 'table6'"),
        ({"parts": [{"points": [{"seed": 1}]}]}, "expected points of .* to be flags with numbers and words, found"),
        ({"parts": [{"points": [{"config": STFT, "x": [1]}]}]}, "expected points of .* to be flags with numbers and"),
        ({"parts": [{"sweep": "table2_stft_n_fft", "without": {"seed": [5]}}]}, "to hold values of table2_stft_n_fft"),
        ({"folds": [1, 2]}, r"expected folds of .* to be lists of numbers, \[\[1, 2\], \[3\]\], found"),
        ({"folds": [[0]]}, "expected folds of .* to be lists of numbers"),
        ({"flags": ["--clips", 8]}, "expected flags of .* to be a list of words, found .*; quote numbers"),
    ],
)
def test_an_impossible_study_is_refused_in_a_sentence(changes, message, study):
    with pytest.raises(UsageError, match=message):
        Study.read(study(**changes))


def test_a_study_is_told_from_a_sweep(study, tmp_path):
    assert is_study(study())
    assert not is_study("configs/sweeps/demo.yaml")
    with pytest.raises(UsageError, match=r"expected a sweep or a study in .*none.yaml, found: No such file"):
        is_study(tmp_path / "none.yaml")


@pytest.mark.slow
def test_the_study_of_esc10_holds_every_setting_of_the_papers_sweeps(points_of_the_paper, tmp_path):
    listing = Listing(read([str(ESC10), "--runs_dir", str(tmp_path)]))
    first = [listed for listed in listing.points if listed.point.settings["folds"] == "1,2"]
    second = [listed for listed in listing.points if listed.point.settings["folds"] == "3,4,5"]
    assert [listed.point.name for listed in first] == [listed.point.name for listed in second]
    assert listing.points == [*first, *second]
    names = [listed.point.name for listed in first]
    assert names[:3] == [
        "esc10-mfcc-n_mfcc-20-instance_norm-false",
        "esc10-stft-instance_norm-true",
        "esc10-dwt-instance_norm-true",
    ]
    assert names[3:11] == [
        name + seed
        for seed in ("", "-seed-1")
        for name in ("esc10-mfcc", "esc10-stft", "esc10-dwt", "esc10-dwt-sample_rate-16000")
    ]
    assert all(listed.point.settings["budgets"] == "reduced" for listed in first)
    transfers = {listed.point.name for listed in first if listed.point.settings["transfer"]}
    assert transfers == {"esc10-mfcc-seed-1", "esc10-stft-seed-1", "esc10-dwt-seed-1"}
    papers = {point.name for point in points_of_the_paper[0] if point.settings["data"]["class_path"].endswith(".ESC10")}
    # Other nets have the seed of the ResNet-18 to which they transfer.
    missing = papers - {name.replace("-seed-1-", "-") for name in names}
    # AlexNet is there with the epochs that it needs.
    assert missing == {f"esc10-{kind}-alexnet" for kind in ("mfcc", "stft", "dwt")}
    nets = ("max_epochs-24-alexnet", "googlenet", "resnet34", "resnet56")
    assert {f"esc10-{kind}-seed-1-{net}" for kind in ("mfcc", "stft", "dwt") for net in nets} <= set(names)


@pytest.mark.parametrize(
    ("name", "profile", "classes", "rows"),
    [
        # One gradient serves every delta.
        ("fgsm", "reduced", 10, 1),
        ("bim_a", "reduced", 10, 5 * 20),
        ("bim_b", "paper", 10, 11 * 1000),
        ("deepfool", "paper", 50, 1000 * 49),
        ("jsma", "reduced", 10, 2 * 307),
        ("cwa", "reduced", 10, 3 * 25 + 3 * 100),
        ("cwa", "paper", 10, 9 * (25 + 100 + 1000 + 2000 + 5000)),
        ("lbfgs", "reduced", 10, 3 * 50),
    ],
)
def test_rows_that_budgets_allow_count_shared_runs_once(name, profile, classes, rows):
    (plan,) = read_plans([name], profile)
    assert plan.gradients_allowed(classes) == rows


def test_rows_of_another_profile_are_kept_for_deepfool_and_scaled_for_others():
    estimate = Estimate(TIMES)
    spent, allowed = estimate._rows_per_clip(["fgsm", "deepfool", "cwa"], "paper", 10)
    # CWA spent 5 of the 25 that smoke allows.
    assert spent == pytest.approx(1 + 30 + 0.2 * 9 * 8125)
    assert allowed == 1 + 9000 + 9 * 8125


def test_a_corpus_is_estimated_from_the_size_that_its_class_states(parser, tmp_path, monkeypatch):
    parser.read(["--config", STFT, "--runs_dir", str(tmp_path), "--attacks", "fgsm"])
    one = Estimate(TIMES).of(Point(parser))
    monkeypatch.setattr(CORPORA["ESC10"], "published_size", CorpusSize(clips=800, classes=10, folds=5))
    twice = Estimate(TIMES).of(Point(parser))
    assert twice.training == pytest.approx(2 * one.training)
    assert twice.attacks == pytest.approx(2 * one.attacks)
    monkeypatch.setattr(CORPORA["ESC10"], "published_size", None)
    assert Estimate(TIMES).of(Point(parser)) == Hours()


def test_the_paper_adds_up_models_once_and_attacks_of_all_folds(parser, tmp_path):
    parser.read(["--config", STFT, "--runs_dir", str(tmp_path), "--attacks", "fgsm"])
    alone = Point(parser)
    parser.read(["--config", STFT, "--runs_dir", str(tmp_path), "--attacks", "fgsm", "--transfer", "resnet18", "crnn"])
    cost = paper_cost([alone, Point(parser)], TIMES)
    one = Estimate(TIMES).training(alone, "resnet18", ESC10_SIZE)
    assert isinstance(cost, PaperCost)
    assert (cost.settings, cost.folds) == (2, 10)
    assert cost.hours.training == pytest.approx(10 * one)
    # Fifteen folds of 80 clips, 85 % of them right; one gradient of 2 s.
    assert cost.hours.attacks == pytest.approx(15 * 80 * 0.85 * 2.0)
    assert cost.longest == pytest.approx(one + 80 * 0.85 * 2.0)
    assert cost.preparation == pytest.approx(400 * 4 * 7.0)


def test_a_gpu_is_assumed_from_operations_and_those_of_a_forward_are_torchvisions():
    gpu = assumed_gpu(TIMES)
    # 1.8 GFLOP multiply-adds of ResNet-18 at 224 x 224 x 3 (He et al. 2016), two operations each, at (128/224)^2 of the
    # area, where one input channel saves two thirds of the first layer.
    first = 2 * 64 * 49 * 64 * 64
    expected = 2 * 1.814e9 * (128 / 224) ** 2 - 2 * first
    assert gpu.forward["resnet18"] * 10e12 == pytest.approx(expected, rel=0.02)
    assert gpu.train["resnet18"] == 3 * gpu.forward["resnet18"]
    assert gpu.gradient["resnet18"] == 2 * gpu.forward["resnet18"]


def test_the_clock_is_that_of_the_device_that_is_measured_not_of_the_best_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    # Time asleep is none of the processor's.
    assert _seconds(lambda: time.sleep(0.01), "cpu") < 0.005


def test_unit_times_are_read_as_written_and_other_files_refused(tmp_path):
    file = tmp_path / "times.yaml"
    TIMES.write(file)
    assert UnitTimes.read(file) == TIMES
    assert UnitTimes.read(ONE_CORE).train.keys() >= {"resnet18", "alexnet"}
    for text in ("a: 1", "machine: x", file.read_text().replace("copy: 7.0", "copy: -1")):
        file.write_text(text)
        with pytest.raises(UsageError, match=r"expected unit times in .*times.yaml, found: .*--measure"):
            UnitTimes.read(file)
    with pytest.raises(UsageError, match=r"expected finished attacks in .*, found no summary.json"):
        measured_rows([tmp_path])


def test_time_left_of_a_grid_follows_what_was_expected_of_each_point(tmp_path):
    points = [
        GridPoint(name, [sys.executable, "-c", "0"], tmp_path / name, seconds)
        for name, seconds in (("a", 60.0), ("b", 120.0))
    ]
    grid = Grid("light", points, finished=0, jobs=1, console=Console(quiet=True))
    assert grid.time_left() == "3 min 00 s left"
    # The first took twice as long as expected.
    grid.waiting.popleft()
    grid.durations, grid.expected = [120.0], [60.0]
    assert grid.time_left() == "4 min 00 s left"
    assert Pace(training=2.0).of(Hours(1.0, 1.0, 1.0)) == Hours(2.0, 2.0, 2.0)


def test_pace_counts_a_fold_once_though_several_points_share_its_run(parser, tmp_path):
    finish(tmp_path, "esc10-stft", [1], seconds=100.0)
    parser.read(
        ["--config", STFT, "--runs_dir", str(tmp_path), "--attacks", "fgsm", "--budgets", "smoke", "--clips", "8"]
    )
    point = Point(parser)
    estimate = Estimate(TIMES)
    once = measured_pace([point.with_folds([1])], estimate)
    assert measured_pace([point.with_folds([1]), point.with_folds([1])], estimate) == once


@pytest.mark.slow
def test_the_calculation_of_the_paper_prints_machines_and_assumptions(points_of_the_paper, monkeypatch, capsys):
    points, said = points_of_the_paper
    assert {f"reading {name}.yaml" for name in ("table2_stft_n_fft", "table5_transfer", "mfcc_dct_type")} <= set(said)
    monkeypatch.setattr("commands.sweeps.paper_cost.paper_points", lambda say: points)
    main([])
    printed = capsys.readouterr().out
    for machine in ("2 cores", "1 GPU", "8 GPU", "64 GPU"):
        assert machine in printed
    assert "assumed, not measured" in printed
    # Started as a program, without the minute of parsing.
    monkeypatch.setattr(sys, "argv", ["paper_cost", "--help"])
    with pytest.raises(SystemExit) as ended, pytest.warns(RuntimeWarning, match="found in sys.modules"):
        runpy.run_module("commands.sweeps.paper_cost", run_name="__main__")
    assert ended.value.code == 0
    assert "--measure" in capsys.readouterr().out
