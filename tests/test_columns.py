"""Columns of files of results: read off their descriptions, compared with files, and written to the docs."""

import json
from types import SimpleNamespace
from typing import Annotated, NotRequired, TypedDict

import pandas as pd
import pytest

from lightning_modules.cross_validation import CrossValidation
from metrics.attack_summary import summarise
from storage import DataError, RunFolder
from storage.columns import BEGIN, DOCS, END, Column, columns_of, differing_columns, in_docs
from storage.rows import with_label_names
from storage.summaries import BudgetNumbers, MeanNumbers, SixNumbers
from tests.made_up_outcomes import attacked_folds


class Example(TypedDict):
    """``example.json``."""

    size: Annotated[float | None, "how large it is", "m"]
    note: NotRequired[Annotated[str, "what else there is"]]


class Undescribed(TypedDict):
    """Has a field without a meaning."""

    size: float


def test_columns_are_read_off_a_description():
    assert columns_of(Example) == [
        Column("size", "number or null", "how large it is", "m"),
        Column("note", "text", "what else there is", required=False),
    ]
    assert differing_columns(Example, ["size"]) == differing_columns(Example, ["note", "size"]) == []
    assert differing_columns(Example, ["note", "weight"]) == ["size", "weight"]
    with pytest.raises(TypeError, match=r"expected Undescribed.size to be Annotated with its meaning"):
        columns_of(Undescribed)


def test_the_docs_have_the_columns_of_today():
    text = DOCS.read_text(encoding="utf-8")
    assert in_docs(text) == text, "run python -m storage.columns"
    assert in_docs(f"before\n{BEGIN}\nold\n{END}\nafter").endswith(f"{END}\nafter")
    with pytest.raises(ValueError, match=r"expected the lines .* around the tables of columns"):
        in_docs("no markers")


def test_every_number_of_the_attacks_is_described():
    summary = summarise(*attacked_folds(0))
    entries = [(BudgetNumbers, summary["budgets"]), (MeanNumbers, summary["means"].values())]
    for described, some in [*entries, (SixNumbers, [summary["six"]])]:
        assert all(differing_columns(described, list(entry)) == [] for entry in some)


def test_a_number_that_is_no_class_has_no_name():
    rows = with_label_names(pd.DataFrame({"label": [1, 0], "target_label": [-1, 1], "x": 0}), ["cat", "dog"])
    assert list(rows) == ["label", "label_name", "target_label", "target_label_name", "x"]
    assert rows["label_name"].tolist() == ["dog", "cat"]
    assert rows["target_label_name"].fillna("-").tolist() == ["-", "dog"]
    assert with_label_names(rows, ["cat", "dog"]).equals(rows)


def test_a_record_that_lacks_a_number_is_named(tmp_path):
    run = RunFolder(tmp_path)
    run.write_record(1, {"fold": 1, "accuracy": 0.5})
    validation = CrossValidation(run, {}, training={}, seed=0, folds=1)
    data = SimpleNamespace(table=SimpleNamespace(class_names=("a", "b")))
    with pytest.raises(DataError, match=r"expected n_test in the record of a fold in .*record.json, found none"):
        validation.write_summary(data)
    assert json.loads(run.record_file(1).read_text())["accuracy"] == 0.5
