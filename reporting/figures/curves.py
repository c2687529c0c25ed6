"""Security and cost curves: the fooling rate as a function of the perturbation bound, and of the cost in gradients."""

import json
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from classifiers.baselines import BASELINES
from metrics.attack_summary import THE_SIX
from reporting.distinct_clips import attacked_clips
from reporting.figures.figure import COLOURS, LINES, MARKERS, ReportFigure, new_figure
from reporting.fold_means import listed_folds
from reporting.names import CORPUS_NAMES, NAMES
from reporting.runs import Run
from reporting.selection import Selection, corpora_of
from reporting.studies import RESNET, same_setting

BOUNDED = ("fgsm", "bim_a", "bim_b")

ALL = (*THE_SIX, "lbfgs")

VARIANTS = ("fgsm_untargeted", "fgsm_l2", "deepfool_targeted", "deepfool_linf", "jsma_single", "cwa_untargeted")
"""Attacks without a panel, because a similar one has one; all other attacks that were run get a panel."""

Across = Literal["delta", "batch_gradients"]
"""What may stand on the horizontal axis."""

Point = dict[str, Any]
"""A row of the figure's CSV; which number it has on the horizontal axis depends on the figure."""

Line = list[tuple[float, float]]


@dataclass(frozen=True)
class Curves:
    """The description of one of the two figures.

    Attributes:
        key: name of its files, without suffix.
        title: heading.
        across: name of the number on the horizontal axis.
        label: label of that axis.
        attacks: attacks of the first panels; those of other libraries and a user's own follow by name.
        drawstyle: matplotlib's style of joining points.
    """

    key: str
    title: str
    across: Across
    label: str
    attacks: tuple[str, ...]
    drawstyle: str

    def kept(self, points: Sequence[Point]) -> list[Point]:
        """The points of one setting that are shown, sorted by attack and from left to right."""
        # The axis is logarithmic, so an attack that computes no gradient cannot be shown on it.
        there = [point for point in points if self.place(point["attack"]) and point[self.across] > 0]
        # Points with different numbers of steps at one delta would make the line zigzag.
        there = longest(there) if self.across == "delta" else there
        return sorted(there, key=lambda point: (self.place(point["attack"]), point[self.across]))

    def place(self, attack: str) -> tuple[int, str] | None:
        """Sort key of an attack's panel; None if the attack has no panel."""
        if attack in self.attacks:
            return self.attacks.index(attack), attack
        ours = attack in ALL or attack in VARIANTS or attack.startswith("check_")
        return None if ours else (len(self.attacks), attack)

    def line(self, points: Sequence[Point]) -> Line:
        """The line through the points of one attack, averaged over settings."""
        means = mean_points(points, self.across)
        # Budgets of equal cost, or costlier ones with a lower rate, would make the line jump.
        return means if self.across == "delta" else best_so_far(means)


SECURITY = Curves(
    "security_curves",
    "Security curves: fooling rate against delta",
    "delta",
    "delta (share of the range of a map)",
    BOUNDED,
    "default",
)

COST = Curves(
    "cost_curves",
    "Cost curves: fooling rate against batch gradients",
    "batch_gradients",
    "batch gradients",
    ALL,
    "steps-post",
)


def security_curves(selection: Selection) -> ReportFigure:
    """Draw the fooling rate against delta, for the attacks that have one, each at its largest number of steps."""
    figure = _drawn(SECURITY, selection)
    most = {
        NAMES.get(row["attack"], row["attack"]): number for row in figure.numbers if (number := steps(row["budget"]))
    }
    said = ", ".join(f"{attack} {number:,}" for attack, number in most.items())
    at = f" Lines are for the largest number of steps ({said})." if said else ""
    return replace(figure, caption=figure.caption + at)


def cost_curves(selection: Selection) -> ReportFigure:
    """Draw the fooling rate against batch gradients, for every attack."""
    figure = _drawn(COST, selection)
    how = " A line is the highest rate of any budget at most as costly; dots are budgets with a lower rate."
    return replace(figure, caption=figure.caption + how)


