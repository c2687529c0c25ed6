"""What tells runs apart: whatever differs makes another setting, and what is not shown is named."""

import json
import re

import pandas as pd
import pytest
from report_fixtures import MFCC, STFT, write_run

import report
from reporting.accuracy import Accuracies
from reporting.runs import read_run, read_runs
from reporting.selection import select_runs
from reporting.studies import STUDIES, same_setting, slice_of
from reporting.tables.paper_tables import overview, paper_table, setting_table
from storage import DataError

TRAINING = {
    "trainer": {"max_epochs": 12, "max_steps": -1, "precision": None},
    "early_stopping": {"patience": 15},
    "weight_average": {"decay": 0.99},
}


def trained(runs, name, representation=STFT, *, change=None, **settings):
    """A run that says how it was trained; ``change`` edits its summary."""
    path = write_run(runs, name, representation, attacks=(), folds=(1,), **settings)
    summary = json.loads((path / "summary.json").read_text()) | {"training": json.loads(json.dumps(TRAINING))}
    if change is not None:
        change(summary)
    (path / "summary.json").write_text(json.dumps(summary))
    return path


def put(*keys, value):
    def change(summary):
        for key in keys[:-1]:
            summary = summary[key]
        summary[keys[-1]] = value

    return change


OTHERS = {
    "max_epochs 24": put("training", "trainer", "max_epochs", value=24),
    "patience 5": put("training", "early_stopping", "patience", value=5),
    "decay 0.5": put("training", "weight_average", "decay", value=0.5),
    "precision 16-mixed": put("training", "trainer", "precision", value="16-mixed"),
    "augmentation none": put("recipe", "data", "init_args", "augmentation", value="none"),
    "padding tile": put("recipe", "data", "init_args", "padding", value="tile"),
    "folds 10": put("recipe", "data", "init_args", "folds", value=10),
    "test_fraction 0.5": put("recipe", "data", "init_args", "test_fraction", value=0.5),
    "instance_norm True": put("recipe", "model", "instance_norm", value=True),
    "mixup 0.3": put("recipe", "model", "mixup", value=0.3),
    "learning_rate 0.1": put("recipe", "model", "learning_rate", value=0.1),
    "resize (64, 64)": put("representation", "resize", value=[64, 64]),
    "win_length_ratio 0.5": put("representation", "win_length_ratio", value=0.5),
}


@pytest.mark.parametrize("label", OTHERS)
def test_runs_that_differ_in_one_setting_of_equal_seed_both_appear_and_say_which(tmp_path, label):
    trained(tmp_path, "a")
    trained(tmp_path, "b", change=OTHERS[label])
    selection = select_runs(read_runs(tmp_path))
    assert [run.name for run in selection.runs] == ["a", "b"]
    rows = {row.runs: row.labels[2] for row in overview(selection, Accuracies()).rows}
    assert rows.keys() == {("a",), ("b",)}
    assert label in rows["b",]
    assert label not in rows["a",]
    assert (selection.left_out, selection.repetitions) == ({}, {})


def test_a_map_says_its_size_where_sizes_differ_and_a_waveform_has_none(tmp_path):
    trained(tmp_path, "a")
    trained(tmp_path, "native", change=put("representation", "resize", value=None))
    trained(tmp_path, "net", {"class": "Waveform", "sample_rate": 8000})
    rows = {row.runs: row.labels[2] for row in overview(select_runs(read_runs(tmp_path)), Accuracies()).rows}
    assert ["resize none" in rows["native",], "resize" in rows["net",]] == [True, False]
    assert "resize (" in rows["a",]


def test_seeds_are_averaged_and_where_files_lie_makes_no_setting(tmp_path):
    trained(tmp_path, "a")
    trained(tmp_path, "b", seed=1, change=put("recipe", "data", "init_args", "root", value="elsewhere"))
    assert [[run.name for run in group] for group in same_setting(read_runs(tmp_path))] == [["a", "b"]]


def test_a_run_that_does_not_say_how_long_it_was_trained_is_no_seed_of_one_that_does(tmp_path):
    trained(tmp_path, "a")
    trained(tmp_path, "b", seed=1, change=lambda summary: summary.pop("training"))
    rows = overview(select_runs(read_runs(tmp_path)), Accuracies()).rows
    assert "max_epochs not recorded" in next(row.labels[2] for row in rows if row.runs == ("b",))


def test_a_repetition_is_left_out_by_name(tmp_path):
    trained(tmp_path, "a")
    trained(tmp_path, "again")
    selection = select_runs(read_runs(tmp_path))
    assert [run.name for run in selection.runs] == ["a"]
    assert selection.left_out == {"again": "a, which is shown, has the same setting and seed"}


def test_a_table_shows_both_trainings_of_a_value_and_names_what_it_has_no_place_for(tmp_path):
    for name, n_fft in (("a", 512), ("b", 1024)):
        trained(tmp_path, name, {**STFT, "n_fft": n_fft})
    trained(tmp_path, "long", change=OTHERS["max_epochs 24"])
    trained(tmp_path, "half", {**STFT, "win_length_ratio": 0.5})
    selection = select_runs(read_runs(tmp_path))
    table = paper_table(2, selection, Accuracies())
    assert {row.labels[1]: row.runs for row in table.rows if row.runs} == {
        "512": ("a",),
        "1,024": ("b",),
        "1,024 (max_epochs 24, not 12)": ("long",),
    }
    assert "Not in this table: half (win_length_ratio 0.5, not 1.0)." in table.caption
    found = slice_of(STUDIES["table2_stft_n_fft"], selection.runs, "ESC10", "STFT")
    # What claims compare is trained alike.
    assert {value: [run.name for run in runs] for value, runs in found.runs.items()} == {512: ["a"], 1024: ["b"]}


