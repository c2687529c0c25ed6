"""train.py, attack.py and transfer.py when the metadata table is another than the one that a model was trained with."""

import csv
import os
import time

import numpy as np
import pandas as pd
import pytest
import torch

import attack
import train
import transfer
from commands.errors import UsageError
from commands.train_cli import TrainCLI
from datamodules import ESC10
from datamodules.audio import check_files
from datamodules.splits import PROTOCOLS
from lightning_modules.cross_validation import CrossValidation
from storage import DataError, RunFolder
from tests.corpus_fixtures import write_esc_corpus, write_table
from tests.trained_run_fixture import TONES_HZ, fit_last_layer

pytestmark = pytest.mark.filterwarnings("ignore:.*the .* published ones")
QUIET = ("--wandb.mode", "disabled", "--trainer.accelerator", "cpu")
NEW = "1-99999-A-0.wav"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A miniature ESC-10 of tones: ten classes, five recordings of two clips in each, one in each official fold."""
    folder = tmp_path_factory.mktemp("changed")
    write_esc_corpus(folder / "corpus", classes=11, seconds=5, tones_hz=TONES_HZ, misleading=True)
    return folder


def training(folder, protocol, *more):
    return [
        *("--data", "ESC10", "--data.representation", "STFT", "--data.representation.sample_rate", "8000"),
        *("--data.representation.resize", "16", "--data.augmentation", "none", "--data.split", protocol),
        *("--data.folds", "3", "--model.architecture", "crnn", "--trainer.max_epochs", "1", "--folds", "1"),
        *("--data.cache_dir", str(folder / "cache"), "--data.root", str(folder / "corpus")),
        *("--runs_dir", str(folder / "runs"), "--name", protocol, *QUIET, *more),
    ]


@pytest.fixture(scope="module", params=PROTOCOLS)
def trained(request, folder):
    """A run of each protocol whose fold 1 is trained: its protocol, its checkpoint and what it recorded."""
    train.main(training(folder, request.param))
    fold = folder / "runs" / request.param / "fold1"
    fit_last_layer(fold / "best.ckpt", folder / "cache")
    return request.param, fold / "best.ckpt", pd.read_csv(fold / "split.csv", dtype=str)


def changed_corpus(folder, target, *, lost=(), new=False, **cells):
    """The corpus with some rows removed, one added or cells of the first row changed."""
    (target / "meta").mkdir(parents=True)
    (target / "audio").mkdir()
    for file in (folder / "corpus" / "audio").iterdir():
        (target / "audio" / file.name).symlink_to(file)
    with (folder / "corpus" / "meta" / "esc50.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= cells
    if new:
        rows.insert(0, {**rows[0], "filename": NEW, "src_file": "99999"})
        (target / "audio" / NEW).symlink_to(folder / "corpus" / "audio" / rows[1]["filename"])
    write_table(target / "meta" / "esc50.csv", rows[0], [row for row in rows if row["filename"] not in lost])
    return target


def one_of_each_part(recorded):
    return set(recorded.groupby("part")["clip"].first())


def attacking(folder, checkpoint, output, root):
    return [
        *("--checkpoints", str(checkpoint), "--attacks", "fgsm", "--budgets", "smoke", "--output", str(output)),
        *("--data.root", str(root), *QUIET),
    ]


def test_a_fold_writes_which_clips_it_is_trained_on(folder, trained):
    _, checkpoint, recorded = trained
    assert list(recorded) == ["clip", "recording", "label", "class_name", "part"]
    table = ESC10(root=str(folder / "corpus")).table
    assert recorded["clip"].tolist() == list(table.names)
    assert recorded["recording"].tolist() == table.sources.tolist()
    assert recorded["class_name"].tolist() == [table.class_names[label] for label in table.labels]
    predictions = pd.read_csv(checkpoint.parent / "predictions.csv")
    assert set(recorded.loc[recorded["part"] == "test", "clip"]) == set(predictions["clip"])
    content = torch.load(checkpoint, weights_only=True)["clips"]
    assert content["names"] == recorded["clip"].tolist()
    assert content["parts"] == recorded["part"].tolist()


def test_attacked_clips_are_those_of_the_recorded_test_part_and_keep_number_and_target(folder, trained, tmp_path):
    _, checkpoint, recorded = trained
    lost = one_of_each_part(recorded)
    root = changed_corpus(folder, tmp_path / "corpus", lost=lost, new=True)
    attack.main(attacking(folder, checkpoint, tmp_path / "then", folder / "corpus"))
    with pytest.warns(UserWarning, match="has lost 3 of the 100 clips of the model's split") as told:
        attack.main(attacking(folder, checkpoint, tmp_path / "now", root))
    assert any(f"lists 1 clips that the model's split does not know ({NEW})" in str(one.message) for one in told)
    now = pd.read_parquet(tmp_path / "now" / "clips.parquet")
    assert set(now["name"]) == set(recorded.loc[recorded["part"] == "test", "clip"]) - lost
    columns = ["name", "clip", "budget_index", "target_label", "success", "recording", "reporting_batch"]
    rows = [pd.read_parquet(tmp_path / when / "outcomes.parquet")[columns] for when in ("then", "now")]
    kept = rows[0][~rows[0]["name"].isin(lost)].reset_index(drop=True)
    assert len(kept)
    pd.testing.assert_frame_equal(kept, rows[1])
    # Results of two tables are not joined.
    with pytest.raises(UsageError, match=r"expected the test clips that .*then was attacked on, got others in fold 1"):
        attack.main(attacking(folder, checkpoint, tmp_path / "then", root))


def test_test_only_keeps_to_the_recorded_part_and_counts_what_another_split_has_seen(folder, trained, tmp_path):
    protocol, checkpoint, recorded = trained
    lost = one_of_each_part(recorded)
    root = changed_corpus(folder, tmp_path / "corpus", lost=lost)
    again = ["--test-only", str(checkpoint), "--data.root", str(root), "--trainer.accelerator", "cpu"]
    result = train.main(again)
    assert (result["test_part"], result["n_gone"], result["n_seen"]) == ("recorded", 1, 0)
    assert result["n_test"] == (recorded["part"] == "test").sum() - 1
    other = {"grouped": "random", "random": "grouped", "official": "random"}[protocol]
    result = train.main([*again, "--data.split", other])
    drawn = ESC10(root=str(root), split=other, folds=3)
    tested = recorded.set_index("clip").loc[[drawn.table.names[clip] for clip in drawn.split.test]]
    learnt = recorded[recorded["part"] != "test"]
    assert (result["test_part"], result["n_test"]) == ("drawn", len(tested))
    assert result["n_seen"] == (tested["part"] != "test").sum() > 0
    assert result["n_seen_recordings"] == tested["recording"].isin(learnt["recording"]).sum()


def test_a_cross_validation_is_not_continued_on_another_table(folder, trained, tmp_path):
    protocol, _, recorded = trained
    runs = ["--folds", "1,2", "--data.root"]
    lost = one_of_each_part(recorded)
    with pytest.raises(
        DataError, match=r"expected the 100 clips that .* found 3 of them gone from the table \(.*1 new"
    ):
        train.main(training(folder, protocol, *runs, str(changed_corpus(folder, tmp_path / "a", lost=lost, new=True))))
    with pytest.raises(DataError, match=r"found 1 with others in the table: .* \(recording '77' instead of"):
        train.main(training(folder, protocol, *runs, str(changed_corpus(folder, tmp_path / "b", src_file="77"))))
    with pytest.raises(DataError, match=r"expected the (official folds|parts) that .* begun with, found"):
        train.main(training(folder, protocol, *runs, str(changed_corpus(folder, tmp_path / "c", fold="4"))))
    assert not (folder / "runs" / protocol / "fold2").exists()


def test_a_changed_label_or_recording_is_refused_before_an_attack(folder, trained, tmp_path):
    root = changed_corpus(folder, tmp_path / "corpus", src_file="77")
    with pytest.raises(DataError, match=r"found 1 with others in the table: .* \(recording '77' instead of '1000'\)"):
        attack.main(attacking(folder, trained[1], tmp_path / "out", root))
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_an_older_version_is_refused(folder, trained, tmp_path):
    content = torch.load(trained[1], weights_only=True)
    del content["clips"]
    old = tmp_path / "fold1" / "best.ckpt"
    old.parent.mkdir()
    torch.save(content, old)
    for command in (
        lambda: attack.main(attacking(folder, old, tmp_path / "out", folder / "corpus")),
        lambda: train.main(["--test-only", str(old), "--trainer.accelerator", "cpu"]),
    ):
        with pytest.raises(DataError, match=r"found a checkpoint of an older version, .* train again"):
            command()


def test_a_transfer_takes_parts_from_the_records_of_both_and_of_a_baseline(folder, tmp_path):
    """Under ``random``, a table of one row fewer gives another test part: the forest has learnt the ConvNet's."""
    flags = ["--runs_dir", str(tmp_path / "runs"), "--model.architecture"]
    train.main(training(folder, "random", *flags, "crnn", "--name", "net"))
    train.main(training(folder, "random", *flags, "random_forest", "--name", "forest"))
    fewer = changed_corpus(folder, tmp_path / "fewer", lost={"1-1000-A-0.wav", "2-2000-A-0.wav"})
    train.main(training(folder, "random", *flags, "random_forest", "--name", "other", "--data.root", str(fewer)))
    net, forest, other = (
        pd.read_csv(tmp_path / "runs" / name / "fold1" / "split.csv") for name in ("net", "forest", "other")
    )
    pd.testing.assert_frame_equal(net, forest)
    fit_last_layer(tmp_path / "runs" / "net" / "fold1" / "best.ckpt", folder / "cache")
    both = net.merge(other, on="clip")
    learnt = ((both["part_x"] == "test") & (both["part_y"] != "test")).sum()
    assert learnt > 0

    def between(judge, *more):
        paths = [str(tmp_path / "runs" / name) for name in ("net", judge)]
        return transfer.main(["--checkpoints", *paths, "--attacks", "fgsm", "--budgets", "smoke", *QUIET, *more])

    with pytest.raises(DataError, match=f"expected other not to be trained on test clips of net, found {learnt} of"):
        between("other")
    assert not (tmp_path / "runs" / "net" / "attacks").exists()
    # A test clip that the judge does not know is left out for it.
    split = tmp_path / "runs" / "forest" / "fold1" / "split.csv"
    unknown = forest.loc[forest["part"] == "test", "clip"].iloc[0]
    forest[forest["clip"] != unknown].to_csv(split, index=False)
    with pytest.warns(UserWarning, match=f"forest does not know 1 test clips of net .{unknown}."):
        between("forest")
    rows = pd.read_parquet(next((tmp_path / "runs" / "net" / "transfer").glob("*/rows.parquet")))
    of_net, of_forest = (set(rows.loc[rows["target_run"] == name, "clip"]) for name in ("net", "forest"))
    assert of_forest == of_net - {net["clip"].tolist().index(unknown)}
    split.unlink()
    with pytest.raises(DataError, match=r"split\.csv, found none: a run of an older version does not say it"):
        between("forest")


