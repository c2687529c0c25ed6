"""From the rows of attacked clips to every number of an attack summary: per budget, fold, attack, and over the six."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from metrics.attacked_fold import AttackedFold
from metrics.auc import auc_budget, auc_ovr
from metrics.cost import (
    Cost,
    batch_gradients,
    budget_mean,
    cost_auc90,
    cost_auc90_bounded,
    gradients_by_batch,
    mean_cost,
)
from metrics.distances import allowed_amplitude, median_over_all, median_over_successes
from metrics.intervals import Interval, Recordings, rate_interval, share_interval
from metrics.over_folds import interval_over_folds
from storage.summaries import (
    AttackedFoldNumbers,
    AttackNumbers,
    AttackNumbersOfRun,
    BudgetNumbers,
    MeanNumbers,
    SixNumbers,
)

THE_SIX = ("fgsm", "deepfool", "bim_a", "bim_b", "jsma", "cwa")
"""The attacks of the paper's Tables I to IV, over which every mean over attacks is taken."""

MEANS = (
    *("fooling_rate", "success_65", "success_8bit", "success_16bit"),
    *("target_rate", "fooling_rate_all", "auc_ovr"),
)
"""Plain means over the budgets of an attack; the target rate is None for an attack without targets. Maps are rounded to
8 bits, sounds to 16, so one of the two rates after rounding does not exist."""

RATES = {
    "fooling_rate": "success",
    "success_65": "success_65",
    "success_8bit": "success_8bit",
    "success_16bit": "success_16bit",
}
MEDIANS = {"median_l2": "l2", "median_linf": "linf", "median_l0": "l0", "median_snr_db": "snr_db"}
COSTS = {"batch_gradients": "gradients", "full_jacobian_batch_gradients": "full_jacobian_gradients"}


def budget_rows(attacked: AttackedFold, tested: int) -> list[BudgetNumbers]:
    """Compute every number of each budget of an attack on one fold.

    Args:
        attacked: the attack's rows.
        tested: number of test clips, including those misclassified when clean.

    Returns:
        One dictionary per budget, in the order of the profile.
    """
    recordings = Recordings(attacked.recordings)
    return [_budget_row(attacked, budget, recordings, tested) for budget in range(len(attacked.budgets))]


def _budget_row(attacked: AttackedFold, budget: int, recordings: Recordings, tested: int) -> BudgetNumbers:
    columns = {name: values[budget] for name, values in attacked.columns.items()}
    fooled = columns["success"] > 0
    row: dict[str, Any] = {"fold": attacked.fold, "attack": attacked.attack, "budget_index": budget}
    row |= {"budget": attacked.budgets[budget], "n": len(attacked), "n_test": tested}
    row["recordings"] = len(set(attacked.recordings))
    row |= {name: float(attacked.rate(column, budget)) for name, column in RATES.items() if column in columns}
    row["target_rate"] = attacked.target_rate(budget)
    row["fooling_rate_all"] = (float(columns["success"].sum()) + tested - len(attacked)) / tested
    row |= _ends("fooling_rate", rate_interval(columns["success"], recordings), method=True)
    row["auc"] = float(attacked.area(budget))
    row |= _ends("auc", share_interval(lambda weights: attacked.area(budget, weights), recordings, area=True))
    row["auc_ovr"] = float(auc_ovr(attacked.logits_adversarial[budget], attacked.labels))
    row |= {name: float(batch_gradients(columns[column], attacked.batches)) for name, column in COSTS.items()}
    row["gradients_mean"] = float(columns["gradients"].mean())
    row |= {name: median_over_successes(columns[column], fooled) for name, column in MEDIANS.items()}
    row["median_l2_all"] = median_over_all(columns["l2"], fooled)
    row["zero_gradient_share"] = float(columns["zero_gradients"].sum() / columns["gradients"].sum().clamp(min=1))
    row["seconds"] = float(columns["seconds"].sum())
    # The keys are composed at run time; a test checks that they are those of the type.
    return cast(BudgetNumbers, row)


