import csv
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from recomputed import costs_to_auc90, mean_area, mean_gradients, mean_over_six
from report_fixtures import DWT, MFCC, STFT, write_run, write_transfer

import report
from commands.errors import UsageError
from metrics.attack_summary import THE_SIX
from metrics.intervals import Recordings, difference_interval, rate_interval
from metrics.success import fooling_rate
from reporting.accuracy import Accuracies
from reporting.paper_numbers import paper_settings, paper_transfers
from reporting.runs import read_run, read_runs
from reporting.selection import select_runs
from reporting.studies import STUDIES, slice_of
from reporting.tables.paper_tables import paper_table
from reporting.tables.provenance import provenance_table
from reporting.tables.trust import run_deviations, trust_table
from reporting.transfers import transfers_of
from storage import DataError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of most tables, one setting with two seeds, one of another split and one of another profile."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, "a", DWT, accuracy=0.9)
    write_run(folder, "a-again", DWT, seed=1, accuracy=0.8)
    write_run(folder, "b", {**DWT, "sample_rate": 16000}, accuracy=0.7, strength=0.3)
    write_run(folder, "sweeps/c", {**DWT, "mother": "haar"}, accuracy=0.6)
    write_run(folder, "d", STFT)
    write_run(folder, "e", STFT, architecture="googlenet")
    write_run(folder, "f", STFT, architecture="linear_svm", attacks=())
    write_run(folder, "g", MFCC, augmentation="none", attacks=("fgsm",))
    write_run(folder, "h", MFCC)
    write_run(folder, "i", {**STFT, "n_fft": 512}, split="random", attacks=())
    write_run(folder, "j", {**STFT, "n_fft": 2048}, attacks=("fgsm",), profile="reduced")
    write_transfer(folder, "d", {"d": "resnet18", "e": "googlenet", "f": "linear_svm"}, (1.0, 0.45, 0.3))
    write_transfer(folder, "e", {"d": "resnet18"}, (0.55,), attacks=("fgsm", "cwa"))
    return folder


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report.main([str(runs), "--output", str(folder)])
    return folder


def cells(written, name):
    rows = pd.read_csv(written / "tables" / f"{name}.csv", dtype={"runs": str}, keep_default_na=False)
    return rows.replace("", np.nan)


HEADINGS = {"sampling_rate": "sampling rate (Hz)", "mother_wavelet": "mother wavelet"}


def cell(written, name, quantity, corpus="ESC-10", **labels):
    rows = cells(written, name)
    rows = rows[(rows["corpus"] == corpus) & (rows["quantity"] == quantity)]
    for column, value in labels.items():
        rows = rows[rows[HEADINGS.get(column, column)] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_auc_and_gradient_of_a_cell_follows_from_the_rows_of_the_runs_it_names(runs, written):
    for attack in (*THE_SIX, "lbfgs"):
        found = cell(written, "table3_dwt_sampling_rate", f"{attack}_auc", sampling_rate=8000)
        assert found["runs"] == "a a-again"
        rows = [pd.read_parquet(runs / run / "attacks" / "outcomes.parquet") for run in found["runs"].split()]
        rows = [some[some["attack"] == attack] for some in rows]
        assert float(found["value"]) == pytest.approx(np.mean([mean_area(some) for some in rows]), abs=1e-6)
        both = pd.concat(rows)
        # Two seeds saw the same test clips.
        assert (float(found["n"]), float(found["recordings"])) == (both["name"].nunique(), both["recording"].nunique())
        cost = cell(written, "table3_dwt_sampling_rate", f"{attack}_gradients", sampling_rate=8000)
        largest = [mean_gradients(some) for some in rows]
        assert float(cost["value"]) == pytest.approx(np.mean([some.mean() for some in largest]))
        assert [float(cost["low"]), float(cost["high"])] == [
            min(some.min() for some in largest),
            max(some.max() for some in largest),
        ]


def test_the_mean_of_the_six_and_its_cost_follow_from_the_rows(runs, written):
    rows = pd.read_parquet(runs / "sweeps" / "c" / "attacks" / "outcomes.parquet")
    found = cell(written, "table4_dwt_mother", "six_auc", mother_wavelet="Haar")
    six = [mean_area(rows[rows["attack"] == attack]) for attack in THE_SIX]
    assert (found["runs"], float(found["value"])) == ("sweeps/c", pytest.approx(np.mean(six), abs=1e-6))
    cost = cells(written, "all_settings")
    cost = cost[(cost["runs"] == "sweeps/c") & (cost["quantity"] == "six_cost_auc90")].iloc[0]
    spent, censored = zip(*mean_over_six(rows, costs_to_auc90).values(), strict=True)
    assert float(cost["value"]) == pytest.approx(np.mean(spent))
    assert bool(int(cost["censored"])) == (max(censored) > 0)


def test_accuracy_is_that_of_the_predictions_and_its_interval_resamples_recordings(runs, written):
    found = cell(written, "table3_dwt_sampling_rate", "accuracy", sampling_rate=16000)
    tables = [pd.read_csv(runs / "b" / f"fold{fold}" / "predictions.csv") for fold in (1, 2)]
    right = [table["label"] == table["prediction"] for table in tables]
    assert float(found["value"]) == pytest.approx(np.mean([some.mean() for some in right]))
    # Both folds are of the same size, so the mean over folds is a share of all clips, up to the draw.
    both = pd.concat(tables)
    generator = np.random.default_rng(5)
    sources = both["recording"].unique()
    drawn = []
    for _ in range(1000):
        weight = pd.Series(generator.multinomial(len(sources), [1 / len(sources)] * len(sources)), sources)
        weights = [table["recording"].map(weight) for table in tables]
        drawn.append(np.mean([np.average(r, weights=w) for r, w in zip(right, weights, strict=True)]))
    assert [float(found["low"]), float(found["high"])] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.06)
    assert float(found["n"]) == 24


