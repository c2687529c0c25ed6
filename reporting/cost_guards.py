"""What keeps a comparison of costs from saying more than it can: unequal numbers of clips, budgets that end attacks."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from reporting.claims import Finding
from reporting.estimates import fold_gradients
from reporting.paper_numbers import ITERATIVE
from reporting.runs import Run
from reporting.table import NAMES

UNEQUAL = 1.25
"""Maxima over twice the clips are 2 to 3 % larger (ESC-10, ``reduced``); below this they differ by under 1 %."""


def capped_attacks(sides: Sequence[Sequence[Sequence[Run]]]) -> list[str]:
    """Which attacks spend the same number of gradients on every model, as they do where a budget ends them.

    These hold the ratio close to 1 whatever the models are like, so that of the others is said too.

    Args:
        sides: runs of each setting, of the two sides of a ratio.

    Returns:
        A sentence for the note, or nothing where no attack, or each, is ended so.
    """
    models = [[fold_gradients(run) for runs in side for run in runs if run.attacks] for side in sides]
    if not all(models) or not all(fold for side in models for fold in side):
        return []
    common = set.intersection(*(set(folds) for side in models for folds in side))
    logs: dict[str, float] = {}
    capped = []
    for attack in ITERATIVE:
        spent = [[[folds[fold].get(attack, 0.0) for fold in common] for folds in side] for side in models]
        values = [value for side in spent for folds in side for value in folds]
        if not values or min(values) <= 0:
            continue
        if len(set(values)) == 1:
            capped.append(NAMES[attack])
        else:
            means = [statistics.fmean(math.log(value) for folds in side for value in folds) for side in spent]
            logs[attack] = means[0] - means[1]
    if not capped or not logs:
        return []
    free = ", ".join(NAMES[attack] for attack in logs)
    ratio = math.exp(statistics.fmean(logs.values()))
    return [f"{' and '.join(capped)} spend all that they may on every model; {free} alone: {ratio:.2f}"]


def of_equal_subsets(finding: Finding, sides: Sequence[Sequence[Sequence[Run]]]) -> Finding:
    """Decide nothing where one side's maxima are over more clips than the other's: they are larger for that alone.

    Args:
        finding: what was judged.
        sides: runs of each setting that is compared, side by side.
    """
    attacked = [[run for runs in side for run in runs if run.attacks] for side in sides]
    subsets = {run.attacks.clips for side in attacked for run in side if run.attacks}
    if finding.verdict == "missing" or not all(attacked):
        return finding
    if len(subsets) > 1:
        named = " and ".join(sorted("all" if clips is None else str(clips) for clips in subsets))
        note = f"{finding.note}; maxima over {named} clips a fold cannot be compared"
        return replace(finding, verdict="undecided", note=note)
    # Maxima are over the clips that a model gets right, of which a poor one has fewer.
    clips = [[row["n"] for run in side if run.attacks for row in run.attacks.folds] for side in attacked]
    sizes = [statistics.fmean(side) for side in clips] if all(clips) else [1.0]
    if max(sizes) > UNEQUAL * min(sizes):
        note = f"{finding.note}; maxima over {' and '.join(f'{size:.0f}' for size in sizes)} clips a fold that are "
        note += "right when clean cannot be compared"
        return replace(finding, verdict="undecided", note=note)
    return finding
