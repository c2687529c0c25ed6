"""Files and arguments that lie: each ends with its exit code and one sentence, and nothing of them is executed.

Every table below has one line a case: to add a case, add a line.
"""

import copy
import json
import re
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import attack
import report
import sweep
import train
import transfer
from classifiers import build_classifier
from classifiers.weights_file import load_weights
from commands.errors import fixable_message, run_command
from datamodules import ESC10
from datamodules.synthetic_sounds import write_synthetic_corpus
from lightning_modules import SoundClassifier
from lightning_modules.trained_classifier import load_classifier
from storage import DataError, RunFolder
from storage.folder_lock import alone_in
from tests.corpus_fixtures import write_esc_corpus

NAN, INFINITE = float("nan"), float("inf")
BATCH_NORM = "classifier.bn1.weight"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A miniature ESC-10: ten classes, five folds, two clips of each in each."""
    return write_esc_corpus(tmp_path_factory.mktemp("corpus") / "corpus", classes=11, seconds=0.1)


@pytest.fixture(scope="module")
def checkpoint(corpus):
    """What train.py keeps of a ResNet-56 on maps of 16 x 16, without the training."""
    model = SoundClassifier(num_classes=10, architecture="resnet56")
    record = ESC10(root=str(corpus), split="official").record
    representation = {"class_path": "representations.STFT", "init_args": {"sample_rate": 8000, "resize": 16}}
    init_args = {"root": str(corpus), "representation": representation, "split": "official", "augmentation": "none"}
    return {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "recipe": {
            "data": {"class_path": "datamodules.ESC10", "init_args": {**init_args, "fold": 1, "seed": 0}},
            "model": {"architecture": "resnet56", "num_classes": 10, "seed": 0},
        },
        "fold": 1,
        "class_names": list(record.class_names),
        "clips": record.as_plain(),
    }


@pytest.fixture
def said(capsys):
    """Run a command as its script does; exit code and the sentence."""

    def run(main, arguments):
        with pytest.raises(SystemExit) as ended:
            run_command(lambda: main([str(argument) for argument in arguments]))
        errors = capsys.readouterr().err
        sentence = errors[errors.index("error: ") :].rstrip("\n")
        assert "\n" not in sentence
        assert "Traceback" not in errors
        return ended.value.code, sentence

    return run


def attack_flags(folder, *more):
    common = ("--checkpoints", folder / "run", "--attacks", "fgsm", "--budgets", "smoke", "--wandb.mode", "disabled")
    return [*common, "--data.cache_dir", folder / "cache", "--trainer.accelerator", "cpu", *more]


def write_run(folder, checkpoint):
    (folder / "run" / "fold1").mkdir(parents=True)
    torch.save(checkpoint, folder / "run" / "fold1" / "best.ckpt")
    record = {"fold": 1, "accuracy": 0.5, "checkpoint": "fold1/best.ckpt", "leakage": 0.0, "n_test": 20}
    (folder / "run" / "fold1" / "record.json").write_text(json.dumps(record))
    return folder


def put(checkpoint, place, value):
    """A copy of a checkpoint with another value at a dotted place."""
    changed = {**checkpoint, "recipe": copy.deepcopy(checkpoint["recipe"])}
    *groups, last = place.split("/")
    inner = changed
    for group in groups:
        inner[group] = dict(inner[group])
        inner = inner[group]
    inner[last] = value
    return changed


DATA = "recipe/data/init_args"
REPRESENTATION = f"{DATA}/representation"
MODEL = "recipe/model"
CHECKPOINTS = [
    ("recipe", "a text", "expected a recipe with data and model, got 'a text'|got a text"),
    ("recipe", None, "expected a recipe with data and model, got None"),
    ("recipe", {"data": []}, "expected a recipe with data and model"),
    ("recipe/data", {"class_path": "datamodules.ESC10"}, "expected class_path and init_args of the recipe's data"),
    ("recipe/data/class_path", 3, "expected class_path and init_args of the recipe's data"),
    (
        "recipe/data/class_path",
        "os.system",
        "expected a SoundDataModule, one of ESC50, .* got 'os.system', which",
    ),
    ("recipe/data/class_path", "builtins.eval", "got 'builtins.eval', which is not imported because a file names it"),
    ("recipe/data/class_path", "representations.STFT", "got 'representations.STFT', which is not imported"),
    ("recipe/data/class_path", "ESC11", "one of ESC50, ESC10, .* or an import path, got 'ESC11'"),
    ("recipe/data/class_path", "a b.c", "or an import path, got a b.c"),
    (f"{REPRESENTATION}/class_path", "attacker.Rep", "got 'attacker.Rep', .* --allow-import attacker allows that"),
    (f"{REPRESENTATION}/class_path", "datamodules.ESC10", "expected a Representation, .* got 'datamodules.ESC10'"),
    (
        f"{REPRESENTATION}/class_path",
        "Wavelet",
        "expected a Representation, one of DWT, LogMel, MFCC, STFT, Waveform .* got 'Wavelet'",
    ),
    (REPRESENTATION, "attacker.Rep", "expected class_path and init_args of the representation, got 'attacker.Rep'"),
    (REPRESENTATION, ["STFT"], "expected class_path and init_args of the representation, got"),
    (f"{REPRESENTATION}/init_args", {"n_fft": "many"}, "n_fft of STFT to be a whole number .int., got 'many'"),
    (f"{REPRESENTATION}/init_args", {"n_fft": True}, "expected n_fft of STFT to be a whole number .int., got True"),
    (f"{REPRESENTATION}/init_args", {"n_fft": 10**8}, "expected n_fft of at most 131072 samples, got 100000000"),
    (f"{REPRESENTATION}/init_args", {"resize": 100000}, "expected resize of at most 4096 rows and columns, got 100000"),
    (f"{REPRESENTATION}/init_args", {"sample_rate": 1}, "expected sample_rate from 100 to 384000 Hz, got 1"),
    (
        f"{REPRESENTATION}/init_args",
        {"win_length_ratio": NAN},
        "win_length_ratio of STFT to be a finite number, got",
    ),
    (f"{REPRESENTATION}/init_args", {"warp": 1}, "expected settings of STFT among .* got 'warp'"),
    (
        f"{REPRESENTATION}/init_args",
        {"resize": {"class_path": "attacker.Rep"}},
        "expected resize of STFT to be .*got {",
    ),
    (f"{DATA}/root", {"class_path": "attacker.Rep"}, "expected root of ESC10 to be text or null, got {'class_path'"),
    (f"{DATA}/root", 3, "expected root of ESC10 to be text or null, got 3"),
    (f"{DATA}/fold", "x", "expected fold of ESC10 to be a whole number .int., got 'x'"),
    (f"{DATA}/split", "by ear", "expected split of ESC10 to be one of 'grouped', 'random', 'official', got by ear"),
    (f"{DATA}/seed", -1, "expected a seed from 0 to 4294967295, got -1"),
    (f"{DATA}/num_workers", -3, "expected num_workers from 0 to 1024, got -3"),
    (f"{DATA}/test_fraction", 2.0, "expected test_fraction between 0 and 1, got 2.0"),
    (f"{DATA}/oracle", True, "expected settings of ESC10 among .* got 'oracle'"),
    (f"{MODEL}/architecture", ["resnet56"], "expected the name of an architecture, got"),
    (f"{MODEL}/mixup", "much", "expected mixup of the classifier to be a finite number, got 'much'"),
    ("fold", "x", "expected the number of a fold from 1, got 'x'"),
    ("fold", 0, "expected the number of a fold from 1, got 0"),
    ("fold", True, "expected the number of a fold from 1, got True"),
    ("fold", 99, "expected the checkpoint of a fold in 1..5 of ESC10 in .*, found fold 99"),
    ("hyper_parameters", "none", "expected hyper_parameters by name, got 'none'"),
    ("hyper_parameters/architecture", "resnet1000", "expected an architecture, one of resnet18, .* got 'resnet1000'"),
    ("hyper_parameters/architecture", "os.system", "expected an architecture, one of resnet18, .* got 'os.system'"),
    ("hyper_parameters/architecture", "alexnet", "expected the weights of a alexnet in .*, found others"),
    ("hyper_parameters/input_shape", [1, 10**9], "expected input_shape of at least 1 and at most .*, got .1, 1000"),
    ("hyper_parameters/input_shape", [1, -2], "expected input_shape of at least 1 and at most .*, got .1, -2"),
    ("hyper_parameters/num_classes", 10**9, "expected num_classes of 10, as there are names, got 1000000000"),
    ("hyper_parameters/mixup", NAN, "expected mixup of the classifier to be a finite number, got nan"),
    ("hyper_parameters/learning_rate", -1.0, "expected a learning rate above 0, got -1.0"),
    ("hyper_parameters/warp", 1.0, "settings that it does not have .warp."),
    ("class_names", 10, "expected the names of the classes, got 10"),
    ("class_names", [1, 2], "expected the names of the classes, got"),
    ("state_dict", ["weights"], "expected weights by name in state_dict"),
    ("state_dict", {}, "expected the weights of a resnet56 in .*, found others"),
    ("state_dict/" + BATCH_NORM, torch.full((16,), NAN), "expected finite weights in .*, found NaN or infinity in"),
    (
        "state_dict/" + BATCH_NORM,
        torch.full((16,), INFINITE),
        "expected finite weights in .*, found NaN or infinity in",
    ),
    ("state_dict/" + BATCH_NORM, 3, "expected weights by name in state_dict"),
]


@pytest.mark.parametrize(("place", "value", "sentence"), CHECKPOINTS)
def test_checkpoints(checkpoint, tmp_path, said, place, value, sentence):
    if place.startswith("state_dict/"):
        name = next(name for name in checkpoint["state_dict"] if checkpoint["state_dict"][name].shape == (16,))
        place, changed = "", {**checkpoint, "state_dict": {**checkpoint["state_dict"], name: value}}
    else:
        changed = put(checkpoint, place, value)
    write_run(tmp_path, changed)
    code, found = said(attack.main, attack_flags(tmp_path))
    assert code == 1
    assert re.search(sentence, found), found
    assert not (tmp_path / "run" / "attacks" / "outcomes.parquet").exists()


UNREADABLE = "expected a checkpoint at .*, found a file that cannot be read as one; train the fold again"
FILES = [
    (b"", UNREADABLE),
    (b"PK\x03\x04 not a zip", UNREADABLE),
    (b"cos\nsystem\n(S'touch executed'\ntR.", UNREADABLE),
]


@pytest.mark.parametrize(("content", "sentence"), FILES)
def test_files_that_are_no_checkpoints(tmp_path, monkeypatch, said, content, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.ckpt").write_bytes(content)
    code, found = said(attack.main, [*attack_flags(tmp_path), "--checkpoints", tmp_path / "run.ckpt"])
    assert code == 1
    assert re.search(sentence, found), found
    assert not (tmp_path / "executed").exists()


BUDGETS = [
    ("fgsm: {delta: [true]}", "fgsm: expected delta to be a number, got True"),
    ("fgsm: {delta: ['0.1']}", "fgsm: expected delta to be a number, got '0.1'"),
    ("fgsm: {delta: [.nan]}", "fgsm: expected delta of at least 0, got nan"),
    ("fgsm: {delta: [-1]}", "fgsm: expected delta of at least 0, got -1"),
    ("fgsm: {delta: [[0.1]]}", "expected numbers and words as delta for fgsm in .*, got"),
    ("fgsm: {delta: []}", "expected at least one value of delta"),
    ("fgsm: {delta: 0.1, delta: 0.2}", "expected YAML in .*, found: delta twice, the second time in line 1"),
    ("fgsm: {delta: 0.1}\nfgsm: {delta: 0.2}", "expected YAML in .*, found: fgsm twice, the second time in line 2"),
    ("fgsm: 3", "expected settings and their values for fgsm in .*, got 3"),
    ("fgsm: {epsilon: 0.1}", "expected settings of FGSM among"),
    ("- fgsm", "expected a mapping in .*, found list"),
    ("!!python/object/apply:os.system ['true']", "expected YAML in .*, found: could not determine a constructor"),
    ("bim_a: {delta: 0.1}", "expected budgets for fgsm, found a profile with bim_a only"),
    ("", "expected a mapping in .*, found NoneType"),
    ("[" * 3000, "expected YAML in .*, found: "),
]


@pytest.mark.parametrize(("content", "sentence"), BUDGETS)
def test_budgets(tmp_path, said, content, sentence):
    (tmp_path / "budgets.yaml").write_text(content)
    code, found = said(attack.main, attack_flags(tmp_path, "--budgets", tmp_path / "budgets.yaml"))
    assert code == 2
    assert re.search(sentence, found), found


ATTACKS = [
    ("class_path: raising.Attack", "raising.Attack to be importable, got RuntimeError: on import"),
    ("class_path: leaving.Attack", "leaving.Attack to be importable, got SystemExit"),
    (
        "class_path: raising_too.Attack",
        "got 'raising_too.Attack', which is not imported .*; --allow-import raising_too",
    ),
    ("class_path: os.system", "got 'os.system', which is not imported because a file names it; --allow-import os"),
    ("class_path: builtins.eval", "got 'builtins.eval', which is not imported because a file names it"),
    ("class_path: commands.errors.UsageError", "got 'commands.errors.UsageError', which is not imported"),
    ("class_path: harmless.Other", "expected a subclass of Attack, got 'harmless.Other', which is none"),
    ("class_path: nowhere.at.all", "got 'nowhere.at.all', which is not imported because a file names it"),
    ("class_path: PGD", "expected an Attack, one of FGSM, .* or an import path, got 'PGD'"),
    ("class_path: [1]", "expected a class_path and its init_args by name in"),
    ("class_path: torchattacks.PGD\ninit_args: [1]", "expected a class_path and its init_args by name in"),
    ("class_path: torchattacks.PGD\ninit_args: {warp: 1}", "expected arguments of torchattacks.PGD among"),
    ("class_path: torchattacks.PGD\ntargeted: 'no'", "expected targeted in .* to be true or false, found 'no'"),
    ("class_path: torchattacks.PGD\nbatched: 1", "expected batched in .* to be true or false, found 1"),
    ("class_path: torchattacks.PGD\nbudgets: 7", "expected settings and their values for .*, got 7"),
    ("class_path: torchattacks.Sesame", "expected the name of an attack of torchattacks, one of"),
    ("class_path: torchattacks.PGD\nclass_path: torchattacks.FGSM", "class_path twice"),
    ("class_path: attacks.FGSM\nwarp: 1", "expected class_path and some of .*, found warp too"),
    (
        "class_path: attacks.bim.BIM\ninit_args: {delta: much}",
        "own: expected delta to be a number, got 'much'",
    ),
]


@pytest.mark.parametrize(("content", "sentence"), ATTACKS)
def test_attack_files(tmp_path, monkeypatch, said, content, sentence):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raising.py").write_text("raise RuntimeError('on import')\n")
    (tmp_path / "raising_too.py").write_text("open('executed', 'w').close()\n")
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "harmless.py").write_text("class Other:\n    pass\n")
    (tmp_path / "own.yaml").write_text(content)
    allowed = ["--allow-import", "raising", "leaving", "harmless"]
    code, found = said(attack.main, attack_flags(tmp_path, "--attacks", tmp_path / "own.yaml", *allowed))
    assert code == 2
    assert re.search(sentence, found), found
    assert "raising_too" not in sys.modules


GRID = "method: grid\nprogram: sweep.py\ncommand: ['${env}', '${interpreter}', '${program}', point]\n"
SWEEPS = [
    ("method: bayes", "expected a sweep with method: grid in .*, found 'bayes'"),
    ("- grid", "expected a mapping in .*, found list"),
    ("method: grid\nmethod: grid", "method twice, the second time in line 2"),
    ("method: grid\nprogram: other.py", "to have program: sweep.py and a command that begins with"),
    (GRID, "expected parameters in .*, found None"),
    (GRID + "parameters: [1]", r"expected parameters in .*, found \[1\]"),
    (GRID + "parameters: {1: {value: 2}}", "expected names of flags as parameters in .*, found 1"),
    (GRID + "parameters: {seed: 3}", "expected value or values for seed in .*, found 3"),
    (GRID + "parameters: {seed: {values: [null]}}", "expected numbers and words for seed in .*, found None"),
    (GRID + "parameters: {seed: {value: 1}}\nmetric: accuracy", "expected a name, and a metric with one, in"),
]


@pytest.mark.parametrize(("content", "sentence"), SWEEPS)
def test_sweeps(tmp_path, said, content, sentence):
    (tmp_path / "sweep.yaml").write_text(content)
    code, found = said(sweep.main, [tmp_path / "sweep.yaml"])
    assert code == 2
    assert re.search(sentence, found), found


STORED = [
    (
        "run/fold1/record.json",
        "{",
        "expected JSON in .*record.json, found a file that cannot be read",
    ),
    ("run/fold1/record.json", "[]", "expected values by name in .*record.json, found list"),
    ("run/fold1/record.json", "{}", "expected the checkpoint of fold 1 in .*, found None"),
    ("run/fold1/record.json", '{"checkpoint": "../../../etc/passwd"}', "found '../../../etc/passwd' in"),
    ("run/fold1/record.json", '{"checkpoint": "/etc/passwd"}', "found '/etc/passwd' in"),
    ("run/attacks/settings.json", "[]", "expected values by name in .*settings.json, found list; remove"),
    (
        "run/attacks/settings.json",
        "{",
        "expected JSON in .*settings.json, found a file that cannot be read",
    ),
    ("run/attacks/settings.json", '{"attacks": 3}', "expected the settings of an attack in"),
    ("run/attacks/outcomes.parquet", "rows", "expected rows in .*, found a file that cannot be read"),
]


@pytest.mark.parametrize(("file", "content", "sentence"), STORED)
def test_stored_results(checkpoint, tmp_path, said, file, content, sentence):
    write_run(tmp_path, checkpoint)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    code, found = said(attack.main, attack_flags(tmp_path))
    assert code == 1
    assert re.search(sentence, found), found


REPORTED = [
    ("summary.json", "[]", "expected values by name in .*summary.json, found list"),
    ("summary.json", "{", "expected JSON in .*, found a file that cannot be read"),
    ("summary.json", "{}", "expected the summary of a run in .*, found one without 'corpus'"),
    ("summary.json", '{"corpus": "", "split": "", "folds": []}', "expected the summary .* without 'folds_finished'"),
    ("summary.json", '{"representation": 3, "schema_version": 3}', "expected the summary of a run in"),
    ("summary.json", '{"representation": {}}', "expected results of schema version 3 .* in .*, found version 1"),
]


@pytest.mark.parametrize(("file", "content", "sentence"), REPORTED)
def test_reported_runs(tmp_path, said, file, content, sentence):
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / file).write_text(content)
    code, found = said(report.main, [tmp_path / "runs", "--output", tmp_path / "report"])
    assert code == 1
    assert re.search(sentence, found), found


# Edits of the rows of a good table.
TABLES = [
    (lambda lines: [lines[0]], "expected clips of ESC10 in .*, found none"),
    (lambda lines: [line.replace("filename", "file") for line in lines], "expected the columns .* found no filename"),
    (lambda lines: [*lines, lines[1]], "expected every clip once in"),
    (lambda lines: [*lines, "../x.wav,1,0,dog,True,1,A"], "expected a plain file name as filename .* found '../x.wav'"),
    (lambda lines: [*lines, "x.wav,six,0,dog,True,1,A"], "expected a whole number as fold in line .* found 'six'"),
    (lambda lines: [*lines, "x.wav,9,0,dog,True,1,A"], r"expected a fold in 1..5 in line .* found 9"),
    (lambda lines: [*lines, "x.wav,1"], "cells in line .* found another number"),
    (lambda lines: [*lines, "missing.wav,1,0,dog,True,1,A"], r"missing.wav \(missing\)"),
]


def train_flags(folder, *more):
    flags = ("--data", "ESC10", "--data.representation", "STFT", "--model.architecture", "resnet56", "--name", "run")
    places = ("--runs_dir", folder / "runs", "--data.cache_dir", folder / "cache", "--wandb.mode", "disabled")
    return [*flags, *places, "--trainer.accelerator", "cpu", *more]


def test_two_commands_do_not_train_one_fold_at_once(corpus, tmp_path, said):
    fold = tmp_path / "runs" / "run" / "fold1"
    command = train_flags(tmp_path, "--data.root", corpus, "--folds", "1")
    with alone_in(fold):
        code, found = said(train.main, command)
    assert code == 1
    assert re.search("expected no other process at work on .*fold1, found one that holds .*fold1.lock; run", found)
    assert not fold.exists()
    (tmp_path / "file").touch()
    refused = r"expected a folder to write to in .*file, found: (Not a directory|File exists)"
    with pytest.raises(DataError, match=refused), alone_in(tmp_path / "file" / "fold1"):
        pass
    # A lock is held by a process and ends with it; the file that it leaves is no fold.
    assert fold.with_name("fold1.lock").exists()
    assert RunFolder(fold.parent).begun_folds() == []


@pytest.mark.parametrize(("edit", "sentence"), TABLES)
def test_tables(corpus, tmp_path, said, edit, sentence):
    (tmp_path / "meta").mkdir()
    (tmp_path / "audio").symlink_to(corpus / "audio")
    lines = (corpus / "meta" / "esc50.csv").read_text().splitlines()
    (tmp_path / "meta" / "esc50.csv").write_text("\n".join(edit(lines)) + "\n")
    code, found = said(train.main, train_flags(tmp_path, "--data.root", tmp_path))
    assert code == 1
    assert re.search(sentence, found), found


SOUNDS = [
    (b"", r"\(empty\)"),
    (b"RIFF", r"\(not audio: "),
    (b"not a sound at all", r"\(not audio: "),
    ("half", r"\(truncated: "),
    ("nan", "expected finite samples in .*, found NaN or infinity"),
]


@pytest.mark.parametrize(("content", "sentence"), SOUNDS)
def test_sounds(corpus, tmp_path, said, content, sentence):
    (tmp_path / "meta").symlink_to(corpus / "meta")
    (tmp_path / "audio").mkdir()
    for file in (corpus / "audio").iterdir():
        (tmp_path / "audio" / file.name).symlink_to(file)
    # Of a class in ESC-10.
    broken = next(file for file in sorted((tmp_path / "audio").iterdir()) if file.name.endswith("-0.wav"))
    whole = broken.read_bytes()
    broken.unlink()
    if content == "nan":
        soundfile.write(broken, np.full(800, np.nan), 8000, subtype="FLOAT")
    else:
        broken.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    code, found = said(train.main, train_flags(tmp_path, "--data.root", tmp_path, "--data.split", "official"))
    assert code == 1
    assert re.search(sentence, found), found


FLAGS = [
    (train, ["--seed", "-1"], "expected --seed from 0 to 4294967295, got -1"),
    (train, ["--seed", "1" + 20 * "0"], "expected --seed from 0 to 4294967295, got 100000000000000000000"),
    (train, ["--trainer.max_epochs", "-5"], "expected --trainer flags that fit .* `max_epochs` must be"),
    (train, ["--trainer.accelerator", "abacus"], "expected --trainer flags that fit"),
    (train, ["--trainer.devices", "-7"], "expected --trainer flags that fit"),
    (train, ["--weight_average.decay", "2"], "--weight_average.decay: expected a decay between 0 and 1, got 2.0"),
    (train, ["--weight_average.decay", "nan"], "weight_average.decay: expected float, got nan"),
    (train, ["--early_stopping.patience", "-3"], "expected --early_stopping.patience of at least 0, got -3"),
    (train, ["--name", ".."], "expected --name to be the name of a folder, got '..'"),
    (train, ["--name", "."], "expected --name to be the name of a folder, got '.'"),
    (train, ["--name", "/tmp"], "expected --name to be the name of a folder, got '/tmp'"),
    (train, ["--name", "linked"], "expected the run linked to lie in .*, got a link to"),
    (train, ["--runs_dir", "{file}"], "expected --runs_dir to be a folder, got .* is a file"),
    (train, ["--runs_dir", "{file}/below"], "expected --runs_dir to be a folder, got .* is a file"),
    (train, ["--data.cache_dir", "{file}"], "expected --data.cache_dir to be a folder, got .* is a file"),
    (train, ["--data.representation.sample_rate", "1"], "expected sample_rate from 100 to 384000 Hz, got 1"),
    (train, ["--data.representation.resize", "100000"], "expected resize of at most 4096 rows and columns, got 100000"),
    (train, ["--data.representation.n_fft", "100000000"], "expected n_fft of at most 131072 samples, got 100000000"),
    (train, ["--data.num_workers", "-1"], "expected num_workers from 0 to 1024, got -1"),
    (train, ["--model.mixup", "nan"], "model.mixup: expected float, got nan"),
    (train, ["--model.learning_rate", "inf"], "model.learning_rate: expected float, got inf"),
    (
        train,
        ["--trainer.max_epochs", "0"],
        "expected --model.weights with --trainer.max_epochs 0, got none: a resnet56",
    ),
    (
        train,
        ["--model.architecture", "rbf_svm", "--model.weights", "{file}"],
        "expected no --model.weights with",
    ),
    (train, ["--allow-import", "a b"], "expected --allow-import to name packages, mypackage for example, got 'a b'"),
    (train, ["--test-only", "nowhere.ckpt", "--allow-import", "a/b"], "expected --allow-import to name packages"),
    (attack, ["--seed", "-1"], "expected --seed from 0 to 4294967295, got -1"),
    (attack, ["--seed", "1" + 20 * "0"], "expected --seed from 0 to 4294967295, got 1000"),
    (attack, ["--data.cache_dir", "{file}"], "expected --data.cache_dir to be a folder, got .* is a file"),
    (attack, ["--output", "{file}"], "expected --output to be a folder, got .* is a file"),
    (attack, ["--sound_format", "flac"], "expected --sound_format flac with --space sound, .* got it with maps"),
    (attack, ["--allow-import", "a-b"], "expected --allow-import to name packages, mypackage for example, got 'a-b'"),
    (attack, ["--trainer.devices", "-7"], "expected --trainer flags that fit"),
    (transfer, ["--name", ".."], "expected --name to be the name of a folder, got '..'"),
    (transfer, ["--name", "../../x"], "expected --name to be the name of a folder, got '../../x'"),
    (sweep, ["--weight_average.decay", "2"], "--weight_average.decay: expected a decay between 0 and 1, got 2.0"),
    (sweep, ["--name", ".."], "expected --name to be the name of a folder, got '..'"),
    (report, ["--seed", "-1"], "expected --seed from 0 to 4294967295, got -1"),
    (report, ["--output", "{file}"], "expected --output to be a folder, got .* is a file"),
]


@pytest.mark.parametrize(("program", "flags", "sentence"), FLAGS)
def test_flags(corpus, tmp_path, said, program, flags, sentence):
    (tmp_path / "file").write_text("")
    (tmp_path / "runs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs" / "linked").symlink_to(tmp_path / "elsewhere")
    given = [flag.replace("{file}", str(tmp_path / "file")) for flag in flags]
    before = sorted(tmp_path.rglob("*"))
    commands = {
        train: [*train_flags(tmp_path, "--data.root", corpus), *given],
        attack: [*attack_flags(tmp_path), *given],
        transfer: [*attack_flags(tmp_path), *given],
        sweep: ["point", *train_flags(tmp_path, "--data.root", corpus), *given],
        report: [tmp_path / "runs", *given],
    }
    code, found = said(program.main, commands[program])
    assert code == 2
    assert re.search(sentence, found), found
    assert sorted(tmp_path.rglob("*")) == before


OWN = "tests.own_networks"
OWN_MODELS = [
    (f"{OWN}.no_module", "expected .*no_module to return a torch.nn.Module, got function"),
    (f"{OWN}.raising", r"expected .*raising\(num_classes=10\) to build a network, got KeyError: 'no such thing'"),
    (f"{OWN}.too_many", r"expected .*too_many to return logits of shape \(2, 10\) .* 10 classes, got \(2, 11\)"),
    (f"{OWN}.half", "expected .*half to be built in float32, got conv.weight in float16; call float"),
    (f"{OWN}.elsewhere", "expected .*elsewhere to be built on the CPU, got conv.weight on meta"),
    (f"{OWN}.Several", "expected .*Several to return one tensor of logits, got tuple"),
    (f"{OWN}.Softmax", "expected .*Softmax to return logits, got probabilities .*: remove its softmax"),
    (f"{OWN}.AlwaysTraining", "expected .*AlwaysTraining in evaluation mode after eval.*, got the module itself in"),
    (f"{OWN}.Broken", "expected .*Broken to return finite logits, got NaN or infinity"),
    (f"{OWN}.OtherName", r"expected .*OtherName to take num_classes, got the parameters \(n_out\)"),
    (f"{OWN}.colours_only", r"expected .*colours_only to take inputs of shape \(batch, 1, 128, 128\), got RuntimeErr"),
    (f"{OWN}.NOT_CALLABLE", "a subclass of Module, or a function that is defined in tests, got .*, which is int"),
    (f"{OWN}.OwnSTFT.cells", "expected tests.own_networks.OwnSTFT.cells to be importable, got ModuleNotFoundError"),
    (f"{OWN}.Absent", "expected tests.own_networks.Absent to be importable, got AttributeError"),
    ("nowhere.at.all", "expected nowhere.at.all to be importable, got ModuleNotFoundError: .* in PYTHONPATH"),
    ("os.system", "expected an architecture: a subclass of Module, or a function .* got 'os.system', which is"),
    ("builtins.eval", "got 'builtins.eval', which is a function of builtins"),
    ("a-b.Net", "expected an architecture, one of resnet18, .* or an import path, got 'a-b.Net'"),
]


@pytest.mark.parametrize(("architecture", "sentence"), OWN_MODELS)
def test_networks_of_somebody(corpus, tmp_path, said, architecture, sentence):
    flags = train_flags(tmp_path, "--data.root", corpus, "--data.split", "official", "--trainer.max_epochs", "0")
    code, found = said(train.main, [*flags, "--model.architecture", architecture])
    assert code == 2
    assert re.search(sentence, found), found


def weights_of(network):
    return build_classifier(network, 10, input_shape=(1, 16, 16), allowed=["tests"]).state_dict()


WEIGHTS = [
    (lambda path: None, 2, "expected a file of weights as --model.weights, found none at"),
    (lambda path: path.write_bytes(b""), 1, "expected weights in .*, found a file that cannot be read as a state dict"),
    (lambda path: path.write_bytes(b"cos\nsystem\n(S'true'\ntR."), 1, "a file that cannot be read as a state dict"),
    (lambda path: torch.save(torch.nn.Linear(2, 2), path), 1, "save module.state_dict.., not the module"),
    (lambda path: torch.save([torch.ones(2)], path), 1, "expected weights by name in .*, found list"),
    (lambda path: torch.save({}, path), 1, "expected weights by name in .*, found nothing"),
    (lambda path: torch.save({"epoch": 3}, path), 1, "expected tensors by name in .*, found int under 'epoch'"),
    (
        lambda path: torch.save({"fc.weight": torch.ones(2)}, path),
        1,
        "expected the weights of .*ThreeChannels in .*, found no conv.bias, conv.weight, fc.bias and 4 "
        r"more; fc.weight \(2,\) instead of \(10, 132\)",
    ),
    (
        lambda path: torch.save({**weights_of(f"{OWN}.ThreeChannels"), "head.bias": torch.ones(2)}, path),
        1,
        "found head.bias, which it does not have",
    ),
    (
        lambda path: torch.save({**weights_of(f"{OWN}.ThreeChannels"), "fc.bias": torch.full((10,), NAN)}, path),
        1,
        "expected finite weights in .*, found NaN or infinity in fc.bias",
    ),
    (
        lambda path: torch.save({**weights_of(f"{OWN}.ThreeChannels"), "fc.bias": torch.ones(10).int()}, path),
        1,
        "expected fc.bias in torch.float32 in .*, found torch.int32",
    ),
]


@pytest.mark.parametrize(("write", "code", "sentence"), WEIGHTS)
def test_files_of_weights(corpus, tmp_path, said, write, code, sentence):
    write(tmp_path / "weights.pt")
    flags = train_flags(tmp_path, "--data.root", corpus, "--data.split", "official", "--trainer.max_epochs", "0")
    flags += ["--model.architecture", f"{OWN}.ThreeChannels", "--model.weights", tmp_path / "weights.pt"]
    ended, found = said(train.main, flags)
    assert ended == code
    assert re.search(sentence, found), found


def test_a_broken_safetensors_file(tmp_path):
    (tmp_path / "one.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(DataError, match=r"expected weights in .*one.safetensors, found no safetensors file"):
        load_weights(torch.nn.Linear(2, 2), tmp_path / "one.safetensors", "it")


# Each would import the module `attacker`, or read another file, if it were believed.
CONFIGS = [
    ("seed: 1\nseed: 2", "expected YAML in .*, found: seed twice, the second time in line 2"),
    ("model: {mixup: 0.1, mixup: 0.2}", "expected YAML in .*, found: mixup twice, the second time in line 1"),
    ("data: attacker.Corpus", "got 'attacker.Corpus', which is not imported because a file names it; --allow-import"),
    ("data: {class_path: attacker.Corpus}", "got 'attacker.Corpus', which is not imported because a file names it"),
    ("data: {representation: attacker.Rep}", "expected a Representation, one of .* got 'attacker.Rep', which is not"),
    ("data: {init_args: {representation: {class_path: attacker.Rep}}}", "got 'attacker.Rep', which is not imported"),
    ("data: {init_args: {unknown: attacker.Rep}}", "expected a number or a word as unknown, got 'attacker.Rep'"),
    ("data: '{class_path: attacker.Corpus}'", "or an import path, got {class_path: attacker.Corpus}"),
    ("data: other.yaml", "got 'other.yaml', which is not imported because a file names it"),
    ("data.class_path: attacker.Corpus", "expected settings in groups, got the key 'data.class_path'"),
    ("model: other.yaml", "expected settings of model by name, got 'other.yaml'"),
    ("model: {architecture: attacker.Net}", "got 'attacker.Net', which is not imported because a file names it"),
    ("trainer: other.yaml", "expected a number or a word as trainer, got 'other.yaml'"),
    ("trainer: {callbacks: [attacker.Callback]}", "expected a number or a word as callbacks, got 'attacker.Callback'"),
    ("trainer: {callbacks: {class_path: attacker.Call}}", "expected no class outside the project, got 'attacker.Call'"),
    ("trainer: {strategy: attacker.Strategy}", "expected a number or a word as strategy, got 'attacker.Strategy'"),
    (
        "trainer: {callbacks: {class_path: LambdaCallback, init_args: {on_fit_start: attacker.run}}}",
        "expected a number or a word as on_fit_start, got 'attacker.run'",
    ),
    ("allow_import: [attacker]\ndata: attacker.Corpus", "got 'attacker.Corpus', which is not imported because a file"),
    ("!!python/object/apply:os.system ['true']", "expected YAML in .*, found: could not determine a constructor"),
    ("- 1", "expected a mapping in .*, found list"),
]


@pytest.mark.parametrize(("content", "sentence"), CONFIGS)
def test_files_of_settings(tmp_path, monkeypatch, said, content, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "attacker.py").write_text("open('executed', 'w').close()\n")
    (tmp_path / "other.yaml").write_text("class_path: attacker.Corpus\n")
    (tmp_path / "config.yaml").write_text(content)
    for allowed in ([], ["--allow-import", "another", "attack"]):
        code, found = said(train.main, ["--config", "config.yaml", *allowed])
        assert code == 2
        assert re.search(sentence, found), found
    assert not (tmp_path / "executed").exists()
    assert "attacker" not in sys.modules


def test_there_are_at_least_eighty_cases():
    tables = (
        OWN_MODELS,
        WEIGHTS,
        CONFIGS,
        CHECKPOINTS,
        FILES,
        BUDGETS,
        ATTACKS,
        SWEEPS,
        STORED,
        REPORTED,
        TABLES,
        SOUNDS,
        FLAGS,
    )
    assert sum(map(len, tables)) >= 80


REPRESENTATION_OF_SOMEBODY = """
from pathlib import Path
from representations import STFT
Path(__file__).with_name("executed").touch()
class Rep(STFT):
    def __init__(self, **settings):
        super().__init__(**settings)
