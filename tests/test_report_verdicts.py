"""Verdicts that were stronger than their data, each with what it has to be."""

import math
import shlex
import statistics
from dataclasses import replace

import pytest
import yaml
from matplotlib.markers import CARETUPBASE
from scipy.stats import norm
from scipy.stats import t as student
from test_report_statistics import FOLDS, findings_of, made_up, selected

from commands.train_cli import TrainCLI
from reporting.accuracy import Accuracies
from reporting.association import Association, holm
from reporting.claims.accuracy import accuracy_findings
from reporting.claims.cost import cost_findings
from reporting.controls import beyond_the_claim
from reporting.estimates import Estimate, six_cost
from reporting.figures.paper_figures import study_figure
from reporting.tables.accuracy_differences import setting_differences_table
from reporting.tables.formats import interval
from reporting.tables.table import Quantity
from reporting.verdicts import both_interval, corrected, judge

MFCC = {"representation": "MFCC", "sample_rate": 8000}
STFT = {"representation": "STFT", "n_fft": 1024}
STFT_RIGHT = (70, 64, 70, 74, 70)
MFCC_RIGHT = (63, 68, 62, 66, 63)


def pair(tmp_path, folds=FOLDS):
    """Eighty clips a fold, whose accuracies differ by +8.75, -5, +10, +10 and +8.75 points as on ESC-10."""
    return [
        made_up(tmp_path, name, settings, folds=folds, clips=80, right=dict(zip(FOLDS, right, strict=True)))
        for name, settings, right in (("stft", STFT, STFT_RIGHT), ("mfcc", MFCC, MFCC_RIGHT))
    ]


def test_a_difference_that_other_models_may_undo_is_said_of_these_models_only(tmp_path):
    found = findings_of(accuracy_findings(selected(*pair(tmp_path)), Accuracies()), "C1b")
    assert found.value == pytest.approx(0.065)
    assert found.verdict == "for these models only"
    # Over folds with r = 1, as docs/verdicts.md has it; recordings alone exclude zero.
    assert (100 * found.low, 100 * found.high) == (pytest.approx(-13.1, abs=0.05), pytest.approx(26.1, abs=0.05))
    assert "recordings alone: [+" in found.note
    assert "for these models it holds" in found.note


def test_differences_come_out_by_fold(tmp_path):
    stft, mfcc = pair(tmp_path)
    found = Accuracies().difference([[stft]], [[mfcc]])
    assert [100 * value for value in found.by_fold] == pytest.approx([8.75, -5, 10, 10, 8.75])
    assert not found.same_recordings
    assert found.by_seed == (pytest.approx(found.value),)
    assert found.recordings == 400
    four = Accuracies().difference([[stft]], [pair(tmp_path / "four", FOLDS[:4])[1:]])
    assert len(four.by_fold) == 4
    assert both_interval(four) is None


def test_three_seeds_count_models_too(tmp_path):
    runs = {
        name: [
            made_up(tmp_path, f"{name}{seed}", STFT, folds=(1,), clips=80, seed=seed, right={1: right + seed})
            for seed in range(3)
        ]
        for name, right in (("high", 75), ("low", 30))
    }
    found = Accuracies().difference([runs["high"]], [runs["low"]])
    assert found.by_seed == pytest.approx([45 / 80] * 3)
    assert judge(found).verdict == "holds"
    assert judge(Accuracies().difference([runs["high"][:2]], [runs["low"]])).verdict == "for these models only"


def test_folds_that_test_the_same_clips_add_recordings_to_models():
    folds = (0.1, 0.12, 0.08, 0.11, 0.09)
    apart = Estimate(0.1, 0.06, 0.14, None, 80, (), by_fold=folds)
    low, high = both_interval(apart)
    again = both_interval(replace(apart, same_recordings=True))
    assert again[1] - again[0] == pytest.approx(((high - low) ** 2 + 0.08**2) ** 0.5)
    # A maximum has no interval over recordings, so such folds say nothing of them.
    cost = Estimate(2.0, 1.9, 2.1, None, 5, (), by_fold=(), interval="range over folds", same_recordings=True)
    assert judge(cost, 1.0, logarithmic=True).verdict == "undecided"


def test_the_interval_is_never_narrower_than_that_over_recordings():
    found = Estimate(0.1, 0.05, 0.15, None, 80, (), by_fold=(0.1,) * 5)
    assert both_interval(found) == (0.05, 0.15)


