import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from metrics.attack_summary import THE_SIX
from metrics.model_variance import corrected_resampled_interval
from reporting.accuracy import Accuracies
from reporting.association import Point, associate, paper_points, stratified_permutation
from reporting.claims.accuracy import accuracy_findings
from reporting.claims.accuracy_vs_robustness import relation_findings
from reporting.claims.claim import Claim
from reporting.claims.cost import cost_findings
from reporting.claims.cost_ratio import cost_ratio
from reporting.claims.models import model_findings
from reporting.claims.transfer import transfer_findings
from reporting.estimates import Estimate, attack_auc, six_cost
from reporting.paper_numbers import ITERATIVE
from reporting.runs import AttackResults, Run
from reporting.selection import Selection
from reporting.verdicts import judge

PITCHED = {"architecture": "resnet18", "augmentation": "pitch_shift"}
FOLDS = (1, 2, 3, 4, 5)


def made_up(
    tmp_path,
    name,
    settings,
    *,
    factor=1.0,
    seed=0,
    folds=FOLDS,
    auc=0.9,
    right=None,
    parameters=1000,
    clips=10,
    uneven=0.0,
):
    """A run whose iterative attacks cost ``factor`` times as much as another's, and whose clips 0..right are right.

    The factor, and what CWA costs above the others, grow by a share ``uneven`` on fold 3.
    """
    rows = []
    for place, (fold, attack) in enumerate(itertools.product(folds, THE_SIX)):
        more = 1 + uneven * (fold == 3)
        price = 1.0 if attack == "fgsm" else factor * more * (10 + fold) * (50 * more if attack == "cwa" else 1)
        cost = {"gradients": price, "censored": place == 3}
        rows.append(
            {"fold": fold, "attack": attack, "n": 10, "auc": auc, "fooling_rate": 0.5, "batch_gradients": price,
             "cost_auc90": cost}
        )  # fmt: skip
    means = {
        attack: {"n": 10 * len(folds), "auc": auc, "auc_low": auc - 0.1, "auc_high": auc + 0.05, "fooling_rate": 0.5}
        for attack in THE_SIX
    }
    six = {"attacks": list(THE_SIX), "auc": auc, "auc_low": auc - 0.1, "auc_high": auc + 0.05, "fooling_rate": 0.5}
    attacks = AttackResults("smoke", None, 10 * len(folds), 12, means, six, rows, [], [], 0)
    path = tmp_path / name
    right = dict.fromkeys(folds, 5) if right is None else right
    (path / "attacks").mkdir(parents=True, exist_ok=True)
    attacked = [
        (attack, fold, f"{fold}-{clip}.wav", f"s{fold}{clip}")
        for attack in THE_SIX
        for fold in folds
        for clip in range(10)
    ]
    columns = ["attack", "fold", "name", "recording"]
    pd.DataFrame(attacked, columns=columns).to_parquet(path / "attacks" / "outcomes.parquet")
    for fold in folds:
        (path / f"fold{fold}").mkdir(parents=True)
        lines = [f"{fold}-{clip}.wav,s{fold}{clip},0,{int(clip >= right[fold])}" for clip in range(clips)]
        (path / f"fold{fold}" / "predictions.csv").write_text(
            "\n".join(["clip,recording,label,prediction", *lines]) + "\n"
        )
    accuracy = sum(right[fold] for fold in folds) / (clips * len(folds))
    summary = {"accuracy_mean": accuracy, "folds": [{"fold": fold} for fold in folds], "parameters": parameters}
    return Run(name, path, "ESC10", "official", {**PITCHED, **settings}, seed, summary, attacks, [])


def findings_of(findings, claim, numbers="ours, ESC-10"):
    return next(finding for finding in findings if finding.claim == claim and finding.numbers == numbers)


def selected(*runs):
    return Selection(tuple(runs), "official", "smoke", {}, {})


def test_the_permutation_test_says_of_the_paper_what_its_numbers_say():
    area = associate(paper_points(), "auc")
    assert (area.strata, area.points, area.all_points) == (9, 27, 27)
    assert area.within == pytest.approx(0.61, abs=0.005)
    assert area.p < 0.002
    assert (area.pooled, area.pooled_p) == (pytest.approx(0.125, abs=0.006), pytest.approx(0.54, abs=0.005))
    assert area.verdict == "positive"
    cost = associate(paper_points(), "log_gradients")
    assert (cost.within, cost.p) == (pytest.approx(0.08, abs=0.005), pytest.approx(0.69, abs=0.01))
    assert (cost.pooled, cost.pooled_p) == (pytest.approx(0.47, abs=0.005), pytest.approx(0.014, abs=0.0005))
    assert cost.verdict == "undecided"