def test_one_fold_has_the_interval_of_a_rate_exactly(tmp_path):
    write_run(tmp_path, "one", STFT, folds=(3,), accuracy=0.6, attacks=(), clips=40)
    table = pd.read_csv(tmp_path / "one" / "fold3" / "predictions.csv").sort_values("clip")
    right = torch.tensor((table["label"] == table["prediction"]).to_numpy())
    expected = rate_interval(right, Recordings(table["recording"].tolist()))
    found = Accuracies().mean([read_run(tmp_path / "one")])
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_a_difference_of_accuracies_is_resampled_in_pairs(runs):
    first, second = read_run(runs / "a"), read_run(runs / "b")
    found = Accuracies().difference([[first]], [[second]])
    tables = [
        pd.concat([pd.read_csv(runs / name / f"fold{fold}" / "predictions.csv") for fold in (1, 2)]).sort_values("clip")
        for name in ("a", "b")
    ]
    right = [torch.tensor((table["label"] == table["prediction"]).to_numpy()) for table in tables]
    half = len(right[0]) // 2

    def difference(weights):
        parts = [[fooling_rate(r[s], weights[..., s]) for s in (slice(0, half), slice(half, None))] for r in right]
        return (parts[0][0] + parts[0][1] - parts[1][0] - parts[1][1]) / 2

    expected = difference_interval(difference, Recordings(tables[0]["recording"].tolist()))
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert found.value == pytest.approx(float(right[0].double().mean() - right[1].double().mean()))
    assert found.runs == ("a", "b")


def test_table_v_names_its_cells_and_says_what_they_lack(written):
    rows = cells(written, "table5_transfer")
    there = rows[rows["value"].notna()]
    assert {(row.source, row.quantity): row.runs for row in there.itertuples()} == {
        ("ResNet-18", "STFT_resnet18"): "d",
        ("ResNet-18", "STFT_googlenet"): "d e",
        ("ResNet-18", "STFT_linear_svm"): "d f",
    }
    # GoogLeNet's adversarials were judged for two attacks alone, which is no mean of six.
    assert rows[(rows["corpus"] == "ESC-10") & (rows["source"] == "GoogLeNet")]["value"].isna().all()
    assert there["n"].notna().all()
    assert (there["recordings"].astype(int) <= there["n"].astype(int)).all()
    printed = rows[(rows["corpus"] == "ESC-10") & (rows["source"] == "AlexNet") & (rows["quantity"] == "DWT_googlenet")]
    assert float(printed["paper"].iloc[0]) == 0.701


