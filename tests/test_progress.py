"""Progress keeps percentage, elapsed and left at every width, in colour and without; without a terminal it is lines."""

import io
import re
import types

import pytest
from rich.console import Console

from attacks import ATTACKS
from attacks.plan import AttackPlan
from commands.attack_cli import checks_beside, read_plans
from commands.sweeps.local_runner import Grid, GridPoint
from datamodules.progress import Display, clock, progress_bar
from lightning_modules import progress
from lightning_modules.progress import AttackProgress, CrossValidationProgress

TIMES = re.compile(r"\d+ % \s*(-|\d):\S\S:\S\S elapsed  (-|\d):\S\S:\S\S left")
WIDTHS = (80, 100, 120)


def screen(display: Display, width: int) -> list[str]:
    """What a display draws in a terminal of some width, without colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    for one in display.get_renderables():
        console.print(one)
    return [line.rstrip("\n") for line in console.file.getvalue().splitlines()]


def a_trainer(step: int, epoch: int = 3) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        estimated_stepping_batches=700,
        global_step=step,
        current_epoch=epoch,
        max_epochs=40,
        callback_metrics={"train/loss": 0.1234, "val/accuracy": 0.8},
    )


def training(console: Console, folds: list[int]) -> CrossValidationProgress:
    """The display of a cross-validation in the middle of its first fold."""
    bars = CrossValidationProgress(folds, console)
    bars.on_train_start(a_trainer(0, epoch=0), None)
    bars.on_train_epoch_end(a_trainer(315), None)
    bars.display.stop()
    return bars


def attacking(console: Console) -> AttackProgress:
    """The display of an evaluation of two attacks on two folds, one attack through with its first batch."""
    bars = AttackProgress(2, console)
    budgets = ({"delta": 0.1, "steps": 10},)
    plans = [AttackPlan(name, ATTACKS["bim_b"], budgets) for name in ("torchattacks.DIFGSM", "bim_b")]
    bars.begin_fold(1, plans, clips=20, classes=10)
    bars.moment -= 30
    bars.advance(bars.plans[0], 10)
    return bars


@pytest.mark.parametrize("width", WIDTHS)
def test_training_shows_percentage_elapsed_and_left_and_what_it_counts(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    lines = screen(training(console, [2, 3, 4]).display, width)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("fold 2 (1 of 3)")
    assert lines[1].startswith("all 3 folds")
    assert "45 %" in lines[0]
    assert "15 %" in lines[1]
    assert all(TIMES.search(line) for line in lines[:2])
    assert lines[2] == "step 315 of 700, epoch 4 of 40: loss 0.123, validation accuracy 80.0%"


@pytest.mark.parametrize("width", WIDTHS)
def test_attacks_show_percentage_elapsed_and_left_and_what_they_count(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    lines = screen(attacking(console).display, width)
    assert all(len(line) <= width for line in lines)
    # A quarter of one of two attacks that may spend the same: an eighth of all.
    assert "12 %" in lines[0]
    assert "0:03:30 left" in lines[0]
    assert TIMES.search(lines[0])
    assert lines[1].startswith("fold 1 (1 of 2): torchattacks.DIFGSM (1 of 2 attacks) is through with 10 of 20")


@pytest.mark.parametrize("classes", [10, 50])
def test_the_first_estimate_takes_an_attack_to_cost_what_its_budgets_allow_once_a_shared_run(classes):
    bars = AttackProgress(1, Console(quiet=True))
    plans = read_plans(["bim_b", "fgsm", "deepfool"], "reduced")
    square = checks_beside(plans, full=True)[0][-1]
    bars.begin_fold(1, [*plans, square], clips=1, classes=classes)
    bars.moment -= 30
    bars.advance(plans[0], 1)
    # BIM-b takes 30 s for 20 steps at each of 5 sizes. FGSM needs one gradient for all sizes, DeepFool 100 iterations
    # of all classes but one, and the Square attack 200 queries at each size.
    steps = {plan.name: len(plan.budgets) for plan in plans}
    assert steps == {"bim_b": 5, "fgsm": 5, "deepfool": 1}
    left = (1 + 100 * (classes - 1) + 200 * 5) * 30 / 100
    assert bars.remaining()[0] == pytest.approx(left, rel=1e-3)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_sweep_shows_percentage_elapsed_and_left_and_what_each_point_says(width, tmp_path):
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    grid = Grid(
        "table", [GridPoint(str(number), [], tmp_path) for number in range(9)], finished=3, jobs=2, console=console
    )
    log = tmp_path / "point.log"
    log.write_text("a very long name of a clip " * 9)
    grid.running = {"esc10-dwt-" + "x" * 70: (GridPoint("running", [], log), None, 0.0)}
    grid.durations, grid.expected = [60.0], [None]
    grid._show()
    lines = screen(grid.display, width)
    assert all(len(line) <= width for line in lines)
    assert "25 %" in lines[0]
    assert TIMES.search(lines[0])
    assert lines[1] == "3 of 12 points finished"


def test_a_terminal_that_becomes_narrower_is_drawn_in_its_new_width():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    display = training(console, [1, 2]).display
    for width in (120, 60):
        console.width = width
        with console.capture() as shown:
            console.print(*display.get_renderables())
        first = re.sub(r"\x1b\[[0-9;]*m", "", shown.get()).splitlines()[0]
        assert len(first) <= width
        assert TIMES.search(first)


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    console.print(*training(console, [1]).display.get_renderables())
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", console.file.getvalue())


def test_without_a_terminal_lines_are_said_now_and_then(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=80)
    bars = CrossValidationProgress([1, 2], console)
    bars.on_train_start(a_trainer(0, epoch=0), None)
    for epoch in range(40):
        now[0] += 8
        bars.on_train_epoch_end(a_trainer(17 * (epoch + 1), epoch), None)
    lines = console.file.getvalue().splitlines()
    # The first and the last epoch, and in 320 seconds one about every 30.
    assert len(lines) == 2 + 9
    assert lines[0].startswith("fold 1 (1 of 2), epoch 1 of 40: loss 0.123, validation accuracy 80.0%, ")
    assert lines[0].endswith("left in this fold, 10 min 51 s in all")
    assert "epoch 40 of 40" in lines[-1]
    assert "\x1b" not in console.file.getvalue()


def test_a_fold_that_is_continued_says_from_where():
    console = Console(file=io.StringIO(), width=80)
    CrossValidationProgress([2], console).on_train_start(a_trainer(120, epoch=7), None)
    assert console.file.getvalue() == "fold 2 (1 of 1) goes on after epoch 7 of 40\n"


def test_short_work_shows_nothing_and_long_work_counts(monkeypatch, capsys):
    for total in (10, 300):
        with progress_bar("checking files", total) as advance:
            for _ in range(total):
                advance()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("datamodules.progress.QUIET_SECONDS", 0.0)
    with progress_bar("checking files", 300) as advance:
        advance()
    assert capsys.readouterr().err.startswith("checking files: 1 of 300, ")


def test_the_clock_has_one_width_and_says_what_is_not_known():
    assert [clock(seconds) for seconds in (None, 0, 59.6, 3725, -1)] == [
        *("-:--:--", "0:00:00", "0:01:00", "1:02:05", "0:00:00"),
    ]
