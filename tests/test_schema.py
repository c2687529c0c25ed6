"""Files of results of version 2 are read under the names of version 3; those of version 1 are refused."""

import json
from pathlib import Path

import pandas as pd
import pytest

from metrics.attack_summary import summarise
from storage import SCHEMA_VERSION, DataError, in_this_version
from storage.attack_store import AttackStore
from storage.rows import read_rows, write_rows
from tests.made_up_outcomes import attacked_folds

OLD = {"budget": "settings", "budget_index": "budget"}


def as_version_2(rows):
    """The same table as version 2 wrote it: other names, and no version among the metadata."""
    return rows.rename(columns=OLD)


@pytest.fixture
def tables():
    return attacked_folds(0, clips=8)


def test_a_table_says_its_version_and_comes_back_as_it_was(tmp_path, tables):
    path = tmp_path / "outcomes.parquet"
    write_rows(path, tables[0])
    pd.testing.assert_frame_equal(read_rows(path, "-"), tables[0])
    some = read_rows(path, "-", columns=["attack", "budget"], filters=[("budget_index", "==", 1)])
    expected = tables[0].loc[tables[0]["budget_index"] == 1, ["attack", "budget"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)


def test_a_table_of_version_2_is_read_under_the_new_names(tmp_path, tables):
    path = tmp_path / "outcomes.parquet"
    as_version_2(tables[0]).to_parquet(path, index=False)
    pd.testing.assert_frame_equal(read_rows(path, "-"), tables[0])
    some = read_rows(path, "-", columns=["budget_index", "budget"], filters=[("budget_index", "in", [0, 2])])
    assert set(some["budget_index"]) == {0, 2}
    assert {json.loads(text)["delta"] for text in some["budget"]} == {0.01, 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recording": "source"}, r"expected results of schema version 3 \(or 2, which is converted\) in .*version 1"),
        ({"clip": "number"}, r"expected rows in .*, found a file that cannot be read \(no column clip\); attack again"),
    ],
)
def test_a_table_of_version_1_and_one_without_a_column_are_refused(tmp_path, tables, change, message):
    path = tmp_path / "outcomes.parquet"
    as_version_2(tables[0]).rename(columns=change).to_parquet(path, index=False)
    with pytest.raises(DataError, match=message):
        read_rows(path, "attack again", columns=["clip"])


def test_a_summary_of_version_2_says_the_same_in_version_3(tables):
    now = {"schema_version": SCHEMA_VERSION, **summarise(*tables)}
    budgets = [{OLD.get(key, key): value for key, value in row.items()} for row in now["budgets"]]
    assert in_this_version({**now, "schema_version": 2, "budgets": budgets}, Path("-"), "-") == now
    assert in_this_version(now, Path("-"), "-") == now
    for version in (1, 4, "3", None):
        with pytest.raises(DataError, match=f"found version {version}, .*; attack again"):
            in_this_version({**now, "schema_version": version}, Path("summary.json"), "attack again")


def test_a_folder_of_version_2_goes_on_in_version_3(tmp_path, tables):
    rows, clips = tables
    store = AttackStore(tmp_path / "attacks")
    settings = {"common": {"seed": 0}, "attacks": {}, "checkpoints": {}}
    store.open(settings)
    store.settings_file.write_text(json.dumps({**store.stored_settings(), "schema_version": 2}))
    first = rows["fold"] == 1
    as_version_2(rows[first]).to_parquet(store.outcomes_file, index=False)
    clips[clips["fold"] == 1].to_parquet(store.clips_file, index=False)

    store.open(settings)
    assert store.stored_settings()["schema_version"] == SCHEMA_VERSION
    for attack, some in rows[~first].groupby("attack"):
        store.write_part(2, str(attack), some)
    store.write_part(2, "clean", clips[clips["fold"] == 2])
    store.merge()
    key = ["fold", "attack", "budget_index", "clip"]
    expected = rows.sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(store.outcomes(), expected, check_dtype=False)
    assert len(store.clips()) == len(clips)
