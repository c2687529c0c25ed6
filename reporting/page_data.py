"""The data of the page's interactive charts: measurements of the runs as JSON, rounded to four digits."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reporting.estimates import Estimate
from reporting.names import NAMES
from reporting.outcomes import SIZES, Threat
from reporting.own_runs import Measured, OwnRun, ends_in_percent, in_percent
from reporting.ranking import Ranking

POINTS = 24
"""Largest number of points of a curve over clips; more would not be visible on a screen and enlarge the page."""


def page_data(runs: Sequence[OwnRun], rankings: Sequence[Ranking], chosen: Ranking | None) -> str:
    """The content of the page's data element as JSON that is safe inside HTML.

    Args:
        runs: rows of the table of runs.
        rankings: one per corpus, attack and budget.
        chosen: the ranking that is shown first; None without attacks.
    """
    threats = list(dict.fromkeys(threat for run in runs for threat in run.threats))
    places = {threat: place for place, threat in enumerate(threats)}
    content = {
        "threats": [_threat(threat) for threat in threats],
        "runs": [_run(run, places) for run in runs],
        "rankings": [
            {"corpus": one.corpus, "split": one.split, "threat": places[one.threat], "sentence": one.sentence}
            for one in rankings
        ],
        "chosen": rankings.index(chosen) if chosen else None,
    }
    # Escaped, so that the name of a run or class cannot close the element.
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c")


def _threat(threat: Threat) -> dict[str, object]:
    return {
        "attack": threat.attack,
        "name": NAMES.get(threat.attack, threat.attack),
        "budget": threat.in_words,
        "delta": threat.settings.get("delta"),
    }


def _run(run: OwnRun, places: dict[Threat, int]) -> dict[str, object]:
    attacks = list(dict.fromkeys(threat.attack for threat in run.threats))
    tested = np.sum(run.confusion, axis=1).tolist() if run.confusion else []
    found: dict[str, object] = {
        "name": run.run.name,
        "corpus": run.corpus,
        "space": run.space,
        "representation": run.representation,
        "architecture": run.architecture,
        "accuracy": _estimate(run.accuracy),
        "classes": run.classes,
        "confusion": run.confusion,
        "tested": tested,
        "measured": {str(places[threat]): _measured(found) for threat, found in run.threats.items()},
        "curves": {},
        "attacked": [],
        "staying": {},
    }
    if run.attacked is not None:
        found["attacked"] = np.bincount(run.attacked.label, minlength=len(run.classes)).tolist()
        found["staying"] = {
            str(places[threat]): [round(value, 2) for value in run.attacked.right_by_class(threat, len(run.classes))]
            for threat in run.threats
        }
        found["curves"] = {
            attack: {size: _thinned(*run.attacked.smallest_sizes(attack, size)) for size in SIZES} for attack in attacks
        }
    return found


def _measured(found: Measured) -> dict[str, object]:
    return {
        "robust": _estimate(found.robust),
        "fooled": _estimate(found.fooled),
        "sizes": {name: _rounded(value) for name, value in found.sizes.items()},
        "gradients": _rounded(found.gradients),
        "target": _rounded(found.target_rate),
    }


def _estimate(found: Estimate | None) -> list[float | int | str | None] | None:
    """Value, both ends of its interval, number of distinct clips, and the formatted value and interval."""
    if found is None:
        return None
    ends = (_rounded(found.low), _rounded(found.high))
    return [_rounded(found.value), *ends, found.n, in_percent(found), ends_in_percent(found)]


def _thinned(sizes: NDArray[np.float64], shares: NDArray[np.float64]) -> list[list[float | None]]:
    """Pairs of size and share: all steps of the curve, or ``POINTS`` of them including the first and the last."""
    # Several clips of equal size make one step.
    if not len(sizes):
        return []
    last = np.append(np.flatnonzero(np.diff(sizes)), len(sizes) - 1)
    kept = (
        last[np.unique(np.linspace(0, len(last) - 1, min(POINTS, len(last))).round().astype(int))]
        if len(last)
        else last
    )
    return [[_rounded(sizes[k]), _rounded(shares[k])] for k in kept]


def _rounded(value: Any) -> float | None:
    """Four significant digits; None where there is no finite number."""
    if value is None or not np.isfinite(float(value)):
        return None
    return float(f"{float(value):.4g}")
