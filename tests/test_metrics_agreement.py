"""Properties of every number of a summary: its range, its order between budgets, and what other files say of it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_outcomes import TARGETED, attacked_folds, judged_by

from lightning_modules.cross_validation import mean_scores
from metrics.attack_summary import THE_SIX, summarise
from metrics.classification import class_scores
from metrics.transfer_summary import summarise_transfer
from storage import plain_numbers

UNIT = ("fooling_rate", "fooling_rate_all", "success_65", "success_8bit", "target_rate", "auc", "auc_ovr", "auc_budget")
UNIT += ("zero_gradient_share", "ratio", "target_hit_ratio", "auc_on_target")


def require_range(entry):
    for name in UNIT:
        value = entry.get(name)
        if value is not None and not math.isnan(value):
            assert 0 <= value <= 1, (name, value)
        low, high = entry.get(f"{name}_low"), entry.get(f"{name}_high")
        if low is not None and not math.isnan(low):
            assert 0 <= low <= value + 1e-12
            assert value - 1e-12 <= high <= 1
    for name in ("median_l2", "median_l2_all", "batch_gradients", "seconds"):
        assert not entry.get(name, 0.0) < 0


@settings(max_examples=4)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(6, 30))
def test_numbers_lie_in_their_range_rise_with_the_budget_and_agree_with_each_other(seed, folds, clips):
    rows, tested = attacked_folds(seed, folds=folds, clips=clips)
    summary = summarise(rows, tested)
    for entry in (*summary["budgets"], *summary["attacks"], *summary["means"].values(), summary["six"]):
        require_range(entry)
    by_place = {(row["fold"], row["attack"], row["budget_index"]): row for row in summary["budgets"]}
    for (fold, attack, budget), row in by_place.items():
        if budget:
            assert row["fooling_rate"] >= by_place[fold, attack, budget - 1]["fooling_rate"]
            assert row["auc"] >= by_place[fold, attack, budget - 1]["auc"] - 1e-12
        some = rows[(rows["fold"] == fold) & (rows["attack"] == attack) & (rows["budget_index"] == budget)]
        assert row["fooling_rate"] == pytest.approx(some["success"].mean(), abs=1e-12)
        assert (row["n"], row["recordings"]) == (some["clip"].nunique(), some["recording"].nunique())
        assert row["success_65"] <= row["fooling_rate"] + 1e-12
    for entry in summary["attacks"]:
        own = [row for row in summary["budgets"] if (row["fold"], row["attack"]) == (entry["fold"], entry["attack"])]
        for name in ("fooling_rate", "auc", "success_8bit"):
            assert entry[name] == pytest.approx(np.mean([row[name] for row in own]), abs=1e-12)
    for attack, mean in summary["means"].items():
        own = [entry for entry in summary["attacks"] if entry["attack"] == attack]
        assert mean["auc"] == pytest.approx(np.mean([entry["auc"] for entry in own]), abs=1e-12)
        assert (mean["target_rate"] is None) == (attack not in TARGETED)
        assert mean["n"] == summary["n"] == tested.loc[tested["clean_correct"], "clip"].nunique()
        assert mean["recordings"] == summary["recordings"]
    assert summary["six"]["auc"] == pytest.approx(np.mean([mean["auc"] for mean in summary["means"].values()]))
    cells = summarise_transfer(judged_by(rows, ["itself", "other"], seed))
    for cell in cells:
        require_range(cell)
        assert cell["numerator"] <= cell["denominator"]
        assert cell["n"] <= summary["n"]
        if cell["target_run"] == "itself":
            assert math.isnan(cell["ratio"]) or cell["ratio"] == 1
            # The source as its own judge: what the attack's summary says.
            if cell["attack"] is not None:
                entries = summary["attacks"] + [{"fold": None, "attack": k, **v} for k, v in summary["means"].items()]
                (own,) = (e for e in entries if (e["fold"], e["attack"]) == (cell["fold"], cell["attack"]))
                assert cell["auc_on_target"] == pytest.approx(own["auc"], abs=1e-12)
            elif cell["fold"] is None:
                assert cell["auc_on_target"] == pytest.approx(summary["six"]["auc"], abs=1e-12)
    text = json.dumps(plain_numbers({"summary": summary, "cells": cells}), allow_nan=False)
    assert json.loads(text)["summary"]["six"]["auc"] == summary["six"]["auc"]


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(6, 30))
def test_the_scores_of_training_agree_with_what_an_attack_finds_clean(seed, folds, clips):
    rows, tested = attacked_folds(seed, folds=folds, clips=clips, attacks=("fgsm",), budgets=1)
    tested["prediction"] = (tested["label"] + ~tested["clean_correct"]) % 4
    summary, records = summarise(rows, tested), []
    for entry in summary["folds"]:
        own = tested[tested["fold"] == entry["fold"]]
        records.append(class_scores(own["label"], own["prediction"], ["a", "b", "c", "d"]))
        scores, counts = records[-1], own["label"].value_counts()
        # Recalls weighed by their clips are the accuracy.
        recalls = {label: recall for label, recall in enumerate(scores["recall"].values()) if recall is not None}
        assert set(recalls) == set(counts.index)
        assert entry["accuracy"] == pytest.approx(sum(counts[k] * r for k, r in recalls.items()) / len(own), abs=1e-12)
        assert scores["balanced_accuracy"] == pytest.approx(np.mean(list(recalls.values())), abs=1e-12)
        assert min(recalls.values()) - 1e-12 <= entry["accuracy"] <= max(recalls.values()) + 1e-12
        assert all(0 <= value <= 1 for value in (*recalls.values(), scores["macro_f1"], scores["balanced_accuracy"]))
        assert entry["n"] == round(entry["accuracy"] * entry["n_test"]) == rows[rows["fold"] == entry["fold"]].shape[0]
    # Each fold has as many clips, so that the mean over clips is that over folds.
    assert summary["accuracy_on_attacked"] == pytest.approx(np.mean([e["accuracy"] for e in summary["folds"]]))
    means = mean_scores(records, ["a", "b", "c", "d"])
    assert means["balanced_accuracy_mean"] == pytest.approx(np.mean([one["balanced_accuracy"] for one in records]))
    for name in "abcd":
        known = [one["recall"][name] for one in records if one["recall"][name] is not None]
        assert means["recall_mean"][name] == (pytest.approx(np.mean(known)) if known else None)


def test_reporting_batches_change_nothing_but_batch_gradients():
    rows, tested = attacked_folds(0)
    one = summarise(rows.assign(reporting_batch=0), tested)["means"]
    many = summarise(rows.assign(reporting_batch=rows["clip"] % 1000 // 3), tested)["means"]
    different = {name for name in one["bim_b"] if one["bim_b"][name] != many["bim_b"][name]}
    assert {name.partition("_min")[0].partition("_max")[0].partition("_std")[0] for name in different} <= {
        *("batch_gradients", "full_jacobian_batch_gradients", "cost_auc90", "cost_auc90_bounded"),
    }
    assert many["bim_b"]["batch_gradients"] < one["bim_b"]["batch_gradients"]


@pytest.mark.parametrize("missing", THE_SIX)
def test_a_mean_over_the_six_exists_only_where_all_six_do(missing):
    rows, tested = attacked_folds(1, clips=12)
    fewer = rows[rows["attack"] != missing]
    elsewhere = rows[(rows["attack"] != missing) | (rows["fold"] == 1)]
    for some in (fewer, elsewhere):
        assert summarise(some, tested)["six"] is None
        cells = summarise_transfer(judged_by(some, ["other"]))
        assert not [cell for cell in cells if cell["attack"] is None and cell["fold"] is None]
    cells = summarise_transfer(judged_by(elsewhere, ["other"]))
    assert [cell["fold"] for cell in cells if cell["attack"] is None] == [1]
    # All six ran, but one of them fools nothing: there is no ratio of it, nor a mean of six.
    silent = judged_by(rows, ["other"])
    silent.loc[silent["attack"] == missing, ["source_success", "target_success"]] = False
    cell = next(cell for cell in summarise_transfer(silent) if cell["attack"] is None and cell["fold"] is None)
    assert math.isnan(cell["ratio"])
    assert cell["attacks"] == 5


def test_a_median_over_mostly_failures_is_infinite_and_not_missing():
    rows, tested = attacked_folds(2, folds=1)
    row = summarise(rows.assign(success=0.0), tested)["budgets"][0]
    stored = json.loads(json.dumps(plain_numbers(row), allow_nan=False))
    assert stored["median_l2_all"] == "inf"
    assert float(stored["median_l2_all"]) == math.inf
    assert stored["median_l2"] is None
    assert plain_numbers({"a": (-math.inf, 1.0, "x")}) == {"a": ["-inf", 1.0, "x"]}


def test_six_equal_ratios_of_three_tenths_are_exactly_that():
    """A float32 mean made 0.3000000119 of them, and with it another interval."""
    rows, _ = attacked_folds(3, folds=1, clips=40)
    clips = rows["clip"].unique()[:10]
    rows = judged_by(rows[rows["clip"].isin(clips)], ["other"]).assign(
        source_success=True, clean_correct_target=True, recording=lambda frame: frame["clip"].astype(str)
    )
    rows["target_success"] = rows["clip"].isin(clips[:3])
    cells = summarise_transfer(rows)
    mean = next(cell for cell in cells if cell["attack"] is None and cell["fold"] is None)
    single = next(cell for cell in cells if cell["attack"] == "fgsm" and cell["fold"] is None)
    assert mean["ratio"] == pytest.approx(0.3, abs=1e-15)
    assert [mean[f"ratio_{end}"] for end in ("low", "high")] == pytest.approx(
        [single[f"ratio_{end}"] for end in ("low", "high")], abs=1e-12
    )
    assert (mean["n"], mean["recordings"], mean["denominator"]) == (10, 10, 180)
