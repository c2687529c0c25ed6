"""The most robust run of several: only those whose changes are in one unit are ranked, and against every other run."""

import re

import numpy as np
import pandas as pd
import pytest
from report_fixtures import MFCC, STFT, write_run

from reporting.accuracy import Accuracies
from reporting.own_runs import own_runs
from reporting.ranking import rankings
from reporting.runs import read_run
from reporting.selection import select_runs
from storage.rows import write_rows

FOLDS = (1, 2, 3, 4, 5)


def attacked(folder, name, fooled, representation=STFT, folds=FOLDS):
    """A run that is right on every clip, and whose clips of each fold FGSM fools in such shares, for two budgets."""
    path = write_run(folder, name, representation, folds=folds, clips=40, accuracy=1.0, attacks=("fgsm",))
    rows = pd.read_parquet(path / "attacks" / "outcomes.parquet")
    rows = rows[rows["budget_index"] == 0]
    place = rows.groupby("fold")["clip"].rank() - 1
    share = rows["fold"].map(dict(zip(folds, np.broadcast_to(fooled, len(folds)), strict=True)))
    write_rows(path / "attacks" / "outcomes.parquet", rows.assign(success=(place < 40 * share).astype(float)))
    return read_run(path)


def sentence(*runs):
    (found,) = rankings(own_runs(select_runs(list(runs)), Accuracies()))
    assert [one.run.name for one in found.runs] == [run.name for run in runs]
    return found.sentence


def test_the_most_robust_run_leads_every_other_one(tmp_path):
    first = attacked(tmp_path, "first", 0.1)
    second = attacked(tmp_path, "second", (0.5, 0.55, 0.5, 0.45, 0.5))
    # The lead over this one is larger, and not the same on every fold.
    third = attacked(tmp_path, "third", (0.1, 0.9, 0.2, 1.0, 1.0))
    words = sentence(first, second)
    assert "first is the most robust of 2 runs" in words
    assert "significant for other recordings and for retrained models" in words
    words = sentence(first, second, third)
    assert "of these trained models, first is the most robust of 3 runs" in words
    # What is shown is the interval that says so, over recordings and at the level of two comparisons.
    low, high, level = re.search(r"points \[([+-][\d.]+), ([+-][\d.]+)\] \(([\d.]+) %\)", words).groups()
    assert 0 < float(low) < float(high) < 100
    assert level == "97.5"
    assert "its lead over each of them is significant for these trained models on other recordings" in words
    # A run with further folds, which are hard, is compared on those that the others have too.
    further = attacked(tmp_path, "further", (0.05, 0.05, 0.05, 0.05, 0.05, 1.0), folds=(*FOLDS, 6))
    words = sentence(further, first)
    assert "it still classifies 95.0 %" in words
    assert "on folds 1, 2, 3, 4, 5, which all of them have. Next is first with 90.0 %" in words
    assert "a difference of +5.0 points" in words
    near = attacked(tmp_path, "near", 0.125)
    assert "its lead over at least one of them may be chance" in sentence(first, near, second)
    # One that lacks folds which most of them have is named, and the others are compared on all of theirs.
    short = attacked(tmp_path, "short", 0.0, folds=(1,))
    words = sentence(first, second, short)
    assert words.startswith(sentence(first, second))
    assert words.endswith(". Not compared, because attacked on fewer or other folds: short (fold 1).")
    # Nothing is known of a run that shares no fold.
    other = attacked(tmp_path, "other", 0.9, folds=(6,))
    words = sentence(first, other)
    assert "no run is significantly more robust than all others; first leads" in words
    assert "each run on its own folds, of which none is common to all" in words
    assert "the two share no fold, so their difference has no interval" in words


@pytest.mark.parametrize("unlike", [MFCC, {**STFT, "n_fft": 2048}])
def test_equal_changes_of_unlike_maps_rank_nothing(tmp_path, unlike):
    words = sentence(attacked(tmp_path, "first", 0.1), attacked(tmp_path, "second", 0.9, unlike))
    assert "equal changes of unlike maps rank no runs; first keeps most" in words
    assert not re.search("most robust|significant", words)
    assert "attack.py --space sound measures all of them in decibels" in words