def test_the_interval_of_a_share_ends_where_shares_do():
    found = Estimate(0.926, 0.88, 0.96, None, 80, (), by_fold=(0.7, 0.95, 1.0, 1.0, 0.98))
    low, high = both_interval(found)
    assert high == pytest.approx(1.315, abs=1e-3)
    assert both_interval(replace(found, bounds=(0.0, 1.0))) == (low, 1.0)


RECIPE = {
    "data": {"class_path": "ESC10", "init_args": {"root": "X", "split": "official", "augmentation": "pitch_shift"}}
}


def with_recipe(run, **model):
    recipe = {**RECIPE, "model": {"architecture": "resnet18", **model}}
    training = {"trainer": {"max_epochs": 8}, "early_stopping": {"patience": 15}}
    settings = {**run.settings, **({"instance_norm": True} if model.get("instance_norm") else {})}
    representation = {
        "class": run.representation,
        **{k: v for k, v in settings.items() if k in ("sample_rate", "n_fft")},
    }
    summary = {**run.summary, "recipe": recipe, "training": training, "representation": representation}
    return replace(run, summary=summary, settings=settings)


def test_runs_that_differ_in_more_than_the_claim_say_so_and_name_the_control(tmp_path):
    stft, mfcc = pair(tmp_path)
    runs = with_recipe(stft, instance_norm=False), with_recipe(mfcc, instance_norm=True)
    note = findings_of(accuracy_findings(selected(*runs), Accuracies()), "C1b").note
    assert note.startswith(
        "the two sides also differ in instance_norm (false; true); control: python train.py "
        "--config runs/mfcc/config.yaml --model.instance_norm false --data.root DIR --name mfcc-control; "
    )
    differing, command = beyond_the_claim([runs[0]], [runs[1]])
    assert differing == ("instance_norm (false; true)",)
    # The command is one that train.py takes, and it trains the MFCC run without the norm.
    flags = "--data ESC10 --data.root X --data.representation MFCC --model.instance_norm true --trainer.max_epochs 8"
    trained = TrainCLI([*flags.split(), "--data.representation.n_mfcc", "21", "--name", "mfcc"])
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({**trained.reproducible, "identity": trained.identity}, sort_keys=False))
    cli = TrainCLI([str(config) if word == "runs/mfcc/config.yaml" else word for word in shlex.split(command)[2:]])
    assert cli.settings["name"] == "mfcc-control"
    assert cli.identity["data"]["representation"]["init_args"]["n_mfcc"] == 21
    assert cli.identity["model"]["instance_norm"] is False
    assert cli.identity["data"]["representation"]["class_path"].endswith("MFCC")
    assert cli.identity["trainer"]["max_epochs"] == 8
    assert beyond_the_claim([runs[0]], [with_recipe(mfcc, instance_norm=False)]) == ((), None)
    # No net takes both maps and waveforms.
    waveform = replace(mfcc, settings={**mfcc.settings, "representation": "Waveform", "architecture": "m11"})
    differing, command = beyond_the_claim([runs[0]], [with_recipe(waveform, architecture="m11")])
    assert (differing, command) == (("architecture (resnet18; m11)",), None)


def test_epochs_and_early_stopping_are_part_of_it(tmp_path):
    stft, mfcc = (with_recipe(run) for run in pair(tmp_path))
    training = {"trainer": {"max_epochs": 24}, "early_stopping": {"patience": 3}}
    longer = replace(mfcc, summary={**mfcc.summary, "training": training})
    differing, command = beyond_the_claim([stft], [longer])
    assert differing == ("patience (15; 3)", "max_epochs (8; 24)")
    assert "--trainer.max_epochs 8" in command
    assert "--early_stopping.patience 15" in command
    # What the claim is about is not said, and what earlier versions did not write down is not known to differ.
    alex = replace(stft, settings={**stft.settings, "architecture": "alexnet"})
    assert beyond_the_claim([stft], [alex], "architecture") == ((), None)


def test_costs_at_equal_delta_of_two_representations_differ_in_their_units(tmp_path):
    mfcc, stft = made_up(tmp_path, "mfcc", MFCC), made_up(tmp_path, "stft", STFT)
    dwt = made_up(tmp_path, "dwt", {"representation": "DWT", "mother": "morlet", "sample_rate": 8000}, factor=1.11)
    findings = cost_findings(selected(mfcc, stft, dwt))
    for claim in ("C5a", "C5b"):
        found = findings_of(findings, claim)
        assert (found.verdict, found.value) == ("undecided: units differ", pytest.approx(1.11))
        assert "decibels" in found.note


