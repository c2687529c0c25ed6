"""What disturbances leave of adversarial sounds, against their strength, beside the clean clips under the same ones."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from reporting.figures.figure import ReportFigure, new_figure
from reporting.names import CORPUS_NAMES, NAMES
from reporting.outcomes import Threat
from reporting.runs import Run
from reporting.sounds import stored_cells
from storage.space import SPACES, Space

KEY, TITLE = "fragility_curves", "Fooling that survives disturbances of the sound"

COLOURS = {"map": "#D55E00", "sound": "#0072B2"}
DASHES = {"map": (0, (4, 4)), "sound": (4, (4, 4))}
"""Dashes of the clean clips by space, one in the gaps of the other, because they mostly lie on one another."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

FEWEST = 10
"""Smallest number of fooled clips of which a line is drawn."""

Point = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """A column of the figure.

    Attributes:
        title: the disturbance.
        unit: what its strength is.
        falling: whether a smaller number disturbs more.
    """

    title: str
    unit: str
    falling: bool = False

    def ordered(self, strengths: set[float]) -> list[float]:
        """The strengths from left to right."""
        return sorted(strengths, reverse=self.falling)


PANELS = {
    "noise": Panel("white noise", "SNR in dB", falling=True),
    "shift": Panel("delay", "ms"),
    "gain": Panel("gain", "dB", falling=True),
    "bits": Panel("rounding", "bits", falling=True),
    "low_pass": Panel("low-pass", "of the rate", falling=True),
    "resample": Panel("resampled", "of the rate", falling=True),
    "ogg": Panel("Ogg Vorbis", "compression level"),
    "mp3": Panel("MP3", "compression level"),
    "room": Panel("room", "reverberation in s"),
}
"""Columns by kind of disturbance."""


def fragility_curves(runs: Sequence[Run]) -> ReportFigure:
    """Draw survival and clean accuracy against strength: a row per run, a panel per kind of disturbance.

    Args:
        runs: all runs that were read; those without disturbed sounds have no row.
    """
    caption = (
        "Solid: of the clips that an attack's undisturbed sound fools (n), the share that the disturbed one fools too, "
        "with 95 % intervals over recordings. Dashed: the accuracy of clean clips under the same disturbance, without "
        "which survival means nothing; attacks on maps and on sounds have clean clips of their own. Disturbances are "
        "stronger to the right; gain goes from louder to quieter. Shares are over the clips of all folds that a row "
        "names. Of several budgets of an attack, the first whose undisturbed sounds fool at least half of the clips of "
        f"every run, or else the last; attacks that fool fewer than {FEWEST} clips have no line."
    )
    numbers = _numbers(runs)
    if not numbers:
        return ReportFigure(KEY, TITLE, caption, "", None, [], ())
    names = list(dict.fromkeys(point["run"] for point in numbers))
    strengths = {
        kind: panel.ordered({point["strength"] for point in numbers if point["transform"] == kind})
        for kind, panel in PANELS.items()
        if any(point["transform"] == kind for point in numbers)
    }
    attacks = sorted({point["attack"] for point in numbers})
    widths = [len(some) + 0.6 for some in strengths.values()]
    width = max(5.0, 0.32 * sum(widths) + 0.6)
    figure = new_figure(width, 1.75 * len(names) + 0.9)
    rows = figure.subfigures(len(names), 1, squeeze=False)[:, 0]
    shown: dict[str, Any] = {}
    for row, name in zip(rows, names, strict=True):
        here = [point for point in numbers if point["run"] == name]
        row.suptitle(_heading(here, int(16 * width)), fontsize=8, x=0.01, ha="left", parse_math=False)
        panels = row.subplots(1, len(strengths), squeeze=False, sharey=True, width_ratios=widths)[0]
        for panel, (kind, places) in zip(panels, strengths.items(), strict=True):
            shown |= _draw(panel, [point for point in here if point["transform"] == kind], places, attacks)
            panel.set_title(PANELS[kind].title, fontsize=8)
            panel.set_xlabel(PANELS[kind].unit, fontsize=7)
        panels[0].set_ylabel("share of clips", fontsize=8)
    order = [shown[label] for label in sorted(shown, key=lambda label: (label.startswith("clean"), label))]
    said = "solid: fooling that survives; dashed: accuracy of clean clips under the same disturbance"
    columns = min(6, len(order))
    figure.legend(handles=order, title=said, loc="outside upper center", ncols=columns, fontsize=8, title_fontsize=8)
    return ReportFigure(KEY, TITLE, caption, _alt(numbers), figure, numbers)


