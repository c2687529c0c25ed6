"""The table at the end of attack.py: numbers that are counted by hand, and 80 columns."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from commands.attack_table import budget_table, own_norm, show_attacks
from metrics.attack_summary import summarise
from metrics.budget_lines import budget_lines


def made_up(clips: int = 20) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One fold of 25 clips, the first ``clips`` right when clean; delta 0.008 fools a quarter of them, 0.064 all."""
    rows = []
    for budget, (delta, share) in enumerate(((0.008, 4), (0.064, 1))):
        for clip in range(clips):
            fooled = clip % share == 0
            logits = np.array([0.0, 1.0]) if fooled else np.array([1.0, 0.0])
            rows.append(
                {
                    **{"fold": 1, "attack": "fgsm", "budget_index": budget, "clip": clip, "recording": f"r{clip}"},
                    **{"budget": f'{{"delta": {delta}}}', "label": 0, "target_label": 1, "reporting_batch": 0},
                    **{"logits_clean": np.array([1.0, 0.0]), "logits_adversarial": logits},
                    **{"success": fooled, "target_hit": fooled, "gradients": 1, "forward_rows": 2},
                    **{"l2": 3.0, "linf": delta, "l0": 9.0, "snr_db": 20.0 + clip},
                }
            )
    tested = pd.DataFrame(
        {"fold": 1, "clip": range(25), "recording": [f"r{clip}" for clip in range(25)], "clean_correct": range(25)}
    )
    tested["clean_correct"] = tested["clip"] < clips
    return pd.DataFrame(rows), tested


def test_each_budget_s_numbers_are_those_counted_by_hand():
    few, all_of_them = budget_lines(*made_up())
    assert (few.fooling_rate, few.robust_accuracy, few.target_rate) == (0.25, 15 / 25, 0.25)
    assert few.low is not None
    assert few.high is not None
    assert few.low < 0.25 < few.high
    # Clips 0, 4, 8, 12, 16.
    assert few.median == {"l2": 3.0, "linf": 0.008, "l0": 9.0, "snr_db": 28.0}
    assert (few.gradients, few.forward_passes) == (1, 2)
    assert (all_of_them.fooling_rate, all_of_them.robust_accuracy) == (1, 0)


def test_few_recordings_have_no_interval():
    assert [(line.low, line.high) for line in budget_lines(*made_up(9))] == [(None, None)] * 2


@pytest.mark.parametrize(("folds", "said"), [(1, "20 of 25 test clips"), (2, "40 of 50 tests of 25 clips")])
def test_the_clean_accuracy_is_that_of_the_counts_beside_it(folds, said):
    # Folds of a grouped split test the same clips.
    rows, clips = (
        pd.concat([one.assign(fold=fold) for fold in range(1, folds + 1)], ignore_index=True) for one in made_up()
    )
    rows = rows.assign(backward_rows=1, zero_gradients=0, gradient_cells=16, full_jacobian_gradients=1, seconds=0.1)
    summary = summarise(rows, clips) | {"corpus": "ESC10", "architecture": "resnet18", "profile": "smoke"}
    console = Console(file=io.StringIO(), width=120)
    show_attacks(console, "run", summary, budget_lines(rows, clips))
    assert f"run: ESC10, resnet18; clean accuracy 80.0 % ({said}, which the attacks" in console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_fits_a_terminal_and_cuts_nothing(width):
    lines = budget_lines(*made_up())
    # Long settings are wrapped; an attack without gradients adds a column.
    settings = {"iterations": 1000, "search_steps": 9, "learning_rate": 0.0003, "initial_constant": 0.001}
    lines += [replace(lines[0], attack="cwa", settings=settings), replace(lines[0], attack="square", gradients=0)]
    console = Console(file=io.StringIO(), width=width)
    console.print(budget_table(lines))
    text = console.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "fgsm, l_inf" in text
    assert "delta 0.008" in text
    assert "passes" in text
    assert text.count("25.0 [") == 3
    words = text.replace(",", " ").split()
    assert {"iterations", "1000", "search", "9", "0.0003", "constant", "0.001"} <= set(words)


@pytest.mark.parametrize(
    ("attack", "budget", "norm"),
    [
        ("fgsm", {"delta": 0.1}, "linf"),
        ("deepfool", {}, "l2"),
        ("jsma", {}, "l0"),
        ("torchattacks.PGD", {"delta": 0.1}, "linf"),
        ("torchattacks.PGDL2", {"delta": 0.1}, "l2"),
        ("torchattacks.OnePixel", {}, "l0"),
        ("adv_lib.fmn", {"steps": 10}, "l2"),
    ],
)
def test_an_attack_s_own_norm(attack, budget, norm):
    assert own_norm(attack, budget) == norm