def centred(sizes, seed):
    parts = [np.random.default_rng([seed, k]).normal(size=(size, 2)) for k, size in enumerate(sizes)]
    return [part - part.mean(axis=0) for part in parts]


@settings(max_examples=15)
@given(st.lists(st.integers(2, 4), min_size=1, max_size=3), st.integers(0, 1000))
def test_few_permutations_are_gone_through_one_by_one(sizes, seed):
    parts = centred(sizes, seed)
    within, p, smallest = stratified_permutation(parts)
    x, y = (np.concatenate([part[:, k] for part in parts]) for k in (0, 1))
    assert within == pytest.approx(pearsonr(x, y).statistic)
    found = [
        abs(pearsonr(x, np.concatenate(order)).statistic)
        for order in itertools.product(*(itertools.permutations(part[:, 1]) for part in parts))
    ]
    assert p == pytest.approx(np.mean(np.array(found) >= abs(within) - 1e-9))
    assert smallest == pytest.approx(np.mean(np.array(found) >= max(found) - 1e-9))
    assert 1 / math.prod(map(math.factorial, sizes)) <= smallest <= p


def test_drawn_and_counted_permutations_agree(monkeypatch):
    parts = centred((4, 3, 3, 2), 3)
    _, counted, _ = stratified_permutation(parts)
    monkeypatch.setattr("reporting.association.EXACT_UP_TO", 1)
    _, drawn, smallest = stratified_permutation(parts)
    assert drawn == pytest.approx(counted, abs=0.006)
    assert smallest == pytest.approx(1 / (24 * 6 * 6 * 2))


def test_strata_that_differ_in_level_only_are_no_relation():
    # Accuracy and AUC both rise from stratum to stratum and not inside one.
    steps = [(-1, 1), (1, -1), (-1, -1), (1, 1)]
    points = [
        Point("STFT", f"corpus{k}", 0.5 + 0.1 * k + 0.01 * x, 0.5 + 0.1 * k + 0.01 * y, None)
        for k in range(5)
        for x, y in steps
    ]
    found = associate(points, "auc")
    assert found.within == pytest.approx(0, abs=1e-9)
    assert found.pooled > 0.9
    assert found.verdict == "undecided"
    assert associate(points, "log_gradients") is None


def test_fewer_than_five_strata_decide_nothing():
    def ladder(strata):
        return [Point("STFT", f"c{k}", 0.1 * step, 0.5 + 0.1 * step, None) for k in range(strata) for step in range(4)]

    few, enough = associate(ladder(4), "auc"), associate(ladder(5), "auc")
    assert (few.within, enough.within) == (pytest.approx(1), pytest.approx(1))
    assert few.p < 0.05
    assert (few.verdict, enough.verdict) == ("undecided", "positive")
    # Two points always give 1 or -1, and one stratum says nothing of strata: neither is shown.
    assert associate(ladder(1)[:2], "auc") is None
    assert associate(ladder(1), "auc") is None
    # Of the 24 orders of four points two are perfect; an approximation would say p = 0.
    four = [Point("STFT", f"c{place // 2}", 0.1 * place, 0.5 + 0.1 * place, None) for place in range(4)]
    found = associate(four, "auc")
    assert (found.pooled, found.pooled_p, found.verdict) == (pytest.approx(1), pytest.approx(1 / 12), "undecided")
    findings = relation_findings(paper_points(), ladder(4))
    assert [(finding.claim, finding.numbers, finding.verdict) for finding in findings] == [
        ("C3a", "paper", "holds"),
        ("C3a", "ours", "undecided"),
        ("C3b", "paper", "undecided"),
        ("C3b", "ours", "missing"),
    ]


@pytest.mark.parametrize(
    ("ends", "by_fold", "verdict"),
    [
        ((0.1, 0.2), (0.15,) * 5, "holds"),
        ((-0.2, -0.1), (-0.15,) * 5, "fails"),
        ((-0.1, 0.1), (0.01,) * 5, "undecided"),
        # Models are counted by five folds, or it is said of these models alone.
        ((0.1, 0.2), (0.15,) * 4, "for these models only"),
        ((-0.2, -0.1), (), "for these models only"),
        ((-0.1, 0.1), (), "undecided"),
        ((None, None), (0.15,) * 5, "undecided"),
        # Folds that lie as far apart as that do not exclude zero, whatever recordings say.
        ((0.1, 0.2), (0.3, 0.0, 0.3, 0.0, 0.15), "for these models only"),
    ],
)
def test_an_interval_over_models_and_recordings_judges_a_claim(ends, by_fold, verdict):
    assert judge(Estimate(0.0, *ends, None, 10, (), by_fold=by_fold)).verdict == verdict
    assert Claim("C0", "x", "y").missing("ours", "a command").shown == "-"


