"""Two of the paper's tables against each other: how much one representation's settings differ from another's."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reporting.estimates import Estimate
from reporting.paper_numbers import PaperSetting, paper_settings
from reporting.selection import PAPER_CORPORA

DRAWS = 2000
DESCRIPTIVE = "settings resampled within each corpus; two to four a corpus describe more than they prove"


def paper_contrast(
    first: int, second: int, measure: Callable[[PaperSetting], float], seed: int = 0
) -> tuple[Estimate, dict[str, float]]:
    """Mean over corpora of the difference of means over settings, with a percentile interval.

    Settings are drawn anew within each table and corpus, so that every draw has some of each.

    Args:
        first: number of a table.
        second: number of the table to compare it with.
        measure: the number of a setting that is compared.
        seed: seed of the draws.

    Returns:
        The difference, and that of each corpus alone.
    """
    generator = np.random.default_rng(seed)
    drawn: list[NDArray[np.float64]] = []
    differences: dict[str, float] = {}
    n = 0
    for corpus in PAPER_CORPORA:
        sides = [
            np.array([measure(row) for row in paper_settings(table) if row.corpus == corpus])
            for table in (first, second)
        ]
        means = [side[generator.integers(len(side), size=(DRAWS, len(side)))].mean(axis=1) for side in sides]
        drawn.append(means[0] - means[1])
        differences[corpus] = float(sides[0].mean() - sides[1].mean())
        n += sum(map(len, sides))
    low, high = np.quantile(np.mean(drawn, axis=0), (0.025, 0.975))
    value = float(np.mean(list(differences.values())))
    return Estimate(value, float(low), float(high), None, n, ()), differences
