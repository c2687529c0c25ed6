"""Scatter plots of accuracy against robustness: one point per setting, the paper's next to ours."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reporting.association import Point
from reporting.figures.figure import COLOURS, LINES, MARKERS, ReportFigure, new_figure
from reporting.names import CORPUS_NAMES
from reporting.selection import Selection

MEASURES = {"auc": "mean AUC of the six attacks", "log_gradients": "mean log gradients, five iterative attacks"}


def association_figure(selection: Selection, paper: Sequence[Point], ours: Sequence[Point]) -> ReportFigure:
    """Draw the paper's points in the left column and ours in the right; lines join the settings of a stratum.

    Args:
        selection: the runs of our points.
        paper: the paper's 27 settings.
        ours: settings of our runs, possibly none.
    """
    columns = [("paper", paper)] + ([("ours", ours)] if len(ours) > 1 else [])
    figure = new_figure(4.6 * len(columns), 6.4)
    axes = figure.subplots(2, len(columns), squeeze=False, sharex=True, sharey="row")
    numbers: list[dict[str, Any]] = []
    shown: dict[str, Any] = {}
    for column, (whose, points) in enumerate(columns):
        for line, (measure, label) in enumerate(MEASURES.items()):
            panel = axes[line, column]
            strata: dict[tuple[str, str], list[Point]] = {}
            for point in points:
                if getattr(point, measure) is not None:
                    strata.setdefault((point.representation, point.corpus), []).append(point)
            for (representation, _), some in strata.items():
                some = sorted(some, key=lambda point: point.accuracy)
                x = [100 * point.accuracy for point in some]
                y = [getattr(point, measure) for point in some]
                style = {"color": COLOURS.get(representation, "black"), "marker": MARKERS.get(representation, "o")}
                style["linestyle"] = LINES.get(representation, "-")
                (shown[representation],) = panel.plot(x, y, linewidth=0.7, markersize=5, label=representation, **style)
            numbers += [
                {
                    "numbers": whose,
                    "measure": measure,
                    "representation": point.representation,
                    "corpus": point.corpus,
                    "accuracy": point.accuracy,
                    "value": getattr(point, measure),
                    "runs": " ".join(point.runs),
                }
                for point in points
                if getattr(point, measure) is not None
            ]
            panel.grid(linewidth=0.4, alpha=0.6)
            if line == 0:
                panel.set_title(whose, fontsize=10)
            if column == 0:
                panel.set_ylabel(label, fontsize=9)
        axes[1, column].set_xlabel("accuracy (%)", fontsize=9)
    figure.legend(handles=list(shown.values()), loc="outside upper right", ncols=3, fontsize=8)
    corpora = ", ".join(dict.fromkeys(CORPUS_NAMES.get(point.corpus, point.corpus) for point in ours)) or "none yet"
    caption = (
        "A point is one setting; a line joins the settings of one representation on one corpus (a stratum). In the "
        "upper row, higher means fooled more; in the lower row, costlier to fool. Ours: ResNet-18 with pitch-shifted "
        f"copies, split={selection.split}, budgets: {selection.profile or 'none yet'}, corpora: {corpora}. A stratum "
        "is averaged over the folds on which all of its settings were tested and attacked."
    )
    slopes = [f"{whose}: {len(points)} settings, pooled slope {_slope(points):+.2f}" for whose, points in columns]
    alt = f"Scatter of accuracy against mean AUC (top) and log gradients (bottom). {'; '.join(slopes)}."
    key = "accuracy_against_robustness"
    return ReportFigure(key, "Accuracy against robustness", caption, alt, figure, numbers)


def _slope(points: Sequence[Point]) -> float:
    """Least-squares slope of AUC over accuracy for all points; 0 if the accuracies do not differ."""
    x, y = np.array([p.accuracy for p in points]), np.array([p.auc for p in points])
    spread = float(np.square(x - x.mean()).sum())
    return float((x - x.mean()) @ (y - y.mean())) / spread if spread else 0.0
