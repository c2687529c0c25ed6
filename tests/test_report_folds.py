"""Settings that were trained or attacked on different folds: what is averaged, and on which folds it is compared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from report_fixtures import DWT, STFT, write_run

from metrics.attack_summary import THE_SIX
from metrics.intervals import share_ends
from metrics.over_folds import interval_over_seeds
from metrics.recordings import effective_number, effective_over_folds
from reporting import transfers
from reporting.accuracy import Accuracies
from reporting.association import run_points
from reporting.claims.augmentation import equal_rate_logs
from reporting.claims.cost_ratio import cost_ratio, stopped_attacks
from reporting.claims.costliest_attack import costliest_attack
from reporting.distinct_clips import attacked_clips
from reporting.estimates import (
    attack_auc,
    attack_fooling_rate,
    attack_gradients,
    log_gradients,
    six_auc,
    six_cost,
    six_fooling_rate,
)
from reporting.figures.curves import curve_points
from reporting.figures.paper_figures import study_figure
from reporting.fold_means import attacked_folds
from reporting.runs import read_run
from reporting.selection import Selection
from reporting.tables.paper_tables import overview, paper_table
from storage import DataError
from storage.rows import write_rows


def rows_of(run):
    return pd.read_parquet(run.path / "attacks" / "outcomes.parquet")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Three folds with one seed, of which another seed has the first."""
    runs = tmp_path_factory.mktemp("seeds")
    long = write_run(runs, "long", DWT, folds=(1, 2, 3), clips=30)
    short = write_run(runs, "short", DWT, folds=(1,), clips=30, seed=1, strength=3.0, accuracy=0.9)
    return read_run(long), read_run(short)


def test_one_seed_has_the_interval_of_its_summary(seeds):
    run = seeds[0]
    for attacks, said in ((THE_SIX, run.attacks.six), (["cwa"], run.attacks.means["cwa"])):
        for number in ("auc", "fooling_rate"):
            found = interval_over_seeds([(rows_of(run), [1, 2, 3])], attacks, number)
            assert (found.low, found.high) == pytest.approx((said[f"{number}_low"], said[f"{number}_high"]), abs=1e-12)
            # A second seed that answers alike adds no recording.
            twice = interval_over_seeds([(rows_of(run), [1, 2, 3])] * 2, attacks, number)
            assert (twice.low, twice.high) == pytest.approx((found.low, found.high), abs=1e-12)
    with pytest.raises(ValueError, match="expected rows of fgsm on fold 4, got none"):
        interval_over_seeds([(rows_of(run), [1, 4])], ["fgsm"], "auc")


def test_each_fold_counts_alike_however_many_seeds_were_attacked_on_it(seeds):
    rows = {run.name: rows_of(run).query("attack == 'bim_b'") for run in seeds}
    rate = {
        (name, fold): some.groupby("clip")["success"].mean()
        for name, of_run in rows.items()
        for fold, some in of_run.groupby("fold")
    }
    coefficients = {("long", 1): 1 / 6, ("short", 1): 1 / 6, ("long", 2): 1 / 3, ("long", 3): 1 / 3}
    expected = sum(share * rate[part].mean() for part, share in coefficients.items())
    found = attack_fooling_rate(seeds, "bim_b")
    assert found.value == pytest.approx(expected)
    # Not the mean over runs, in which fold 1 of the other seed alone would have half of the weight.
    assert (
        abs(found.value - np.mean([rate["short", 1].mean(), np.mean([rate["long", k].mean() for k in (1, 2, 3)])]))
        > 0.01
    )
    # The delta method, recording by recording.
    influence, counts = {}, {}
    for (name, fold), share in coefficients.items():
        recording = rows[name].query("fold == @fold").drop_duplicates("clip").set_index("clip")["recording"]
        values = rate[name, fold]
        counts[name, fold] = recording.value_counts()
        for clip, value in (share * (values - values.mean()) / len(values)).items():
            influence[recording[clip]] = influence.get(recording[clip], 0.0) + value
    effective = {part: effective_number(_tensor(some)) for part, some in counts.items()}
    of_folds = effective_over_folds(
        [min(effective["long", 1], effective["short", 1]), effective["long", 2], effective["long", 3]]
    )
    # A clip that both seeds were attacked on counts once.
    distinct = pd.concat(rows.values()).drop_duplicates(["fold", "clip"])["recording"].value_counts()
    known = min(effective_number(_tensor(distinct)), of_folds)
    ends = share_ends(expected, np.square(list(influence.values())).sum(), known)
    assert (found.low, found.high) == pytest.approx((float(ends[0]), float(ends[1])))
    assert found.interval == "95 %"
    assert (found.n, found.recordings) == (len({*_names(rows["long"]), *_names(rows["short"])}), len(distinct))


