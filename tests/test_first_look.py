"""What is told of a command line before PyTorch is imported is what the real parsers and classes say."""

import dataclasses
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from pytorch_lightning import Trainer

import attack
import sweep
import train
import transfer
from classifiers import ARCHITECTURES
from classifiers.baselines import BASELINES
from commands import flags, sound_flags
from commands.errors import UsageError
from commands.flags import WandbFlags, chosen_folds
from commands.nearest_flag import nearest_flag
from commands.parser import CHOICES
from commands.signatures import constructor_flags, dataclass_flags
from commands.sweeps.point_cli import PointCLI
from commands.train_flags import LATER, TrainNames
from datamodules import CORPORA
from lightning_modules import SoundClassifier
from lightning_modules.weights_and_biases import WandbMode
from representations import REPRESENTATIONS

PROJECT = Path(train.__file__).parent


def test_names_that_are_read_from_source_are_those_of_the_packages():
    assert {
        "--data": tuple(CORPORA),
        "--data.representation": tuple(REPRESENTATIONS),
        "--model.architecture": (*ARCHITECTURES, *BASELINES),
    } == CHOICES
    assert typing.get_type_hints(WandbFlags)["mode"] == WandbMode


@pytest.mark.parametrize(
    ("module", "cls"),
    [
        *(("datamodules", cls) for cls in CORPORA.values()),
        *(("representations", cls) for cls in REPRESENTATIONS.values()),
        ("lightning_modules", SoundClassifier),
        ("pytorch_lightning.trainer.trainer", Trainer),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_signatures_read_from_source_are_those_of_the_classes(module, cls):
    read = {flag.name: flag for flag in constructor_flags(module, cls.__name__)}
    real = {}
    for base in cls.__mro__:
        parameters = inspect.signature(base.__init__).parameters.values()
        named = [one for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)][1:]
        real = {**{one.name: one for one in named}, **real}
        if not any(one.kind == one.VAR_KEYWORD for one in parameters):
            break
    assert set(read) == set(real)
    hints = {} if cls is Trainer else typing.get_type_hints(cls.__init__)
    for name, parameter in real.items():
        assert read[name].required == (parameter.default is parameter.empty)
        if not read[name].required:
            assert read[name].default == parameter.default
        if name in hints and read[name].annotation is not typing.Any:
            assert read[name].annotation == hints[name]
        assert read[name].help or cls is Trainer


def test_every_flag_of_the_real_parser_is_known_at_first_look():
    parser = PointCLI().parser
    real = {option[2:] for action in parser._actions for option in action.option_strings if option.startswith("--")}
    known = {*TrainNames([], flags.PointFlags).table(), *(flag[2:] for flag in CHOICES), *LATER}
    names = TrainNames([])
    unknown = {name.removesuffix("+") for name in real} - known
    assert {name for name in unknown if not names.takes_anything(name)} == {"help"}


def test_every_own_flag_is_explained():
    own = [
        flags.TrainFlags,
        flags.AttackFlags,
        flags.TransferFlags,
        flags.SweepFlags,
        flags.PointFlags,
        flags.ReportFlags,
        *(sound_flags.RoundTripFlags, sound_flags.FragilityFlags, sound_flags.ScalarFlags),
    ]
    assert [flag.name for settings in own for flag in dataclass_flags(settings) if not flag.help] == []
    assert all(dataclasses.is_dataclass(settings) for settings in own)


@pytest.mark.parametrize(
    ("settings", "random"),
    [(sound_flags.FragilityFlags, "the noise that is added"), (sound_flags.ScalarFlags, "the random scalars of each")],
)
def test_the_help_of_a_seed_names_what_is_random_in_its_own_command(settings, random):
    (seed,) = (flag for flag in dataclass_flags(settings) if flag.name == "seed")
    assert seed.help.startswith(f"seed of {random}")
    # In round_trip.py nothing is.
    assert "seed" not in {flag.name for flag in dataclass_flags(sound_flags.RoundTripFlags)}


@pytest.mark.parametrize(
    ("main", "arguments", "meant"),
    [
        (train.main, ["--epochs", "2"], "--trainer.max_epochs"),
        (train.main, ["--lr", "0.1"], "--model.learning_rate"),
        (train.main, ["--gpus", "2"], "--trainer.devices"),
        (train.main, ["--batch_size", "8"], "--data.batch_size"),
        (train.main, ["--data.representation.nfft", "8"], "--data.representation.n_fft"),
        (train.main, ["--model.learningrate", "8"], "--model.learning_rate"),
        (attack.main, ["--budget", "smoke"], "--budgets"),
        (attack.main, ["--eps", "0.1"], "--budgets"),
        (transfer.main, ["--batch-size", "3"], "--data.batch_size"),
        (sweep.main, ["file.yaml", "--job", "3"], "--jobs"),
        (sweep.main, ["point", "--epochs", "3"], "--trainer.max_epochs"),
    ],
)
def test_a_wrong_flag_is_told_the_nearest_one(main, arguments, meant):
    with pytest.raises(UsageError, match=f"got {arguments[-2]}; did you mean {meant}\\? see --help"):
        main(arguments)


def test_a_wrong_name_is_told_the_nearest_one():
    for value, meant in (("esc10", "ESC10"), ("urbansound", "UrbanSound8K")):
        with pytest.raises(UsageError, match=f"got '{value}'; did you mean {meant}"):
            train.main(["--data", value])


def test_a_name_that_is_near_nothing_gets_no_hint():
    assert nearest_flag("zzz", ["data.root", "folds"]) is None


def test_a_representation_s_settings_need_its_name():
    with pytest.raises(UsageError, match=r"expected --data\.representation, STFT for example, with --data\.repr"):
        train.main(["--data.representation.sample_rate", "8000"])


@pytest.mark.parametrize(
    ("written", "folds"),
    [("all", None), ("2", [2]), (2, [2]), ("3,1,3", [1, 3]), ([2, 1], [1, 2])],
)
def test_folds_are_read_in_one_way(written, folds):
    assert chosen_folds(written) == folds


@pytest.mark.parametrize("written", ["one", "1,,2", "0", "", "-1", "1.5"])
def test_folds_that_are_none_are_refused(written):
    with pytest.raises(UsageError, match="expected --folds to be all or numbers"):
        chosen_folds(written)


@pytest.mark.parametrize(
    ("script", "arguments", "code"),
    [
        ("train.py", ["--help"], 0),
        ("train.py", ["--help-trainer"], 0),
        ("train.py", ["--model.learning_rate", "fast"], 2),
        ("attack.py", ["--help"], 0),
        ("attack.py", ["--clips", "0", "--checkpoints", "x"], 2),
        ("transfer.py", ["--help"], 0),
        ("scalar_test.py", ["--help"], 0),
        ("sweep.py", ["--help"], 0),
        ("report.py", ["--help"], 0),
        ("report.py", ["runs", "--seed", "-1"], 2),
        ("sweep.py", ["point", "--help"], 0),
        ("sweep.py", ["nowhere.yaml"], 2),
    ],
)
def test_help_and_refusals_import_nothing_heavy(script, arguments, code):
    program = (
        f"import runpy, sys; sys.argv = {[script, *arguments]!r}\n"
        f"try: runpy.run_path({str(PROJECT / script)!r}, run_name='__main__')\n"
        "finally: print([name for name in ('torch', 'pytorch_lightning', 'pandas', 'wandb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == "[]"
    if code:
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
    else:
        text = done.stdout
        assert "--trainer.limit_train_batches" not in text or "--help-trainer" in arguments
        assert max(map(len, text.splitlines())) <= 80


def test_the_report_says_what_it_begins_before_anything_heavy_is_imported():
    program = (
        "import sys; from commands.report_cli import read_report_command; read_report_command(['runs'])\n"
        "print([name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "report.py: reading the runs in runs\n")