def _drawn(curves: Curves, selection: Selection) -> ReportFigure:
    runs = [run for run in selection.runs if run.attacks and run.settings["architecture"] == RESNET["architecture"]]
    # If the front-end classifier was not attacked, all attacked classifiers are drawn.
    runs = runs or [run for run in selection.runs if run.attacks]
    caption = (
        "One panel per attack and corpus, one thin line per setting (mean over folds and seeds); thick lines are means "
        f"over the settings of a representation. split={selection.split}; budgets: {selection.profile or 'none yet'}."
    )
    numbers: list[Point] = []
    for group in same_setting(runs):
        common = {"corpus": group[0].corpus, "representation": group[0].representation}
        names = " ".join(run.name for run in group)
        numbers += [{**common, **p, "runs": names} for p in curves.kept(curve_points(group, curves.across))]
    if len({row["folds"] for row in numbers}) > 1:
        caption += " Lines are over unlike folds, which differ in difficulty; the CSV file names them."
    if not numbers:
        return ReportFigure(curves.key, curves.title, caption, "", None, [], _commands(selection))
    places = [row[curves.across] for row in numbers]
    if len(set(places)) < 2:
        why = "a single budget does not make a curve"
        return ReportFigure(curves.key, curves.title, caption, "", None, [], _commands(selection), why)
    corpora = corpora_of(runs)
    columns = sorted({row["attack"] for row in numbers}, key=lambda attack: curves.place(attack) or (0, attack))
    figure = new_figure(max(4.0, 1.9 * len(columns) + 0.8), 2.3 * len(corpora) + 0.9)
    axes = figure.subplots(len(corpora), len(columns), squeeze=False, sharey=True)
    shown: dict[str, Any] = {}
    for line, corpus in enumerate(corpora):
        for column, attack in enumerate(columns):
            here = [row for row in numbers if row["corpus"] == corpus and row["attack"] == attack]
            shown |= _panel(axes[line, column], curves, here)
            _scale(axes[line, column], places, every=curves.across == "delta")
            if line == 0:
                axes[line, column].set_title(NAMES.get(attack, attack), fontsize=10)
        axes[line, 0].set_ylabel(f"{CORPUS_NAMES.get(corpus, corpus)}\nfooling rate", fontsize=9)
    figure.supxlabel(f"{curves.label}, logarithmic", fontsize=9)
    order = [shown[name] for name in (*COLOURS, *sorted(set(shown) - set(COLOURS))) if name in shown]
    figure.legend(handles=order, loc="outside upper right", ncols=len(shown), fontsize=8)
    return ReportFigure(curves.key, curves.title, caption, _alt(curves, numbers), figure, numbers)


def _panel(panel: Axes, curves: Curves, here: Sequence[Point]) -> dict[str, Any]:
    """Draw one attack on one corpus; returns the thick line of each representation."""
    shown: dict[str, Any] = {}
    for name in dict.fromkeys(row["representation"] for row in here):
        rows = [row for row in here if row["representation"] == name]
        style: dict[str, Any] = {"color": COLOURS.get(name, "black"), "drawstyle": curves.drawstyle}
        style["linestyle"] = LINES.get(name, "-")
        for runs in dict.fromkeys(row["runs"] for row in rows):
            thin = curves.line([row for row in rows if row["runs"] == runs])
            panel.plot(*zip(*thin, strict=True), linewidth=0.6, alpha=0.35, **style)
        thick = curves.line(rows)
        below = [point for point in mean_points(rows, curves.across) if point not in thick]
        if below:
            panel.plot(*zip(*below, strict=True), color=style["color"], linestyle="none", marker=".", alpha=0.5)
        marker = MARKERS.get(name, "o")
        (shown[name],) = panel.plot(
            *zip(*thick, strict=True), marker=marker, markersize=4, linewidth=1.6, label=name, **style
        )
    panel.set_ylim(-0.03, 1.03)
    panel.grid(linewidth=0.4, alpha=0.6)
    panel.tick_params(labelsize=7)
    return shown