def test_rows_that_the_summary_leaves_out_do_not_count(tmp_path):
    """Those of an attack that was interrupted on a fold, and of a fold attacked with other settings."""
    long = read_run(write_run(tmp_path, "long", DWT, folds=(1, 2, 3), clips=30))
    path = write_run(tmp_path, "short", DWT, folds=(1,), clips=30, seed=1)
    short = read_run(path)
    before = attack_fooling_rate([long, short], "cwa"), six_auc([long, short])
    rows = rows_of(short)
    stopped = rows[rows["attack"].ne("cwa") | (rows["clip"] < rows["clip"].median())].assign(fold=2)
    rows_with = pd.concat([rows, stopped, rows.assign(fold=3)], ignore_index=True)
    write_rows(path / "attacks" / "outcomes.parquet", rows_with)
    after = attack_fooling_rate([long, short], "cwa"), six_auc([long, short])
    assert after == before


def test_rows_that_the_summary_has_and_the_table_lacks_are_named(tmp_path):
    long = read_run(write_run(tmp_path, "long", DWT, folds=(1, 2), clips=30))
    path = write_run(tmp_path, "short", DWT, folds=(1,), clips=30, seed=1)
    rows = rows_of(read_run(path))
    lost = (rows["attack"] == "cwa") & (rows["clip"] == rows["clip"].max())
    for kept, found in (
        (rows[~lost], "the same clips for all attacks on fold 1"),
        (rows.assign(fold=9), "rows of fgsm, .*cwa on fold 1, got none"),
    ):
        write_rows(path / "attacks" / "outcomes.parquet", kept)
        with pytest.raises(DataError, match=rf"every attack and clip of summary.json .*{found}.*attack again"):
            six_auc([read_run(path), long])


def test_a_further_seed_on_a_fold_does_not_widen_the_interval(tmp_path):
    """Where nothing varies, only the number of recordings decides the width, and each of them counts once."""
    everywhere = {"clips": 30, "accuracy": 1.0, "strength": 1000.0}
    runs = [read_run(write_run(tmp_path, "all", DWT, folds=(1, 2, 3), **everywhere))]
    alone = runs[0].attacks.means["bim_b"]
    runs += [read_run(write_run(tmp_path, f"seed{k}", DWT, folds=(1,), seed=k, **everywhere)) for k in (1, 2, 3)]
    found = attack_fooling_rate(runs, "bim_b")
    assert (found.value, alone["fooling_rate"]) == (1.0, 1.0)
    assert (found.low, found.high) == pytest.approx((alone["fooling_rate_low"], alone["fooling_rate_high"]))


def test_a_fold_without_one_attack_is_left_out_of_points(tmp_path):
    """An attack that is unfinished on one fold must not drop the whole setting."""
    runs = [
        read_run(write_run(tmp_path, name, {**STFT, "n_fft": n_fft}, folds=(1, 2), clips=30))
        for name, n_fft in (("one", 512), ("two", 1024))
    ]
    kept = [row for row in runs[0].attacks.folds if (row["attack"], row["fold"]) != ("cwa", 2)]
    runs[0] = replace(runs[0], attacks=replace(runs[0].attacks, folds=kept))
    assert six_auc(runs[:1]) is None
    assert attacked_folds(runs[:1]) == {1}
    points = {point.runs: point.auc for point in run_points(runs, Accuracies())}
    assert points == {("one",): six_auc(runs[:1], [1]).value, ("two",): six_auc(runs[1:], [1]).value}


def test_verdicts_on_costs_use_every_fold_that_some_seed_of_a_setting_has(tmp_path):
    whole = read_run(write_run(tmp_path, "whole", DWT, folds=(1, 2, 3, 4, 5), clips=30))
    seeds = [
        read_run(write_run(tmp_path, f"s{k}", STFT, folds=folds, seed=k, clips=30))
        for k, folds in enumerate(((1, 2, 3), (4, 5)))
    ]
    assert cost_ratio([seeds], [[whole]]).n == 5
    # The same models are looked at for budgets that stop attacks: BIM-b always spends its steps.
    assert ["bim_b" in names for names in stopped_attacks([[seeds], [[whole]]])] == [True, True]
    finding = costliest_attack(seeds, "ours", "paper")
    assert "5 folds" in finding.n
    assert set(equal_rate_logs(seeds, [whole], "bim_b")) == {1, 2, 3, 4, 5}


def test_ratios_of_transfer_count_folds_alike_without_an_interval_if_seeds_have_unlike_ones():
    rows = {(f"r{k}", f"g{k}"): {"ratio": 0.0, "ratio_low": 0.1, "ratio_high": 0.9, "n": 5} for k in (0, 1)}
    folds = {("r0", "g0", 1): 0.2, ("r0", "g0", 2): 0.4, ("r0", "g0", 3): 0.3, ("r1", "g1", 3): 0.9}
    found = transfers._estimate(rows, folds)
    assert found.value == pytest.approx((0.2 + 0.4 + 0.6) / 3)
    assert (found.low, found.high, found.interval) == (None, None, "none: seeds of different folds")