def test_seeds_are_averaged_and_a_censored_cost_stays_a_bound(tmp_path):
    runs = [
        made_up(tmp_path, "a", {"representation": "DWT"}, auc=0.8),
        made_up(tmp_path, "b", {"representation": "DWT"}, auc=0.9, seed=1, factor=2),
    ]
    found = attack_auc(runs, "cwa")
    assert (found.value, found.low, found.high) == (pytest.approx(0.85), pytest.approx(0.75), pytest.approx(0.9))
    # Ten clips of each of five folds, which both seeds saw.
    assert (found.n, found.runs, found.interval) == (50, ("a", "b"), "mean of the seeds' 95 % ends")
    cost = six_cost(runs)
    folds = [[(1 + factor * (10 + fold) * 54) / 6 for fold in FOLDS] for factor in (1, 2)]
    assert cost.value == pytest.approx(np.mean(folds))
    assert (cost.low, cost.high, cost.censored) == (pytest.approx(folds[0][0]), pytest.approx(folds[1][-1]), True)
    assert attack_auc(runs, "lbfgs") is None


def test_costs_are_compared_fold_by_fold(tmp_path):
    cheap = made_up(tmp_path, "cheap", {"representation": "STFT"})
    dear = made_up(tmp_path, "dear", {"representation": "DWT"}, factor=3, folds=(2, 3, 4))
    found = cost_ratio([[dear]], [[cheap]])
    assert (found.value, found.low, found.high, found.n) == (pytest.approx(3), pytest.approx(3), pytest.approx(3), 3)
    assert cost_ratio([[dear]], []) is None


def test_claims_about_cost_need_five_folds(tmp_path):
    def runs(prefix, folds, uneven=0.04):
        mfcc = {"representation": "MFCC", "sample_rate": 8000}
        dwt, stft = {"representation": "DWT", "mother": "morlet"}, {"representation": "STFT"}
        return [
            made_up(tmp_path, f"{prefix}m", mfcc, folds=folds, uneven=uneven / 2),
            made_up(
                tmp_path, f"{prefix}s", {"representation": "STFT", "n_fft": 512}, factor=1.5, folds=folds, uneven=uneven
            ),
            made_up(tmp_path, f"{prefix}t", {**stft, "n_fft": 1024}, factor=1.0, folds=folds, uneven=uneven / 2),
            made_up(tmp_path, f"{prefix}u", {**stft, "n_fft": 2048}, factor=1.2, folds=folds, uneven=uneven / 2),
            made_up(tmp_path, f"{prefix}d", {**dwt, "sample_rate": 8000}, factor=4, folds=folds, uneven=uneven / 2),
        ]

    findings = cost_findings(selected(*runs("five", FOLDS)))
    # At equal delta a map's own unit is measured, whatever the folds say.
    assert findings_of(findings, "C5b").verdict == findings_of(findings, "C5a").verdict == "undecided: units differ"
    assert findings_of(findings, "C5b").value == pytest.approx(4)
    spread = findings_of(findings, "C2", "ours, ESC-10, STFT")
    assert (spread.verdict, spread.value, spread.n) == (
        "holds",
        # On one of five folds 4 % more, beside 2 %, for each of five attacks, and for CWA once more.
        pytest.approx(1.5 * (1.04 / 1.02) ** (6 / 5 / 5)),
        "3 settings, 5 folds, range 1.50 to 1.54",
    )
    assert "the extreme of 3 pairs (Bonferroni)" in spread.note
    costliest = findings_of(findings, "C6")
    # Folds are counted, and the setting in which CWA costs least: those of a fold are models of the same clips.
    assert costliest.value == pytest.approx(50 * 1.02 ** (1 / 5))
    assert (
        costliest.n == "5 settings; the least: 5 folds, range 50.00 to 51.00; CWA is the costliest on 25 of 25 models"
    )
    # A profile that lets each attack spend so much and no more has decided beforehand.
    assert costliest.verdict == "undecided"
    assert "the profile smoke itself limits" in costliest.note
    whole = findings_of(cost_findings(replace(selected(*runs("paper", FOLDS)), profile="paper")), "C6")
    logs = [math.log(50 * (1.02 if fold == 3 else 1)) for fold in FOLDS]
    # One of five settings that fails would refute it, so each has a fifth of the error.
    low, high = corrected_resampled_interval(logs, 1.0, 1 - 0.05 / 5)
    assert (whole.verdict, whole.low, whole.high) == (
        "holds",
        pytest.approx(math.exp(low)),
        pytest.approx(math.exp(high)),
    )
    # Budgets that stop every attack leave one ratio on all folds, whose interval would have no width.
    equal = cost_findings(replace(selected(*runs("equal", FOLDS, 0.0)), profile="paper"))
    for finding in (findings_of(equal, "C6"), findings_of(equal, "C2", "ours, ESC-10, STFT")):
        assert finding.verdict == "undecided"
        assert "the same on every fold" in finding.note
    few = cost_findings(selected(*runs("four", FOLDS[:4])))
    assert findings_of(few, "C2", "ours, ESC-10, STFT").verdict == "undecided"
    assert "fewer than 5 folds (4)" in findings_of(few, "C2", "ours, ESC-10, STFT").note