def test_nobody_is_advised_to_take_clips_out_of_a_table_that_a_run_has_begun_with(tmp_path):
    root = write_esc_corpus(tmp_path / "corpus", seconds=0.01)
    os.truncate(sorted((root / "audio").iterdir())[0], 0)
    with pytest.raises(DataError, match="restore or repair them; a run that has begun cannot go on"):
        check_files(ESC10(root=str(root)).table)


def test_seconds_of_a_restarted_fold_count_from_its_first_start(folder, tmp_path, monkeypatch):
    # Seconds are recorded to a tenth: of a smaller network, what is left of the first fold would take none.
    flags = training(folder, "official", "--runs_dir", str(tmp_path), "--model.architecture", "resnet56")

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CrossValidation, "on_test_end", interrupt)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train.main(flags)
    last = tmp_path / "official" / "fold1" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    (key,) = [name for name in content["callbacks"] if name.startswith("CrossValidation")]
    assert 0 < content["callbacks"][key]["seconds"] < 600
    content["callbacks"][key]["seconds"] = 5000.0
    torch.save(content, last)
    # The next fold's clock starts at zero again.
    started = time.monotonic()
    summary = train.main([*flags, "--folds", "1,2"])
    first, second = (row["seconds"] for row in summary["folds"])
    elapsed = time.monotonic() - started
    assert 5000 < first < 5000 + elapsed
    assert second < elapsed
    assert RunFolder(tmp_path / "official").finished_folds() == [1, 2]


