"""Figures 1 to 5: accuracy and the cost of six attacks as functions of one setting."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.markers import CARETUPBASE

from reporting.accuracy import Accuracies
from reporting.estimates import Estimate, six_cost, six_gradients
from reporting.figures.figure import COLOURS, ReportFigure, new_figure
from reporting.fold_means import attacked_folds, named_folds
from reporting.names import CORPUS_NAMES, describe, label
from reporting.paper_numbers import Setting
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import STUDIES, Slice, Study, slice_of

STATED = {
    "figure1_n_mfcc": "The paper says: 13 coefficients are 14 % less accurate than 20 or more, and cheaper to fool.",
    "figure2_dct_norm": "The paper says: without normalisation, accuracy falls by 7 % and cost by 8.5 %.",
    "figure3_lifter": "The paper says: above d = 2.5 accuracy falls to about 48 %; the best d is 0, 0.5 and 0.3 on "
    "ESC-10, ESC-50 and UrbanSound8K.",
    "figure4_stft_window": "The paper says: windows of half the transform are best on ESC-50 and UrbanSound8K, windows "
    "of its full length on ESC-10.",
    "figure5_dwt_frame": "The paper says: short frames of 30 ms reduce accuracy, and so do long ones of 50 ms.",
}
"""The paper plots these figures without printing numbers; this is what its text says about them."""


def study_figure(key: str, selection: Selection, accuracies: Accuracies) -> ReportFigure:
    """Draw one of Figures 1 to 5, with one column per corpus.

    Args:
        key: name of the study.
        selection: runs that may be compared in one figure.
        accuracies: intervals of accuracies.
    """
    study = STUDIES[key]
    all_gradients = key == "figure1_n_mfcc"
    corpora = [c for c in corpora_of(selection.runs) if any(_slices(study, selection, c))]
    drawn = [found for corpus in corpora for found in _slices(study, selection, corpus)]
    commands = [
        command
        for corpus in PAPER_CORPORA
        if not all(len(found.runs) == len(study.values) for found in _slices(study, selection, corpus))
        or corpus not in corpora
        if (command := selection.sweep_command(study.key, corpus))
    ]
    measure = "batch gradients" if all_gradients else "cost to AUC > 0.9"
    caption = (
        f"Accuracy with 95 % interval, and {measure}, mean of the six attacks, with the range over folds "
        "(≥ and an arrow: some attack does not reach it, so that only a lower bound is known). "
        f"split={selection.split}; budgets: {selection.profile or 'none yet'}. "
        + " ".join(map(_drawn_in_words, drawn))
        + f" {STATED[key]}"
    )
    # A single value of the setting allows no comparison.
    several = [found for found in drawn if len(found.runs) > 1]
    if not several:
        why = "runs at a single value only, so there is nothing to compare" if drawn else ""
        return ReportFigure(key, study.title, caption, "", None, [], tuple(commands), why)
    drawn = several
    figure = new_figure(3.4 * len(drawn) + 0.6, 4.6)
    axes = figure.subplots(2, len(drawn), squeeze=False, sharex="col")
    numbers: list[dict[str, Any]] = []
    for column, found in enumerate(drawn):
        colour = COLOURS.get(found.representation, "black")
        tested, attacked = _common_folds(found)
        accuracy = {value: accuracies.mean(runs, tested) for value, runs in found.runs.items()}
        spent = six_gradients if all_gradients else six_cost
        cost = {value: spent(runs, attacked) for value, runs in found.runs.items()}
        _points(axes[0, column], study, accuracy, colour, "no fold in common", scale=100)
        _points(axes[1, column], study, cost, colour, "not attacked yet, or on no fold in common", scale=1)
        axes[0, column].set_title(CORPUS_NAMES.get(found.corpus, found.corpus), fontsize=10)
        axes[1, column].set_xlabel(study.label)
        numbers += _numbers(found, "accuracy", accuracy) + _numbers(found, measure, cost)
    axes[0, 0].set_ylabel("accuracy (%)")
    axes[1, 0].set_ylabel(measure)
    return ReportFigure(key, study.title, caption, _alt(study, numbers), figure, numbers, tuple(commands))


def _slices(study: Study, selection: Selection, corpus: str) -> list[Slice]:
    found = [slice_of(study, selection.runs, corpus, name) for name in study.representations]
    return [one for one in found if one.runs]


def _common_folds(found: Slice) -> tuple[set[int], set[int]]:
    """The folds tested at all values, and those attacked at all values that were attacked.

    Folds differ in difficulty, so that a curve through means over different folds would show that, too.
    """
    tested = [{fold for run in runs for fold in run.folds} for runs in found.runs.values()]
    attacked = [folds for runs in found.runs.values() if (folds := attacked_folds(runs))]
    return set.intersection(*tested), set.intersection(*attacked) if attacked else set()


def _drawn_in_words(found: Slice) -> str:
    """The settings that all values share, and the folds of their means."""
    tested, attacked = (named_folds(folds) if folds else "no fold in common" for folds in _common_folds(found))
    name = CORPUS_NAMES.get(found.corpus, found.corpus)
    return f"{name}: {describe(found.others, ['augmentation'])}; accuracy: {tested}; cost: {attacked}."


def _points(
    axes: Axes,
    study: Study,
    estimates: dict[Setting, Estimate | None],
    colour: str,
    without: str,
    *,
    scale: float,
) -> None:
    places, values, below, above = [], [], [], []
    for place, value in enumerate(study.values):
        found = estimates.get(value)
        if found is None:
            continue
        places.append(place)
        values.append(scale * found.value)
        below.append(max(0.0, scale * (found.value - (found.value if found.low is None else found.low))))
        above.append(max(0.0, scale * ((found.value if found.high is None else found.high) - found.value)))
        if found.censored:
            axes.annotate("≥", (place, scale * found.value), xytext=(5, 4), textcoords="offset points", fontsize=9)
    bounds = [place for place in places if (found := estimates[study.values[place]]) and found.high_censored]
    if values:
        tops = dict(zip(places, map(sum, zip(values, above, strict=True)), strict=True))
        # No upper end is known: the arrow starts at the largest lower bound.
        axes.plot(bounds, [tops[place] for place in bounds], color=colour, marker=CARETUPBASE, linestyle="none")
        axes.errorbar(places, values, yerr=[below, above], color=colour, marker="o", capsize=3, elinewidth=1, ls="none")
        # A line to a lower bound would look like a fall or a rise.
        known = [
            math.nan if (found := estimates[study.values[place]]) is None or found.censored else value
            for place, value in zip(places, values, strict=True)
        ]
        axes.plot(places, known, color=colour, linewidth=1)
    else:
        axes.text(0.5, 0.5, without, ha="center", va="center", transform=axes.transAxes, fontsize=9)
    axes.set_xticks(range(len(study.values)), [label(value) for value in study.values], fontsize=8)
    axes.set_xlim(-0.5, len(study.values) - 0.5)
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)


def _numbers(found: Slice, measure: str, estimates: dict[Setting, Estimate | None]) -> list[dict[str, Any]]:
    return [
        {
            "corpus": found.corpus,
            "representation": found.representation,
            found.study.varied: "none" if value is None else value,
            "measure": measure,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "interval": one.interval,
            "n": one.n,
            "censored": int(one.censored),
            "high_censored": int(one.high_censored),
            "runs": " ".join(one.runs),
        }
        for value in found.study.values
        if (one := estimates.get(value)) is not None
    ]


def _alt(study: Study, numbers: Sequence[dict[str, Any]]) -> str:
    said = []
    for row in numbers:
        value = f"{100 * row['value']:.1f} %" if row["measure"] == "accuracy" else f"{row['value']:,.0f}"
        said.append(f"{row['corpus']}, {study.label} {row[study.varied]}: {row['measure']} {value}")
    return f"{study.title}. " + "; ".join(said) + "."
