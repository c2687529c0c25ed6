"""The notebooks: their code runs, and what is committed holds the pictures and no error.

The cells run in one namespace of the test's own process. A Jupyter kernel would run the same lines and bring 25 more
packages; `make notebooks` uses one to renew the committed outputs.
"""

import json
import re
import sys
import warnings
from pathlib import Path

import matplotlib
import pytest

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def code_cells(name):
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def executed(name, monkeypatch):
    """The names that a notebook has defined after its last cell."""
    monkeypatch.chdir(NOTEBOOKS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    matplotlib.use("Agg")
    namespace = {"__name__": "__main__"}
    with matplotlib.rc_context(), warnings.catch_warnings():
        for number, cell in enumerate(code_cells(name), start=1):
            exec(compile("".join(cell["source"]), f"{name}.ipynb, code cell {number}", "exec"), namespace)
        matplotlib.pyplot.close("all")
    return namespace


@pytest.mark.slow
def test_the_tour_of_the_outcome_table_computes_what_the_summary_says(monkeypatch):
    found = executed("outcome_table", monkeypatch)
    means, summary, clips = found["means"], found["summary"]["means"], found["clips"]
    assert {name: pytest.approx(means[name]) for name in summary} == {
        name: row["fooling_rate"] for name, row in summary.items()
    }
    robust = (found["distances"](found["outcomes"]) > 0).mean()
    assert robust == clips.clean_correct.mean() > 0.5


@pytest.mark.slow
def test_the_attack_step_by_step_counts_every_gradient(monkeypatch):
    found = executed("attack_step_by_step", monkeypatch)
    walk, outcome = found["walk"], found["outcome"]
    assert [int(at.gradients) for at in walk] == [9 * count for count in found["steps"]]
    assert found["counts"].backward_rows == int(outcome.gradients.sum())
    assert [bool(at.success) for at in walk] == [False] * (len(walk) - 1) + [True]


@pytest.mark.parametrize("name", ["outcome_table", "attack_step_by_step"])
def test_what_is_committed_is_small_and_has_run_from_top_to_bottom(name):
    cells = code_cells(name)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    written = (NOTEBOOKS / f"{name}.ipynb").read_text()
    assert len(written) < 300_000
    assert not re.search(r"/(root|home|Users)/", written), "a path of the machine on which it ran"