def rows_of_classes(root, classes):
    """A table in the layout of ESC-50 with any number of classes, ten clips of each in five folds."""
    rows = [
        {
            "filename": f"{clip % 5 + 1}-{100 * label + clip}-A-{label}.wav",
            **{"fold": clip % 5 + 1, "target": label, "category": f"class {label}", "esc10": False},
            **{"src_file": 100 * label + clip, "take": "A"},
        }
        for label in range(classes)
        for clip in range(10)
    ]
    write_table(root / "meta" / "esc50.csv", rows[0], rows)
    return root


@pytest.mark.parametrize("classes", [4, 60])
def test_a_model_has_as_many_outputs_as_the_table_has_classes(tmp_path, classes):
    root = rows_of_classes(tmp_path, classes)
    small = ["--data.representation", "STFT", "--data.representation.resize", "16", "--model.architecture", "crnn"]
    cli = TrainCLI(["--data", "ESC50", "--data.root", str(root), *small])
    with pytest.warns(UserWarning, match=f"has {classes} classes where ESC50 has 50: models have {classes} outputs"):
        model, data = cli.build(1)
    assert data.num_classes == model.hparams["num_classes"] == classes
    assert model.eval()(torch.zeros(2, 1, 16, 16)).shape == (2, classes)


def test_four_classes_in_the_layout_of_esc50_are_attacked_as_four(tmp_path):
    root = write_esc_corpus(tmp_path / "corpus", classes=4, seconds=5, tones_hz=TONES_HZ, misleading=True)
    with pytest.warns(UserWarning, match="has 4 classes where ESC50 has 50"):
        summary = train.main(
            [
                *("--data", "ESC50", "--data.representation", "STFT", "--data.representation.sample_rate", "8000"),
                *("--data.representation.resize", "16", "--data.augmentation", "none", "--data.split", "official"),
                *("--model.architecture", "crnn", "--trainer.max_epochs", "1", "--folds", "1", "--name", "four"),
                *("--data.root", str(root), "--data.cache_dir", str(tmp_path / "cache"), *QUIET),
                *("--runs_dir", str(tmp_path / "runs")),
            ]
        )
    assert (summary["corpus"], summary["num_classes"]) == ("ESC50", 4)
    assert summary["class_names"] == ["dog", "rooster", "rain", "sea_waves"]
    checkpoint = tmp_path / "runs" / "four" / "fold1" / "best.ckpt"
    (tmp_path / "budgets.yaml").write_text("fgsm: {delta: 0.1}\ndeepfool: {iterations: 20}\n")
    attacks = ["--attacks", "fgsm", "deepfool", "--budgets", str(tmp_path / "budgets.yaml")]
    attacked = attack.main(["--checkpoints", str(checkpoint), *attacks, *QUIET])["four"]
    assert (attacked["num_classes"], attacked["class_names"]) == (4, summary["class_names"])
    rows = pd.read_parquet(tmp_path / "runs" / "four" / "attacks" / "outcomes.parquet")
    assert {len(logits) for logits in rows["logits_adversarial"]} == {4}
    assert set(rows.loc[rows["attack"] == "fgsm", "target_label"]) <= {0, 1, 2, 3}
    deepfool = rows[rows["attack"] == "deepfool"]
    assert (deepfool["gradients"] == 3 * deepfool["iterations"]).all()
    assert deepfool["iterations"].max() > 0
    assert not np.isin(rows["target_label"], [4, 5, 19, 47]).any()


def test_one_class_is_no_corpus(tmp_path):
    with pytest.raises(DataError, match=r"expected at least 2 classes of ESC50 in .*, found 1"):
        _ = TrainCLI(["--data", "ESC50", "--data.root", str(rows_of_classes(tmp_path, 1))]).build_data().table
