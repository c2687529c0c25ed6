"""What the real parsers make of a command line, and the one sentence that becomes of their page of an error."""

import warnings
from dataclasses import asdict

import pytest

import attack
import report
from commands.errors import UsageError, quieten
from commands.predict_cli import read_predict_command
from commands.report_cli import read_report_command
from commands.sound_flags import read_fragility_flags, read_round_trip_flags, read_scalar_flags
from commands.start import read_attack_flags, read_transfer_flags
from commands.sweeps.flags import read_sweep_command
from commands.train_cli import TrainCLI

CASES = [
    (["--data.representation.n_fft", "x"], "data.representation.n_fft: expected int, got x"),
    (["--data.representation.n_fft", "-3"], "expected n_fft of at least 2 samples, got -3"),
    (["--model.learning_rate", "fast"], "model.learning_rate: expected float, got fast"),
    (["--model.schedule", "x"], "model.schedule: expected one of one_cycle, cosine, constant, got x"),
    (["--data.split", "x"], "data.split: expected one of grouped, random, official, got x"),
    (["--trainer.max_epochs", "x"], "trainer.max_epochs: expected int, got x"),
    (["--data.nope", "1"], "data: Option 'nope' is not accepted"),
    (["--nope", "1"], "expected a flag of train.py, got --nope; see --help"),
    (
        ["--folds", "1", "2"],
        "unrecognized arguments: 2; expected several folds with commas between them, such as --folds 1,2",
    ),
    (["fit"], "expected flags of train.py, which begin with two hyphens, got 'fit'; see --help"),
    (["--fold", "1"], "expected a flag of train.py, got --fold; did you mean --folds? see --help"),
    (["--config", "/nowhere.yaml"], "config: File does not exist: '/nowhere.yaml'"),
]


@pytest.mark.parametrize(("flags", "sentence"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_the_sentence_names_the_flag_what_was_expected_and_what_was_got(flags, sentence):
    with pytest.raises(UsageError) as refused:
        TrainCLI(["--data", "ESC10", "--data.representation", "STFT", *flags]).build_data()
    assert str(refused.value) == sentence


@pytest.mark.parametrize("flags", [["--data.representation.resize", "null"], ["--data.representation.resize=null"]])
def test_null_is_no_word_and_leaves_the_other_settings_of_a_representation(flags):
    settings = ["--data.representation.n_fft", "512", *flags, "--data.representation.hop_length", "256"]
    built = TrainCLI(["--data", "ESC10", "--data.representation", "STFT", *settings]).build_data().representation
    assert (built.n_fft, built.resize, built.hop_length) == (512, None, 256)


def paths_in(settings):
    """Every text with a slash among some settings, groups in groups, as it is."""
    if isinstance(settings, dict | list):
        return {path for one in getattr(settings, "values", lambda: settings)() for path in paths_in(one)}
    return {settings} if isinstance(settings, str) and "/" in settings else set()


PLACES = ["--data.root=~/corpus", "--data.cache_dir=~/cache"]
CRAFTING = ["--checkpoints", "~/runs/a", "~/runs/b", "--budgets=~/b.yaml", "--attacks=~/a.yaml", *PLACES]
STORED = ["--checkpoints=~/runs/a", *PLACES]
TRAINING = ["--runs_dir=~/runs", "--test_only=~/best.ckpt", "--model.weights=~/net.pt", "--data=ESC10", *PLACES]


@pytest.mark.parametrize(
    ("read", "flags"),
    [
        (read_attack_flags, [*CRAFTING, "--output=~/results"]),
        (read_transfer_flags, CRAFTING),
        (read_round_trip_flags, STORED),
        (read_fragility_flags, STORED),
        (read_scalar_flags, STORED),
        (read_report_command, ["~/runs", "--output=~/report"]),
        (read_predict_command, ["~/best.ckpt", "~/a.wav", "~/b", "--output=~/out.csv"]),
        (read_sweep_command, ["~/sweep.yaml", "--runs_dir=~/runs", "--unit_times=~/times.yaml"]),
        (lambda flags: TrainCLI(flags).config.as_dict(), TRAINING),
    ],
)
def test_every_path_of_every_command_may_begin_with_the_home_folder(read, flags, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sweep.yaml").write_text("method: grid\n")
    settings = read(flags)
    found = paths_in(settings if isinstance(settings, dict) else asdict(settings))
    assert found == {str(tmp_path / word.partition("~/")[2]) for word in flags if "~/" in word}


def test_a_file_of_settings_may_name_the_home_folder_and_lie_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "train.yaml").write_text("runs_dir: ~/runs\ndata: {class_path: ESC10, init_args: {cache_dir: ~/c}}\n")
    cli = TrainCLI(["--config=~/train.yaml", "--name", "one"])
    cli.check_flags()
    assert cli.build_data().cache_dir == tmp_path / "c"
    assert cli.open_run(5, "digest").path == tmp_path / "runs" / "one"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (attack.main, "expected --checkpoints on the command line, found none; see --help"),
        (report.main, "expected RUNS on the command line, found none; see --help"),
    ],
)
def test_what_is_missing_is_named_as_it_is_written(command, sentence):
    with pytest.raises(UsageError, match=f"^{sentence}$"):
        command([])


def test_a_warning_is_one_line_without_the_place_in_the_program(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    quieten()
    assert warnings.formatwarning("two\n  lines", UserWarning, "file.py", 3, None) == "warning: two lines\n"
