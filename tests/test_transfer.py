"""transfer.py: the matrix and its denominators, baselines as targets, and runs that cannot be compared."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import transfer
from classifiers.baselines import load_baseline
from commands import transfer_store
from commands.errors import UsageError
from commands.start import read_attack_flags, read_transfer_flags
from commands.transfer_command import show
from commands.transfer_store import TransferStore
from lightning_modules.trained_classifier import load_classifier
from metrics.attack_summary import THE_SIX
from metrics.transfer_summary import summarise_transfer
from storage import DataError
from storage.columns import differing_columns
from storage.summaries import (
    AttackedFoldNumbers,
    AttackNumbers,
    AttackSummary,
    BudgetNumbers,
    CheckRecord,
    CostNumbers,
    FoldRecord,
    Maker,
    MeanNumbers,
    RunSummary,
    TransferCell,
    TransferSummary,
)
from storage.tables import CleanRow, OutcomeRow, PredictionRow, SplitRow, TransferRow
from tests.trained_run_fixture import write_trained_run

BUDGETS = """
fgsm: {delta: [0.02, 0.2]}
bim_b: {delta: [0.02, 0.2], steps: 4}
deepfool: {iterations: 20}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two ConvNets and a forest, trained on the same folds, and one on other maps."""
    folder = tmp_path_factory.mktemp("transfer")
    write_trained_run(folder, "first")
    write_trained_run(folder, "second", architecture="sb_cnn")
    write_trained_run(folder, "forest", architecture="random_forest")
    write_trained_run(folder, "larger", size=24)
    (folder / "budgets.yaml").write_text(BUDGETS)
    return folder


def flags(runs, *names, attacks=("fgsm", "bim_b", "deepfool")):
    return [
        *("--checkpoints", *(str(runs / "runs" / name) for name in names), "--attacks", *attacks),
        *("--budgets", str(runs / "budgets.yaml"), "--wandb.mode", "disabled", "--trainer.accelerator", "cpu"),
    ]


@pytest.fixture(scope="module")
def judged(runs):
    summaries = transfer.main(flags(runs, "first", "second", "forest"))
    return summaries, pd.read_parquet(runs / "runs" / "first" / "transfer" / "budgets" / "rows.parquet")


def require_described(described, names):
    assert differing_columns(described, list(names)) == []


def test_every_column_and_key_that_a_run_writes_is_described(runs, judged):
    summaries, rows = judged
    folder = runs / "runs" / "first"
    outcomes, clips = (pd.read_parquet(folder / "attacks" / f"{name}.parquet") for name in ("outcomes", "clips"))
    of_budgets = {name for text in outcomes["budget"].unique() for name in json.loads(text)}
    require_described(OutcomeRow, set(outcomes) - (of_budgets - {"iterations"}))
    require_described(CleanRow, clips)
    require_described(TransferRow, rows)
    for name, described in (("split", SplitRow), ("predictions", PredictionRow)):
        require_described(described, pd.read_csv(folder / "fold1" / f"{name}.csv"))

    for run in ("first", "forest"):
        summary = json.loads((runs / "runs" / run / "summary.json").read_text())
        require_described(RunSummary, summary)
        for record in summary["folds"]:
            require_described(FoldRecord, record)
        assert list(summary["folds"][0]["recall"]) == list(summary["recall_mean"]) == summary["class_names"]
    attacked = json.loads((folder / "attacks" / "summary.json").read_text())
    require_described(AttackSummary, attacked)
    entries = {AttackedFoldNumbers: "folds", BudgetNumbers: "budgets", AttackNumbers: "attacks", CheckRecord: "checks"}
    for described, key in entries.items():
        assert attacked[key]
        for entry in attacked[key]:
            require_described(described, entry)
    for mean in attacked["means"].values():
        require_described(MeanNumbers, mean)
        require_described(CostNumbers, mean["cost_auc90"])
    for makers in attacked["made_by"].values():
        for maker in makers:
            require_described(Maker, maker)
    require_described(TransferSummary, summaries["first"])
    for cell in summaries["first"]["rows"]:
        require_described(TransferCell, cell)


def test_class_names_stand_beside_class_numbers(runs, judged):
    _, rows = judged
    folder = runs / "runs" / "first"
    names = json.loads((folder / "summary.json").read_text())["class_names"]
    tables = [rows, *(pd.read_parquet(folder / "attacks" / f"{name}.parquet") for name in ("outcomes", "clips"))]
    tables.append(pd.read_csv(folder / "fold1" / "predictions.csv"))
    for table in tables:
        for column in {"label", "target_label", "prediction", "target_prediction"} & set(table):
            expected = ["-" if number < 0 else names[number] for number in table[column]]
            assert table[f"{column}_name"].fillna("-").tolist() == expected
    assert (rows["target_label"] < 0).any()


def test_every_convnet_is_a_source_and_everything_a_target(runs, judged):
    summaries, rows = judged
    assert set(summaries) == {"first", "second"}
    for name, summary in summaries.items():
        assert summary == json.loads((runs / "runs" / name / "transfer" / "budgets" / "summary.json").read_text())
        assert {cell["target_run"] for cell in summary["rows"]} == {"first", "second", "forest"}
    assert set(rows["attack"]) == {"fgsm", "bim_b", "deepfool"}
    assert set(rows["fold"]) == {1, 2}


def test_the_diagonal_is_one_and_cells_are_counted_by_hand(judged):
    summaries, rows = judged
    for cell in summaries["first"]["rows"]:
        if cell["target_run"] == "first":
            assert cell["ratio"] is None or cell["ratio"] == 1
    cells = {(c["fold"], c["attack"], c["target_run"]): c for c in summaries["first"]["rows"]}
    for attack in ("fgsm", "bim_b", "deepfool"):
        some = rows[(rows["attack"] == attack) & (rows["target_run"] == "second")]
        fools = some["source_success"] & some["clean_correct_target"]
        both = fools & some["target_success"]
        cell = cells[None, attack, "second"]
        assert (cell["numerator"], cell["denominator"]) == (both.sum(), fools.sum())
        assert cell["ratio"] == pytest.approx(both.sum() / fools.sum())
        assert cell["n"] == some.loc[fools, "clip"].nunique()
        assert cell["recordings"] == some.loc[fools, "recording"].nunique()
        if cell["ratio_low"] is None:
            assert cell["interval_method"] == "fewer than 10 recordings"
        else:
            assert cell["ratio_low"] <= cell["ratio"] <= cell["ratio_high"]
    # Three attacks are no six, and their mean is none of six.
    assert not [place for place in cells if place[1] is None]
    assert cells[None, "bim_b", "forest"]["auc_on_target"] is None
    assert cells[None, "bim_b", "second"]["auc_on_target"] > 0.5


def test_targets_judge_the_stored_adversarials(runs, judged):
    _, rows = judged
    fold, clip = 2, int(rows.loc[rows["fold"] == 2, "clip"].iloc[0])
    maps = np.load(runs / "runs" / "first" / "attacks" / "adversarials" / "fold2" / "bim_b" / f"{clip}.npy")
    some = rows[(rows["fold"] == fold) & (rows["clip"] == clip) & (rows["attack"] == "bim_b")]
    convnet = load_classifier(runs / "runs" / "second" / "fold2" / "best.ckpt").model
    with torch.no_grad():
        answers = convnet(torch.from_numpy(maps)).argmax(dim=1).tolist()
    assert some.loc[some["target_run"] == "second", "target_prediction"].tolist() == answers
    forest = load_baseline(runs / "runs" / "forest" / "fold2" / "best.skops")
    assert some.loc[some["target_run"] == "forest", "target_prediction"].tolist() == forest.predict(maps).tolist()


def test_stored_adversarials_are_taken_and_other_targets_stay(runs, judged):
    kept = runs / "runs" / "first" / "attacks" / "adversarials"
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*.npy")}
    summary = transfer.main(flags(runs, "first", "forest"))["first"]
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.npy")} == before
    assert {cell["target_run"] for cell in summary["rows"]} == {"first", "second", "forest"}


def test_other_attacks_and_folds_are_added_and_a_judge_that_was_trained_anew_judges_again(runs, judged, tmp_path):
    file = tmp_path / "runs" / "first" / "transfer" / "budgets" / "rows.parquet"
    shutil.copytree(runs / "runs", tmp_path / "runs")
    shutil.rmtree(file.parent)

    def rows_of(attacks, folds):
        budgets = str(runs / "budgets.yaml")
        transfer.main([*flags(tmp_path, "first", "forest", attacks=attacks), "--budgets", budgets, "--folds", folds])
        return pd.read_parquet(file)

    assert set(rows_of(["fgsm"], "1").groupby(["fold", "attack"]).groups) == {(1, "fgsm")}
    rows = rows_of(["deepfool"], "1,2")
    assert set(rows.groupby(["fold", "attack"]).groups) == {(1, "fgsm"), (1, "deepfool"), (2, "deepfool")}
    cells = json.loads(file.with_name("summary.json").read_text())["rows"]
    counted = {(c["fold"], c["attack"]): c["numerator"] for c in cells if c["target_run"] == "forest"}
    assert counted[None, "deepfool"] == counted[1, "deepfool"] + counted[2, "deepfool"]
    assert counted[None, "fgsm"] == counted[1, "fgsm"]
    together = rows_of(["fgsm"], "2").set_index(["target_run", "fold", "attack", "budget_index", "clip"]).sort_index()
    assert together.index.is_unique
    before = judged[1].set_index(together.index.names).sort_index()
    pd.testing.assert_series_equal(together["target_success"], before.loc[together.index, "target_success"])
    # The judge is another one now, on fold 2 alone.
    stored = tmp_path / "runs" / "forest"
    shutil.copy(stored / "fold1" / "best.skops", stored / "fold2" / "best.skops")
    rows = rows_of(["fgsm"], "2")
    forest = rows[rows["target_run"] == "forest"]
    assert set(forest.groupby(["fold", "attack"]).groups) == {(1, "fgsm"), (1, "deepfool"), (2, "fgsm")}


def test_checkpoints_outside_runs_are_compared_on_the_fold_that_they_store(runs, judged, tmp_path):
    named = ["--checkpoints"]
    for name in ("first", "second"):
        shutil.copytree(runs / "runs" / name / "attacks", tmp_path / name / "attacks")
        shutil.copy(runs / "runs" / name / "fold2" / "best.ckpt", tmp_path / name / "model.ckpt")
        named.append(str(tmp_path / name / "model.ckpt"))
    transfer.main([*flags(runs, "first"), *named])
    rows, whole = pd.read_parquet(tmp_path / "first" / "transfer" / "budgets" / "rows.parquet"), judged[1]
    expected = whole[(whole["fold"] == 2) & (whole["target_run"] != "forest")]
    pd.testing.assert_frame_equal(rows, expected.reset_index(drop=True))
    # A target that has learned a test clip of the source is refused before any attack.
    learned = torch.load(tmp_path / "second" / "model.ckpt", weights_only=True)
    learned["clips"]["parts"][learned["clips"]["parts"].index("test")] = "train"
    torch.save(learned, tmp_path / "second" / "model.ckpt")
    with pytest.raises(DataError, match="expected second not to be trained on test clips of first"):
        transfer.main([*flags(runs, "first"), *named, "--name", "again"])


def test_a_truncated_map_is_named(runs, judged, tmp_path):
    shutil.copytree(runs / "runs", tmp_path / "runs")
    broken = next((tmp_path / "runs" / "first" / "attacks" / "adversarials" / "fold2" / "bim_b").iterdir())
    broken.write_bytes(broken.read_bytes()[:-4])
    with pytest.raises(DataError, match=rf"expected adversarial maps in {broken}, found none that can be read"):
        transfer.main([*flags(tmp_path, "first", "forest"), "--budgets", str(runs / "budgets.yaml")])


def test_earlier_rows_stay_as_they_are_where_their_summary_is_broken_or_a_new_one_is_not_finished(
    runs, judged, tmp_path, monkeypatch
):
    crafted = json.loads((runs / "runs" / "first" / "attacks" / "summary.json").read_text())
    rows, store = judged[1], TransferStore(tmp_path)
    store.write(rows, crafted)
    before = (tmp_path / "rows.parquet").read_bytes()

    def stopped(rows):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(transfer_store, "summarise_transfer", stopped)
        with pytest.raises(KeyboardInterrupt):
            store.write(rows.iloc[:100], {**crafted, "seed": 1})
    assert (tmp_path / "rows.parquet").read_bytes() == before
    for content, found in (("{", "a file that cannot be read as such"), ("[]", "list")):
        (tmp_path / "summary.json").write_text(content)
        with pytest.raises(DataError, match=f"summary.json, found {found}; remove {tmp_path} to evaluate again"):
            store.write(rows.iloc[:100], crafted)
        assert (tmp_path / "rows.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (["first"], [], "expected at least two runs to carry adversarials between, got 1"),
        (["first", "larger"], [], "expected runs of one setting, got first and larger, which differ in .*resize"),
        (["forest", "forest"], [], "expected at least two runs"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(runs, names, more, message):
    with pytest.raises(UsageError, match=message):
        transfer.main([*flags(runs, *names), *more])


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--output", "here"], "no --output, because results lie in each source's run; --name names their folder"),
        (["--output=here"], "no --output, because results lie in each source's run; --name names their folder"),
        (["--save-adversarials"], "no --save_adversarials, because transfer.py keeps every adversarial; leave it out"),
        (["--config", "{file}"], "no output in {file}, because results lie in each source's run; --name names .*"),
    ],
)
def test_flags_of_attack_py_that_it_cannot_use_are_neither_offered_nor_taken(tmp_path, capsys, more, sentence):
    file = tmp_path / "attack.yaml"
    file.write_text("output: here\n")
    with pytest.raises(UsageError, match=f"^expected {sentence.format(file=file)}$"):
        transfer.main(["--checkpoints", "a", "b", *(word.format(file=file) for word in more)])
    with pytest.raises(SystemExit):
        transfer.main(["--help"])
    offered = capsys.readouterr().out
    assert "--overwrite" in offered
    assert "--output" not in offered
    assert "--save_adversarials" not in offered


def test_the_settings_that_it_leaves_repeat_the_attack_and_the_transfer(runs, judged):
    config = runs / "runs" / "first" / "attacks" / "config.yaml"
    repeated = read_attack_flags(["--config", str(config)])
    assert (repeated.save_adversarials, repeated.output) == (True, None)
    taken = read_transfer_flags(["--config", str(config), "--name", "again"])
    assert (taken.attacks, taken.folder) == (["fgsm", "bim_b", "deepfool"], "again")


def test_runs_of_other_folds_are_refused(runs):
    with pytest.raises(UsageError, match=r"expected the same folds in every run, got \[1\] in fold1|same folds"):
        transfer.main(
            [
                *flags(runs, "first"),
                "--checkpoints",
                str(runs / "runs/first/fold1/best.ckpt"),
                str(runs / "runs/second"),
            ]
        )


def made_up(successes, *, fools=True):
    rows = []
    for clip, carried in enumerate(successes):
        rows.append(
            {
                **{
                    "fold": 1,
                    "attack": "fgsm",
                    "budget_index": 0,
                    "clip": clip,
                    "recording": str(clip),
                    "label": 0,
                    "target_label": 1,
                },
                **{"target_run": "t", "target_architecture": "t", "clean_correct_source": True},
                **{"clean_correct_target": True, "source_success": fools, "target_success": carried},
                **{"source_reached_target_label": False, "target_reached_target_label": False},
                **{"target_logits_clean": None, "target_logits_adversarial": None},
            }
        )
    return pd.DataFrame(rows)


def test_a_source_that_nothing_fools_has_a_missing_cell():
    cell = summarise_transfer(made_up([True, False], fools=False))[0]
    assert np.isnan(cell["ratio"])
    assert cell["denominator"] == 0


def test_a_ratio_of_one_has_an_exact_interval():
    cell = summarise_transfer(made_up([True] * 12))[0]
    assert (cell["ratio"], cell["ratio_high"]) == (1, 1)
    assert cell["ratio_low"] == pytest.approx(0.05 ** (1 / 12), abs=1e-6)


def test_a_mean_over_attacks_is_no_surer_than_its_weakest_attack_and_clips_count_once():
    def mean_cell(first):
        rows = [made_up(first), *(made_up([False] * 100).assign(attack=attack) for attack in THE_SIX[1:])]
        return next(c for c in summarise_transfer(pd.concat(rows)) if c["attack"] is None and c["fold"] is None)

    # One clip fools by FGSM and is carried; of a hundred by each other attack none is. A sixth hangs on one clip.
    cell = mean_cell([True])
    assert cell["ratio"] == pytest.approx(1 / 6)
    assert cell["n"] == cell["recordings"] == 100
    assert np.isnan(cell["ratio_low"])
    assert cell["interval_method"] == "fewer than 10 recordings"
    cell = mean_cell([True] * 10 + [False] * 10)
    assert cell["interval_method"] == "mid_p"
    assert 0 < cell["ratio_low"] < 1 / 12 < cell["ratio_high"]

    # Twelve clips carried at each of five budgets are evidence of twelve clips.
    budgets = [made_up([True] * 12).assign(budget_index=budget) for budget in range(5)]
    cell = summarise_transfer(pd.concat(budgets))[0]
    assert (cell["numerator"], cell["denominator"]) == (60, 60)
    assert cell["ratio_low"] == pytest.approx(0.05 ** (1 / 12), abs=1e-6)


@pytest.mark.parametrize(("attacks", "shown"), [(("fgsm", "cwa"), ["fgsm", "cwa"]), (("fgsm", None), ["mean"])])
def test_the_end_table_shows_each_attack_unless_there_is_a_mean_of_the_six(capsys, attacks, shown):
    ends = {"ratio_low": None, "ratio_high": None, "numerator": 1, "denominator": 4}
    rows = [
        {"fold": fold, "attack": attack, "target_run": "judge", "ratio": 0.25 if fold is None else 0.5, **ends}
        for fold in (None, 1)
        for attack in attacks
    ]
    show({"made": {"path": "runs/made/transfer/smoke", "rows": rows}})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[1] for line in lines if line[:1] == ["made"] and line[-1] == "25.0"] == shown
    assert "50.0" not in [word for line in lines for word in line]
