"""How far a run can be fooled: its fooling rate at the attack and budget that fool it most."""

from dataclasses import dataclass

import pandas as pd
import pyarrow
import torch

from metrics.intervals import SourceResampling, rate_interval
from metrics.trust_checks import UNBOUNDED
from reporting.estimates import Estimate
from reporting.runs import Run
from storage import DataError


@dataclass(frozen=True)
class Strongest:
    """The highest of a run's fooling rates.

    Attributes:
        estimate: the rate, its interval and its rates by fold.
        attack: which attack and budget it is of, in words.
        decides: whether a low rate says that the run cannot be fooled: with the paper's budgets or without a bound.
        candidates: number of attacks and budgets that it is the highest of.
    """

    estimate: Estimate
    attack: str
    decides: bool
    candidates: int

    @property
    def confidence(self) -> float:
        """Coverage of each single rate's interval that makes the interval of their maximum one of 95 %."""
        return 1 - 0.05 / self.candidates


def strongest(run: Run, seed: int = 0) -> Strongest | None:
    """The highest fooling rate of a run.

    A limited profile of budgets says how much an attacker can do who keeps to it. Where it is not the paper's, BIM-b
    without a bound, which ``attack.py`` runs as a check, is taken instead if it is there.

    Args:
        run: an attacked run.
        seed: seed of the resampling.

    Returns:
        None where nothing was attacked. The estimate has no interval where the rows have moved on since the summary
        was written.

    Raises:
        DataError: if the outcomes of the attacks cannot be read.
    """
    points = [point for point in run.attacks.curve if point["fooling_rate"] is not None] if run.attacks else []
    if not points or run.attacks is None:
        return None
    profile = run.attacks.profile
    if profile != "paper":
        rows = _outcomes(run, UNBOUNDED)
        if len(rows):
            # The rows of a check are in no summary: they are counted here.
            estimate = _estimate(run, rows, float(rows.groupby("fold")["success"].mean().mean()), len(rows), 1, seed)
            return Strongest(estimate, "BIM-b without a bound", decides=True, candidates=1)
    # Of several that fool as many, the one over most clips.
    best = max(points, key=lambda point: (point["fooling_rate"], point["n"]))
    rows = _outcomes(run, str(best["attack"]), int(best["budget"]))
    estimate = _estimate(run, rows, float(best["fooling_rate"]), int(best["n"]), len(points), seed)
    said = f"{best['attack']} at its strongest budget of the profile {profile}"
    return Strongest(estimate, said, decides=profile == "paper", candidates=len(points))


def _estimate(run: Run, rows: pd.DataFrame, rate: float, n: int, candidates: int, seed: int) -> Estimate:
    clips = int(rows["clip"].nunique()) if "clip" in rows and len(rows) else n
    if len(rows) != n:
        return Estimate(rate, None, None, None, n, (run.name,))
    resampling = SourceResampling(rows["recording"].tolist(), seed=seed)
    # Over candidates the ends of the maximum are those of the highest rate, each at a share of the error.
    ends = rate_interval(torch.tensor(rows["success"].to_numpy(float)), resampling, 1 - 0.05 / candidates)
    low, high = (None if end != end else end for end in (ends.low, ends.high))
    folds = rows.groupby("fold")
    return Estimate(
        value=rate,
        low=low,
        high=high,
        spread=None,
        n=clips,
        runs=(run.name,),
        by_fold=tuple(float(value) for value in folds["success"].mean()),
        same_recordings=int(folds["recording"].nunique().sum()) > resampling.sources,
        recordings=resampling.sources,
    )


def _outcomes(run: Run, attack: str, budget: int | None = None) -> pd.DataFrame:
    path = run.path / "attacks" / "outcomes.parquet"
    try:
        wanted = [("attack", "==", attack)] + ([] if budget is None else [("budget", "==", budget)])
        return pd.read_parquet(path, columns=["fold", "clip", "recording", "success"], filters=wanted)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"expected outcomes in {path}, found a file that cannot be read; attack again") from error
