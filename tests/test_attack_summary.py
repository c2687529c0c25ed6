"""Numbers of an attack run from its rows, and the store that the rows lie in."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from metrics.attack_summary import THE_SIX, attack_row, budget_rows, mean_over_folds, summarise
from metrics.attacked_fold import AttackedFold
from metrics.finished_rows import whole_attacks
from metrics.trust_checks import SQUARE
from storage import DataError
from storage.attack_store import AttackStore

DELTAS = (0.01, 0.1, 1.0)


def made_up(fold=1, attack="bim_b", clips=40, batch_size=25, seed=0):
    """Rows of an attack whose clips are the harder to fool the higher their number, two clips a source."""
    random = np.random.default_rng(seed)
    rows = []
    clean = random.normal(size=(clips, 4))
    for clip in range(clips):
        label = clip % 4
        clean[clip, label] = 3 + random.uniform()
        for budget, delta in enumerate(DELTAS):
            logits = clean[clip].copy()
            logits[label] -= random.uniform(0, 8 * delta + 1)
            answer = int(logits.argmax())
            rows.append(
                {
                    **{"fold": fold, "attack": attack, "budget_index": budget, "delta": delta, "steps": 10, "seed": 0},
                    **{
                        "budget": json.dumps({"delta": delta, "steps": 10}),
                        "clip": 3 * clip + 1000 * (fold - 1),
                        "label": label,
                    },
                    **{
                        "recording": f"{fold}-{clip // 2}",
                        "target_label": -1,
                        "prediction": answer,
                        "logits_clean": clean[clip],
                    },
                    **{"logits_adversarial": logits, "success": float(answer != label), "target_hit": 0.0},
                    **{"success_65": 0.0, "success_8bit": float(answer != label), "iterations": 10.0},
                    **{"forward_rows": 11.0, "gradients": float(random.integers(5, 11)), "zero_gradients": 0.0},
                    **{"full_jacobian_gradients": 10.0, "l2": random.uniform(), "linf": delta, "l0": 16.0},
                    **{"snr_db": random.uniform(10, 40), "seconds": 0.5, "reporting_batch": clip // batch_size},
                    **{"noise_success": 0.0, "confirmed": True, "in_bounds": True, "hook_agrees": True},
                }
            )
    return pd.DataFrame(rows)


def clips_of(rows, wrong=4):
    """The tested clips: those of the rows, and some that were wrong when clean."""
    of_rows = rows.drop_duplicates(["fold", "clip"])[["fold", "clip", "label", "recording"]].assign(clean_correct=True)
    frames = [of_rows]
    for fold in of_rows["fold"].unique():
        numbers = 1000 * fold + 900 + np.arange(wrong)
        sources = [f"{fold}-w{number}" for number in numbers]
        extra = {"fold": fold, "clip": numbers, "label": 0, "recording": sources, "clean_correct": False}
        frames.append(pd.DataFrame(extra))
    return pd.concat(frames, ignore_index=True)


def loss(logits, labels):
    shifted = np.stack(logits) - np.stack(logits).max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]


def auc_by_scikit(rows):
    positive, negative = (loss(rows[name], rows["label"]) for name in ("logits_adversarial", "logits_clean"))
    truth = np.r_[np.ones(len(rows)), np.zeros(len(rows))]
    every, n = roc_auc_score(truth, np.r_[positive, negative]) * len(rows) ** 2, len(rows)
    return (every - ((positive > negative).sum() + (positive >= negative).sum()) / 2) / (n * (n - 1))


def test_numbers_of_a_budget_are_those_of_the_definitions():
    rows = made_up()
    attacked = AttackedFold.of(rows.sample(frac=1, random_state=1))
    for entry in budget_rows(attacked, tested=44):
        some = rows[rows["budget_index"] == entry["budget_index"]]
        assert entry["fooling_rate"] == pytest.approx(some["success"].mean())
        assert entry["fooling_rate_all"] == pytest.approx((some["success"].sum() + 4) / 44)
        assert entry["auc"] == pytest.approx(auc_by_scikit(some), abs=1e-12)
        assert entry["auc_low"] <= entry["auc"] <= entry["auc_high"]
        fooled = some[some["success"] == 1]
        assert entry["median_l2"] == pytest.approx(fooled["l2"].median(), nan_ok=True)
        assert entry["median_snr_db"] == pytest.approx(fooled["snr_db"].median(), nan_ok=True)
        largest = some.groupby("reporting_batch")["gradients"].max()
        assert entry["batch_gradients"] == pytest.approx((largest[0] * 25 + largest[1] * 15) / 40)


def test_an_attack_averages_over_budgets_and_its_area_knows_no_reporting_batches():
    rows = made_up()
    attacked = AttackedFold.of(rows)
    entry = attack_row(attacked, budget_rows(attacked, tested=40))
    areas = [auc_by_scikit(some) for _, some in rows.groupby("budget_index")]
    assert entry["auc"] == pytest.approx(np.mean(areas), abs=1e-12)
    rates = rows.groupby("budget_index")["success"].mean().to_numpy()
    logs = np.log(DELTAS)
    assert entry["auc_budget"] == pytest.approx(np.trapezoid(rates, logs) / (logs[-1] - logs[0]), abs=1e-12)
    assert entry["fooling_rate"] == pytest.approx(rates.mean())
    assert (entry["n"], entry["recordings"]) == (40, 20)


def test_an_attack_without_targets_has_no_target_rate():
    rows = made_up()
    summary = summarise(rows, clips_of(rows))
    entries = (summary["budgets"][0], summary["attacks"][0], summary["means"]["bim_b"])
    assert [entry["target_rate"] for entry in entries] == [None] * 3
    assert summary["means"]["bim_b"]["target_rate_std"] is None
    hit = rows.assign(target_label=(rows["label"] + 1) % 4, target_hit=(rows["clip"] < 30).astype(float))
    assert summarise(hit, clips_of(hit))["means"]["bim_b"]["target_rate"] == pytest.approx(10 / 40)


def test_an_attack_on_some_of_a_folds_clips_is_left_out_and_said(caplog):
    clips = pd.DataFrame({"fold": 1, "clip": range(5), "clean_correct": [True, True, True, True, False]})
    outcomes = pd.DataFrame(
        [(1, attack, clip) for attack, n in (("bim_b", 4), ("cwa", 2), (SQUARE, 3)) for clip in range(n)],
        columns=["fold", "attack", "clip"],
    )
    kept = whole_attacks(outcomes, clips)
    assert kept.groupby("attack")["clip"].count().to_dict() == {"bim_b": 4, SQUARE: 3}
    assert "cwa on fold 1 is left out: it is finished on 2 of 4 clips" in caplog.text


def test_means_over_folds_have_intervals_that_hold_them():
    rows = pd.concat([made_up(fold, seed=fold) for fold in (1, 2, 3)], ignore_index=True)
    summary = summarise(rows, clips_of(rows))
    mean = summary["means"]["bim_b"]
    folds = [entry["auc"] for entry in summary["attacks"]]
    assert mean["auc"] == pytest.approx(np.mean(folds))
    assert mean["auc_std"] == pytest.approx(np.std(folds, ddof=1))
    assert mean["auc_low"] < mean["auc"] < mean["auc_high"]
    assert mean["fooling_rate_low"] < mean["fooling_rate"] < mean["fooling_rate_high"]
    assert mean["batch_gradients_min"] <= mean["batch_gradients"] <= mean["batch_gradients_max"]
    assert (summary["n"], summary["n_test"]) == (120, 132)
    assert summary["accuracy_on_attacked"] == pytest.approx(120 / 132)
    assert [fold["n"] for fold in summary["folds"]] == [40, 40, 40]
    # Three folds of other clips know more than one.
    alone = summarise(rows[rows["fold"] == 1], clips_of(rows[rows["fold"] == 1]))["means"]["bim_b"]
    assert mean["auc_high"] - mean["auc_low"] < alone["auc_high"] - alone["auc_low"]


def test_the_mean_of_the_six_needs_all_six_on_the_same_folds_and_leaves_other_attacks_out():
    names = (*THE_SIX, "lbfgs", "check_unbounded")
    rows = pd.concat([made_up(1, attack, seed=k) for k, attack in enumerate(names)], ignore_index=True)
    summary = summarise(rows, clips_of(rows))
    assert set(summary["means"]) == {*THE_SIX, "lbfgs"}
    assert summary["six"]["attacks"] == list(THE_SIX)
    six = [summary["means"][name]["auc"] for name in THE_SIX]
    assert summary["six"]["auc"] == pytest.approx(np.mean(six))
    assert summary["six"]["auc_low"] < summary["six"]["auc"] < summary["six"]["auc_high"]
    assert (summary["six"]["n"], summary["six"]["recordings"]) == (40, 20)
    uneven = pd.concat([rows, made_up(2, "fgsm", seed=9)], ignore_index=True)
    assert summarise(uneven, clips_of(uneven))["six"] is None
    five = rows[rows["attack"] != "cwa"]
    assert summarise(five, clips_of(five))["six"] is None


def test_a_rate_at_its_end_has_an_interval_in_the_mean_too():
    rows = made_up()
    rows["success"] = 1.0
    mean = summarise(rows, clips_of(rows))["means"]["bim_b"]
    assert mean["fooling_rate"] == 1
    # 20 recordings, none withstood: half the chance of 20 successes is 2.5 % at (0.05)^(1/20).
    assert mean["fooling_rate_low"] == pytest.approx(0.05 ** (1 / 20), abs=1e-6)
    assert mean["fooling_rate_high"] == 1
    assert mean["interval_method"] == "mid_p"
    few = rows[rows["clip"] < 3 * 18]
    assert summarise(few, clips_of(few))["means"]["bim_b"]["interval_method"] == "fewer than 10 recordings"


def test_a_fold_of_one_class_has_no_one_versus_rest_area_and_breaks_nothing():
    rows = pd.concat([made_up(1), made_up(2, seed=1)], ignore_index=True)
    rows = rows[(rows["fold"] == 1) | (rows["label"] == 0)]
    mean = summarise(rows, clips_of(rows))["means"]["bim_b"]
    assert np.isnan(mean["auc_ovr"])
    assert 0 < mean["auc"] < 1


def test_a_missing_clip_is_not_averaged_over():
    rows = made_up()
    with pytest.raises(ValueError, match="expected every clip at every budget, got 119 rows, 3 x 40"):
        AttackedFold.of(rows.iloc[1:])


@pytest.fixture
def store(tmp_path):
    return AttackStore(tmp_path / "attacks")


def test_parts_are_merged_once_and_say_what_is_finished(store):
    rows = made_up()
    first, second = rows[rows["clip"] < 60], rows[rows["clip"] >= 54]
    store.write_part(1, "bim_b", first)
    assert store.finished(1) == {"bim_b": set(first["clip"])}
    assert store.finished(2) == {}
    store.write_part(1, "bim_b", second)
    store.write_part(1, "clean", clips_of(rows))
    store.merge()
    assert sorted(path.name for path in store.path.iterdir()) == ["clips.parquet", "outcomes.parquet"]
    assert len(store.outcomes()) == len(rows)
    assert store.finished(1) == {"bim_b": set(rows["clip"])}
    assert len(store.clips()) == 44


def test_a_truncated_part_is_computed_again_and_a_truncated_table_is_named(store, monkeypatch):
    rows = made_up()
    store.write_part(1, "bim_b", rows[rows["clip"] < 60])
    store.write_part(1, "bim_b", rows[rows["clip"] >= 60])
    part = next((store.path / "parts").glob("*-60-*"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.warns(UserWarning, match="cannot be read; its clips are attacked again"):
        assert store.finished(1) == {"bim_b": set(rows.loc[rows["clip"] < 60, "clip"])}
    assert not part.exists()
    part.write_bytes(b"half a file")
    # Another process reads the parts too, and removes the broken one first.
    monkeypatch.setattr(warnings, "showwarning", lambda *_, **__: part.unlink())
    assert store.finished(1) == {"bim_b": set(rows.loc[rows["clip"] < 60, "clip"])}
    store.merge()
    store.outcomes_file.write_bytes(store.outcomes_file.read_bytes()[:500])
    with pytest.raises(DataError, match=r"expected rows in .*outcomes.parquet, found a file that cannot be read"):
        store.outcomes()


def settings(**changed):
    base = {"common": {"seed": 0}, "attacks": {"fgsm": {"budgets": [{"delta": 0.1}]}}, "checkpoints": {"1": "abc"}}
    return {**base, **changed}


def test_attacks_and_folds_may_be_added_but_not_changed(store):
    store.open(settings())
    store.open(settings(attacks={"cwa": {"budgets": [{}]}}, checkpoints={"2": "def"}))
    kept = store.stored_settings()
    assert set(kept["attacks"]) == {"fgsm", "cwa"}
    assert kept["checkpoints"] == {"1": "abc", "2": "def"}
    for changed, named in (
        ({"common": {"seed": 1}}, "seed"),
        ({"attacks": {"fgsm": {"budgets": [{"delta": 0.2}]}}}, "fgsm"),
        ({"checkpoints": {"1": "other"}}, "1"),
    ):
        with pytest.raises(ValueError, match=f"got another value of {named} .*; choose another --output, or"):
            store.open(settings(**changed))
    assert store.stored_settings() == kept


def test_settings_that_are_not_json_are_named(store):
    store.open(settings())
    store.settings_file.write_text("{")
    with pytest.raises(DataError, match=r"expected JSON in .*settings.json"):
        store.open(settings())


def test_mean_over_folds_of_an_attack_without_deltas_has_no_area_over_them():
    rows = made_up(attack="deepfool").assign(
        budget=lambda frame: [json.dumps({"iterations": b}) for b in frame["budget_index"]]
    )
    attacked = AttackedFold.of(rows)
    entry = attack_row(attacked, budget_rows(attacked, tested=40))
    assert entry["auc_budget"] is None
    assert mean_over_folds([attacked], [entry])["auc_budget"] is None