def attack_row(attacked: AttackedFold, rows: Sequence[BudgetNumbers]) -> AttackNumbers:
    """Compute an attack's entry for one fold: means over its budgets, and the cost of reaching AUC > 0.9.

    Args:
        attacked: the attack's rows.
        rows: what :func:`budget_rows` returned for them.

    Returns:
        The entry; rates and areas in [0, 1], costs in batch gradients.
    """
    entry: dict[str, Any] = {"fold": attacked.fold, "attack": attacked.attack, "n": len(attacked), "budgets": len(rows)}
    entry["recordings"] = len(set(attacked.recordings))
    entry |= {name: _mean(_values(rows, name)) for name in (*MEANS, "auc") if name in rows[0]}
    for name, column in COSTS.items():
        spent = [gradients_by_batch(values, attacked.batches) for values in attacked.columns[column]]
        entry[name] = float(budget_mean(torch.stack([one.gradients for one in spent]), spent[0].clips))
    entry["auc_budget"] = _area_over_size(rows)
    aucs, gradients = _column(rows, "auc"), _column(rows, "batch_gradients")
    entry["cost_auc90"] = vars(cost_auc90(aucs, gradients))
    entry["cost_auc90_bounded"] = vars(cost_auc90_bounded(aucs, gradients, _column(rows, "median_snr_db")))
    entry["seconds"] = sum(row["seconds"] for row in rows)
    return cast(AttackNumbers, entry)


def mean_over_folds(folds: Sequence[AttackedFold], entries: Sequence[AttackNumbers]) -> MeanNumbers:
    """Average an attack's entries over folds, with intervals over the recordings of all folds together.

    Args:
        folds: the attack's rows of each fold.
        entries: what :func:`attack_row` returned for each fold.

    Returns:
        Means and standard deviations over folds, with intervals of the fooling rate and the AUC.
    """
    mean: dict[str, Any] = {"folds": len(entries), **_distinct(folds)}
    for name in (one for one in (*MEANS, "auc", *COSTS, "auc_budget") if one in entries[0]):
        values = _values(entries, name)
        mean[name] = _mean(values)
        # np.std propagates NaN, a missing number; statistics.stdev would not.
        mean[f"{name}_std"] = float(np.std(values, ddof=1)) if None not in values and len(values) > 1 else None
    for name in ("cost_auc90", "cost_auc90_bounded"):
        mean[name] = vars(mean_cost([Cost(**cost) for cost in _values(entries, name)]))
    mean["batch_gradients_min"] = min(entry["batch_gradients"] for entry in entries)
    mean["batch_gradients_max"] = max(entry["batch_gradients"] for entry in entries)
    mean |= _intervals([folds])
    mean["seconds"] = sum(entry["seconds"] for entry in entries)
    return cast(MeanNumbers, mean)


def mean_over_six(attacks: Sequence[Sequence[AttackedFold]], means: Mapping[str, MeanNumbers]) -> SixNumbers:
    """Average the numbers of the six attacks with equal weights.

    Args:
        attacks: the rows per fold of each of the six.
        means: what :func:`mean_over_folds` returned, by attack.

    Returns:
        The means, with intervals of the fooling rate and the AUC.
    """
    entry: dict[str, Any] = {"attacks": list(THE_SIX), **_distinct([fold for folds in attacks for fold in folds])}
    for name in ("fooling_rate", "auc", "auc_ovr", *COSTS):
        entry[name] = _mean(_values([means[attack] for attack in THE_SIX], name))
    entry |= _intervals(attacks)
    entry["cost_auc90"] = vars(mean_cost([Cost(**means[attack]["cost_auc90"]) for attack in THE_SIX]))
    return cast(SixNumbers, entry)


def _intervals(attacks: Sequence[Sequence[AttackedFold]]) -> dict[str, float | str]:
    """Of fooling rate and AUC averaged over attacks and folds, from the rows per fold of each attack."""
    folds = [[of_fold] for of_fold in zip(*attacks, strict=True)]
    rate, area = (interval_over_folds(folds, number) for number in ("fooling_rate", "auc"))
    return _ends("fooling_rate", rate, method=True) | _ends("auc", area)


