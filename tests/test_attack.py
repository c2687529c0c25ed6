"""attack.py from the command line: its files, resuming, processes and batches, and every refusal in one sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from pytorch_lightning.utilities import rank_zero_only

import attack
from commands.attack_cli import AttackCLI
from commands.errors import UsageError, run_command
from commands.named_runs import named_runs
from commands.start import read_attack_flags
from datamodules import CORPORA, SoundDataModule
from lightning_modules.trained_classifier import load_classifier
from storage import DataError
from storage.adversarial_sounds import AdversarialSounds
from tests.trained_run_fixture import write_trained_run

PROJECT = Path(attack.__file__).parent
BUDGETS = """
fgsm: {delta: [0.01, 0.1]}
bim_a: {delta: [0.01, 0.1], steps: 4}
bim_b: {delta: [0.01, 0.1], steps: 4}
deepfool: {iterations: [2, 20]}
jsma: {iterations: 10}
cwa: {search_steps: [1, 2], iterations: 10}
lbfgs: {search_steps: 1, iterations: 5}
"""


SOUND_BUDGETS = """
fgsm: {snr_db: [40, 10]}
bim_b: {snr_db: [10], steps: 2}
deepfool: {iterations: [1, 5]}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained run of two folds, its corpus, and small budgets."""
    folder = tmp_path_factory.mktemp("trained")
    write_trained_run(folder, "tones")
    (folder / "budgets.yaml").write_text(BUDGETS)
    (folder / "sound_budgets.yaml").write_text(SOUND_BUDGETS)
    return folder


def flags(trained, output, *more):
    return [
        *("--checkpoints", str(trained / "runs" / "tones"), "--budgets", str(trained / "budgets.yaml")),
        *("--folds", "1", "--output", str(output), "--wandb.mode", "disabled", "--trainer.accelerator", "cpu"),
        # In float32 a batch of another size rounds differently, and the sign of a tiny gradient may flip.
        *("--trainer.precision", "64-true", *more),
    ]


def sound_flags(trained, output, *more):
    """Attacks on the sounds of four clips of the first fold."""
    attacks = ("--attacks", "fgsm", "bim_b", "deepfool", "--clips", "4", "--save-adversarials")
    budgets = str(trained / "sound_budgets.yaml")
    return [*flags(trained, output), "--space", "sound", *attacks, "--budgets", budgets, *more]


def rows_of(output):
    return pd.read_parquet(Path(output) / "outcomes.parquet")


def script(arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    return [sys.executable, str(PROJECT / "attack.py"), *arguments], environment


@pytest.fixture(scope="module")
def attacked(trained, tmp_path_factory):
    """Results of the seven attacks on both folds."""
    output = tmp_path_factory.mktemp("attacked")
    summary = attack.main([*flags(trained, output), "--folds", "all", "--save-adversarials"])
    return output, summary["tones"]


@pytest.fixture(scope="module")
def attacked_sounds(trained, tmp_path_factory):
    """Results of attacks on sounds."""
    output = tmp_path_factory.mktemp("attacked sounds")
    return output, attack.main(sound_flags(trained, output))["tones"]


@pytest.fixture
def asked(request, trained):
    """Flags and whole results of attacks in a space."""
    flags_of = {"map": flags, "sound": sound_flags}[request.param]
    output, _ = request.getfixturevalue({"map": "attacked", "sound": "attacked_sounds"}[request.param])
    return lambda output, *more: flags_of(trained, output, *more), rows_of(output).query("fold == 1"), output


BOTH_SPACES = pytest.mark.parametrize("asked", ["map", "sound"], indirect=True)


def test_the_fixture_is_a_classifier(attacked):
    assert attacked[1]["accuracy_on_attacked"] > 0.6


def test_every_clean_correct_clip_has_one_row_an_attack_and_budget(trained, attacked):
    output, summary = attacked
    rows, clips = rows_of(output), pd.read_parquet(output / "clips.parquet")
    assert sorted(path.name for path in output.iterdir()) == [
        *("adversarials", "clips.parquet", "config.yaml", "outcomes.parquet", "pictures", "settings.json"),
        *("summary.json", "victims.json"),
    ]
    for fold in (1, 2):
        predictions = pd.read_csv(trained / "runs" / "tones" / f"fold{fold}" / "predictions.csv")
        tested = clips[clips["fold"] == fold]
        assert set(tested["name"]) == set(predictions["clip"])
        answers = np.stack(tested["logits_clean"]).argmax(axis=1)
        assert (tested["prediction"] == answers).all()
        correct = set(tested.loc[tested["label"] == answers, "name"])
        assert set(tested.loc[tested["clean_correct"], "name"]) == correct
        of_fold = rows[rows["fold"] == fold]
        for _, budget in of_fold.groupby(["attack", "budget_index"]):
            assert sorted(budget["name"]) == sorted(correct)
    assert set(rows["attack"]) == {
        *("fgsm", "bim_a", "bim_b", "deepfool", "jsma", "cwa", "lbfgs", "check_fgsm_untargeted", "check_unbounded"),
    }
    assert summary == json.loads((output / "summary.json").read_text())
    assert summary["n"] == clips["clean_correct"].sum()
    assert summary["n_test"] == 40


def test_the_rows_tell_what_the_stored_adversarials_do(trained, attacked):
    output, _ = attacked
    rows = rows_of(output)
    classifier = load_classifier(trained / "runs" / "tones" / "fold1" / "best.ckpt")
    for name, some in rows[rows["fold"] == 1].groupby("attack"):
        clip = int(some["clip"].iloc[0])
        maps = torch.from_numpy(np.load(output / "adversarials" / "fold1" / str(name) / f"{clip}.npy"))
        of_clip = some[some["clip"] == clip].sort_values("budget_index")
        assert len(maps) == len(of_clip)
        with torch.no_grad():
            logits = torch.cat([classifier.model.double()(one[None].double()) for one in maps])
        np.testing.assert_allclose(np.stack(of_clip["logits_adversarial"]), logits, atol=1e-4)
        assert logits.argmax(dim=1).tolist() == of_clip["prediction"].tolist()
        assert (of_clip["success"] == (of_clip["prediction"] != of_clip["label"])).all()
        assert (of_clip["target_hit"] == (of_clip["prediction"] == of_clip["target_label"])).all()


def test_targets_are_the_same_for_every_attack_and_budget(attacked):
    rows = rows_of(attacked[0])
    targeted = rows[rows["attack"].isin(["fgsm", "jsma", "cwa", "lbfgs"])]
    assert (targeted.groupby(["fold", "clip"])["target_label"].nunique() == 1).all()
    assert (targeted["target_label"] != targeted["label"]).all()
    assert (rows.loc[rows["attack"].isin(["bim_a", "bim_b", "deepfool"]), "target_label"] == -1).all()


def test_the_summary_follows_from_the_rows(attacked):
    output, summary = attacked
    rows = rows_of(output)
    for entry in summary["budgets"]:
        some = rows[(rows["fold"] == entry["fold"]) & (rows["attack"] == entry["attack"])]
        some = some[some["budget_index"] == entry["budget_index"]]
        assert entry["n"] == len(some)
        assert entry["fooling_rate"] == pytest.approx(some["success"].mean())
        if some["recording"].nunique() < 10:
            assert entry["fooling_rate_low"] is entry["fooling_rate_high"] is None
        else:
            assert entry["fooling_rate_low"] <= entry["fooling_rate"] <= entry["fooling_rate_high"]
        assert entry["batch_gradients"] == some["gradients"].max()
        assert entry["budget"] == json.loads(some["budget"].iloc[0])
    for entry in summary["attacks"]:
        budgets = [e for e in summary["budgets"] if (e["fold"], e["attack"]) == (entry["fold"], entry["attack"])]
        assert entry["auc"] == pytest.approx(np.mean([budget["auc"] for budget in budgets]))
    mean = summary["means"]["cwa"]
    folds = [entry["auc"] for entry in summary["attacks"] if entry["attack"] == "cwa"]
    assert mean["auc"] == pytest.approx(np.mean(folds))
    assert mean["auc_std"] == pytest.approx(np.std(folds, ddof=1))
    assert summary["six"]["attacks"] == ["fgsm", "deepfool", "bim_a", "bim_b", "jsma", "cwa"]
    hard = [check for check in summary["checks"] if check["kind"] == "hard"]
    assert hard
    assert all(check["passed"] for check in hard)


COMPARED = [
    "clip",
    "attack",
    "budget_index",
    "target_label",
    "prediction",
    "iterations",
    "gradients",
    "forward_rows",
    "success",
]


def same_rows(first, second):
    key = ["fold", "attack", "budget_index", "clip"]
    first, second = (rows.sort_values(key, ignore_index=True) for rows in (first, second))
    pd.testing.assert_frame_equal(first[COMPARED], second[COMPARED])
    one, two = (np.stack(rows["logits_adversarial"].to_list()) for rows in (first, second))
    np.testing.assert_allclose(one, two, atol=1e-4)
    np.testing.assert_allclose(first["l2"], second["l2"], atol=1e-6)


@BOTH_SPACES
def test_the_batch_size_changes_nothing(asked, tmp_path):
    arguments, rows, _ = asked
    attack.main(arguments(tmp_path, "--data.batch_size", "3"))
    same_rows(rows, rows_of(tmp_path))


@pytest.mark.slow
@BOTH_SPACES
def test_two_processes_give_the_rows_of_one(asked, tmp_path):
    arguments, rows, _ = asked
    command, environment = script(arguments(tmp_path, "--trainer.strategy", "ddp", "--trainer.devices", "2"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    same_rows(rows, rows_of(tmp_path))


@pytest.mark.slow
def test_reporting_batches_are_as_large_as_the_corpus_says(trained, tmp_path, monkeypatch):
    sizes = {name: corpus.reporting_batch_size for name, corpus in CORPORA.items()}
    assert sizes == {**dict.fromkeys(CORPORA, SoundDataModule.reporting_batch_size), "ESC10": 200}
    monkeypatch.setattr(CORPORA["ESC10"], "reporting_batch_size", 3)
    attack.main([*flags(trained, tmp_path), "--attacks", "fgsm", "--clips", "7"])
    clips = pd.read_parquet(tmp_path / "clips.parquet").sort_values("clip")
    tested = pd.read_csv(trained / "runs" / "tones" / "fold1" / "predictions.csv")["clip"].tolist()
    assert clips["reporting_batch"].tolist() == [tested.index(name) // 3 for name in clips["name"]]


def test_sigterm_ends_an_evaluation_after_the_attack_in_progress(trained, attacked, tmp_path):
    command, environment = script(flags(trained, tmp_path))
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "parts"
    while not list(parts.glob("fold1-fgsm-*")):
        assert process.poll() is None, "the evaluation ended before it could be told to"
        time.sleep(0.01)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "error: ended by SIGTERM; " in errors
    assert "; the same command continues where this one stopped" in errors
    attacks = {path.name.split("-")[1] for path in parts.glob("fold1-*.parquet")}
    assert "fgsm" in attacks
    assert len(attacks) < 1 + rows_of(attacked[0])["attack"].nunique()


@BOTH_SPACES
def test_a_killed_evaluation_continues_without_repeating_finished_batches(asked, tmp_path):
    flags_of, expected, whole = asked
    arguments = flags_of(tmp_path, "--data.batch_size", "3")
    command, environment = script(arguments)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = tmp_path / "parts"
    deadline = time.monotonic() + 120
    while not list(parts.glob("fold1-deepfool-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "outcomes.parquet").exists()
    kept = list(parts.glob("fold1-deepfool-*.parquet"))
    assert kept
    # Rows are taken over from the parts as they are: a mark on them survives.
    finished = 0
    for path in kept:
        rows = pd.read_parquet(path).assign(seconds=12345.0)
        rows.to_parquet(path, index=False)
        finished += len(rows)
    attack.main(arguments)
    rows = rows_of(tmp_path)
    marked = rows[rows["seconds"] == 12345.0]
    assert set(marked["attack"]) == {"deepfool"}
    assert len(marked) == finished > 0
    same_rows(expected, rows)
    assert not parts.exists()
    assert {file.name for file in tmp_path.rglob("*.wav")} == {file.name for file in whole.rglob("*.wav")}


def test_sounds_are_attacked_kept_and_judged_as_they_are_kept(trained, attacked_sounds):
    output, summary = attacked_sounds
    rows = rows_of(output)
    assert not {"success_8bit"} & {*rows.columns, *summary["means"]["fgsm"]}
    assert (summary["space"], summary["silent"], summary["n_test"]) == ("sound", 0, 4)
    assert json.loads((output / "settings.json").read_text())["common"]["space"] == "sound"
    assert all(check["passed"] for check in summary["checks"] if check["kind"] == "hard")
    assert rows["success"].any()
    classifier = load_classifier(trained / "runs" / "tones" / "fold1" / "best.ckpt")
    data, sounds = classifier.data(cache_dir=str(trained / "cache")), AdversarialSounds(output)
    for row in rows.groupby("attack").sample(2, random_state=0).itertuples():
        clean, rate = sounds.read(1, "clean", None, row.clip, row.name)
        made, _ = sounds.read(1, row.attack, row.budget_index, row.clip, row.name)
        assert rate == 8000
        np.testing.assert_allclose(clean, data.waveforms.read(row.clip, 0), atol=2**-15)
        assert np.linalg.norm(made.astype(float) - clean) == pytest.approx(row.l2, abs=2**-15 * len(made) ** 0.5)
        with torch.no_grad():
            maps = data.representation(torch.from_numpy(made).double()[None, None])
            fools = classifier.model.double()(maps).argmax().item() != row.label
        if row.attack == "fgsm":
            radius = np.sqrt(np.mean(clean.astype(float) ** 2)) * 10 ** (-json.loads(row.budget)["snr_db"] / 20)
            assert row.linf == pytest.approx(radius, rel=1e-2)
        assert row.success_16bit == float(row.success > 0 and fools)
        assert row.snr_db == pytest.approx(20 * np.log10(np.linalg.norm(clean.astype(float)) / row.l2), abs=0.01)
    with pytest.raises(DataError, match=r"expected a sound in .*lbfgs-0.wav, found none; attack.py --save-advers"):
        sounds.read(1, "lbfgs", 0, int(rows["clip"].iloc[0]), rows["name"].iloc[0])


def test_maps_and_sounds_share_neither_a_folder_nor_budgets(trained, attacked_sounds, tmp_path):
    of_maps = ("--budgets", str(trained / "budgets.yaml"))
    with pytest.raises(
        UsageError, match=r"^expected budgets of attacks on sounds .* found delta for fgsm; .* --space map"
    ):
        attack.main([*sound_flags(trained, tmp_path / "no"), "--attacks", "deepfool", *of_maps])
    with pytest.raises(
        UsageError, match=r"^expected budgets of attacks on maps .* found snr_db for fgsm; .* --space sound"
    ):
        attack.main([*sound_flags(trained, tmp_path / "no"), "--space", "map", "--attacks", "deepfool"])
    assert not (tmp_path / "no").exists()
    (tmp_path / "without.yaml").write_text("bim_b: {steps: 2}\n")
    with pytest.raises(UsageError, match=r"expected an snr_db in every budget of bim_b, .* got {'steps': 2}"):
        attack.main(
            [*sound_flags(trained, tmp_path / "no"), "--budgets", str(tmp_path / "without.yaml"), "--attacks", "bim_b"]
        )
    output = tmp_path / "sounds"
    shutil.copytree(attacked_sounds[0], output)
    settings = json.loads((output / "settings.json").read_text())
    settings["common"]["budgets"] = of_maps[1]
    (output / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match=r"got another value of space \('map' instead of 'sound'\); choose another"):
        attack.main([*sound_flags(trained, output), "--space", "map", "--attacks", "deepfool", *of_maps])


def test_a_silent_clip_is_left_out_and_counted(trained, tmp_path):
    shutil.copytree(trained / "corpus", tmp_path / "corpus")
    for file in (tmp_path / "corpus" / "audio").glob("1-*-A-*.wav"):
        soundfile.write(file, np.zeros(40_000), 8000)
    place = ("--data.root", str(tmp_path / "corpus"), "--data.cache_dir", str(tmp_path / "cache"))
    arguments = sound_flags(trained, tmp_path / "out", "--attacks", "fgsm", "--clips", "20", *place)
    summary = attack.main(arguments)["tones"]
    clips = pd.read_parquet(tmp_path / "out" / "clips.parquet")
    assert summary["silent"] == clips["silent"].sum() == 10
    assert summary["n_test"] == len(clips) - 10
    assert set(rows_of(tmp_path / "out")["clip"]) == set(clips[clips["clean_correct"] & ~clips["silent"]]["clip"])


def test_a_finished_attack_is_not_repeated_and_others_are_added(trained, tmp_path, monkeypatch):
    attack.main([*flags(trained, tmp_path), "--attacks", "fgsm"])
    before = rows_of(tmp_path)
    summary = attack.main([*flags(trained, tmp_path), "--attacks", "fgsm", "bim_b"])["tones"]
    after = rows_of(tmp_path)
    pd.testing.assert_frame_equal(before, after[after["attack"] == "fgsm"][before.columns].reset_index(drop=True))
    assert set(summary["means"]) == {"fgsm", "bim_b"}


def test_each_attack_says_every_commit_that_attacked_clips_with_it(trained, tmp_path, monkeypatch):
    def made_by(commit, *more):
        monkeypatch.setattr("commands.attack_run.git_commit", lambda: commit)
        summary = attack.main([*flags(trained, tmp_path), "--clips", "10", "--attacks", *more])["tones"]
        assert summary["made_by"] == json.loads((tmp_path / "settings.json").read_text())["made_by"]
        return {
            name: [(maker["git_commit"], maker.get("folds")) for maker in makers]
            for name, makers in summary["made_by"].items()
        }

    assert made_by("first", "fgsm") == {"fgsm": [("first", [1])]}
    # A command that finds everything finished has made nothing.
    assert made_by("idle", "fgsm") == {"fgsm": [("first", [1])]}
    assert made_by("second", "fgsm", "deepfool", "--clips", "13") == {
        "fgsm": [("first", [1]), ("second", [1])],
        "deepfool": [("second", [1])],
    }


def test_the_last_line_is_about_the_results_that_were_written(trained, tmp_path, capsys):
    def last_line(*more):
        attack.main([*flags(trained, tmp_path / "my out"), "--attacks", "fgsm", "--clips", "10", *more])
        return capsys.readouterr().out.splitlines()[-1]

    folder, run = tmp_path / "my out", trained / "runs" / "tones"
    assert last_line() == (
        f"next: read {folder}/summary.json, every number, and {folder}/outcomes.parquet, one row per clip and budget; "
        f"report.py reads {run}/attacks only"
    )
    shutil.copytree(run, tmp_path / "some runs" / "tones")
    run = tmp_path / "some runs" / "tones"
    assert last_line("--checkpoints", str(run), "--output", str(run / "attacks")) == (
        f"next: python report.py '{run.parent}' --output report"
    )


def test_more_clips_are_added_to_a_subset_and_fewer_are_refused(trained, tmp_path):
    growing, whole = tmp_path / "growing", tmp_path / "whole"
    both = ["--folds", "1,2", "--attacks", "fgsm", "deepfool"]
    attack.main([*flags(trained, growing), *both, "--clips", "10"])
    before = rows_of(growing)
    # One fold and one attack first: the summary then holds nothing that stands on fewer clips.
    summary = attack.main([*flags(trained, growing), "--folds", "1", "--attacks", "fgsm", "--clips", "13"])["tones"]
    assert {(row["fold"], row["attack"]) for row in summary["attacks"]} == {(1, "fgsm")}
    assert (summary["clips"], summary["n_test"]) == (13, 13)
    attack.main([*flags(trained, growing), *both, "--clips", "13"])
    summary = attack.main([*flags(trained, whole), *both, "--clips", "13"])["tones"]
    assert summary["n_test"] == 26
    same_rows(rows_of(whole), rows_of(growing))
    # What was there has not been attacked again.
    key = ["fold", "attack", "budget_index", "clip"]
    kept = rows_of(growing).merge(before[key])
    assert (kept["seconds"] == before["seconds"]).all()
    with pytest.raises(UsageError, match="got another value of clips \\(10 instead of 13\\)"):
        attack.main([*flags(trained, growing), *both, "--clips", "10"])


def test_an_attack_of_torchattacks_can_be_named(trained, tmp_path):
    (tmp_path / "pgd.yaml").write_text(
        "class_path: torchattacks.PGD\ninit_args: {steps: 3, random_start: false}\nbudgets: {eps: [0.01, 0.1]}\n"
    )
    summary = attack.main([*flags(trained, tmp_path / "out"), "--attacks", str(tmp_path / "pgd.yaml")])["tones"]
    rows = rows_of(tmp_path / "out")
    assert (rows["gradients"] == 3).all()
    assert (rows["linf"] <= rows["delta"] + 1e-6).all()
    assert summary["means"]["pgd"]["folds"] == 1


def test_attacks_of_libraries_are_named_without_a_file(trained, tmp_path, capsys):
    summary = attack.main([*flags(trained, tmp_path / "out"), "--attacks", "torchattacks.FGSM", "--clips", "10"])
    rows = rows_of(tmp_path / "out")
    assert set(rows["delta"]) == {0.01, 0.1}
    assert (rows["gradients"] == 1).all()
    assert (rows["linf"] <= rows["delta"] + 1e-6).all()
    mean = summary["tones"]["means"]["torchattacks.FGSM"]
    # Two deltas make an area under the curve over delta, as of our own attacks.
    assert mean["auc_budget"] is not None
    assert "torchattacks.FGSM: 2 budgets: delta 0.01, 0.1" in capsys.readouterr().out
    assert (tmp_path / "out" / "pictures" / "torchattacks.FGSM.png").is_file()


def test_an_attack_of_adv_lib_is_named_and_counted(trained, tmp_path):
    pytest.importorskip("adv_lib.attacks")
    summary = attack.main([*flags(trained, tmp_path / "out"), "--attacks", "adv_lib.fmn", "--clips", "10"])
    rows = rows_of(tmp_path / "out")
    assert (rows["gradients"] == 10).all()
    assert rows["hook_agrees"].all()
    assert rows["budget"].unique().tolist() == ['{"steps": 10}']
    assert summary["tones"]["means"]["adv_lib.fmn"]["batch_gradients"] == 10
    assert summary["tones"]["made_by"]["adv_lib.fmn"][0]["versions"]["adv-lib"] == version("adv-lib")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--attacks", "fgms"], "expected an attack among fgsm, .* got 'fgms'"),
        (
            ["--budgets", "huge"],
            "expected a profile of budgets among paper, reduced, smoke, or a YAML file, got 'huge'",
        ),
        (["--clips", "0"], "expected --clips of at least 1, got 0"),
        (["--data.batch_size", "0"], "expected --data.batch_size of at least 1, got 0"),
        (["--clips", "21"], "expected at most the 20 test clips, got --clips 21"),
        (["--folds", "one"], "expected --folds to be all or numbers such as 1 or 1,2, got 'one'"),
        (["--attacks", "fgsm,bim_a"], "expected spaces between attacks, --attacks fgsm bim_a, got 'fgsm,bim_a'"),
        (["--attack", "fgsm"], "expected a flag of attack.py, got --attack; did you mean --attacks?"),
        (["--attacks", "missing.yaml"], "expected an attack in missing.yaml, found no such file"),
        (["--trainer.devices", "many", "--nonsense", "1"], "nonsense|devices"),
    ],
)
def test_impossible_commands_are_refused_in_one_sentence(trained, tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        attack.main(flags(trained, tmp_path, *change))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("budgets.yaml", "bim_a: {steps: 20}", "expected a delta in every budget of bim_a, .* got {'steps': 20}"),
        ("budgets.yaml", "bim_a: {delta: 0.1, steps: 2.5}", "bim_a: expected steps to be a whole number .* got 2.5"),
        ("clean-cut.yaml", "class_path: torchattacks.PGD", "whose name does not begin with clean or check_"),
    ],
)
def test_files_that_would_be_misread_are_refused(trained, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    named = {"budgets.yaml": ["--attacks", "bim_a", "--budgets"], "clean-cut.yaml": ["--attacks"]}[name]
    with pytest.raises(UsageError, match=message):
        attack.main([*flags(trained, tmp_path / "results"), *named, str(tmp_path / name)])


@pytest.mark.parametrize("started", [{"TORCHELASTIC_RUN_ID": "none"}, {"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}])
def test_processes_that_start_at_once_may_not_delete(trained, tmp_path, monkeypatch, started):
    for name, value in started.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="expected --overwrite from one process, got it from several"):
        attack.main([*flags(trained, tmp_path), "--attacks", "fgsm", "--overwrite"])


def test_of_processes_that_start_at_once_the_first_writes_the_settings_that_all_check(trained, tmp_path, monkeypatch):
    def opened(rank, *more):
        monkeypatch.setattr(rank_zero_only, "rank", rank)
        arguments = read_attack_flags([*flags(trained, tmp_path), "--attacks", "fgsm", *more])
        cli = AttackCLI(arguments, output=str(tmp_path))
        (run,) = map(cli.attack_run, cli.runs())
        run.open(overwrite=False)
        return run.store

    # In this order the second process knows nothing of the settings, nor of what the first has noted in them since.
    assert not opened(1).settings_file.exists()
    store = opened(0)
    store.note_maker(1, ["fgsm"], {"git_commit": "abc", "versions": {}})
    noted = store.settings_file.stat().st_ino
    assert opened(1).settings_file.stat().st_ino == noted
    assert set(store.stored_settings()["made_by"]) == {"fgsm"}
    with pytest.raises(ValueError, match="got another value of seed"):
        opened(1, "--seed", "1")


def test_other_settings_in_the_same_folder_are_refused_until_they_may_overwrite(trained, tmp_path):
    attack.main([*flags(trained, tmp_path), "--attacks", "fgsm"])
    with pytest.raises(UsageError, match="got another value of seed \\(1 instead of 0\\); choose another --output"):
        attack.main([*flags(trained, tmp_path), "--attacks", "fgsm", "--seed", "1"])
    attack.main([*flags(trained, tmp_path), "--attacks", "fgsm", "--seed", "1", "--overwrite"])
    assert (rows_of(tmp_path)["seed"] == 1).all()


def test_two_commands_do_not_attack_one_run_at_once(trained, tmp_path, capsys):
    output = tmp_path / "results"
    arguments = [*flags(trained, output), "--attacks", "fgsm"]
    holder = f"from storage.attack_store import AttackStore\nwith AttackStore({str(output)!r}).alone():"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{holder}\n    print('held', flush=True)\n    import time; time.sleep(600)"],
        stdout=subprocess.PIPE,
        cwd=PROJECT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: attack.main(arguments))
    errors = capsys.readouterr().err
    assert ended.value.code == 1
    assert f"error: expected no other process at work on {output}, found one that holds" in errors
    assert "Traceback" not in errors
    assert not output.exists()
    # The lock of a process that was killed is none.
    process.kill()
    process.wait()
    process.stdout.close()
    attack.main(arguments)
    assert len(rows_of(output))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "expected a checkpoint or a run folder at .*nowhere, found nothing there"),
        ("corpus", "expected a run with a finished fold in .*corpus, found none; train it first"),
        ("budgets.yaml", "budgets.yaml, found a file that cannot be read as one; train the fold again"),
    ],
)
def test_what_is_no_checkpoint_is_named(trained, tmp_path, path, message):
    with pytest.raises(DataError, match=message):
        attack.main([*flags(trained, tmp_path), "--folds", "all", "--checkpoints", str(trained / path)])


def test_runs_and_folds_that_would_hide_one_another_are_refused(trained, tmp_path):
    checkpoint = trained / "runs" / "tones" / "fold1" / "best.ckpt"
    other_fold = trained / "runs" / "tones" / "fold2" / "best.ckpt"
    for name in ("a.ckpt", "b.ckpt", "c.ckpt", "other/tones/fold1/best.ckpt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((other_fold if name == "c.ckpt" else checkpoint).read_bytes())
    for paths, message in (
        ((tmp_path / "a.ckpt", tmp_path / "b.ckpt"), r"expected one checkpoint per fold in .*, got a second, b\.ckpt"),
        # Of another fold, but maybe of another run too.
        ((tmp_path / "a.ckpt", tmp_path / "c.ckpt"), r"expected one checkpoint per fold in .*, got a second, c\.ckpt"),
        (
            (checkpoint, tmp_path / "other/tones/fold1/best.ckpt"),
            "expected runs of different names, got two",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            attack.main([*flags(trained, tmp_path / "out"), "--checkpoints", *map(str, paths)])


def test_a_checkpoint_outside_a_run_is_of_the_fold_that_it_stores(trained, tmp_path):
    # The folder's name is that of no fold.
    copy = tmp_path / "fold0" / "model.ckpt"
    copy.parent.mkdir()
    shutil.copy(trained / "runs" / "tones" / "fold2" / "best.ckpt", copy)
    for folds in ("all", "2"):
        (run,) = named_runs([str(copy), str(copy)], folds)
        assert (run.path, run.checkpoints) == (copy.parent, {2: copy})
    with pytest.raises(DataError, match=r"expected fold 1 in .*, found these finished: 2"):
        attack.main([*flags(trained, tmp_path / "out"), "--checkpoints", str(copy)])


def test_a_missing_recording_is_named_before_any_attack(trained, tmp_path):
    empty = tmp_path / "corpus"
    (empty / "meta").mkdir(parents=True)
    (empty / "meta" / "esc50.csv").write_bytes((trained / "corpus" / "meta" / "esc50.csv").read_bytes())
    with pytest.raises(DataError, match=r"wav"):
        attack.main(flags(trained, tmp_path / "out", "--data.root", str(empty)))
    assert not (tmp_path / "out").exists()
