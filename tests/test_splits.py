import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.metadata import ClipTable
from datamodules.splits import PROTOCOLS, Protocol, leakage, make_split, number_of_folds, split_sources
from storage import DataError


def table_of(labels: list[int], sources: list[str], folds: list[int], names: list[str] | None = None) -> ClipTable:
    names = names or [f"{index:05d}.wav" for index in range(len(labels))]
    return ClipTable(
        corpus="Miniature",
        names=tuple(names),
        files=tuple(Path(name) for name in names),
        labels=np.asarray(labels, dtype=np.int64),
        sources=np.asarray(sources, dtype=str),
        folds=np.asarray(folds, dtype=np.int64),
        class_names=tuple(f"class {label}" for label in range(max(labels) + 1)),
        clip_seconds=1.0,
        number_of_folds=max(folds),
    )


@st.composite
def tables(draw: st.DrawFn) -> ClipTable:
    """Corpora with sources of one to six clips and official folds that split a source now and then."""
    labels, sources, folds = [], [], []
    number_of_classes = draw(st.integers(2, 4))
    official = draw(st.integers(3, 6))
    for label in range(number_of_classes):
        for source in range(draw(st.integers(14, 24))):
            for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3, 6]))):
                labels.append(label)
                sources.append(f"{label}-{source}")
                folds.append((source + draw(st.sampled_from([0] * 19 + [1]))) % official + 1)
    return table_of(labels, sources, folds)


@pytest.fixture(scope="module")
def large_sources() -> ClipTable:
    """As UrbanSound8K: unequal classes, most sources of one or two clips, some of more than a hundred."""
    generator = np.random.default_rng(0)
    labels, sources, folds = [], [], []
    for label, clips in enumerate([1000, 429, 1000, 374, 929]):
        left, source = clips, 0
        while left:
            size = min(left, 200, int(np.ceil(generator.lognormal(0.9, 1.5))))
            labels += [label] * size
            sources += [f"{label}-{source}"] * size
            folds += [int(generator.integers(1, 11))] * size
            left, source = left - size, source + 1
    assert np.unique(sources, return_counts=True)[1].max() > 100
    return table_of(labels, sources, folds)


@given(table=tables(), protocol=st.sampled_from(PROTOCOLS), folds=st.integers(2, 5), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_parts_are_disjoint_and_complete(table: ClipTable, protocol: Protocol, folds: int, seed: int) -> None:
    for fold in range(1, number_of_folds(table, protocol, folds) + 1):
        split = make_split(table, protocol=protocol, fold=fold, folds=folds, seed=seed)
        parts = (split.train, split.validation, split.test)
        assert all(part.dtype == np.int64 and len(part) and (np.diff(part) > 0).all() for part in parts)
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(table)))