def _tensor(counts):
    return torch.tensor(counts.to_numpy())


def _names(rows):
    return set(rows["name"])


def test_costs_and_areas_average_folds_alike_too(seeds):
    of_run = [{row["fold"]: row for row in run.attacks.folds if row["attack"] == "cwa"} for run in seeds]
    for number, found in (("auc", attack_auc(seeds, "cwa")), ("batch_gradients", attack_gradients(seeds, "cwa"))):
        first = np.mean([rows[1][number] for rows in of_run])
        assert found.value == pytest.approx(np.mean([first, of_run[0][2][number], of_run[0][3][number]]))
    point = next(one for one in curve_points(seeds, "delta") if one["attack"] == "fgsm")
    assert point["folds"] == "1, 2, 3"
    shares = [
        {
            row["fold"]: row["fooling_rate"]
            for row in run.attacks.budgets
            if row["attack"] == "fgsm" and row["budget_index"] == 0
        }
        for run in seeds
    ]
    assert point["fooling_rate"] == pytest.approx(
        np.mean([np.mean([s[1] for s in shares]), shares[0][2], shares[0][3]])
    )


def test_a_mean_may_be_restricted_to_some_folds(seeds):
    long = seeds[0]
    for folds in ([1], [1, 2]):
        entries = [row for row in long.attacks.folds if row["fold"] in folds]
        assert six_auc([long], folds).value == pytest.approx(
            np.mean([row["auc"] for row in entries if row["attack"] in THE_SIX])
        )
        spent = [row["cost_auc90"]["gradients"] for row in entries if row["attack"] in THE_SIX]
        assert six_cost([long], folds).value == pytest.approx(np.mean(spent))
        assert attacked_clips([long], folds=folds).clips == sum(row["n"] for row in entries if row["attack"] == "fgsm")
    assert six_fooling_rate([long], [1, 2, 3]) == six_fooling_rate([long])
    assert six_auc([long], [4]) is None
    assert log_gradients([long], []) is None


def test_settings_are_related_and_drawn_on_the_folds_that_all_of_them_have(tmp_path):
    """The setting with more folds is worse on those that the other lacks, which must not look like an effect."""
    both = {"folds": (1, 2), "clips": 30}
    more = write_run(tmp_path, "more", STFT, folds=(1, 2, 3), clips=30)
    fewer = write_run(tmp_path, "fewer", {**STFT, "n_fft": 512}, **both)
    window = write_run(tmp_path, "window", {**STFT, "win_length_ratio": 0.5}, **both)
    runs = tuple(map(read_run, (more, fewer, window)))
    selection, accuracies = Selection(runs, "official", "smoke", {}, {}), Accuracies()
    points = {point.runs: point for point in run_points(runs, accuracies)}
    assert len(points) == 3
    of_more = points["more",]
    assert of_more.accuracy == pytest.approx(np.mean([accuracies.mean(runs[:1], [fold]).value for fold in (1, 2)]))
    assert of_more.accuracy != pytest.approx(accuracies.mean(runs[:1]).value)
    assert of_more.auc == pytest.approx(six_auc(runs[:1], [1, 2]).value)
    assert of_more.log_gradients == pytest.approx(log_gradients(runs[:1], [1, 2]))
    figure = study_figure("figure4_stft_window", selection, accuracies)
    drawn = {row["win_length_ratio"]: row for row in figure.numbers if row["measure"] == "accuracy"}
    assert (drawn[1.0]["value"], drawn[1.0]["n"]) == (pytest.approx(of_more.accuracy), 60)
    costs = {row["win_length_ratio"]: row["value"] for row in figure.numbers if row["measure"] != "accuracy"}
    assert costs == {1.0: pytest.approx(six_cost(runs[:1], [1, 2]).value), 0.5: pytest.approx(six_cost(runs[2:]).value)}
    counted = {row["win_length_ratio"]: row["n"] for row in figure.numbers if row["measure"] != "accuracy"}
    assert counted[1.0] == attacked_clips(runs[:1], folds=[1, 2]).clips < attacked_clips(runs[:1]).clips
    assert "accuracy: folds 1, 2; cost: folds 1, 2." in figure.caption
    # A table shows what is known of each setting, and says which rows cannot be compared.
    table = paper_table(2, selection, accuracies)
    assert "not comparable" in table.caption
    assert "Folds of 512: 1, 2; 1,024: 1, 2, 3." in table.caption
    folds = {row.runs: row.labels[4] for row in overview(selection, accuracies).rows}
    assert folds == {("more",): "1, 2, 3", ("fewer",): "1, 2", ("window",): "1, 2"}
    apart = Selection(
        (runs[1], read_run(write_run(tmp_path, "apart", STFT, folds=(3,), clips=30))), "official", "smoke", {}, {}
    )
    assert run_points(apart.runs, accuracies) == []
