"""Table V, Figures 1 to 5 and the curves of a built report against the rows of the runs, computed again without it."""

import json

import numpy as np
import pandas as pd
import pytest
from recomputed import SIX, costs_to_auc90, mean_gradients, mean_over_six, transfer_ratios
from report_fixtures import DWT, MFCC, STFT, write_run, write_transfer

import report
from metrics.attack_summary import THE_SIX

# BIM has two numbers of steps at every delta, and the costs of CWA do not rise in the order of its budgets.
BUDGETS = """
fgsm: {delta: [0.02, 0.2]}
bim_a: {delta: [0.02, 0.2], steps: [50, 5]}
bim_b: {delta: [0.02, 0.2], steps: [50, 5]}
deepfool: {iterations: 20}
jsma: {iterations: [50, 20]}
cwa: {search_steps: 1, iterations: [100, 10, 50]}
lbfgs: {search_steps: 1, iterations: 20}
"""
FIGURES = {
    "figure1_n_mfcc": ("n_mfcc", {"13": "mfcc-13", "20": "mfcc mfcc-again"}),
    "figure2_dct_norm": ("norm", {"ortho": "mfcc mfcc-again", "none": "mfcc-none"}),
    "figure3_lifter": ("lifter_scale", {"0.0": "mfcc mfcc-again", "2.5": "mfcc-lifted"}),
    "figure4_stft_window": ("win_length_ratio", {"0.5": "stft-half", "1.0": "stft"}),
    "figure5_dwt_frame": ("frame_milliseconds", {"30.0": "dwt-30", "50.0": "dwt"}),
}
"""The setting of each figure, and by hand the runs that it is about."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    profile = folder.parent / "budgets.yaml"
    profile.write_text(BUDGETS)

    def run(name, representation, **settings):
        write_run(folder, name, representation, profile=str(profile), clips=9, **settings)

    run("mfcc", MFCC, accuracy=0.9)
    run("mfcc-again", MFCC, seed=1, accuracy=0.7)
    run("mfcc-13", {**MFCC, "n_mfcc": 13}, strength=0.4)
    run("mfcc-none", {**MFCC, "norm": None}, strength=0.3)
    run("mfcc-lifted", {**MFCC, "lifter_scale": 2.5})
    run("stft", STFT)
    run("stft-half", {**STFT, "win_length_ratio": 0.5}, strength=0.3)
    run("stft-google", STFT, architecture="googlenet")
    run("dwt", DWT)
    run("dwt-30", {**DWT, "frame_milliseconds": 30.0}, strength=0.3)
    write_transfer(folder, "stft", {"stft": "resnet18", "stft-google": "googlenet"}, (1, 0.6), profile=str(profile))
    write_transfer(folder, "stft-google", {"stft": "resnet18"}, (0.3,), profile=str(profile))
    return folder


@pytest.fixture(scope="module")
def built(runs, tmp_path_factory):
    return report.main([str(runs), "--output", str(tmp_path_factory.mktemp("report"))])


def outcomes(runs, name):
    return pd.read_parquet(runs / name / "attacks" / "outcomes.parquet")


def points(built, name):
    path = built.page.parent / "figures" / f"{name}.csv"
    return pd.read_csv(path, dtype={"runs": str}, keep_default_na=False)


def drawing(built, name):
    return next(figure.drawing for figure in built.figures if figure.key == name)


def test_every_ratio_of_table_v_follows_from_the_judgements(runs, built):
    rows = pd.read_csv(built.page.parent / "tables" / "table5_transfer.csv", dtype={"runs": str})
    found = rows[rows["value"].notna()].set_index(["source", "quantity"])
    expected = {}
    for name, source in (("stft", "ResNet-18"), ("stft-google", "GoogLeNet")):
        rows = pd.read_parquet(runs / name / "transfer" / "pairs" / "rows.parquet")
        ratios, _ = transfer_ratios(rows)
        counted = rows[rows["clean_correct_source"] & rows["clean_correct_target"] & (rows["source_success"] > 0)]
        clips = counted[counted["attack"].isin(THE_SIX)].groupby("target_architecture")["clip"].nunique()
        for target in ratios.index:
            expected[source, f"STFT_{target}"] = (ratios[target], clips[target])
    expected["GoogLeNet", "STFT_googlenet"] = (1, None)
    assert set(found.index) == set(expected)
    for key, (ratio, n) in expected.items():
        assert found.loc[key, "value"] == pytest.approx(ratio), key
        assert found.loc[key, "corpus"] == "ESC-10"
        assert n is None or found.loc[key, "n"] == n, key
    assert found["runs"].to_dict() == {
        ("ResNet-18", "STFT_resnet18"): "stft",
        ("ResNet-18", "STFT_googlenet"): "stft stft-google",
        ("GoogLeNet", "STFT_resnet18"): "stft-google stft",
        ("GoogLeNet", "STFT_googlenet"): "stft-google",
    }
    assert 0 < found.loc[("ResNet-18", "STFT_googlenet"), "value"] < 1


@pytest.mark.parametrize("figure", FIGURES)
def test_every_point_of_figures_1_to_5_follows_from_the_rows_of_the_runs_it_names(runs, built, figure):
    setting, named = FIGURES[figure]
    rows = points(built, figure)
    measure = "batch gradients" if figure == "figure1_n_mfcc" else "cost to AUC > 0.9"
    for where in ("accuracy", measure):
        some = rows[rows["measure"] == where]
        assert dict(zip(some[setting].astype(str), some["runs"], strict=True)) == named
    for row in rows.itertuples():
        names = row.runs.split()
        if row.measure == "accuracy":
            tables = [
                pd.concat(map(pd.read_csv, sorted((runs / name).glob("fold*/predictions.csv")))) for name in names
            ]
            fold = [table["clip"].str[0] for table in tables]
            right = [(t["label"] == t["prediction"]).groupby(f).mean() for t, f in zip(tables, fold, strict=True)]
            assert row.value == pytest.approx(np.mean([some.mean() for some in right]))
            assert row.n == pd.concat(tables)["clip"].nunique() == 18
        else:
            of_attack = costs_to_auc90 if figure != "figure1_n_mfcc" else mean_gradients
            folds = [mean_over_six(outcomes(runs, name), of_attack) for name in names]
            costs = [np.atleast_1d(cost) for fold in folds for cost in fold.values()]
            assert float(row.value) == pytest.approx(np.mean([cost[0] for cost in costs]))
            assert float(row.low) == pytest.approx(min(cost[0] for cost in costs))
            assert float(row.high) == pytest.approx(max(cost[0] for cost in costs))
            assert bool(row.censored) == (figure != "figure1_n_mfcc" and max(cost[-1] for cost in costs) > 0)
            assert row.n == pd.concat([outcomes(runs, name) for name in names])["name"].nunique()
    upper, lower = drawing(built, figure).axes
    for panel, where, scale in ((upper, "accuracy", 100), (lower, measure, 1)):
        shown = panel.containers[0].lines[0].get_ydata()
        assert list(shown) == pytest.approx(
            scale * rows.loc[rows["measure"] == where, "value"].astype(float).to_numpy()
        )
        # No line is drawn to a lower bound.
        assert np.isnan(panel.lines[-1].get_ydata()).tolist() == (
            rows.loc[rows["measure"] == where, "censored"].astype(bool).tolist()
        )


def budget_means(runs, name, attack):
    """Settings, cost and fooling rate of each budget, means over folds."""
    rows = outcomes(runs, name)
    rows = rows[rows["attack"] == attack]
    rates = rows.groupby(["budget", "fold"])["success"].mean().groupby("budget").mean()
    costs = rows.groupby(["budget", "fold"])["gradients"].max().groupby("budget").mean()
    return [(json.loads(settings), costs[settings], rates[settings]) for settings in rates.index]


def setting_points(runs, names, attack):
    """The same, means over the seeds of a setting."""
    seeds = [budget_means(runs, name, attack) for name in names.split()]
    return [
        (of_seeds[0][0], np.mean([cost for _, cost, _ in of_seeds]), np.mean([rate for *_, rate in of_seeds]))
        for of_seeds in zip(*seeds, strict=True)
    ]


SETTINGS = {
    "MFCC": ("mfcc mfcc-again", "mfcc-13", "mfcc-none", "mfcc-lifted"),
    "STFT": ("stft", "stft-half"),
    "DWT": ("dwt", "dwt-30"),
}


def thick_lines(built, figure):
    """Points of the thick line of each attack's panel and representation."""
    titles = {"FGSM": "fgsm", "DeepFool": "deepfool", "BIM-a": "bim_a", "BIM-b": "bim_b", "JSMA": "jsma", "CWA": "cwa"}
    return {
        (titles.get(panel.get_title(), "lbfgs"), line.get_label()): list(zip(*line.get_data(), strict=True))
        for panel in drawing(built, figure).axes
        for line in panel.lines
        if line.get_label() in SETTINGS
    }