def rep(**settings):
    return Rep(**settings)
class Other:
    pass
"""


def importing(checkpoint, tmp_path, monkeypatch, module, name):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{module}.py").write_text(REPRESENTATION_OF_SOMEBODY)
    path = tmp_path / "one.ckpt"
    torch.save(put(checkpoint, f"{REPRESENTATION}/class_path", f"{module}.{name}"), path)
    return path


def test_a_file_imports_nothing_that_the_command_line_does_not_allow(checkpoint, tmp_path, monkeypatch, said):
    path = importing(checkpoint, tmp_path, monkeypatch, "hostile_one", "Rep")
    for main, flags in (
        (attack.main, ["--checkpoints", path, "--wandb.mode", "disabled", "--data.cache_dir", tmp_path / "cache"]),
        (train.main, ["--test-only", path, "--data.cache_dir", tmp_path / "cache"]),
    ):
        for allowed in ([], ["--allow-import", "hostile_two", "hostile"]):
            code, found = said(main, [*flags, *allowed])
            assert code == 1
            assert "got 'hostile_one.Rep', which is not imported because a file names it; --allow-import" in found
    assert not (tmp_path / "executed").exists()
    assert "hostile_one" not in sys.modules


def test_what_the_command_line_allows_is_used_if_it_is_of_the_kind(checkpoint, tmp_path, monkeypatch):
    path = importing(checkpoint, tmp_path, monkeypatch, "hostile_two", "Rep")
    data = load_classifier(path, ["hostile_two"]).data(cache_dir=str(tmp_path / "cache"))
    assert (type(data.representation).__name__, data.representation.resize) == ("Rep", (16, 16))
    assert (tmp_path / "executed").exists()
    for name in ("Other", "rep", "Path"):
        path = importing(checkpoint, tmp_path, monkeypatch, "hostile_two", name)
        with pytest.raises(DataError, match=f"expected a subclass of Representation, got 'hostile_two.{name}'"):
            load_classifier(path, ["hostile_two"])


NETWORKS_OF_SOMEBODY = """
from os import popen, system
from subprocess import Popen
from pathlib import Path
from torch import nn
Path(__file__).with_name("executed").touch()
class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        Path(__file__).with_name("called").touch()
def net(num_classes):
    return Net(num_classes)
