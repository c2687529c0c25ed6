"""Ratios of what attacks cost, fold by fold, and what is known of them where budgets stop attacks.

Batch gradients are maxima over clips, which have no interval over recordings: the unit is a trained model, that is, one
fold of a setting. Folds with different test recordings reflect the variation of models and of recordings; five of them
give an interval, fewer only a range.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from reporting.claims.claim import Finding
from reporting.controls import runs_of
from reporting.estimates import Estimate, fold_gradients
from reporting.names import NAMES
from reporting.paper_numbers import ITERATIVE
from reporting.runs import Run
from reporting.verdicts import judge, mean_of_folds

AT_THE_BUDGET = 0.01
"""Costs that differ by less count as the same: the numbers of a stopped attack are means over budgets and batches."""


def fold_costs(runs: Sequence[Run], attacks: Sequence[str] = ITERATIVE) -> dict[int, float]:
    """By fold, the mean natural log of batch gradients over attacks, the five iterative ones, then over runs."""
    folds: dict[int, list[float]] = {}
    for run in runs:
        for fold, gradients in fold_gradients(run).items():
            if all(gradients.get(attack, 0) > 0 for attack in attacks):
                logs = [math.log(gradients[attack]) for attack in attacks]
                folds.setdefault(fold, []).append(statistics.fmean(logs))
    return {fold: statistics.fmean(values) for fold, values in sorted(folds.items())}


def cost_ratio(
    first: Sequence[Sequence[Run]], second: Sequence[Sequence[Run]], *, attacks: Sequence[str] = ITERATIVE
) -> Estimate | None:
    """Ratio of the geometric mean costs of two groups of settings, computed fold by fold on their common folds."""
    sides = [[costs for runs in side if (costs := fold_costs(runs, attacks))] for side in (first, second)]
    if not all(sides):
        return None
    common = set.intersection(*(set(costs) for side in sides for costs in side))
    ratios = [
        math.exp(
            statistics.fmean(costs[fold] for costs in sides[0]) - statistics.fmean(costs[fold] for costs in sides[1])
        )
        for fold in sorted(common)
    ]
    return geometric_mean(ratios, [run for run in runs_of((*first, *second)) if run.attacks])


def geometric_mean(ratios: Sequence[float], runs: Sequence[Run]) -> Estimate | None:
    """Geometric mean and range over folds of ratios between attacked runs; None without folds."""
    names = tuple(dict.fromkeys(run.name for run in runs))
    recordings = [run.attacks.recordings for run in runs if run.attacks and run.attacks.recordings is not None]
    found = mean_of_folds(
        ratios, names, same_recordings=shares_recordings([runs]), recordings=min(recordings, default=None)
    )
    return replace(found, value=statistics.geometric_mean(ratios)) if found else None


def shares_recordings(settings: Sequence[Sequence[Run]]) -> bool:
    """Whether every fold tests the same clips, as in all splits except the official folds."""
    return any(run.split != "official" for run in runs_of(settings))


def by_free_attacks(finding: Finding, sides: Sequence[Sequence[Sequence[Run]]], confidence: float = 0.95) -> Finding:
    """Name the attacks that their budgets stop, and withdraw a verdict that does not hold without the budgets.

    An attack that is stopped on both sides says nothing, so the others alone have to give the verdict too. One that is
    stopped on one side would have cost more there, which may turn a verdict that this side is the cheaper one.
    """
    first, second = stopped_attacks(sides)
    if finding.value is None or not (first or second):
        return finding
    names = [NAMES[attack] for attack in ITERATIVE if attack in (*first, *second)]
    note = f"{' and '.join(names)}: stopped by the budget on most models of a side"
    free = [attack for attack in ITERATIVE if attack not in first or attack not in second]
    alone = cost_ratio(*sides, attacks=free) if free else None
    if alone is not None and len(free) < len(ITERATIVE):
        note += f"; {', '.join(NAMES[attack] for attack in free)} alone: {alone.value:.2f}"
    finding = replace(finding, note="; ".join(filter(None, (note, finding.note))))
    if finding.verdict not in ("holds", "fails"):
        return finding
    judged = judge(alone, 1.0, confidence=confidence, logarithmic=True) if alone is not None else None
    if judged is None or judged.verdict != finding.verdict:
        return finding.withdrawn("what the budgets do not stop decides nothing by itself")
    cheaper = second if finding.verdict == "holds" else first
    if any(attack in free for attack in cheaper):
        return finding.withdrawn("without its budget the cheaper side would have cost more")
    return finding


def folds_in_words(found: Estimate | None) -> str:
    """The number of folds and their range, in words."""
    if found is None:
        return "0 folds"
    return "1 fold" if found.n == 1 else f"{found.n} folds, range {found.low:.2f} to {found.high:.2f}"


def stopped_attacks(sides: Sequence[Sequence[Sequence[Run]]]) -> list[list[str]]:
    """For each side, the iterative attacks that their budgets stop on most of its models.

    Args:
        sides: runs of each setting, for the two sides of a ratio.
    """
    # The models whose costs the ratio compares.
    folds = [set(costs) for side in sides for runs in side if (costs := fold_costs(runs))]
    common = set.intersection(*folds) if folds else set()
    stopped: list[list[str]] = []
    for side in sides:
        models = [
            spent
            for run in runs_of(side)
            for fold, spent in fold_gradients(run).items()
            if fold in common and all(spent.get(attack, 0) > 0 for attack in ITERATIVE)
        ]
        stopped.append([name for name in ITERATIVE if is_stopped([spent[name] for spent in models])])
    return stopped


def is_stopped(spent: Sequence[float]) -> bool:
    """Whether most models cost the same to within 1 %, and none costs more: the mark of a budget."""
    return len(spent) > 1 and sum(value >= (1 - AT_THE_BUDGET) * max(spent) for value in spent) > len(spent) / 2