def test_a_censored_cost_is_printed_with_bounds(tmp_path):
    run = made_up(tmp_path, "one", STFT)
    cost = six_cost([run])
    # BIM-b does not get there on the first fold, which is the cheapest.
    assert (cost.censored, cost.low_censored, cost.high_censored) == (True, True, True)
    assert interval(Quantity("six_cost_auc90", "count", cost)) == "(folds ≥ 99 … ≥ 135)"
    whole = [{**row, "cost_auc90": {**row["cost_auc90"], "censored": False}} for row in run.attacks.folds]
    known = replace(run, attacks=replace(run.attacks, folds=whole))
    assert interval(Quantity("six_cost_auc90", "count", six_cost([known]))) == "(folds 99 … 135)"


def test_a_censored_cost_is_drawn_with_an_arrow(tmp_path):
    settings = {**STFT, "win_length_ratio": 0.5}
    run = made_up(tmp_path, "one", settings)
    whole = [{**row, "cost_auc90": {**row["cost_auc90"], "censored": False}} for row in run.attacks.folds]
    known = replace(run, attacks=replace(run.attacks, folds=whole))
    # A figure needs two values of the setting; the other one is known.
    other = made_up(tmp_path, "other", {**STFT, "win_length_ratio": 1.0})
    others = [{**row, "cost_auc90": {**row["cost_auc90"], "censored": False}} for row in other.attacks.folds]
    other = replace(other, attacks=replace(other.attacks, folds=others))
    arrows = []
    for shown in (run, known):
        panel = study_figure("figure4_stft_window", selected(shown, other), Accuracies()).drawing.axes[1]
        arrows.append([list(line.get_ydata()) for line in panel.lines if line.get_marker() == CARETUPBASE])
    assert arrows == [[[pytest.approx(six_cost([run]).high)]], [[]]]


def test_an_accuracy_counts_as_higher_only_with_models(tmp_path):
    runs = pair(tmp_path, FOLDS)
    norm = [replace(run, settings={**runs[0].settings, "n_fft": n}) for run, n in zip(runs, (512, 1024), strict=True)]
    (row,) = setting_differences_table(selected(*norm), Accuracies()).rows
    assert "for these models only" in row
    assert "+8.75 -5.00 +10.00 +10.00 +8.75" in " ".join(row) or "-8.75 +5.00 -10.00 -10.00 -8.75" in row


def test_holm_adjusts_the_smallest_p_most():
    tests = [
        None if p is None else Association(0.5, p, 0.001, 6, 20, 0.5, 0.1, 20, "positive")
        for p in (0.03, None, 0.01, 0.02)
    ]
    assert holm(tests) == [pytest.approx(0.04), None, pytest.approx(0.03), pytest.approx(0.04)]


def test_verdicts_that_are_given_together_follow_holm():
    def effect(folds, half):
        """An effect with five folds whose interval over recordings is ``half`` wide on each side at 95 %."""

        def at(confidence):
            reach = half * norm.ppf((1 + confidence) / 2) / norm.ppf(0.975)
            value = statistics.fmean(folds)
            return Estimate(value, value - reach, value + reach, None, 100, (), by_fold=tuple(folds))

        return at

    def p(folds):
        return 2 * student.sf(abs(statistics.fmean(folds)) / (statistics.stdev(folds) * math.sqrt(1 / 5 + 1)), 4)

    surely, likely, barely = (9.0, 10, 11, 10, 10), (-9.0, -12, -8, -13, -10), (9.0, 15, 8, 17, 13)
    chance = (1.0, -2, 1, -1, 2)
    effects = [effect(folds, 0.5) for folds in (barely, surely, likely)]
    first, second, third = sorted(p(folds) for folds in (surely, likely, barely))
    # Each by itself and the three together exclude zero; beside a fourth, of chance, the weakest does not.
    assert (first < 0.05 / 4, second < 0.05 / 3, 0.05 / 2 < third < 0.05 < p(chance)) == (True, True, True)
    assert corrected(effects) == ["holds", "holds", "fails"]
    assert corrected([*effects, effect(chance, 0.5)]) == ["for these models only", "holds", "fails", "undecided"]
    # What has no interval over models is judged by recordings alone, and does not count among the others.
    alone = effect(surely[:2], 0.5)
    assert corrected([alone, effect(surely, 0.5)]) == ["for these models only", "holds"]
    # 1.0 [0.1, 1.9] by itself excludes zero, beside four others of that kind it does not.
    assert corrected([effect((1.0, 1.0), 0.9)]) == ["for these models only"]
    assert corrected([effect((1.0, 1.0), 0.9)] * 5) == ["undecided"] * 5
    assert corrected([]) == []
