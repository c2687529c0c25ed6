"""Claims about several models, and comparisons that could say more than they can: what keeps them from it."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import t

from metrics.intervals import Recordings, rate_interval, share_ends
from metrics.model_variance import corrected_resampled_interval
from reporting.accuracy import Accuracies
from reporting.claims.accuracy import accuracy_findings
from reporting.claims.claim import paper_contrast
from reporting.claims.cost import cost_findings
from reporting.claims.models import NETS, _estimate, model_findings, strongest
from reporting.paper_numbers import paper_settings
from reporting.runs import read_runs
from reporting.selection import Selection, select_runs
from reporting.studies import STUDIES
from reporting.tables.trust import run_deviations
from reporting.verdicts import both_interval
from tests import report_fixtures
from tests.test_report_statistics import FOLDS, findings_of, made_up, selected

STFT = {"representation": "STFT", "n_fft": 1024}


def fooled(tmp_path, net, successes, *, stored=None, folds=5, profile="paper", unbounded=None):
    """A run of a net whose strongest attack fools so many of its clips, each a recording of its own."""
    run = made_up(tmp_path, f"{net}{len(successes)}", {**STFT, "architecture": net})
    rows = pd.DataFrame({"recording": [f"s{k}" for k in range(len(successes))], "success": successes})
    rows = rows.assign(fold=1 + np.arange(len(rows)) % folds, clip=np.arange(len(rows)))
    (run.path / "attacks").mkdir(exist_ok=True)
    rows = [rows.assign(attack="bim_b", budget_index=4)]
    if unbounded is not None:
        rows.append(rows[0].assign(attack="check_unbounded", budget_index=0, success=unbounded))
    pd.concat(rows).to_parquet(run.path / "attacks" / "outcomes.parquet")
    n = len(successes) if stored is None else stored
    points = [{"attack": "bim_b", "budget_index": 4, "fooling_rate": float(np.mean(successes))}]
    points[0] |= {"n": n, "tests": n}
    return replace(run, attacks=replace(run.attacks, curve=points, profile=profile))


def test_every_net_is_fooled_only_if_each_of_the_five_surely_is(tmp_path):
    sure = {net: fooled(tmp_path, net, [1.0] * 300) for net in NETS}
    found = findings_of(model_findings(selected(*sure.values())), "R12f")
    assert (found.verdict, found.value, found.n) == ("holds", 1.0, "300 clips of 300 recordings")
    # Neither four nets nor one with too few clips to exclude 95 % say it of every net.
    assert findings_of(model_findings(selected(*list(sure.values())[:4])), "R12f").verdict == "undecided"
    few = findings_of(
        model_findings(selected(*list(sure.values())[:4], fooled(tmp_path, "alexnet", [1.0] * 9))), "R12f"
    )
    assert (few.verdict, few.n) == ("undecided", "9 clips of 9 recordings")
    assert few.note.startswith("AlexNet, STFT: the lowest lower end of 5 of 5 nets")
    # One that surely is not refutes it, whatever is missing.
    held = fooled(tmp_path, "googlenet", [1.0] * 60 + [0.0] * 40)
    found = findings_of(model_findings(selected(sure["resnet18"], held)), "R12f")
    assert (found.verdict, found.value) == ("fails", pytest.approx(0.6))
    # The same on two folds is said of these models alone.
    two = fooled(tmp_path / "two", "googlenet", [1.0] * 60 + [0.0] * 40, folds=2)
    assert findings_of(model_findings(selected(two)), "R12f").verdict == "for these models only"


def test_a_limited_budget_does_not_refute_that_every_net_can_be_fooled(tmp_path):
    # 38.5 % at the profile smoke once gave "fails".
    held = [1.0] * 77 + [0.0] * 123
    found = findings_of(model_findings(selected(fooled(tmp_path, "alexnet", held, profile="smoke"))), "R12f")
    assert (found.verdict, found.value) == ("undecided", pytest.approx(0.385))
    assert "refutes nothing" in found.note
    # BIM-b without a bound that fools as few has masked gradients, or it would fool all: that refutes nothing either.
    run = fooled(tmp_path / "free", "alexnet", held, profile="smoke", unbounded=held)
    found = findings_of(model_findings(selected(run)), "R12f")
    assert (found.verdict, found.value, found.n) == ("undecided", pytest.approx(0.385), "200 clips of 200 recordings")
    assert "BIM-b without a bound" in found.note
    # An attack of the profile that fools every clip is not hidden by the check.
    run = fooled(tmp_path / "masked", "alexnet", [1.0] * 200, profile="smoke", unbounded=held)
    found = findings_of(model_findings(selected(run)), "R12f")
    assert (found.verdict, found.value) == ("undecided", 1.0)
    assert found.low > 0.95
    # The paper's budgets decide.
    run = fooled(tmp_path / "whole", "alexnet", held, profile="paper")
    found = findings_of(model_findings(selected(run)), "R12f")
    assert (found.verdict, found.value) == ("fails", pytest.approx(0.385))


def test_folds_that_share_their_clips_have_an_interval_too(tmp_path):
    grouped = {"split": "grouped", "folds": (1, 2, 3, 4, 5), "clips": 60, "attacks": ("fgsm", "deepfool")}
    report_fixtures.write_run(tmp_path, "shared", report_fixtures.STFT, **grouped)
    (run,) = read_runs(tmp_path)
    found = strongest(run)
    rows = pd.read_parquet(tmp_path / "shared" / "attacks" / "outcomes.parquet")
    assert len(rows) > rows["clip"].nunique() * len(run.attacks.curve)
    rates = rows.groupby(["attack", "budget_index", "fold"])["success"].mean().groupby(level=[0, 1]).mean()
    assert found.estimate.value == pytest.approx(rates.max())
    assert (found.estimate.n, found.estimate.recordings) == (rows["clip"].nunique(), rows["recording"].nunique())
    assert all(one.low is not None and one.low < one.value <= one.high for one in found.candidates)
    low, high = both_interval(found.estimate)
    assert 0 <= low < found.estimate.value <= high <= 1


def test_the_best_of_many_attacks_has_the_interval_of_a_maximum(tmp_path):
    rates = [1.0] * 290 + [0.0] * 10
    alone = fooled(tmp_path, "alexnet", rates)
    points = [{**alone.attacks.curve[0], "attack": name, "fooling_rate": 0.5} for name in ("fgsm", "bim_a", "jsma")]
    many = replace(alone, attacks=replace(alone.attacks, curve=[*alone.attacks.curve, *points]))
    one, best = (strongest(run) for run in (alone, many))
    assert (len(one.candidates), len(best.candidates)) == (1, 4)
    assert best.confidence == pytest.approx(1 - 0.05 / 4)
    recordings = Recordings([f"s{k}" for k in range(300)])
    expected = rate_interval(torch.tensor(rates), recordings, 1 - 0.05 / 4)
    assert (best.estimate.low, best.estimate.high) == pytest.approx((expected.low, expected.high))
    assert best.estimate.low < one.estimate.low
    note = findings_of(model_findings(selected(many)), "R12f").note
    assert "Bonferroni over 4 attacks and budgets" in note
    # One net of several that is fooled too rarely refutes the claim, so each gets a share of the error.
    shared = strongest(many, 5)
    expected = rate_interval(torch.tensor(rates), recordings, 1 - 0.05 / 20)
    assert (shared.estimate.low, shared.estimate.high) == pytest.approx((expected.low, expected.high))
    nets = [fooled(tmp_path / "all", net, rates) for net in NETS]
    note = findings_of(model_findings(selected(*nets)), "R12f").note
    assert "Bonferroni over 5 runs" in note


def test_rows_that_have_moved_on_since_the_summary_have_no_interval(tmp_path):
    runs = [fooled(tmp_path, net, [1.0] * 300, stored=100 if net == "alexnet" else None) for net in NETS]
    found = findings_of(model_findings(selected(*runs)), "R12f")
    assert (found.verdict, found.low, found.high) == ("undecided", None, None)


def test_equal_accuracy_is_judged_net_by_net(tmp_path):
    def net(name, right):
        settings = {**STFT, "architecture": name}
        return made_up(tmp_path, f"{name}{right}", settings, right=dict.fromkeys(FOLDS, right), clips=20)

    resnet18, resnet34, resnet56 = net("resnet18", 5), net("resnet34", 5), net("resnet56", 5)
    better, worse, same = net("googlenet", 10), net("resnet34", 0), net("googlenet", 5)
    # Their mean is that of ResNet-18, and neither of them is.
    found = findings_of(accuracy_findings(selected(resnet18, better, worse, resnet56), Accuracies()), "R12e")
    assert found.verdict == "fails"
    found = findings_of(accuracy_findings(selected(resnet18, same, resnet34), Accuracies()), "R12e")
    assert (found.verdict, found.value) == ("undecided", 0.0)
    # Two nets that never differ on 100 recordings are not certain to be equal; one of three comparisons (Bonferroni).
    half = t.ppf(1 - 0.025 / 3, 99) * 2**0.5 / 102
    assert (found.low, found.high) == (pytest.approx(-half), pytest.approx(half))
    assert "missing: ResNet-56" in found.note
    found = findings_of(accuracy_findings(selected(resnet18, same, resnet34, resnet56), Accuracies()), "R12e")
    assert found.verdict == "holds"


def test_the_best_lifter_is_compared_with_every_other_one(tmp_path):
    def lifter(scale, right):
        settings = {"representation": "MFCC", "sample_rate": 8000, "lifter_scale": scale}
        return made_up(tmp_path, f"d{scale}", settings, right=dict.fromkeys(FOLDS, right))

    scales = [scale for scale in STUDIES["figure3_lifter"].values if scale != 0.0]
    best, others = lifter(0.0, 10), [lifter(scale, 3) for scale in scales]
    found = findings_of(accuracy_findings(selected(best, *others), Accuracies()), "R7e")
    assert (found.verdict, found.value) == ("holds", pytest.approx(0.7))
    # Without all the values nothing says which is best, but one that is better refutes it.
    found = findings_of(accuracy_findings(selected(best, *others[1:]), Accuracies()), "R7e")
    assert found.verdict == "undecided"
    assert f"{len(scales)} of {len(scales) + 1} values" in found.note
    poor = made_up(tmp_path, "poor", best.settings, right=dict.fromkeys(FOLDS, 0))
    found = findings_of(accuracy_findings(selected(poor, others[0]), Accuracies()), "R7e")
    assert (found.verdict, found.value) == ("fails", pytest.approx(-0.3))


def test_the_highest_rate_lies_within_its_interval_where_folds_are_unequal(tmp_path):
    # A mean over folds: all of 40 clips, and 5 of 10.
    success = [1.0] * 45 + [0.0] * 5
    rows = pd.DataFrame({"fold": [1] * 40 + [2] * 10, "success": success, "clip": range(50), "recording": range(50)})
    run = made_up(tmp_path, "net", {"representation": "STFT", "n_fft": 512}, folds=(1, 2))
    found = _estimate(run, rows, 0.75, 50, 50, 1)
    assert found.low < 0.75 < found.high
    folds = Recordings(range(50)).over_folds([slice(0, 40), slice(40, 50)])
    assert folds.effective == 20
    low, high = share_ends(0.75, 0.25 / 10 / 4, 20)
    assert (found.low, found.high) == (pytest.approx(float(low)), pytest.approx(float(high)))


def test_the_costliest_and_the_cheapest_of_many_settings_are_an_extreme_pair(tmp_path):
    generator = np.random.default_rng(0)

    def verdict(settings, noise):
        runs = []
        for place, n_fft in enumerate((512, 1024, 2048)[:settings]):
            run = made_up(tmp_path, f"{settings}{place}{noise}", {**STFT, "n_fft": n_fft}, factor=1 + 0.3 * place)
            cost = {fold: math.exp(noise * generator.normal()) for fold in FOLDS}
            rows = [{**row, "batch_gradients": row["batch_gradients"] * cost[row["fold"]]} for row in run.attacks.folds]
            runs.append(replace(run, attacks=replace(run.attacks, folds=rows)))
        return findings_of(cost_findings(selected(*runs)), "C2", "ours, ESC-10, STFT")

    two, three = verdict(2, 0.01), verdict(3, 0.01)
    assert (two.verdict, three.verdict) == ("holds", "holds")
    assert "extreme of" not in two.note
    assert "the extreme of 3 pairs (Bonferroni)" in three.note
    assert three.value == pytest.approx(1.6, rel=0.05)
    # Without a difference, the extremes of eight differ, and the selected pair has to exclude what selection does.
    draws, chance = 4000, 0
    logs = np.random.default_rng(1).normal(size=(draws, len(FOLDS), 8)) * math.sqrt(0.5)
    logs += np.random.default_rng(2).normal(size=(draws, 1, 8)) * math.sqrt(0.5)
    means = logs.mean(1)
    extremes = np.take_along_axis(logs, means.argmax(1)[:, None, None], 2) - np.take_along_axis(
        logs, means.argmin(1)[:, None, None], 2
    )
    for folds in extremes[..., 0]:
        chance += corrected_resampled_interval(folds.tolist(), 1.0, 1 - 0.05 / 28)[0] > 0
    assert chance / draws < 0.06


def test_attacks_that_a_budget_ends_are_named_with_the_ratio_of_the_others(tmp_path):
    def capped(run):
        rows = [{**row, "batch_gradients": 430.0} if row["attack"] == "jsma" else row for row in run.attacks.folds]
        return replace(run, attacks=replace(run.attacks, folds=rows))

    mfcc = made_up(tmp_path, "mfcc", {"representation": "MFCC", "sample_rate": 8000})
    dwt = made_up(tmp_path, "dwt", {"representation": "DWT", "mother": "morlet", "sample_rate": 8000}, factor=4)
    free = findings_of(cost_findings(selected(mfcc, dwt)), "C5b")
    assert (free.value, free.n) == (pytest.approx(4), "5 folds, range 4.00 to 4.00")
    assert "spend all" not in free.note
    found = findings_of(cost_findings(selected(capped(mfcc), capped(dwt))), "C5b")
    assert found.value == pytest.approx(4 ** (4 / 5))
    assert "JSMA: stopped by the budget on most models of a side; DeepFool, BIM-a, BIM-b, CWA alone: 4.00" in found.note


def test_a_budget_that_stops_attacks_decides_no_cost(tmp_path):
    # Each side has its own budget but for the fourth digit on one fold, so that an interval over folds is narrow.
    def spending(run, price):
        rows = [
            {**row, "batch_gradients": price.get(row["attack"], 7.0 + row["fold"]) * (1 + 1e-4 * uneven)}
            for row in run.attacks.folds
            for uneven in [row["attack"] == "cwa" and row["fold"] == 3]
        ]
        return replace(run, attacks=replace(run.attacks, folds=rows, profile="paper"))

    def verdict(claim, *prices, numbers="ours, ESC-10"):
        runs = [
            made_up(tmp_path, f"{place}{claim}{len(str(prices))}", {**STFT, "n_fft": n_fft})
            for place, n_fft in enumerate((512, 1024, 2048))
        ]
        runs = [spending(run, price) for run, price in zip(runs, prices, strict=True)]
        return findings_of(cost_findings(replace(selected(*runs), profile="paper")), claim, numbers)

    free = dict.fromkeys(("bim_a", "bim_b", "deepfool", "jsma"), 100.0)
    # CWA costs 1000 wherever it is used, and the costliest other attack 100: budgets, not costs.
    found = verdict("C6", *[{**free, "cwa": 1000.0}] * 3)
    assert (found.verdict, found.value) == ("undecided", pytest.approx(10, rel=1e-4))
    assert "the costliest other attack spent its whole budget on most models" in found.note
    # With the others as they come, what CWA costs above them is more than its budget shows.
    assert verdict("C6", {"cwa": 1000.0}, {"cwa": 1000.0}, {"cwa": 1000.0}).verdict == "holds"
    assert verdict("C6", {"cwa": 1.0}, {"cwa": 1.0}, {"cwa": 1.0}).verdict == "undecided"
    # In one of three settings CWA surely costs less than another attack, on every fold.
    found = verdict("C6", {"cwa": 1000.0}, {"cwa": 1000.0}, {"deepfool": 1e5, "jsma": 9.0})
    assert (found.verdict, found.low < found.high < 1) == ("fails", True)
    # Four of five attacks are stopped on two of three settings, and the fifth costs the same everywhere.
    same = {**free, "cwa": 50.0}
    found = verdict("C2", same, {**same, "cwa": 50.001}, {attack: 4 * price for attack, price in same.items()},
                    numbers="ours, ESC-10, STFT")  # fmt: skip
    assert found.value > 1
    assert found.verdict == "undecided"


def test_chance_among_many_settings_does_not_say_that_cwa_is_cheaper():
    # The least of 27 ratios lies below 1 although each is 1.05; one setting at a time, it rarely does so surely.
    generator = np.random.default_rng(0)
    draws, settings, excluded = 1000, 27, 0
    for _ in range(draws):
        logs = math.log(1.05) + 0.1 * generator.normal(size=(settings, len(FOLDS)))
        ends = [corrected_resampled_interval(folds.tolist(), 1.0, 1 - 0.05 / settings) for folds in logs]
        excluded += min(high for _, high in ends) < 0
    assert excluded / draws < 0.05


def test_an_attack_that_a_budget_stops_on_the_cheaper_side_decides_nothing(tmp_path):
    # On ResNet-18 JSMA ends at its cap of 430; without it, it may cost any number.
    def net(name, factor, cap=None):
        run = made_up(
            tmp_path, f"{name}{factor}{cap}", {**STFT, "architecture": name}, factor=factor, uneven=factor / 50
        )
        rows = run.attacks.folds
        if cap is not None:
            rows = [{**row, "batch_gradients": cap} if row["attack"] == "jsma" else row for row in rows]
        return replace(run, attacks=replace(run.attacks, folds=rows, profile="paper"))

    def judged(first, second):
        return findings_of(cost_findings(replace(selected(first, second), profile="paper")), "R12g")

    googlenet = net("googlenet", 20.0)
    assert judged(net("resnet18", 10.0), googlenet).verdict == "fails"
    found = judged(net("resnet18", 10.0, 130.0), googlenet)
    assert found.verdict == "undecided"
    assert found.note.startswith("JSMA: stopped by the budget on most models of a side; ")
    assert "without its budget the cheaper side would have cost more" in found.note
    # Where the side that is stopped is the costlier one, the ratio is larger still.
    assert judged(net("resnet18", 40.0, 600.0), googlenet).verdict == "holds"


def test_a_cost_on_a_few_recordings_decides_nothing(tmp_path):
    nets = [
        made_up(tmp_path, name, {**STFT, "architecture": name}, factor=factor, uneven=0.02 * factor)
        for name, factor in (("resnet18", 4), ("googlenet", 1))
    ]

    def verdict(recordings):
        runs = [replace(run, attacks=replace(run.attacks, recordings=recordings)) for run in nets]
        return findings_of(cost_findings(selected(*runs)), "R12g")

    assert verdict(10).verdict == "holds"
    assert verdict(5).verdict == "undecided"
    assert "too few recordings" in verdict(5).note


def test_maxima_over_fewer_clips_that_are_right_decide_nothing(tmp_path):
    def with_clips(run, n):
        return replace(run, attacks=replace(run.attacks, folds=[{**row, "n": n} for row in run.attacks.folds]))

    mfcc = made_up(tmp_path, "mfcc", {"representation": "MFCC", "sample_rate": 8000})
    dwt = made_up(tmp_path, "dwt", {"representation": "DWT", "mother": "morlet", "sample_rate": 8000}, factor=4)
    assert "cannot be compared" not in findings_of(cost_findings(selected(with_clips(mfcc, 9), dwt)), "C5b").note
    found = findings_of(cost_findings(selected(with_clips(mfcc, 5), dwt)), "C5b")
    assert found.verdict == "undecided: units differ"
    assert "maxima over 10 and 5 clips per fold that are correct when clean cannot be compared" in found.note


def test_runs_of_one_setting_and_seed_are_not_averaged(tmp_path):
    def trained(name, epochs, **attributes):
        run = made_up(tmp_path, name, STFT)
        summary = {**run.summary, "folds_finished": 5, "folds_in_all": 5, "folds": [{"fold": 1, "epochs": epochs}]}
        return replace(run, summary=summary, **attributes)

    attacked, longer = trained("b", 6), trained("a", 8, attacks=None)
    assert select_runs([longer, attacked]).runs == (attacked,)
    both = [replace(attacked, attacks=None), longer]
    selection = select_runs(both)
    assert [run.name for run in selection.runs] == ["a"]
    said = run_deviations(selection)
    assert ("Left out", "b: a, which is shown, has the same setting and seed.") in said
    assert len(select_runs([attacked, replace(longer, seed=1)]).runs) == 2


def test_a_missing_cell_is_filled_with_the_most_clips_that_are_there(tmp_path):
    runs = [made_up(tmp_path, name, {**STFT, "win_length_ratio": place}) for place, name in enumerate("abc")]
    runs = [
        replace(run, attacks=replace(run.attacks, clips=clips)) for run, clips in zip(runs, (10, 10, 24), strict=True)
    ]
    assert Selection(tuple(runs), "official", "smoke", {}, {}).attack_flags == "--budgets smoke --clips 24"
    runs[0] = replace(runs[0], attacks=replace(runs[0].attacks, clips=None))
    assert Selection(tuple(runs), "official", "smoke", {}, {}).attack_flags == "--budgets smoke"


def test_the_papers_own_difference_has_the_range_over_its_corpora():
    found, corpora = paper_contrast(3, 2, lambda row: row.accuracy)
    by_hand = {}
    for corpus in ("ESC10", "ESC50", "UrbanSound8K"):
        sides = [np.mean([row.accuracy for row in paper_settings(k) if row.corpus == corpus]) for k in (3, 2)]
        by_hand[corpus] = sides[0] - sides[1]
    assert corpora == pytest.approx(by_hand)
    assert found.value == pytest.approx(np.mean(list(by_hand.values())))
    assert (found.low, found.high) == pytest.approx((min(by_hand.values()), max(by_hand.values())))


def test_classifiers_that_were_trained_for_longer_than_others_are_named(tmp_path):
    def trained(name, epochs, net):
        run = made_up(tmp_path, name, {**STFT, "architecture": net})
        folds = [{"fold": fold, "epochs": epochs} for fold in FOLDS]
        return replace(run, summary={**run.summary, "folds_finished": 5, "folds_in_all": 5, "folds": folds})

    runs = [trained("a", 8, "resnet18"), trained("b", 24, "alexnet"), trained("c", 8, "googlenet")]
    said = dict(run_deviations(select_runs(runs)))
    assert said["Epochs"].endswith("8 epochs: a, c; 24 epochs: b.")
    assert "Epochs" not in dict(run_deviations(select_runs([runs[0], runs[2]])))
