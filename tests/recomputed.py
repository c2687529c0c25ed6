"""Numbers of a report computed again from the rows that runs store, with pandas and scikit-learn alone."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

SIX = ("fgsm", "deepfool", "bim_a", "bim_b", "jsma", "cwa")


def area(rows):
    """Area under the ROC curve of -log p(label), adversarials against other clips that are clean."""
    scores = []
    for column in ("logits_adversarial", "logits_clean"):
        logits = np.stack(rows[column].to_list()).astype(float)
        scores.append(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(rows)), rows["label"].to_numpy()])
    attacked, clean = scores
    own = ((attacked > clean).sum() + (attacked >= clean).sum()) / 2
    every = roc_auc_score(np.repeat([1, 0], len(rows)), np.concatenate(scores)) * len(rows) ** 2
    return (every - own) / (len(rows) * (len(rows) - 1))


def mean_area(rows):
    """Mean over folds of the mean over budgets."""
    areas = {}
    for (fold, _), some in rows.groupby(["fold", "budget_index"]):
        areas.setdefault(fold, []).append(area(some))
    return np.mean([np.mean(values) for values in areas.values()])


def mean_gradients(rows):
    """Mean over budgets of the costliest clip, of each fold."""
    return rows.groupby(["fold", "budget_index"])["gradients"].max().groupby("fold").mean()


def costs_to_auc90(rows):
    """Of each fold the cheapest budget of an attack with an area above 0.9, and whether none has."""
    costs = {}
    for fold, some in rows.groupby("fold"):
        areas = pd.Series({budget: area(part) for budget, part in some.groupby("budget_index")})
        prices = some.groupby("budget_index")["gradients"].max()
        reached = prices[areas > 0.9]
        costs[fold] = (reached.min() if len(reached) else prices.max(), not len(reached))
    return costs


def mean_over_six(rows, of_attack):
    """Mean over the six attacks on each fold of what ``of_attack`` gives by fold."""
    found = [of_attack(rows[rows["attack"] == attack]) for attack in SIX]
    return {fold: np.mean([one[fold] for one in found], axis=0) for fold in sorted(rows["fold"].unique())}


def transfer_ratios(rows):
    """Of each target the mean over the six attacks of what fools both over what fools the source, and its n."""
    right = rows[rows["clean_correct_source"] & rows["clean_correct_target"] & rows["attack"].isin(SIX)]
    fooled = right[right["source_success"]]
    shares = fooled.groupby(["target_architecture", "attack"])["target_success"].mean()
    return shares.groupby("target_architecture").mean(), fooled.groupby("target_architecture").size()