def _scale(panel: Axes, values: Sequence[float], *, every: bool) -> None:
    """Set a logarithmic horizontal axis from the smallest to the largest value of all panels.

    Args:
        panel: the panel.
        values: the horizontal positions in all panels.
        every: whether every value has a tick; otherwise only the two ends have one.
    """
    panel.set_xscale("log")
    panel.xaxis.set_minor_locator(NullLocator())
    low, high = min(values), max(values)
    ticks = sorted(set(values)) if every else [low, high]
    panel.set_xticks(ticks, [f"{tick:,.0f}" if tick >= 100 else f"{tick:.3g}" for tick in ticks])
    panel.set_xlim(low / 1.5, high * 1.5)


def _commands(selection: Selection) -> tuple[str, ...]:
    there = [run for run in selection.runs if run.settings["architecture"] not in BASELINES]
    return tuple(
        f"python attack.py --checkpoints {shlex.quote(str(run.path))} --attacks {' '.join(ALL)} "
        f"{selection.attack_flags}"
        for run in there[:3]
    )


def _alt(curves: Curves, numbers: Sequence[Point]) -> str:
    said = []
    for key in dict.fromkeys((row["corpus"], row["attack"], row["representation"]) for row in numbers):
        some = [row for row in numbers if (row["corpus"], row["attack"], row["representation"]) == key]
        line = curves.line(some)
        (x0, y0), (x1, y1) = line[0], line[-1]
        said.append(f"{', '.join(key)}: {y0:.0%} at {x0:.4g}, {y1:.0%} at {x1:.4g}")
    return f"{curves.title}. " + "; ".join(said) + "."


def curve_points(runs: Sequence[Run], across: Across) -> list[Point]:
    """One point per attack and budget of one setting, as means over folds of means over its runs."""
    places: dict[tuple[str, str], dict[int, list[tuple[float, float]]]] = {}
    seen: dict[tuple[str, str], dict[str, Run]] = {}
    for run in runs:
        for row in run.attacks.budgets if run.attacks else []:
            place = row["budget"].get("delta") if across == "delta" else row["batch_gradients"]
            if isinstance(place, float | int):
                key = row["attack"], json.dumps(row["budget"], sort_keys=True)
                of_fold = places.setdefault(key, {}).setdefault(row["fold"], [])
                of_fold.append((float(place), row["fooling_rate"]))
                seen.setdefault(key, {})[run.name] = run
    return [
        {
            "attack": attack,
            "budget": budget,
            across: statistics.fmean(statistics.fmean(place for place, _ in some) for some in folds.values()),
            "fooling_rate": statistics.fmean(statistics.fmean(rate for _, rate in some) for some in folds.values()),
            "n": (counted := attacked_clips(list(seen[attack, budget].values()), [attack])).clips,
            "recordings": counted.recordings,
            "folds": listed_folds(folds),
        }
        for (attack, budget), folds in places.items()
    ]


def longest(points: Sequence[Point]) -> list[Point]:
    """For each attack, the family of budgets that differ only in delta, with the largest number of steps."""
    families: dict[str, dict[str, list[Point]]] = {}
    for point in points:
        others = {name: value for name, value in json.loads(point["budget"]).items() if name != "delta"}
        family = json.dumps(others, sort_keys=True)
        families.setdefault(point["attack"], {}).setdefault(family, []).append(point)
    kept = [max(some, key=lambda family: (steps(family) or 0, len(some[family]), family)) for some in families.values()]
    return [point for family, some in zip(kept, families.values(), strict=True) for point in some[family]]


def steps(budget: str) -> int | None:
    """Number of steps of a budget given as JSON; None if it does not set one."""
    found = json.loads(budget).get("steps")
    return None if found is None else int(found)


def mean_points(points: Sequence[Point], across: str) -> Line:
    """Mean over settings for each budget, sorted by horizontal position."""
    budgets: dict[str, list[Point]] = {}
    for point in points:
        budgets.setdefault(point["budget"], []).append(point)
    return sorted(
        (statistics.fmean(point[across] for point in some), statistics.fmean(point["fooling_rate"] for point in some))
        for some in budgets.values()
    )


def best_so_far(line: Line) -> Line:
    """For each cost, the highest fooling rate of any budget that is at most as costly."""
    best: dict[float, float] = {}
    highest = 0.0
    for cost, rate in sorted(line):
        highest = max(highest, rate)
        best[cost] = highest
    return list(best.items())
