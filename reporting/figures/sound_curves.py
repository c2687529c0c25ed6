"""Fooling against the loudness of the change, for attacks on the sound itself."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reporting.figures.figure import COLOURS, MARKERS, ReportFigure, new_figure
from reporting.fold_means import listed_folds
from reporting.names import CORPUS_NAMES, NAMES
from reporting.runs import Run
from reporting.sounds import nearest, sound_outcomes

KEY, TITLE = "sound_curves", "Fooling against the loudness of the change"
STYLES = ("-", "--", "-.", ":")

Point = dict[str, Any]


def sound_curves(runs: Sequence[Run]) -> ReportFigure:
    """Draw the share of fooled clips against SNR: a panel per attack and corpus, a line per run.

    Args:
        runs: all runs that were read; those without attacks on sounds have no line.
    """
    caption = (
        "Attacks on the sound, through each run's representation, at its own sample rate. Markers: the share of clips "
        "fooled at a bound, by the largest number of steps, placed at its SNR. Steps: attacks that find a size of "
        "their own, at their largest budget; the share of clips fooled by a change at most as loud as the SNR says. "
        "Means over folds; louder changes are to the right."
    )
    numbers = [point for run in runs for point in curve_of(run)]
    if len({point["folds"] for point in numbers}) > 1:
        caption += " Lines are over unlike folds, which differ in difficulty; the CSV file names them."
    if not numbers:
        return ReportFigure(KEY, TITLE, caption, "", None, [], ())
    corpora, attacks = (sorted({point[name] for point in numbers}) for name in ("corpus", "attack"))
    figure = new_figure(max(4.5, 2.2 * len(attacks) + 0.8), 2.4 * len(corpora) + 1.1)
    axes = figure.subplots(len(corpora), len(attacks), squeeze=False, sharex=True, sharey=True)
    shown: dict[str, Any] = {}
    styles = {run: STYLES[place % len(STYLES)] for _, place, run in _places(numbers)}
    for (row, corpus), (column, attack) in itertools.product(enumerate(corpora), enumerate(attacks)):
        panel = axes[row, column]
        here = [point for point in numbers if (point["corpus"], point["attack"]) == (corpus, attack)]
        for run in dict.fromkeys(point["run"] for point in here):
            line = [point for point in here if point["run"] == run]
            name, bounded = line[0]["representation"], line[0]["bounded"]
            (shown[run],) = panel.plot(
                [point["snr_db"] for point in line],
                [point["fooled"] for point in line],
                label=run,
                color=COLOURS.get(name, "black"),
                linestyle=styles[run],
                linewidth=1.4,
                markersize=4,
                marker=MARKERS.get(name, "o") if bounded else None,
                drawstyle="default" if bounded else "steps-post",
            )
        panel.set_ylim(-0.03, 1.03)
        panel.grid(linewidth=0.4, alpha=0.6)
        panel.tick_params(labelsize=7)
        if row == 0:
            panel.set_title(NAMES.get(attack, attack), fontsize=10)
        if column == 0:
            panel.set_ylabel(f"{CORPUS_NAMES.get(corpus, corpus)}\nfooling rate", fontsize=9)
    axes[0, 0].invert_xaxis()
    figure.supxlabel("SNR in dB", fontsize=9)
    figure.legend(handles=list(shown.values()), loc="outside upper center", ncols=min(3, len(shown)), fontsize=8)
    return ReportFigure(KEY, TITLE, caption, _alt(numbers), figure, numbers)


def curve_of(run: Run) -> list[Point]:
    """The points of a run's lines, from quiet to loud changes; none if its sound was not attacked."""
    outcomes = sound_outcomes(run)
    bounds = pd.Series([json.loads(budget).get("snr_db") for budget in outcomes["budget"]], outcomes.index)
    points = []
    for attack, part in outcomes.groupby("attack", sort=True):
        bounded = bounds[part.index].notna().all()
        common: Point = {"corpus": run.corpus, "run": run.name, "representation": run.representation}
        common |= {"attack": str(attack), "bounded": bool(bounded)}
        common |= {"n": part["name"].nunique(), "recordings": part["recording"].nunique()}
        common |= {"folds": listed_folds(part["fold"].unique())}
        line = _at_bounds(part, bounds[part.index]) if bounded else _up_to(nearest(part))
        points += [{**common, "snr_db": snr, "fooled": share} for snr, share in line]
    return points


def _at_bounds(rows: pd.DataFrame, bounds: "pd.Series[float]") -> list[tuple[float, float]]:
    # Of several budgets with one bound, that with the most steps; profiles list them in ascending order.
    last = rows["budget_index"].groupby([bounds, rows["fold"]]).transform("max")
    rows = rows[rows["budget_index"] == last]
    in_folds = rows["success"].groupby([bounds[rows.index], rows["fold"]]).mean()
    means = in_folds.groupby(level=0).mean().sort_index(ascending=False)
    return [(float(snr), float(share)) for snr, share in zip(means.index.tolist(), means.tolist(), strict=True)]


def _up_to(rows: pd.DataFrame) -> list[tuple[float, float]]:
    weights = 1 / (rows["fold"].nunique() * rows.groupby("fold")["fold"].transform("size"))
    fooled = ((rows["success"] > 0) & rows["snr_db"].notna()).to_numpy()
    order = np.argsort(-rows["snr_db"].to_numpy(float)[fooled], kind="stable")
    snr, shares = rows["snr_db"].to_numpy(float)[fooled][order], np.cumsum(weights.to_numpy()[fooled][order])
    return list(zip(snr.tolist(), shares.tolist(), strict=True))


def _places(numbers: Sequence[Point]) -> list[tuple[str, int, str]]:
    """Each run with its position among the runs of its representation."""
    runs = dict.fromkeys((point["representation"], point["run"]) for point in numbers)
    by_map = itertools.groupby(sorted(runs), key=lambda pair: pair[0])
    return [(name, place, run) for name, pairs in by_map for place, (_, run) in enumerate(pairs)]


def _alt(numbers: Sequence[Point]) -> str:
    said = []
    for key in dict.fromkeys((point["attack"], point["run"]) for point in numbers):
        line = [point for point in numbers if (point["attack"], point["run"]) == key]
        ends = ", ".join(f"{point['fooled']:.0%} at {point['snr_db']:.0f} dB" for point in (line[0], line[-1]))
        said.append(f"{NAMES.get(key[0], key[0])}, {key[1]}: {ends}")
    return f"{TITLE}. " + "; ".join(said) + "."
