"""A small study, from training to report, comes to its recorded numbers: structure may change, numbers may not."""

import json

import pytest
import torch

from tests.golden_record import RECORD, machine, record_of, run_study


@pytest.mark.slow
def test_a_study_comes_to_its_recorded_numbers(tmp_path):
    recorded = json.loads(RECORD.read_text())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = json.loads(json.dumps(record_of(run_study(tmp_path))))
    finally:
        torch.set_num_threads(threads)
    here = recorded.pop("machine")
    assert found["outcomes"].keys() == recorded["outcomes"].keys()
    assert found["transfer"].keys() == recorded["transfer"].keys()
    if machine() == here:
        assert found == recorded
        return
    # Another machine rounds otherwise, and a rounding may decide a clip; not many of them, and none of what is counted.
    for name, accuracies in recorded["accuracy"].items():
        assert found["accuracy"][name] == pytest.approx(accuracies, abs=0.1)
    for key, then in recorded["outcomes"].items():
        now = found["outcomes"][key]
        assert now["clips"] == pytest.approx(then["clips"], abs=4)
        assert now["success"] / now["clips"] == pytest.approx(then["success"] / then["clips"], abs=0.25)
    fgsm = [row for key, row in found["outcomes"].items() if " fgsm " in f" {key} "]
    assert all(row["gradients"] == row["clips"] for row in fgsm)
