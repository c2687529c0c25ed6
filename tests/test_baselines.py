"""SVMs and forest on maps: they learn, they repeat, they come back from disk, and nothing foreign is executed."""

import pickle
import threading
import warnings

import numpy as np
import pytest
import skops.io

from classifiers.baselines import BASELINES, fit_baseline, load_baseline, save_baseline
from storage import DataError


@pytest.fixture(scope="module")
def maps_and_labels():
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    maps = random.normal(0, 0.2, (90, 1, 6, 6)).astype(np.float32)
    for row in range(3):
        maps[labels == row, 0, 2 * row] += 1
    return maps, labels


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_learns_and_comes_back_from_disk_unchanged(name, maps_and_labels, tmp_path):
    maps, labels = maps_and_labels
    baseline = fit_baseline(name, maps[:60], labels[:60], seed=3)
    predictions = baseline.predict(maps[60:])
    assert (predictions == labels[60:]).mean() > 0.9
    save_baseline(baseline, tmp_path / "best.skops")
    assert np.array_equal(load_baseline(tmp_path / "best.skops").predict(maps[60:]), predictions)
    again = fit_baseline(name, maps[:60], labels[:60], seed=3)
    noise = np.random.default_rng(1).random(maps.shape, np.float32)
    assert np.array_equal(again.predict(noise), baseline.predict(noise))


def test_a_forest_judges_in_one_thread_and_leaves_warnings_as_they_were(maps_and_labels, tmp_path):
    maps, labels = maps_and_labels
    before = list(warnings.filters)
    fitted = fit_baseline("random_forest", maps, labels, seed=0)
    save_baseline(fitted, tmp_path / "best.skops")
    read = load_baseline(tmp_path / "best.skops")
    threads = set(threading.enumerate())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for baseline in (fitted, read):
            for clip in range(20):
                baseline.predict(maps[clip : clip + 1])
    assert told == []
    assert set(threading.enumerate()) == threads
    assert list(warnings.filters) == before


def test_parameters_are_what_a_prediction_depends_on(maps_and_labels):
    maps, labels = maps_and_labels
    assert fit_baseline("linear_svm", maps, labels, seed=0).parameter_count == 3 * 36 + 3
    forest = fit_baseline("random_forest", maps, labels, seed=0)
    assert forest.parameter_count == sum(tree.tree_.node_count for tree in forest.pipeline[-1].estimators_) > 500
    machine = fit_baseline("rbf_svm", maps, labels, seed=0)
    vectors = machine.pipeline[-1].n_support_.sum()
    assert machine.parameter_count == vectors * 36 + vectors * 2 + 3


def test_an_unknown_baseline_is_refused(maps_and_labels):
    with pytest.raises(ValueError, match="expected a baseline of linear_svm, rbf_svm, random_forest, got 'knn'"):
        fit_baseline("knn", *maps_and_labels, seed=0)


class Payload:
    def __reduce__(self):
        return print, ("executed",)


def test_files_of_others_are_refused_and_not_executed(tmp_path, capsys):
    (tmp_path / "pickled.skops").write_bytes(pickle.dumps(Payload()))
    skops.io.dump({"name": "linear_svm", "pipeline": Payload}, tmp_path / "foreign.skops")
    skops.io.dump([1, 2], tmp_path / "list.skops")
    for name in ("pickled", "foreign", "list"):
        with pytest.raises(DataError, match=r"expected a baseline of train\.py in"):
            load_baseline(tmp_path / f"{name}.skops")
    assert capsys.readouterr().out == ""
    with pytest.raises(DataError, match="found no file"):
        load_baseline(tmp_path / "nothing.skops")
