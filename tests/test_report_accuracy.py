"""Accuracies over seeds that test the same clips: what n counts, and how many trials there were."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, t

from metrics.intervals import Recordings, share_interval
from reporting.accuracy import Accuracies
from reporting.identity import differing
from reporting.runs import Run
from reporting.selection import Selection
from reporting.tables.accuracy_differences import MOST_RUNS, run_differences_table, setting_differences_table


def written(tmp_path, name, wrong, folds=(1,), clips=20, seed=0):
    """A run that is wrong on the clips of these numbers; clips 0 and 1 are of one recording, and so on.

    The numbers are those of every fold, or a dictionary has those of each.
    """
    path = tmp_path / name
    mistakes = wrong if isinstance(wrong, dict) else dict.fromkeys(folds, wrong)
    for fold, numbers in mistakes.items():
        (path / f"fold{fold}").mkdir(parents=True)
        lines = [f"{clip}.wav,s{clip // 2},0,{int(clip in numbers)}" for clip in range(clips)]
        (path / f"fold{fold}" / "predictions.csv").write_text("\n".join(["clip,recording,label,prediction", *lines]))
    accuracy = 1 - sum(map(len, mistakes.values())) / len(mistakes) / clips
    summary = {"accuracy_mean": accuracy, "folds": [{"fold": fold} for fold in mistakes]}
    return Run(name, path, "ESC10", "grouped", {}, seed, summary, None, [])


def test_a_clip_that_seeds_and_folds_test_again_counts_once(tmp_path):
    runs = [written(tmp_path, "a", {0, 5}, folds=(1, 2)), written(tmp_path, "b", {1, 7}, folds=(1, 2))]
    found = Accuracies().mean(runs)
    assert (found.n, found.value) == (20, pytest.approx(0.9))
    assert found.runs == ("a", "b")


def test_seeds_add_no_trials_near_the_end(tmp_path):
    # Two of 20 clips wrong for each of four seeds: eight wrong answers, but two wrong clips, of ten recordings.
    alone = Accuracies().mean([written(tmp_path, "one", {0, 5})])
    seeds = Accuracies().mean([written(tmp_path, f"seed{number}", {0, 5}) for number in range(4)])
    # Ten recordings of two clips, so the two wrong clips are worth one to two wrong answers of ten to twenty.
    lower, upper = (binomtest(k, n).proportion_ci(method="exact") for k, n in ((9, 10), (18, 20)))
    assert lower.low < alone.low < upper.low + 0.01
    assert upper.high - 0.02 < alone.high < 1
    expected = share_interval(
        lambda weights: weights[..., [*range(1, 5), *range(6, 20)]].sum(-1) / weights.sum(-1),
        Recordings([f"s{clip // 2}" for clip in range(20)]),
    )
    assert (alone.low, alone.high) == pytest.approx((expected.low, expected.high))
    assert (seeds.low, seeds.high) == pytest.approx((expected.low, expected.high))
    assert seeds.n == alone.n == 20


def test_seeds_that_differ_narrow_nothing_but_what_they_average(tmp_path):
    # The same answers twice are no more evidence than once.
    wrong = {0, 1, 6, 7, 10, 13, 16}
    once = Accuracies().mean([written(tmp_path, "once", wrong)])
    twice = Accuracies().mean([written(tmp_path, "first", wrong), written(tmp_path, "second", wrong)])
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert once.high - once.low > 0.2


def test_a_seed_that_lacks_a_fold_changes_only_those_that_it_has(tmp_path):
    # Fold 1 is harder than fold 2, and the second seed is tested on fold 1 alone.
    first = written(tmp_path, "first", {1: set(range(10)), 2: set()})
    second = written(tmp_path, "second", {1: set(range(14))}, seed=1)
    accuracies = Accuracies()
    assert accuracies.mean([first, second]).value == pytest.approx(((0.5 + 0.3) / 2 + 1) / 2)
    others = [written(tmp_path, f"other{seed}", {1: {0}, 2: {0, 1}}, seed=seed) for seed in (0, 1)]
    found = accuracies.difference([[first, second]], [others])
    assert found.value == pytest.approx(0.7 - 0.925)
    assert found.by_fold == pytest.approx((0.4 - 0.95, 1 - 0.9))
    # Of seeds, only those that have all folds are compared with each other.
    assert found.by_seed == pytest.approx((0.75 - 0.925,))
    assert found.low < found.value < found.high


def test_a_setting_is_averaged_once(tmp_path, monkeypatch):
    runs = [written(tmp_path, "a", {1, 2, 3, 4, 5}), written(tmp_path, "b", {6, 7, 8, 9})]
    drawn = []
    monkeypatch.setattr("reporting.accuracy.share_interval", lambda *given: drawn.append(1) or share_interval(*given))
    accuracies = Accuracies()
    assert accuracies.mean(runs) == accuracies.mean(runs)
    assert accuracies.mean(runs[:1]) != accuracies.mean(runs[1:])
    assert len(drawn) == 3


def test_differences_are_paired_by_recording_and_taken_from_what_the_paper_fixes(tmp_path):
    wrong = {"ortho": {0, 5, 9, 13, 21}, None: {0, 1, 5, 6, 7, 9, 12, 13, 15, 21, 22, 30, 33}}
    common = {"architecture": "resnet18", "augmentation": "pitch_shift", "representation": "MFCC", "n_mfcc": 20}
    # The setting without a norm comes first: order decides nothing.
    runs = [
        replace(written(tmp_path, str(norm), wrong[norm], clips=40), settings={**common, "norm": norm})
        for norm in (None, "ortho")
    ]
    table = setting_differences_table(Selection(tuple(runs), "grouped", None, {}, {}), Accuracies())
    (row,) = table.rows
    cells = dict(zip(table.headings, row, strict=True))
    assert cells["study"] == "Figure 2. Normalisation of the cosine transform"
    assert (cells["corpus"], cells["setting"], cells["minus"]) == ("ESC-10", "none", "ortho")
    assert (cells["points"], cells["clips"], cells["verdict"]) == ("-20.00", "40", "undecided")
    assert cells["runs"] == "None ortho"
    # Two clips a recording, each wrong or right in both runs; two recordings are added, for which it is 1 and -1.
    differences = np.array([(clip in wrong["ortho"]) - (clip in wrong[None]) for clip in range(40)])
    by_recording = differences.reshape(20, 2).mean(1)
    added = np.append(by_recording, [1, -1])
    half = t.ppf(0.975, 19) * added.std() / 22**0.5
    low, high = (float(end) for end in cells["over recordings"].strip("[]").split(", "))
    assert (low, high) == pytest.approx((100 * (added.mean() - half), 100 * (added.mean() + half)), abs=0.006)
    assert (cells["over models and recordings"], cells["folds"]) == ("-", "-20.00")


def test_every_two_runs_of_a_corpus_are_compared_clip_by_clip(tmp_path):
    wrong = {"one": {0, 5, 9, 13, 21}, "two": {0, 1, 5, 6, 7, 9, 12, 13, 15, 21, 22, 30, 33}, "six": {0, 5, 9, 13}}
    common = {"representation": "MFCC", "architecture": "resnet18"}
    runs = [replace(written(tmp_path, name, some, clips=40), settings=common) for name, some in wrong.items()]
    elsewhere = replace(runs[0], corpus="UrbanSound8K")
    table = run_differences_table([*runs, elsewhere], Accuracies())
    cells = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    assert [(one["first run"], one["second run"], one["points"]) for one in cells] == [
        ("one", "two", "+20.00"), ("one", "six", "-2.50"), ("two", "six", "-22.50"),
    ]  # fmt: skip
    # By itself the interval over recordings of the last excludes zero, and among the three it still does.
    assert [one["verdict"] for one in cells] == ["undecided", "undecided", "for these models only"]
    confidence = 1 - 0.05 / 3
    found = Accuracies().difference([[runs[1]]], [[runs[2]]], confidence)
    assert (cells[2]["verdict (Holm)"] == "for these models only") == (found.high < 0)
    # Of too many runs, those remain that differ in one thing: a setting, the seed, or the representation alone.
    far = replace(runs[0], name="far", settings={**common, "n_mfcc": 13, "architecture": "alexnet"}, seed=9)
    many = [replace(far, name=f"far{k}", settings={**far.settings, "n_mfcc": 13 + k}, seed=9 + k) for k in range(25)]
    seed, norm = replace(runs[1], seed=1), replace(runs[2], settings={**common, "norm": "ortho"})
    stft = replace(runs[2], name="stft", settings={"representation": "STFT", "architecture": "resnet18", "n_fft": 512})
    table = run_differences_table([runs[0], seed, norm, stft, *many], Accuracies())
    assert len(many) + 4 > MOST_RUNS
    pairs = [("one", "two"), ("one", "six"), ("one", "stft"), ("six", "stft")]
    assert [row[:2] for row in table.rows] == pairs
    assert differing(seed, norm) == {"seed", "norm"}
    # And those with enough folds for a verdict over models, however much they differ.
    five = [
        replace(
            written(tmp_path, net, {1}, folds=range(1, 6)),
            settings={**common, "architecture": net, "n_mfcc": n},
            seed=n,
        )
        for net, n in (("googlenet", 98), ("crnn", 99))
    ]
    assert len(differing(*five)) > 1
    table = run_differences_table([runs[0], seed, norm, stft, *many, *five], Accuracies())
    assert [row[:2] for row in table.rows] == [*pairs, ("googlenet", "crnn")]


def test_settings_that_nothing_varies_have_no_difference(tmp_path):
    run = replace(written(tmp_path, "one", {1}), settings={"representation": "MFCC", "norm": "ortho"})
    assert setting_differences_table(Selection((run,), "grouped", None, {}, {}), Accuracies()).rows == ()
