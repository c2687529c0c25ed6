"""Security and cost curves: how the fooling rate grows with what an attacker may change, and with what it costs."""

import shlex
import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from metrics.attack_summary import THE_SIX
from reporting.report_figure import COLOURS, MARKERS, ReportFigure, new_figure
from reporting.runs import Run
from reporting.selection import Selection, corpora_of
from reporting.slices import same_setting
from reporting.studies import RESNET
from reporting.table import CORPUS_NAMES, NAMES

BOUNDED = ("fgsm", "bim_a", "bim_b")
ALL = (*THE_SIX, "lbfgs")


def security_curves(selection: Selection) -> ReportFigure:
    """Fooling rate against delta, for the attacks that have one."""
    return _curves(
        selection,
        "security_curves",
        "Security curves: fooling rate against delta",
        "delta",
        "delta (share of the range of a map)",
        BOUNDED,
    )


def cost_curves(selection: Selection) -> ReportFigure:
    """Fooling rate against batch gradients, for every attack."""
    return _curves(
        selection,
        "cost_curves",
        "Cost curves: fooling rate against batch gradients",
        "batch_gradients",
        "batch gradients",
        ALL,
    )


def curve_points(runs: Sequence[Run], across: str) -> list[dict[str, Any]]:
    """One point an attack and budget of one setting: fooling rate and what is drawn across, means over its runs."""
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        for point in run.attacks.curve if run.attacks else []:
            if point["fooling_rate"] is not None and point[across] is not None:
                grouped.setdefault((point["attack"], str(sorted(point["settings"].items()))), []).append(point)
    return [
        {
            "attack": attack,
            "settings": settings,
            across: statistics.fmean(float(point[across]) for point in some),
            "fooling_rate": statistics.fmean(float(point["fooling_rate"]) for point in some),
            "n": sum(point["n"] for point in some),
        }
        for (attack, settings), some in grouped.items()
    ]


def _curves(
    selection: Selection, key: str, title: str, across: str, label: str, attacks: Sequence[str]
) -> ReportFigure:
    runs = [run for run in selection.runs if run.attacks and run.settings["architecture"] == RESNET["architecture"]]
    # Where the front-end classifier was not attacked, whatever was attacked is drawn.
    runs = runs or [run for run in selection.runs if run.attacks]
    caption = (
        "One panel an attack and corpus, one thin line a setting (mean over folds and seeds), the thick line the mean "
        f"over settings of a representation. split={selection.split}; budgets: {selection.profile or 'none yet'}."
    )
    groups = same_setting(runs)
    numbers: list[dict[str, Any]] = []
    for group in groups:
        common = {"corpus": group[0].corpus, "representation": group[0].representation}
        names = " ".join(run.name for run in group)
        numbers += [{**common, **p, "runs": names} for p in curve_points(group, across) if p["attack"] in attacks]
    if not numbers:
        return ReportFigure(key, title, caption, "", None, [], _commands(selection))
    corpora = corpora_of(runs)
    columns = [attack for attack in attacks if any(row["attack"] == attack for row in numbers)]
    width = max(4.0, 1.9 * len(columns) + 0.8)
    figure = new_figure(width, 2.3 * len(corpora) + 0.9)
    axes = figure.subplots(len(corpora), len(columns), squeeze=False, sharey=True)
    shown: dict[str, Any] = {}
    for line, corpus in enumerate(corpora):
        for column, attack in enumerate(columns):
            panel = axes[line, column]
            here = [row for row in numbers if row["corpus"] == corpus and row["attack"] == attack]
            for name in dict.fromkeys(row["representation"] for row in here):
                rows = [row for row in here if row["representation"] == name]
                colour, marker = COLOURS.get(name, "black"), MARKERS.get(name, "o")
                for runs_of_setting in dict.fromkeys(row["runs"] for row in rows):
                    some = sorted((row[across], row["fooling_rate"]) for row in rows if row["runs"] == runs_of_setting)
                    panel.plot(*zip(*some, strict=True), color=colour, linewidth=0.6, alpha=0.35)
                mean = _mean_line(rows, across)
                (shown[name],) = panel.plot(
                    *zip(*mean, strict=True), color=colour, marker=marker, markersize=4, linewidth=1.6, label=name
                )
            _scale(panel, [row[across] for row in here])
            panel.set_ylim(-0.03, 1.03)
            panel.grid(linewidth=0.4, alpha=0.6)
            panel.tick_params(labelsize=8)
            if line == 0:
                panel.set_title(NAMES.get(attack, attack), fontsize=10)
        axes[line, 0].set_ylabel(f"{CORPUS_NAMES.get(corpus, corpus)}\nfooling rate", fontsize=9)
    figure.supxlabel(label, fontsize=9)
    figure.legend(handles=list(shown.values()), loc="outside upper right", ncols=len(shown), fontsize=8)
    return ReportFigure(key, title, caption, _alt(title, numbers, across), figure, numbers)


def _scale(panel: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis that names its ends; the labels of a fraction of a decade would run into one another."""
    panel.set_xscale("log")
    panel.xaxis.set_minor_locator(NullLocator())
    if values:
        low, high = min(values), max(values)
        ends = [low, high] if high > 1.2 * low else [low]
        panel.set_xticks(ends, [f"{end:,.0f}" if end >= 100 else f"{end:.3g}" for end in ends])
        panel.set_xlim(low / 1.5, high * 1.5)


def _mean_line(rows: Sequence[dict[str, Any]], across: str) -> list[tuple[float, float]]:
    """Mean over the settings of a representation, budget by budget."""
    budgets: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        budgets.setdefault(row["settings"], []).append(row)
    means = [
        (statistics.fmean(row[across] for row in some), statistics.fmean(row["fooling_rate"] for row in some))
        for some in budgets.values()
    ]
    return sorted(means)


def _commands(selection: Selection) -> tuple[str, ...]:
    return tuple(
        f"python attack.py --checkpoints {shlex.quote(str(run.path))} --attacks {' '.join(ALL)} "
        f"{selection.attack_flags}"
        for run in selection.runs[:3]
    )


def _alt(title: str, numbers: Sequence[dict[str, Any]], across: str) -> str:
    said = []
    for key in dict.fromkeys((row["corpus"], row["attack"], row["representation"]) for row in numbers):
        some = [row for row in numbers if (row["corpus"], row["attack"], row["representation"]) == key]
        line = _mean_line(some, across)
        (x0, y0), (x1, y1) = line[0], line[-1]
        said.append(f"{', '.join(key)}: {y0:.0%} at {x0:.4g}, {y1:.0%} at {x1:.4g}")
    return f"{title}. " + "; ".join(said) + "."