def test_a_model_that_was_trained_otherwise_is_no_seed_of_the_others(tmp_path):
    for number, name in enumerate(("a", "b", "odd")):
        write_run(tmp_path, name, STFT, seed=number, **({"learning_rate": 0.1} if name == "odd" else {}))
        write_run(tmp_path, f"{name}-net", STFT, architecture="googlenet", seed=number)
        write_transfer(tmp_path, name, {f"{name}-net": "googlenet"}, [0.9 if name == "odd" else 0.4])
    runs = select_runs(read_runs(tmp_path)).runs
    found = transfers_of(runs, "ESC10", "STFT")
    alone = transfers_of([run for run in runs if run.name not in ("odd", "odd-net")], "ESC10", "STFT")
    assert found.left_out == ("odd",)
    assert found.ratios == alone.ratios
    assert found.ratio("resnet18", "googlenet").value < 0.5


def test_the_papers_numbers_stand_beside_ours_in_every_row():
    table1, table2, table3, table4 = (paper_settings(number) for number in (1, 2, 3, 4))
    assert [len(rows) for rows in (table1, table2, table3, table4)] == [12, 9, 6, 9]
    assert (table1[0].corpus, table1[0].value, table1[0].accuracy) == ("ESC10", 8000, pytest.approx(0.7323))
    assert (table2[2].auc["cwa"], table2[2].gradients["cwa"]) == (0.8731, 1730)
    assert table3[-1].gradients == {"fgsm": 1, "deepfool": 533, "bim_a": 719, "bim_b": 941, "jsma": 774, "cwa": 4879}
    assert (table4[6].value, table4[6].auc_six) == ("haar", pytest.approx(0.9616))
    means = [np.mean([row.auc_six for row in rows]) for rows in (table1, table2, table3)]
    assert means == pytest.approx([0.9467, 0.9639, 0.9299], abs=5e-5)
    off = {}
    for entry in paper_transfers():
        if entry.source != entry.target:
            off.setdefault(entry.representation, []).append(entry.ratio)
    means = {name: round(float(np.mean(ratios)), 3) for name, ratios in off.items()}
    assert means == {"MFCC": 0.578, "STFT": 0.622, "DWT": 0.69}
    with pytest.raises(ValueError, match=r"expected table in 1..4, got 5"):
        paper_settings(5)


def test_missing_cells_say_so_and_name_the_command(written):
    text = (written / "tables" / "table1_mfcc_sampling_rate.md").read_text()
    command = "python sweep.py configs/sweeps/table1_mfcc_sampling_rate.yaml --budgets smoke --clips 12"
    assert f"{command} --only data=ESC50" in text
    line = next(line for line in text.splitlines() if line.startswith("| ESC-10 | 16,000"))
    assert line.startswith("| ESC-10 | 16,000 | missing (paper 72.2)")
    assert line.endswith("| missing |")
    complete = (written / "tables" / "table3_dwt_sampling_rate.md").read_text()
    assert "data=ESC10" not in complete


def test_what_cannot_exist_is_a_dash_and_asks_for_no_command(written):
    text = (written / "tables" / "section5a_classifiers.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| ESC-10 | STFT | linear SVM"))
    accuracy, *others, name = [cell.strip() for cell in line.strip("| ").split(" | ")][3:]
    assert re.fullmatch(r"\d+\.\d \[.*\] n=24 of 18 recordings", accuracy)
    assert (others, name) == (["–"] * 5, "f")  # noqa: RUF001
    # A forest that is not trained yet is missing; what attacks would say of it is not.
    assert "| ESC-10 | STFT | random forest | missing | – | – | – | – | – | missing |" in text  # noqa: RUF001
    assert "| ESC-10 | STFT | AlexNet | missing | missing | missing | missing | missing | missing | missing |" in text
    assert "without gradients there is nothing to attack" in text
    svm = cells(written, "all_settings")
    assert svm[svm["runs"] == "f"]["quantity"].tolist() == ["accuracy"]
    latex = (written / "tables" / "all_settings.tex").read_text()
    assert latex.count("& -- & -- & -- & -- & --") == 1
    # Only where something can be missing.
    assert "–" not in (written / "tables" / "table2_stft_n_fft.md").read_text()  # noqa: RUF001


