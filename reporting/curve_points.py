"""The budgets of attacks as points, and the lines that may be drawn through them."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from reporting.distinct_clips import attacked_clips
from reporting.runs import Run

Point = dict[str, Any]
Line = list[tuple[float, float]]


def curve_points(runs: Sequence[Run], across: str) -> list[Point]:
    """One point an attack and budget of one setting: fooling rate and what is drawn across, means over its runs."""
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    seen: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        for point in run.attacks.curve if run.attacks else []:
            if point["fooling_rate"] is not None and point[across] is not None:
                settings = json.dumps(point["settings"], sort_keys=True)
                grouped.setdefault((point["attack"], settings), []).append(point)
                seen.setdefault((point["attack"], settings), []).append(run)
    return [
        {
            "attack": attack,
            "settings": settings,
            across: statistics.fmean(float(point[across]) for point in some),
            "fooling_rate": statistics.fmean(float(point["fooling_rate"]) for point in some),
            "n": (counted := attacked_clips(seen[attack, settings], [attack])).clips,
            "recordings": counted.recordings,
        }
        for (attack, settings), some in grouped.items()
    ]


def longest(points: Sequence[Point]) -> list[Point]:
    """Of each attack the budgets that differ in delta alone, those with most steps; others are other attackers."""
    families: dict[str, dict[str, list[Point]]] = {}
    for point in points:
        others = {name: value for name, value in json.loads(point["settings"]).items() if name != "delta"}
        family = json.dumps(others, sort_keys=True)
        families.setdefault(point["attack"], {}).setdefault(family, []).append(point)
    kept = [max(some, key=lambda family: (steps(family) or 0, len(some[family]), family)) for some in families.values()]
    return [point for family, some in zip(kept, families.values(), strict=True) for point in some[family]]


def steps(settings: str) -> int | None:
    """Number of steps that a budget fixes."""
    found = json.loads(settings).get("steps")
    return None if found is None else int(found)


def mean_points(points: Sequence[Point], across: str) -> Line:
    """Mean over settings of every budget, sorted by what is drawn across."""
    budgets: dict[str, list[Point]] = {}
    for point in points:
        budgets.setdefault(point["settings"], []).append(point)
    return sorted(
        (statistics.fmean(point[across] for point in some), statistics.fmean(point["fooling_rate"] for point in some))
        for some in budgets.values()
    )


def best_so_far(line: Line) -> Line:
    """At every cost the highest fooling rate of any budget that costs as much or less."""
    best: dict[float, float] = {}
    highest = 0.0
    for cost, rate in sorted(line):
        highest = max(highest, rate)
        best[cost] = highest
    return list(best.items())
