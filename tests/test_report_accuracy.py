"""Accuracies over seeds that test the same clips: what n counts, and how many trials there were."""

import pytest
from scipy.stats import beta

from metrics.intervals import bca_interval
from reporting.accuracy import Accuracies
from reporting.runs import Run


def written(tmp_path, name, wrong, folds=(1,), clips=20):
    """A run that is wrong on the clips of these numbers; clips 0 and 1 are of one recording, and so on."""
    path = tmp_path / name
    for fold in folds:
        (path / f"fold{fold}").mkdir(parents=True)
        lines = [f"{clip}.wav,s{clip // 2},0,{int(clip in wrong)}" for clip in range(clips)]
        (path / f"fold{fold}" / "predictions.csv").write_text("\n".join(["clip,source,label,prediction", *lines]))
    summary = {"accuracy_mean": 1 - len(wrong) / clips, "folds": [{"fold": fold} for fold in folds]}
    return Run(name, path, "ESC10", "grouped", {}, 0, summary, None, [])


def test_a_clip_that_seeds_and_folds_test_again_counts_once(tmp_path):
    runs = [written(tmp_path, "a", {0, 5}, folds=(1, 2)), written(tmp_path, "b", {1, 7}, folds=(1, 2))]
    found = Accuracies().mean(runs)
    assert (found.n, found.value) == (20, pytest.approx(0.9))
    assert found.runs == ("a", "b")


def test_seeds_add_no_trials_near_the_end(tmp_path):
    # Two of 20 clips wrong for each of four seeds: eight wrong answers, but two wrong clips, of ten recordings.
    alone = Accuracies().mean([written(tmp_path, "one", {0, 5})])
    seeds = Accuracies().mean([written(tmp_path, f"seed{number}", {0, 5}) for number in range(4)])
    exact = (beta.ppf(0.025, 9, 2), beta.ppf(0.975, 10, 1))
    assert (alone.low, alone.high) == pytest.approx(exact)
    assert (seeds.low, seeds.high) == pytest.approx(exact)
    assert seeds.n == alone.n == 20


def test_seeds_that_differ_narrow_nothing_but_what_they_average(tmp_path):
    # The same answers twice are no more evidence than once.
    wrong = {0, 1, 6, 7, 10, 13, 16}
    once = Accuracies().mean([written(tmp_path, "once", wrong)])
    twice = Accuracies().mean([written(tmp_path, "first", wrong), written(tmp_path, "second", wrong)])
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert once.high - once.low > 0.2


def test_a_setting_is_averaged_once(tmp_path, monkeypatch):
    runs = [written(tmp_path, "a", {1, 2, 3, 4, 5}), written(tmp_path, "b", {6, 7, 8, 9})]
    drawn = []
    monkeypatch.setattr("reporting.accuracy.bca_interval", lambda *given: drawn.append(1) or bca_interval(*given))
    accuracies = Accuracies()
    assert accuracies.mean(runs) == accuracies.mean(runs)
    assert accuracies.mean(runs[:1]) != accuracies.mean(runs[1:])
    assert len(drawn) == 3