nested = [system]
"""


@pytest.mark.parametrize("place", ["hyper_parameters/architecture", f"{MODEL}/architecture"])
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "hostile_nets.Net", "hostile_nets.system"])
def test_no_architecture_of_a_file_is_imported_or_called_unless_the_command_line_allows_it(
    checkpoint, tmp_path, monkeypatch, said, place, name
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile_nets.py").write_text(NETWORKS_OF_SOMEBODY)
    torch.save(put(checkpoint, place, name), tmp_path / "one.ckpt")
    for allowed in ([], ["--allow-import", "hostile", "hostile_nets_of_another", "posix"]):
        code, found = said(
            train.main, ["--test-only", "one.ckpt", "--data.cache_dir", tmp_path / "cache", "--seed", "0", *allowed]
        )
        assert code in (1, 2)
        assert f"got '{name}', which is not imported because a file names it; --allow-import" in found
    assert not (tmp_path / "executed").exists()
    assert "hostile_nets" not in sys.modules


def test_of_an_allowed_package_only_what_builds_a_network_is_called(checkpoint, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile_six.py").write_text(NETWORKS_OF_SOMEBODY)
    path = tmp_path / "one.ckpt"
    # What the package has imported from elsewhere, and what is nothing to call.
    for name in ("system", "popen", "Popen", "Path", "nested", "nn"):
        torch.save(put(checkpoint, "hyper_parameters/architecture", f"hostile_six.{name}"), path)
        with pytest.raises(DataError, match=f"a function that is defined in hostile_six, got 'hostile_six.{name}'"):
            load_classifier(path, ["hostile_six"])
    assert not (tmp_path / "called").exists()
    for name in ("Net", "net"):
        torch.save(put(checkpoint, "hyper_parameters/architecture", f"hostile_six.{name}"), path)
        with pytest.raises(DataError, match=f"expected the weights of a hostile_six.{name} in .*, found others"):
            load_classifier(path, ["hostile_six"])
    assert (tmp_path / "called").exists()


def test_a_checkpoint_names_no_file_of_weights_and_gives_no_leave_to_import(checkpoint, tmp_path):
    torch.save(put(checkpoint, "hyper_parameters/weights", "/etc/passwd"), tmp_path / "one.ckpt")
    load_classifier(tmp_path / "one.ckpt")
    for place in ("hyper_parameters", MODEL):
        torch.save(put(checkpoint, f"{place}/allow_import", ["os"]), tmp_path / "one.ckpt")
        with pytest.raises(DataError, match="allow_import"):
            load_classifier(tmp_path / "one.ckpt")


def test_a_recipe_chooses_no_folder_that_is_written_to(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of the user"))
    init_args = {"root": str(tmp_path / "x" / ".." / "etc"), "cache_dir": str(tmp_path / "stolen"), "download": True}
    changed = put(checkpoint, "recipe/data", {"class_path": "datamodules.SyntheticSounds", "init_args": init_args})
    torch.save(changed, tmp_path / "one.ckpt")
    monkeypatch.setattr(
        "datamodules.synthetic_sounds.write_synthetic_corpus", lambda root: written.append(root) or root
    )
    written = []
    data = load_classifier(tmp_path / "one.ckpt").data()
    with pytest.raises(DataError, match="expected the corpus in the folder"):
        data.check()
    assert written == [data.cache_dir / "synthetic"]
    assert not data.download
    assert data.cache_dir.is_relative_to(tmp_path / "of the user")
    assert [path.name for path in tmp_path.iterdir()] == ["one.ckpt"]


def test_a_disk_that_fills_up_while_the_embedded_corpus_is_written_is_said(tmp_path, said):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Half a clip: to the program a file that may not grow is a disk that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (32_000, hard))
    try:
        code, found = said(lambda _: write_synthetic_corpus(tmp_path / "cache", clips_per_class=20), [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert re.fullmatch(r"error: expected room for the embedded corpus \(25 MB\) in .*, found: .*; free some .*", found)
    assert not list((tmp_path / "cache").rglob("*.wav"))


def test_an_error_of_the_operating_system_says_whether_a_file_was_to_be_read_or_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("")

    def message(access):
        with pytest.raises(OSError, match="Errno") as refused:
            access()
        return fixable_message(refused.value)

    def fill():
        with Path("/dev/full").open("w") as disk:
            disk.write("a")

    assert message(tmp_path.read_text) == f"expected to read or write {tmp_path}, found: Is a directory"
    assert message((file / "a").read_text) == f"expected to read or write {file / 'a'}, found: Not a directory"
    assert message(file.mkdir) == f"expected to write to {file}, found: File exists"
    assert message(fill) == "expected to write to the disk, found: No space left on device"
    # A bug in the program.
    assert message((tmp_path / "none").read_text) is None