def test_runs_are_matched_by_settings_and_never_mixed(runs, written):
    selection = select_runs(read_runs(runs))
    found = slice_of(STUDIES["table1_mfcc_sampling_rate"], selection.runs, "ESC10", "MFCC")
    # The run without augmentation has another setting than the table's.
    assert {value: [run.name for run in some] for value, some in found.runs.items()} == {8000: ["h"]}
    rows = cells(written, "section5b_augmentation")
    rows = rows[(rows["representation"] == "MFCC") & (rows["corpus"] == "ESC-10") & (rows["quantity"] == "accuracy")]
    assert dict(zip(rows["augmentation"], rows["runs"].fillna(""), strict=True)) == {
        "pitch_shift": "h",
        "none": "g",
        "time_stretch": "",
    }


def test_a_table_takes_one_combination_of_the_other_settings(tmp_path):
    for rate in (8000, 16000):
        write_run(tmp_path, f"lifted{rate}", {**MFCC, "sample_rate": rate, "lifter_scale": 0.5}, attacks=(), folds=(1,))
    write_run(tmp_path, "plain", MFCC, attacks=(), folds=(1,))
    selection = select_runs(read_runs(tmp_path))
    found = slice_of(STUDIES["table1_mfcc_sampling_rate"], selection.runs, "ESC10", "MFCC")
    assert {value: [run.name for run in some] for value, some in found.runs.items()} == {
        8000: ["lifted8000"],
        16000: ["lifted16000"],
    }
    assert found.others["lifter_scale"] == 0.5
    assert "lifter_scale 0.5" in paper_table(1, selection, Accuracies()).caption


def test_among_equals_a_table_takes_the_papers_usual_settings(tmp_path):
    for frame in (30.0, 50.0, 40.0):
        write_run(tmp_path, f"frame{frame:.0f}", {**DWT, "frame_milliseconds": frame}, attacks=(), folds=(1,))
    runs = select_runs(read_runs(tmp_path)).runs
    found = slice_of(STUDIES["table3_dwt_sampling_rate"], runs, "ESC10", "DWT")
    assert {value: [run.name for run in some] for value, some in found.runs.items()} == {8000: ["frame50"]}


def test_one_split_and_one_profile_stand_in_a_report(runs, written, tmp_path):
    caption = (written / "tables" / "table2_stft_n_fft.md").read_text()
    assert "split=official; budgets: smoke" in caption
    row = cell(written, "table2_stft_n_fft", "accuracy", n_fft=2048)
    assert row["runs"] == "j"
    assert math.isnan(float(cell(written, "table2_stft_n_fft", "fgsm_auc", n_fft=2048)["value"]))
    assert math.isnan(float(cell(written, "table2_stft_n_fft", "accuracy", n_fft=512)["value"]))
    deviations = (written / "tables" / "deviations.md").read_text()
    assert "| Left out | these runs | i: its split is random, not official; --split random shows it. |" in deviations
    attacks = "only its attacks: their budgets are reduced, not smoke; --budgets reduced shows them"
    assert f"| Left out | these runs | j: {attacks}. |" in deviations
    table = paper_table(2, select_runs(read_runs(runs), split="random"), Accuracies())
    assert [row.runs for row in table.rows[:3]] == [("i",), (), ()]
    assert "split=random; no run of it is attacked yet" in table.caption
    # Without a flag the page's first part shows every run; with one, what was asked for.
    every = read_runs(runs)
    assert [run.name for run in select_runs(every).found] == [run.name for run in every]
    assert [run.name for run in select_runs(every, split="random").found] == ["i"]
    smoke = {run.name: run.attacks for run in select_runs(every, profile="smoke").found}
    assert len(smoke) == len(every)
    assert smoke["j"] is None
    assert {attacks.profile for attacks in smoke.values() if attacks} == {"smoke"}
    with pytest.raises(UsageError, match="expected a run with split among official, random, got 'grouped'"):
        report.main([str(runs), "--output", str(tmp_path), "--split", "grouped"])
    with pytest.raises(UsageError, match="expected a run attacked with budgets among reduced, smoke, got 'paper'"):
        report.main([str(runs), "--output", str(tmp_path), "--budgets", "paper"])