def test_what_was_only_trained_otherwise_stands_there_with_its_label(tmp_path):
    trained(tmp_path, "a")
    trained(tmp_path, "b", architecture="googlenet")
    trained(tmp_path, "c", architecture="alexnet", change=OTHERS["max_epochs 24"])
    table = setting_table("section5a_classifiers", select_runs(read_runs(tmp_path)), Accuracies())
    labels = {row.labels[2]: row.runs for row in table.rows if row.runs}
    assert labels == {"ResNet-18": ("a",), "GoogLeNet": ("b",), "AlexNet (max_epochs 24, not 12)": ("c",)}


def test_classes_of_ones_own_are_called_by_their_names(tmp_path):
    def own(summary):
        summary["representation"] = {"class": "Cochleagram", "sample_rate": 8000}
        summary["architecture"] = "mine.nets.TinyNet"
        summary["recipe"]["model"]["architecture"] = "mine.nets.TinyNet"
        summary["recipe"]["data"]["init_args"]["representation"] = {"class_path": "mine.Cochleagram"}

    def as_dictionary(summary):
        own(summary)
        for place in (summary, summary["recipe"]["model"]):
            place["architecture"] = {"class_path": "mine.nets.TinyNet", "init_args": {"width": 32}}

    trained(tmp_path, "own", change=own)
    trained(tmp_path, "wide", change=as_dictionary)
    trained(tmp_path, "mfcc", MFCC)
    assert read_run(tmp_path / "own").settings["architecture"] == "TinyNet"
    rows = {row.runs: row.labels for row in overview(select_runs(read_runs(tmp_path)), Accuracies()).rows}
    assert rows["own",][1] == rows["wide",][1] == "TinyNet"
    assert rows["own",][2].startswith("Cochleagram: sample_rate 8000")
    assert "representation_class mine.Cochleagram" in rows["own",][2]
    assert "architecture.width 32" in rows["wide",][2]
    assert "?" not in "".join(cell for labels in rows.values() for cell in labels)


def test_two_classes_of_one_name_are_two_settings(tmp_path):
    for name in ("first", "second"):
        trained(
            tmp_path, name,
            change=put("recipe", "data", "init_args", "representation", value={"class_path": f"{name}.STFT"}),
        )  # fmt: skip
    assert len(same_setting(select_runs(read_runs(tmp_path)).runs)) == 2


def test_a_summary_that_says_another_accuracy_than_the_predictions_is_refused(tmp_path):
    path = write_run(tmp_path, "a", STFT, attacks=(), folds=(1, 2))
    summary = json.loads((path / "summary.json").read_text())
    (path / "summary.json").write_text(json.dumps(summary | {"accuracy_mean": 0.7875}))
    with pytest.raises(DataError, match=r"all folds in .*a/summary.json, as predictions.csv has it, found 78.75 %"):
        report.main([str(tmp_path), "--output", str(tmp_path / "report")])
    summary["folds"][1]["accuracy"] -= 0.001
    (path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(DataError, match=r"fold 2 in .*summary.json.*train the folds again, or restore the file"):
        report.main([str(tmp_path), "--output", str(tmp_path / "report")])


def test_an_accuracy_is_that_of_the_predictions_whatever_the_order_of_clips(tmp_path):
    path = write_run(tmp_path, "a", STFT, attacks=(), folds=(1, 2))
    tables = [pd.read_csv(path / f"fold{fold}" / "predictions.csv") for fold in (1, 2)]
    right = [(table["label"] == table["prediction"]).mean() for table in tables]
    found = Accuracies().mean([read_run(path)])
    assert found.value == pytest.approx(sum(right) / 2)
    assert found.low < found.value < found.high


def test_the_console_shows_ones_own_runs_and_what_is_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    runs = tmp_path / "runs"
    own = {"class": "Cochleagram", "sample_rate": 8000}
    write_run(runs, "mine", own, corpus="Birds", folds=(1, 2), attacks=("fgsm",))
    write_run(runs, "again", own, corpus="Birds", folds=(1, 2), attacks=())
    write_run(runs, "drawn", own, corpus="Birds", folds=(1,), split="random", attacks=())
    made = report.main([str(runs), "--output", str(tmp_path / "report")])
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if "mine" in line and "Cochleagram" in line)
    rate = 100 * read_run(runs / "mine").attacks.means["fgsm"]["fooling_rate"]
    accuracy = 100 * Accuracies().mean([read_run(runs / "mine")]).value
    cells = re.split(r" {2,}", line.strip())
    # The sampling rate is that of every run, so it tells none from another.
    assert cells[:3] == ["mine", "Birds", "Cochleagram"]
    assert cells[3:] == ["ResNet-18", "2 of 2", f"{accuracy:.1f}", f"{rate:.1f} (1)"]
    assert "left out of the paper's tables: again: mine, which is shown, has the same setting and seed" in said
    assert "left out of the paper's tables: drawn: its split is random, not official; --split random shows it" in said
    # The paper has no numbers of this corpus.
    assert "numbers measured" not in said
    page = made.page.read_text()
    assert '<details class="part">' in page
    assert re.findall(r'<tr data-run="\d+">.*?<span>(\w+)</span>', page, flags=re.DOTALL) == ["again", "drawn", "mine"]
    assert "again: mine, which is shown, has the same setting and seed." in page


def test_the_console_shows_the_tables_of_which_something_is_measured(tmp_path, capsys):
    write_run(tmp_path, "a", STFT, folds=(1,), attacks=())
    report.main([str(tmp_path), "--output", str(tmp_path / "report")])
    said = capsys.readouterr().out
    assert "Table II. STFT" in said
    assert "Table I. MFCC" not in said