@given(table=tables(), folds=st.integers(2, 5), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_grouped_keeps_every_source_on_one_side(table: ClipTable, folds: int, seed: int) -> None:
    for fold in range(1, folds + 1):
        split = make_split(table, protocol="grouped", fold=fold, folds=folds, seed=seed)
        train, validation, test = (set(table.sources[part]) for part in (split.train, split.validation, split.test))
        assert not train & validation
        assert not train & test
        assert not validation & test
        assert leakage(table, split) == 0
        assert split_sources(table, split) == ()


@given(table=tables(), protocol=st.sampled_from(["grouped", "random"]), folds=st.integers(2, 5))
@settings(max_examples=15)
def test_one_test_part_and_every_other_clip_validates_once(table: ClipTable, protocol: Protocol, folds: int) -> None:
    splits = [make_split(table, protocol=protocol, fold=fold, folds=folds) for fold in range(1, folds + 1)]
    assert all(np.array_equal(split.test, splits[0].test) for split in splits)
    validated = np.sort(np.concatenate([split.validation for split in splits]))
    assert np.array_equal(validated, np.setdiff1d(np.arange(len(table)), splits[0].test))


@given(table=tables(), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_official_folds_are_taken_as_they_are(table: ClipTable, seed: int) -> None:
    count = table.number_of_folds
    splits = [make_split(table, protocol="official", fold=fold, folds=2, seed=seed) for fold in range(1, count + 1)]
    assert np.array_equal(np.sort(np.concatenate([split.test for split in splits])), np.arange(len(table)))
    for fold, split in enumerate(splits, start=1):
        assert set(table.folds[split.test]) == {fold}
        assert set(table.folds[split.validation]) == {1 if fold == count else fold + 1}
        torn = {source for source in table.sources if len(set(table.folds[table.sources == source])) > 1}
        assert set(split_sources(table, split)) <= torn
        assert (leakage(table, split) > 0) == bool(split_sources(table, split))


@given(table=tables(), protocol=st.sampled_from(["grouped", "random"]), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_the_test_part_has_its_share_of_every_class(table: ClipTable, protocol: Protocol, seed: int) -> None:
    split = make_split(table, protocol=protocol, fold=1, seed=seed)
    clips = np.bincount(table.labels)
    # A subset of sources with sizes 1 to 6 comes within half a small source of any share.
    off = np.abs(np.bincount(table.labels[split.test], minlength=len(clips)) - 0.3 * clips)
    assert (off <= 2.0).all()
    assert len(split.test) / len(table) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_shares_hold_where_single_sources_are_large(large_sources: ClipTable, seed: int) -> None:
    clips = np.bincount(large_sources.labels)
    split = make_split(large_sources, protocol="grouped", fold=2, folds=5, seed=seed)
    share = np.bincount(large_sources.labels[split.test]) / clips
    np.testing.assert_allclose(share, 0.3, atol=0.03)
    largest = max(np.unique(large_sources.sources, return_counts=True)[1] / clips.min())
    validated = np.bincount(large_sources.labels[split.validation]) / clips
    assert (np.abs(validated - 0.14) < largest).all()
    assert len(split.validation) / len(large_sources) == pytest.approx(0.14, abs=0.03)


def test_large_sources_do_not_always_fall_on_the_same_side(large_sources: ClipTable) -> None:
    names, counts = np.unique(large_sources.sources, return_counts=True)
    largest = names[counts > 60]
    in_test = [
        np.isin(largest, large_sources.sources[make_split(large_sources, protocol="grouped", fold=1, seed=seed).test])
        for seed in range(8)
    ]
    assert 0.05 < np.mean(in_test) < 0.6


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_of_the_table_does_not_matter(protocol: Protocol, large_sources: ClipTable) -> None:
    order = np.random.default_rng(3).permutation(len(large_sources))
    shuffled = table_of(
        large_sources.labels[order].tolist(),
        large_sources.sources[order].tolist(),
        large_sources.folds[order].tolist(),
        [large_sources.names[clip] for clip in order],
    )
    first = make_split(large_sources, protocol=protocol, fold=2, seed=5)
    second = make_split(shuffled, protocol=protocol, fold=2, seed=5)
    assert {large_sources.names[clip] for clip in first.test} == {shuffled.names[clip] for clip in second.test}
    assert {large_sources.names[clip] for clip in first.train} == {shuffled.names[clip] for clip in second.train}


@pytest.mark.parametrize("protocol", ["grouped", "random"])
def test_the_seed_decides_and_nothing_else_does(protocol: Protocol, large_sources: ClipTable) -> None:
    first, again, other = (make_split(large_sources, protocol=protocol, fold=1, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.test, again.test)
    assert np.array_equal(first.validation, again.validation)
    assert not np.array_equal(first.test, other.test)
    fewer = make_split(large_sources, protocol=protocol, fold=1, folds=2, seed=1)
    assert np.array_equal(first.test, fewer.test)


def test_leakage_of_a_hand_worked_example() -> None:
    # Fold 1 tests three clips: "a" also trains, "b" also validates, "c" is seen nowhere else.
    table = table_of([0, 0, 0, 0, 0, 1], ["a", "b", "c", "b", "a", "d"], [1, 1, 1, 2, 3, 4])
    split = make_split(table, protocol="official", fold=1)
    assert (split.test.tolist(), split.validation.tolist(), split.train.tolist()) == ([0, 1, 2], [3], [4, 5])
    assert leakage(table, split) == pytest.approx(2 / 3)
    assert split_sources(table, split) == ("a", "b")


def test_a_fold_out_of_range_is_refused() -> None:
    table = table_of([0, 1] * 8, [str(index) for index in range(16)], [1, 2, 3, 4] * 4)
    for fold in (0, 6):
        with pytest.raises(ValueError, match=rf"expected fold in 1\.\.5, got {fold}"):
            make_split(table, protocol="random", fold=fold)
    with pytest.raises(ValueError, match=r"expected fold in 1\.\.4, got 5"):
        make_split(table, protocol="official", fold=5, folds=9)


def test_impossible_settings_are_refused() -> None:
    table = table_of([0, 1] * 8, [str(index) for index in range(16)], [1, 2] * 8)
    with pytest.raises(ValueError, match="expected split to be one of grouped, random, official, got 'by_hand'"):
        make_split(table, protocol="by_hand", fold=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        make_split(table, protocol="grouped", fold=1, folds=1)
    with pytest.raises(ValueError, match="test_fraction between 0 and 1, got 1"):
        make_split(table, protocol="grouped", fold=1, test_fraction=1.0)
    with pytest.raises(DataError, match=r"at least 3 official folds.*got 2"):
        make_split(table, protocol="official", fold=1)
    with pytest.raises(DataError, match=r"a column of folds with split=official, found none in Miniature; use split="):
        make_split(replace(table, number_of_folds=0), protocol="official", fold=1)


def test_a_corpus_that_is_too_small_says_which_class_lacks_what() -> None:
    few_sources = table_of([0] * 20 + [1] * 20, [f"{clip}" for clip in range(20)] + ["x", "y"] * 10, [1, 2, 3, 4] * 10)
    with pytest.raises(
        DataError, match=r"at least 6 recordings of every class .* found 2 of class 'class 1'.*folds 1 --data"
    ):
        make_split(few_sources, protocol="grouped", fold=1)
    make_split(few_sources, protocol="random", fold=1)
    single = make_split(few_sources, protocol="grouped", fold=1, folds=1, validation="none")
    assert leakage(few_sources, single) == 0 == len(single.validation)
    for part in (single.train, single.test):
        assert set(few_sources.labels[part]) == {0, 1}
    assert len(single.train) + len(single.test) == 40
    with pytest.raises(DataError, match="after the test part took its share, found"):
        make_split(few_sources, protocol="random", fold=1, test_fraction=0.9)
    empty_fold = table_of([0, 1] * 6, [str(clip) for clip in range(12)], [1, 2, 4] * 4)
    with pytest.raises(DataError, match=r"official folds 1\.\.4 of Miniature, found none in 3"):
        make_split(empty_fold, protocol="official", fold=1)


def test_a_test_part_without_room_for_every_class_is_refused() -> None:
    table = table_of([0, 0, 1, 1, 2, 2], list("abcdef"), [1] * 6)
    with pytest.raises(
        DataError, match=r"a clip of every class on both sides of test_fraction=0\.3 in Miniature, found 6"
    ):
        make_split(table, protocol="random", fold=1, folds=1, validation="none")


def test_a_class_without_clips_is_left_alone() -> None:
    table = table_of([0] * 12 + [2] * 12, [str(clip) for clip in range(24)], [1, 2, 3] * 8)
    for protocol in PROTOCOLS:
        assert set(table.labels[make_split(table, protocol=protocol, fold=1, folds=3).test]) == {0, 2}


@pytest.mark.skipif("ESC10_ROOT" not in os.environ, reason="needs the recordings of ESC-10")
def test_the_real_esc10_leaks_a_third_at_random_and_nothing_by_its_own_folds() -> None:
    frame = pd.read_csv(Path(os.environ["ESC10_ROOT"]) / "meta" / "esc50.csv")
    frame = frame[frame.esc10]
    classes = frame.category.astype("category").cat.codes
    table = table_of(
        classes.tolist(), frame.src_file.astype(str).tolist(), frame.fold.tolist(), frame.filename.tolist()
    )
    assert len(table) == 400
    at_random = [leakage(table, make_split(table, protocol="random", fold=1, seed=seed)) for seed in range(10)]
    assert np.mean(at_random) == pytest.approx(0.33, abs=0.03)
    official = [make_split(table, protocol="official", fold=fold) for fold in range(1, 6)]
    assert all(leakage(table, split) == 0 and len(split.test) == 80 for split in official)
    grouped = make_split(table, protocol="grouped", fold=1)
    assert leakage(table, grouped) == 0
    assert np.bincount(table.labels[grouped.test]).tolist() == [12] * 10