def test_a_classifier_that_normalises_its_maps_is_a_setting_of_its_own(tmp_path):
    write_run(tmp_path, "plain", STFT, attacks=(), folds=(1,))
    write_run(tmp_path, "normalised", STFT, attacks=(), folds=(1,), seed=1, instance_norm=True)
    runs = read_runs(tmp_path)
    assert sorted(run.settings.get("instance_norm", False) for run in runs) == [False, True]
    # Nor does a control replace the setting that it is to be compared with.
    (chosen,) = slice_of(STUDIES["table2_stft_n_fft"], runs, "ESC10", "STFT").runs.values()
    assert [run.name for run in chosen] == ["plain"]
    said = "The classifier normalises each map to mean 0 and standard deviation 1: normalised."
    assert ("Level", said) in run_deviations(select_runs(runs))


def test_the_three_formats_hold_the_same_numbers(written):
    rows = cells(written, "table2_stft_n_fft")
    there = rows[rows["value"].notna() & rows["quantity"].str.endswith("_auc")]
    markdown = (written / "tables" / "table2_stft_n_fft.md").read_text()
    latex = (written / "tables" / "table2_stft_n_fft.tex").read_text()
    assert len(there) == 8
    for value, n in zip(there["value"].astype(float), there["n"].astype(int), strict=True):
        assert re.search(rf"{value:.3f} \[[^]]*\] n={n}\b", markdown)
        assert rf"{value:.3f}\textsubscript{{{n}}}" in latex
    numbers = rows["value"].notna().sum()
    assert latex.count(r"\textsubscript{") == markdown.count(" n=") == numbers
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in body}) == 1
    assert re.search(r"(?<!\\)[%_#]", latex.split(r"\midrule")[1]) is None
    widths = {line.count(" | ") for line in markdown.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    with (written / "tables" / "claims.csv").open(newline="") as file:
        assert len({len(row) for row in csv.reader(file)}) == 1


def test_figures_come_as_png_pdf_and_numbers_that_name_their_runs(runs, written):
    figures = written / "figures"
    names = {file.stem for file in figures.glob("*.png")}
    assert names == {file.stem for file in figures.glob("*.pdf")} == {file.stem for file in figures.glob("*.csv")}
    assert {"cost_curves", "security_curves", "accuracy_against_robustness"} <= names
    # Runs with one number of coefficients compare nothing.
    assert "figure1_n_mfcc" not in names
    assert all((figures / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert all((figures / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in names)
    points = pd.read_csv(figures / "security_curves.csv")
    both = points[(points["runs"] == "a a-again") & (points["attack"] == "bim_b")]
    seen = pd.concat(pd.read_parquet(runs / name / "attacks" / "outcomes.parquet") for name in ("a", "a-again"))
    seen = seen[seen["attack"] == "bim_b"]
    # Not counted again for each fold, budget and seed.
    assert set(both["n"]) == {seen["name"].nunique()}
    assert set(both["recordings"]) == {seen["recording"].nunique()}
    point = points[(points["runs"] == "sweeps/c") & (points["attack"] == "bim_b") & (points["delta"] == 0.064)]
    rows = pd.read_parquet(runs / "sweeps" / "c" / "attacks" / "outcomes.parquet")
    rows = rows[(rows["attack"] == "bim_b") & (rows["delta"] == 0.064)]
    assert point["fooling_rate"].item() == pytest.approx(rows.groupby("fold")["success"].mean().mean())


def test_a_report_of_the_same_runs_is_the_same(runs, written, tmp_path):
    report.main([str(runs), "--output", str(tmp_path)])
    for file in sorted(path for path in written.rglob("*") if path.is_file()):
        assert (tmp_path / file.relative_to(written)).read_bytes() == file.read_bytes(), file.name


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"expected a folder of runs at .*nowhere, found none"):
        report.main([str(tmp_path / "nowhere")])
    with pytest.raises(DataError, match=r"found none; train with train.py first"):
        report.main([str(tmp_path)])
    path = write_run(tmp_path, "broken", STFT, attacks=(), folds=(1,))
    whole = (path / "summary.json").read_text()
    (path / "summary.json").write_text(whole[:100])
    with pytest.raises(DataError, match=r"expected JSON in .*summary.json, found a file that cannot be read"):
        report.main([str(tmp_path), "--output", str(tmp_path / "report")])
    content = json.loads(whole)
    del content["representation"]
    (path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="found one without 'representation'"):
        report.main([str(tmp_path), "--output", str(tmp_path / "report")])
    (path / "summary.json").write_text(whole)
    (path / "fold1" / "predictions.csv").write_text("clip,source\n")
    with pytest.raises(DataError, match=r"expected clip, recording, label and prediction .*predictions.csv"):
        report.main([str(tmp_path), "--output", str(tmp_path / "report")])
    with pytest.raises(UsageError, match="expected int"):
        report.main([str(tmp_path), "--seed", "x"])


def test_an_untouched_corpus_of_its_own_has_rows_too(tmp_path):
    write_run(tmp_path, "demo", STFT, corpus="SyntheticSounds", attacks=(), folds=(1,))
    table = paper_table(2, select_runs(read_runs(tmp_path)), Accuracies())
    assert [row.runs for row in table.rows if row.labels == ("synthetic", "1,024")] == [("demo",)]
    assert len(table.rows) == 12


def edit(file, change, to=None):
    content = json.loads(file.read_text())
    change(content)
    to = to or file
    to.parent.mkdir(exist_ok=True)
    to.write_text(json.dumps(content))


def test_checks_of_attacks_on_sounds_are_listed_beside_those_on_maps(tmp_path):
    path = write_run(tmp_path, "run", STFT, attacks=("fgsm",))

    def of_sounds(summary):
        summary["space"] = "sound"
        summary["checks"] = [{**check, "passed": True} for check in summary["checks"]] * 2

    edit(path / "attacks" / "summary.json", of_sounds, path / "attacks-sound" / "summary.json")
    table = trust_table(select_runs(read_runs(tmp_path)))
    assert [row[:5] for row in table.rows] == [
        ("run", "map", "1 of 2", "failed", "soft"),
        ("run", "sound", "4 of 4", "all hold", ""),
    ]
    assert [row[1:4] for row in table.plain_rows] == [("map", 1, 2), ("sound", 4, 4)]


def test_every_result_names_the_commit_that_computed_it(tmp_path):
    path = write_run(tmp_path, "run", STFT, folds=(1, 2, 3), attacks=("fgsm", "cwa"))
    one, two = "1" * 40, "2" * 40

    def trained(summary):
        summary["versions"] = {"torch": "2.9"}
        for record, commit in zip(summary["folds"], (one, one, None), strict=True):
            record["git_commit"] = commit

    def attacked(summary):
        first = {"git_commit": one, "versions": {"torch": "2.8"}}
        then = {"git_commit": f"{two}+changes", "versions": {"torch": "2.9"}, "folds": [2, 3]}
        # An entry instead of a list is that of an earlier version; the checks' own attack goes without saying.
        summary["made_by"] = {"fgsm": [first, then], "cwa": first, "check_unbounded": [then]}

    edit(path / "summary.json", trained)
    edit(path / "attacks" / "summary.json", attacked)
    tested = {"schema_version": 3, "checkpoints": {"2": "-", "1": "-"}, "git_commit": two, "versions": {}}
    (path / "scalar-test-sound").mkdir()
    (path / "scalar-test-sound" / "summary.json").write_text(json.dumps(tested))
    assert provenance_table(read_runs(tmp_path)).rows == (
        ("run", "training and test", "1, 2", "1111111", "2.9"),
        ("run", "training and test", "3", "not recorded", "2.9"),
        ("run", "attacks on maps: FGSM, CWA", "not recorded", "1111111", "2.8"),
        ("run", "attacks on maps: FGSM", "2, 3", "2222222+changes", "2.9"),
        ("run", "scalar test (sounds)", "1, 2", "2222222", "not recorded"),
    )
