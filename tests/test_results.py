"""The tables and figures of docs/results are what the report makes of the records beside them."""

import csv
from pathlib import Path

import pytest

import report

RESULTS = Path(__file__).parents[1] / "docs" / "results"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    output = tmp_path_factory.mktemp("results")
    report.main([str(RESULTS / "records"), "--output", str(output)])
    return output


@pytest.mark.parametrize("folder", ["tables", "figures"])
def test_committed_results_are_those_of_the_committed_rows(made, folder):
    kept, now = (
        {file.name: file for file in (place / folder).glob("*.csv") if not file.name.startswith("figure6")}
        for place in (RESULTS, made)
    )
    assert set(kept) == set(now)
    for name, file in kept.items():
        assert cells(file) == [[near(one) for one in row] for row in cells(now[name])], name


def near(cell):
    """Numbers are compared to six digits, because processors round sums differently."""
    return cell if isinstance(cell, str) else pytest.approx(cell, rel=1e-6, abs=1e-9, nan_ok=True)


def cells(file):
    """The cells of a CSV file: numbers, and the text of the others."""

    def cell(text):
        try:
            return float(text)
        except ValueError:
            return text

    with file.open(newline="") as opened:
        return [[cell(text) for text in row] for row in csv.reader(opened)]