def _distinct(folds: Sequence[AttackedFold]) -> dict[str, int]:
    """Number of distinct clips and recordings, however many folds, budgets and attacks they were attacked in."""
    clips = {clip for fold in folds for clip in fold.clips.tolist()}
    return {"n": len(clips), "recordings": len({name for fold in folds for name in fold.recordings})}


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values; None if any of them is None, NaN if any of them is NaN."""
    present = [value for value in values if value is not None]
    return statistics.fmean(present) if present and len(present) == len(values) else None


def _area_over_size(rows: Sequence[BudgetNumbers]) -> float | None:
    """``auc_budget`` of budgets that differ in delta or SNR, else None; the most steps count at each size."""
    largest: dict[float, BudgetNumbers] = {}
    for row in rows:
        size = allowed_amplitude(row["budget"])
        if size is not None and size > 0:
            kept = largest.get(size)
            if kept is None or row["budget"].get("steps", 0) >= kept["budget"].get("steps", 0):
                largest[size] = row
    if len(largest) < 2:
        return None
    rates = torch.tensor([row["fooling_rate"] for row in largest.values()], dtype=torch.float64)
    return float(auc_budget(torch.tensor(list(largest), dtype=torch.float64), rates))


def _values(rows: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """The number called ``name`` of every row."""
    return [row[name] for row in rows]


def _column(rows: Sequence[BudgetNumbers], name: str) -> Tensor:
    return torch.tensor(_values(rows, name), dtype=torch.float64)


def _ends(name: str, interval: Interval, *, method: bool = False) -> dict[str, float | str]:
    ends: dict[str, float | str] = {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return ends | ({"interval_method": interval.method} if method else {})


CHECK = "check_"
"""Prefix of the names of attacks that were run for the trust checks only and appear in no table."""


def summarise(outcomes: pd.DataFrame, clips: pd.DataFrame) -> AttackNumbersOfRun:
    """Compute every number of an attack run from its rows alone.

    Args:
        outcomes: one row per fold, attack, budget and clip of S.
        clips: one row per fold and tested clip, with ``recording``, ``label`` and ``clean_correct``.

    Returns:
        ``n_test`` (distinct clips tested), ``n`` (distinct clips classified correctly when clean on at least one
        fold), ``recordings`` (those of the clips in ``n``), ``accuracy_on_attacked``, ``folds``, ``budgets``,
        ``attacks``, ``means`` and ``six``, which is None unless all six attacks were run on the same folds.
    """
    clips = clips.sort_values(["fold", "clip"], ignore_index=True)
    folds = sorted(clips["fold"].unique().tolist())
    rows: list[BudgetNumbers] = []
    entries: list[AttackNumbers] = []
    attacked: dict[str, list[AttackedFold]] = {}
    for fold in folds:
        tested = clips[clips["fold"] == fold]
        of_fold = outcomes[(outcomes["fold"] == fold) & ~outcomes["attack"].str.startswith(CHECK)]
        for _, some in of_fold.groupby("attack", sort=False):
            one = AttackedFold.of(some)
            of_attack = budget_rows(one, len(tested))
            rows += of_attack
            entries.append(attack_row(one, of_attack))
            attacked.setdefault(one.attack, []).append(one)
    means = {
        attack: mean_over_folds(parts, [entry for entry in entries if entry["attack"] == attack])
        for attack, parts in attacked.items()
    }
    # A mean over attacks needs all of them on the same folds.
    of_six = [attacked.get(attack, []) for attack in THE_SIX]
    found = list(dict.fromkeys(entry["fold"] for entry in entries))
    complete = bool(found) and all([part.fold for part in parts] == found for parts in of_six)
    right = clips[clips["clean_correct"]]
    return {
        "n_test": clips["clip"].nunique(),
        "n": right["clip"].nunique(),
        "recordings": right["recording"].nunique(),
        "accuracy_on_attacked": float(clips["clean_correct"].mean()),
        "folds": [_fold_entry(fold, clips[clips["fold"] == fold]) for fold in folds],
        "budgets": rows,
        "attacks": entries,
        "means": means,
        "six": mean_over_six(of_six, means) if complete else None,
    }


def _fold_entry(fold: int, clips: pd.DataFrame) -> AttackedFoldNumbers:
    correct = clips["clean_correct"]
    return {"fold": fold, "n_test": len(clips), "n": int(correct.sum()), "accuracy": float(correct.mean())}