def test_maxima_over_more_clips_decide_nothing(tmp_path):
    mfcc = made_up(tmp_path, "mfcc", {"representation": "MFCC", "sample_rate": 8000})
    dwt = {"representation": "DWT", "mother": "morlet"}
    fewer = made_up(tmp_path, "fewer", {**dwt, "sample_rate": 8000}, factor=4)
    more = made_up(tmp_path, "more", {**dwt, "sample_rate": 16000}, factor=8)
    assert "cannot be compared" not in findings_of(cost_findings(selected(mfcc, fewer, more)), "C5b").note
    more = replace(more, attacks=replace(more.attacks, clips=24))
    findings = cost_findings(selected(mfcc, fewer, more))
    for finding in (findings_of(findings, "C5b"), findings_of(findings, "C2", "ours, ESC-10, DWT")):
        assert finding.verdict.startswith("undecided")
        assert "maxima over 24 and all clips per fold cannot be compared" in finding.note


def test_what_the_papers_own_numbers_say_of_its_claims(tmp_path):
    run = made_up(tmp_path, "one", {"representation": "STFT", "n_fft": 512})
    findings = accuracy_findings(selected(run), Accuracies()) + cost_findings(selected(run))
    findings += transfer_findings(selected(run)) + model_findings(selected(run))
    said = {finding.claim: (finding.verdict, finding.value) for finding in findings if finding.numbers == "paper"}
    assert said["C1a"] == ("descriptive", pytest.approx(0.009, abs=5e-4))
    assert said["C1b"] == ("descriptive", pytest.approx(0.154, abs=5e-4))
    # Eighteen pairs of three corpora share their models: t over corpora, p = 0.077.
    assert said["C4a"] == ("undecided", pytest.approx(0.622 - 0.578, abs=1e-3))
    assert said["C4b"] == ("descriptive", pytest.approx(0.690 - 0.578, abs=1e-3))
    assert said["C6"] == ("descriptive", pytest.approx(3.27, abs=0.005))
    assert "p = 0.077" in findings_of(findings, "C4a", "paper").note
    assert said["C5a"][0] == said["C5b"][0] == said["C2"][0] == "descriptive"
    # What it states without numbers cannot be judged on its numbers.
    assert {said[claim][0] for claim in ("R5", "R7a", "R7e", "R12a", "R12f", "C7")} == {"stated only"}


def test_claims_about_accuracy_follow_paired_differences(tmp_path):
    right = dict.fromkeys(FOLDS, 9)
    dwt = {"representation": "DWT", "mother": "morlet", "sample_rate": 8000, "frame_milliseconds": 50.0}
    good = made_up(tmp_path, "good", dwt, right=right)
    short = made_up(tmp_path, "short", {**dwt, "frame_milliseconds": 30.0}, right=dict.fromkeys(FOLDS, 4))
    stft = made_up(tmp_path, "stft", {"representation": "STFT", "n_fft": 1024}, right=right)
    alex = made_up(
        tmp_path, "alex", {"representation": "STFT", "n_fft": 1024, "architecture": "alexnet"}, parameters=5100
    )
    findings = accuracy_findings(selected(good, short, stft, alex), Accuracies())
    frame = findings_of(findings, "C7")
    assert (frame.verdict, frame.value, frame.runs) == ("holds", pytest.approx(0.5), ("good", "short"))
    assert findings_of(findings, "C1a").verdict == "undecided"
    assert findings_of(findings, "C1a").value == pytest.approx(0)
    assert findings_of(findings, "R12d").value == pytest.approx(0.4)
    assert findings_of(findings, "R5").verdict == "missing"
    assert findings_of(findings, "R5").note.startswith("python sweep.py configs/sweeps/section5b_augmentation.yaml")
    size = findings_of(model_findings(selected(stft, alex)), "R12b")
    assert (size.verdict, size.value, size.interval) == ("fails", pytest.approx(5.1), "-")


def test_only_the_five_iterative_attacks_make_the_cost():
    assert set(ITERATIVE) == set(THE_SIX) - {"fgsm"}
