"""The tables at the end of attack.py: a line per attack and budget, means per attack, and the trust checks."""

import math
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from torch import nn

from attacks import ATTACKS
from metrics.budget_lines import BudgetLine
from storage.summaries import AttackSummary, CheckRecord

FEW = 10
"""With fewer clips a rate says little, and has no interval."""
NORMS = {"linf": "l_inf", "l2": "l_2", "l0": "l_0"}


def show_attacks(console: Console, name: str, summary: AttackSummary, lines: Sequence[BudgetLine]) -> None:
    """Print the tables of a run.

    Args:
        console: where to print.
        name: name of the run.
        summary: content of ``attacks/summary.json``.
        lines: outcome of each attack and budget, over all folds.
    """
    right, tests = (sum(fold[key] for fold in summary["folds"]) for key in ("n", "n_test"))
    clips = summary["n_test"]
    # Folds that share their test clips test each of them several times.
    tested = f"{tests} test clips" if tests == clips else f"{tests} tests of {clips} clips"
    console.print(
        f"{name}: {summary['corpus']}, {summary['architecture']}; clean accuracy "
        f"{100 * summary['accuracy_on_attacked']:.1f} % ({right} of {tested}, which the attacks start from)",
        highlight=False,
        markup=False,
    )
    console.print(budget_table(lines))
    console.print(mean_table(summary))
    if summary["n"] < FEW:
        console.print(
            f"n is {summary['n']}: with fewer than {FEW} clips a rate has no interval and says little; attack more "
            "clips before comparing models",
            highlight=False,
        )


def budget_table(lines: Sequence[BudgetLine]) -> Table:
    """A line per attack and budget; rates in percent, the median size over what was fooled in the attack's own norm."""
    queries = any(not line.gradients for line in lines)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), collapse_padding=True, pad_edge=False)
    headings = ["attack, norm\n  budget", "fooled %\n[95 %]", "median\nsize", "SNR\ndB", "robust\n%", "hits\n%"]
    headings += ["grads\n/clip", *(["passes\n/clip"] if queries else [])]
    for place, heading in enumerate(headings):
        # Settings may be long; in a narrow terminal they are what is wrapped, not the numbers that are cut.
        table.add_column(heading, justify="left" if place == 0 else "right", no_wrap=place > 0)
    for attack in dict.fromkeys(line.attack for line in lines):
        of_attack = [line for line in lines if line.attack == attack]
        norm = own_norm(attack, of_attack[0].settings)
        varying, fixed = _settings([line.settings for line in of_attack])
        table.add_row(f"[bold]{attack}[/bold], {NORMS[norm]}{f', {fixed}' if fixed else ''}")
        for line, settings in zip(of_attack, varying, strict=True):
            table.add_row(
                Padding(settings, (0, 0, 0, 2)),
                _percent(line.fooling_rate, line.low, line.high),
                _size(line.median[norm]),
                "-" if math.isnan(line.median["snr_db"]) else f"{line.median['snr_db']:.1f}",
                f"{100 * line.robust_accuracy:.1f}",
                "-" if line.target_rate is None else f"{100 * line.target_rate:.1f}",
                f"{line.gradients:,.0f}" if line.gradients else "-",
                *([f"{line.forward_passes:,.0f}"] if queries else []),
            )
    return table


def mean_table(summary: AttackSummary) -> Table:
    """A line per attack: means over its budgets and the folds."""
    table = Table(
        title=f"means over the budgets of {summary['profile']}",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        collapse_padding=True,
        pad_edge=False,
    )
    headings = ("attack", "fooled %\n[95 %]", "AUC", "target\n%", "batch\ngradients", "cost to\nAUC > 0.9")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "attack" else "right", no_wrap=True)
    for attack, mean in summary["means"].items():
        cost = mean["cost_auc90"]
        table.add_row(
            attack,
            _percent(mean["fooling_rate"], mean["fooling_rate_low"], mean["fooling_rate_high"]),
            # A single clip has no other to be compared with.
            "-" if mean["auc"] is None else f"{mean['auc']:.3f}",
            "-" if mean["target_rate"] is None else f"{100 * mean['target_rate']:.1f}",
            f"{mean['batch_gradients']:,.0f}",
            f"{'>= ' if cost['censored'] else ''}{cost['gradients']:,.0f}",
        )
    return table


def show_checks(console: Console, checks: Sequence[CheckRecord]) -> None:
    """Print each trust check that failed with its remedy, and how many hold."""
    failed = [check for check in checks if not check["passed"]]
    for check in failed:
        place = f"fold {check['fold']}" + (f", {check['attack']}" if check["attack"] else "")
        console.print(
            f"[yellow]check failed[/yellow] ({check['kind']}, {place}) {check['name']}: {check['found']}; "
            f"{check['remedy']}",
            soft_wrap=True,
            highlight=False,
        )
    console.print(f"{len(checks) - len(failed)} of {len(checks)} trust checks hold", highlight=False)


def own_norm(attack: str, settings: dict[str, Any]) -> str:
    """The norm that an attack keeps small: ``linf``, ``l2`` or ``l0``.

    An attack of a library does not say; one with a bound on every cell (``delta``, ``eps``) is taken for l_inf unless
    its name says otherwise, any other for l_2.
    """
    if attack in ATTACKS:
        return ATTACKS[attack](nn.Identity(), bounds=(0.0, 1.0), seed=0).norm
    name = attack.lower()
    if any(part in name for part in ("jsma", "pixel", "sparse", "l0")):
        return "l0"
    bounded = bool({"delta", "eps"} & set(settings))
    return "l2" if "l2" in name or not bounded else "linf"


def _settings(budgets: Sequence[dict[str, Any]]) -> tuple[list[str], str]:
    """The settings in which an attack's budgets differ, one text per budget, and those that they share."""
    first = budgets[0]
    same = [key for key in first if len(budgets) > 1 and all(one.get(key) == first[key] for one in budgets)]
    shown = [", ".join(_setting(key, value) for key, value in one.items() if key not in same) for one in budgets]
    return [text or "default" for text in shown], ", ".join(_setting(key, first[key]) for key in same)


def _setting(name: str, value: Any) -> str:
    return f"{name.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"


def _percent(rate: float, low: float | None, high: float | None) -> str:
    # Fewer than ten recordings have no interval.
    interval = "" if low is None or high is None else f" \\[{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * rate:.1f}{interval}"


def _size(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