def _draw(panel: Axes, here: Sequence[Point], places: Sequence[float], attacks: Sequence[str]) -> dict[str, Any]:
    """Draw the lines of one run under one kind of disturbance; returns a line per label."""
    shown: dict[str, Any] = {}
    lines = _lines(here)
    for position, ((_, space, attack), points) in enumerate(lines.items()):
        line = sorted(points, key=lambda point: places.index(point["strength"]))
        # Lines stand side by side, so that their intervals can be told apart.
        aside = 0.12 * (position - (len(lines) - 1) / 2)
        across = [places.index(point["strength"]) + aside for point in line]
        label = f"{NAMES.get(attack, attack)} on {space}s"
        (shown[label],) = panel.plot(
            across,
            [point["survives"] for point in line],
            color=COLOURS[space],
            marker=MARKERS[attacks.index(attack) % len(MARKERS)],
            markersize=4,
            linewidth=1.4,
            label=label,
        )
        known = [(x, point) for x, point in zip(across, line, strict=True) if point["survives_low"] is not None]
        panel.vlines(
            [x for x, _ in known],
            [point["survives_low"] for _, point in known],
            [point["survives_high"] for _, point in known],
            color=COLOURS[space],
            linewidth=0.9,
            alpha=0.45,
        )
        # The clean clips are the same for every attack in a space.
        label = f"clean clips beside {space}s"
        across = [float(places.index(point["strength"])) for point in line]
        accuracies = [point["clean_accuracy"] for point in line]
        if len(line) == 1:
            # One point makes no line.
            across, accuracies = [across[0] - 0.35, across[0] + 0.35], 2 * accuracies
        (shown[label],) = panel.plot(
            across, accuracies, color=COLOURS[space], linestyle=DASHES[space], linewidth=1, label=label
        )
    panel.set_xticks(range(len(places)), [f"{place:g}" for place in places])
    panel.set_xlim(-0.5, len(places) - 0.5)
    panel.set_ylim(-0.04, 1.04)
    panel.set_yticks([0, 0.25, 0.5, 0.75, 1])
    panel.grid(linewidth=0.4, alpha=0.6)
    panel.tick_params(labelsize=7)
    return shown


def _numbers(runs: Sequence[Run]) -> list[Point]:
    """The points that are drawn: of each attack in a space those at one budget, where it fools enough clips."""
    points = [point for space in SPACES.values() for run in runs for point in _points(run, space)]
    chosen = []
    for key in dict.fromkeys((point["attacked"], point["attack"]) for point in points):
        some = [point for point in points if (point["attacked"], point["attack"]) == key]
        budgets = _shown_budgets(some)
        chosen += [point for point in some if point["budget"] == budgets[point["run"]] and point["n"] >= FEWEST]
    order = [run.name for run in runs]
    return sorted(chosen, key=lambda point: order.index(point["run"]))


def _points(run: Run, space: Space) -> list[Point]:
    """One point per attack, budget, disturbance and strength of a run, over its folds; budgets in their order."""
    cells = stored_cells(run, space.beside("fragility"))
    names = ("attack", "budget", "transform", "strength")
    folds: dict[tuple[Any, ...], list[str]] = {}
    for cell in cells:
        if cell["fold"] is not None:
            folds.setdefault(tuple(cell[name] for name in names), []).append(str(cell["fold"]))
    points = []
    for cell in cells:
        if cell["fold"] is None and cell["transform"] in PANELS:
            survival, clean = cell["survival"], cell["clean_accuracy"]
            point: Point = {"corpus": run.corpus, "run": run.name, "representation": run.representation}
            point |= {"attacked": space.name, **{name: cell[name] for name in (*names, "unit")}}
            point |= {"folds": " ".join(folds[tuple(cell[name] for name in names)])}
            point |= {"clips": cell["n"], "n": survival["n"], "survives": survival["share"]}
            point |= {f"survives_{end}": survival[end] for end in ("low", "high")}
            point |= {"clean_n": clean["n"], "clean_accuracy": clean["share"]}
            point |= {f"clean_{end}": clean[end] for end in ("low", "high")}
            points.append(point)
    return points


def _shown_budgets(points: Sequence[Point]) -> dict[str, str]:
    """The budget of each run at which an attack is shown: one that fools half of the clips of all, or the last."""
    fooled: dict[str, dict[str, float]] = {}
    for point in points:
        fooled.setdefault(point["run"], {})[point["budget"]] = point["n"] / point["clips"]
    for budget in next(iter(fooled.values())):
        if all(shares.get(budget, 0) >= 0.5 for shares in fooled.values()):
            return dict.fromkeys(fooled, budget)
    return {run: list(shares)[-1] for run, shares in fooled.items()}


def _lines(points: Sequence[Point]) -> dict[tuple[str, str, str], list[Point]]:
    """The points of each line, by run, space and attack."""
    lines: dict[tuple[str, str, str], list[Point]] = {}
    for point in points:
        lines.setdefault((point["run"], point["attacked"], point["attack"]), []).append(point)
    return lines


def _heading(here: Sequence[Point], characters: int) -> str:
    """What a row shows: the run and its folds, and the budget and n of each line; folds of a line where they differ."""
    first = here[0]
    folds = {name: f"folds {name.replace(' ', ', ')}" for name in dict.fromkeys(point["folds"] for point in here)}
    said = []
    for (_, space, attack), line in _lines(here).items():
        counted = f"n={line[0]['n']}" + (f", {folds[line[0]['folds']]}" if len(folds) > 1 else "")
        said.append(
            f"{NAMES.get(attack, attack)} on {space}s, {Threat(attack, line[0]['budget']).in_words} ({counted})"
        )
    of_run = [CORPUS_NAMES.get(first["corpus"], first["corpus"]), first["representation"]]
    of_run += folds.values() if len(folds) == 1 else ()
    return textwrap.fill(f"{first['run']} ({', '.join(of_run)}): {'; '.join(said)}", characters)


def _alt(numbers: Sequence[Point]) -> str:
    said = []
    for (run, space, attack), line in _lines(numbers).items():
        ends = [
            f"{point['survives']:.0%} ({PANELS[point['transform']].title} {point['strength']:g} {point['unit']}, "
            f"clean {point['clean_accuracy']:.0%})"
            for point in (min(line, key=_survival), max(line, key=_survival))
        ]
        said.append(f"{run}, {NAMES.get(attack, attack)} on {space}s, n={line[0]['n']}: {' to '.join(ends)}")
    return f"{TITLE}, least to most. " + "; ".join(said) + "."


def _survival(point: Point) -> float:
    return float(point["survives"])