def rounded(pairs):
    """Sorted, with equal costs equal whatever order they were summed in."""
    return sorted((round(float(cost), 9), round(float(rate), 9)) for cost, rate in pairs)


def test_security_curves_join_one_number_of_steps(runs, built):
    lines = thick_lines(built, "security_curves")
    assert set(lines) == {(attack, name) for attack in ("fgsm", "bim_a", "bim_b") for name in SETTINGS}
    for (attack, representation), line in lines.items():
        found = [setting_points(runs, names, attack) for names in SETTINGS[representation]]
        most = [[(s["delta"], rate) for s, _, rate in some if s.get("steps", 50) == 50] for some in found]
        expected = [(delta, np.mean([dict(one)[delta] for one in most])) for delta in (0.02, 0.2)]
        assert [x for x, _ in line] == [0.02, 0.2]
        assert np.array(line) == pytest.approx(np.array(expected))
    rows = points(built, "security_curves")
    assert {json.loads(text).get("steps", 50) for text in rows["budget"]} == {50}
    caption = next(figure.caption for figure in built.figures if figure.key == "security_curves")
    assert "largest number of steps (BIM-a 50, BIM-b 50)" in caption


def test_cost_curves_rise_with_what_is_spent(runs, built):
    lines = thick_lines(built, "cost_curves")
    assert set(lines) == {(attack, name) for attack in (*SIX, "lbfgs") for name in SETTINGS}
    for (attack, representation), line in lines.items():
        found = [setting_points(runs, names, attack) for names in SETTINGS[representation]]
        means = [
            (np.mean([cost for _, cost, _ in some]), np.mean([rate for *_, rate in some]))
            for some in zip(*found, strict=True)
        ]
        best = {cost: max(rate for other, rate in means if other <= cost) for cost, _ in means}
        assert np.array(line) == pytest.approx(np.array(sorted(best.items()))), (attack, representation)
    # Both deltas of BIM-b cost its steps, and all of FGSM costs one gradient.
    assert [x for x, _ in lines["bim_b", "STFT"]] == [5, 50]
    assert [x for x, _ in lines["fgsm", "STFT"]] == [1]
    rows = points(built, "cost_curves")
    for (names, attack), some in rows.groupby(["runs", "attack"]):
        assert some["batch_gradients"].is_monotonic_increasing
        expected = [(cost, rate) for _, cost, rate in setting_points(runs, names, attack)]
        shown = list(zip(some["batch_gradients"], some["fooling_rate"], strict=True))
        assert np.array(rounded(shown)) == pytest.approx(np.array(rounded(expected)))
    assert set(rows["runs"]) == {names for some in SETTINGS.values() for names in some}
