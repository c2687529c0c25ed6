"""A page of the parser becomes one sentence; the pages are those of the real parser."""

import warnings

import pytest

import attack
import report
from commands.errors import UsageError, quieten
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
