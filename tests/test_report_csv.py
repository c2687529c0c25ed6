"""The CSV files of a report hold plain numbers, which any program reads without knowing how they are printed."""

import csv
import re

import pandas as pd
import pytest
from report_fixtures import DWT, MFCC, STFT, write_run, write_transfer

import report
from reporting.tables.plain import PlainTable

TEXT = {
    "corpus", "representation", "quantity", "runs", "interval", "classifier", "setting", "minus", "study", "source",
    "verdict", "verdict (Holm)", "numbers", "claim", "the paper says", "effect", "n", "how judged", "measure", "split",
    "run", "first run", "second run", "result", "kind", "check", "where", "what", "how", "mother wavelet", "norm",
    "what was found, and what to do", "augmentation", "magnitude", "attack", "budget", "name", "note", "target",
    "folds", "resize", "commit", "PyTorch", "attacked",
}  # fmt: skip
"""Columns of words; in all others a cell is empty or a number."""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, "a", DWT)
    write_run(folder, "b", {**DWT, "sample_rate": 16000}, seed=1)
    write_run(folder, "c", STFT)
    write_run(folder, "d", STFT, architecture="googlenet")
    write_run(folder, "e", MFCC)
    write_run(folder, "f", {**MFCC, "sample_rate": 16000})
    write_transfer(folder, "c", {"c": "resnet18", "d": "googlenet"}, (1.0, 0.5))
    output = tmp_path_factory.mktemp("report")
    report.main([str(folder), "--output", str(output)])
    return output


def test_every_numeric_column_of_every_csv_holds_plain_numbers(written):
    files = sorted(written.rglob("*.csv"))
    assert {"claims", "accuracy_differences", "all_settings", "leakage", "table5_transfer"} <= {f.stem for f in files}
    wrong = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                for column, cell in row.items():
                    printed = re.fullmatch(r"[+]?\d{1,3}(,\d{3})+|[+]\d.*|\[[^]]*, [^]]*\]|[-\d.]+ ?%|-", cell)
                    # That column says what kind of interval low and high are.
                    if printed and (column, cell) != ("interval", "95 %"):
                        wrong.append((file.name, column, cell))
                    elif column not in TEXT and cell not in ("", "none"):
                        try:
                            float(cell)
                        except ValueError:
                            wrong.append((file.name, column, cell))
    assert wrong == []


def test_both_ends_of_an_interval_have_a_column_and_lie_around_the_value(written):
    for name, value, ends in (
        ("all_settings", "value", ""),
        ("accuracy_differences", "points", "over recordings "),
        ("claims", "value", ""),
    ):
        rows = pd.read_csv(written / "tables" / f"{name}.csv")
        low, high = f"{ends}low", f"{ends}high"
        rows = rows[rows[low].notna() & rows[value].notna()]
        assert len(rows)
        assert ((rows[low] <= rows[value]) & (rows[value] <= rows[high])).all()


def test_a_sampling_rate_is_a_number(written):
    rows = pd.read_csv(written / "tables" / "table1_mfcc_sampling_rate.csv")
    assert sorted(rows["sampling rate (Hz)"].unique()) == [8000, 16000, 22050, 24000]


def test_printed_cells_become_the_numbers_that_they_say():
    table = PlainTable(
        "key", "title", "caption", ("who", "points", "interval", "clips"),
        (("a", "+1.50", "[-0.25, +3.00]", "8,000"), ("b", "-", "-", "12")),
    )  # fmt: skip
    assert table.csv() == "who,points,low,high,clips\na,1.5,-0.25,3.0,8000\nb,,,,12\n"
    assert "| a | +1.50 | [-0.25, +3.00] | 8,000 |" in table.markdown()
