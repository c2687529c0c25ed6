"""Every number of an attack's and of a transfer's summary from the stored rows, with NumPy, SciPy and scikit-learn."""

import json

import numpy as np
import pandas as pd
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score

SIX = ("fgsm", "deepfool", "bim_a", "bim_b", "jsma", "cwa")
PRICES = {"batch_gradients": "gradients", "full_jacobian_batch_gradients": "full_jacobian_gradients"}
SIX_MEANS = ("fooling_rate", "auc", "auc_ovr", *PRICES)
MEANS = ("fooling_rate", "success_65", "success_8bit", "target_rate", "fooling_rate_all", "auc_ovr", "auc", *PRICES)


def loss_of(logits, labels):
    """-log of the label's probability."""
    logits = np.stack(list(logits)).astype(float)
    return np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]


def comparisons(labels, clean, attacked):
    """Which adversarial (row) scores above which other clip (column), ties half; NaN on the diagonal."""
    attacked, clean = loss_of(attacked, labels), loss_of(clean, labels)
    above = np.full((len(clean), len(clean)), np.nan)
    for i in range(len(clean)):
        for j in range(len(clean)):
            if i != j:
                above[i, j] = 1.0 if attacked[i] > clean[j] else 0.5 if attacked[i] == clean[j] else 0.0
    return above


def area_of(above, weights):
    """Share of the pairs of different clips, each pair as often as both its clips count."""
    pairs = np.outer(weights, weights) * ~np.eye(len(weights), dtype=bool)
    return (pairs * np.nan_to_num(above)).sum() / pairs.sum() if pairs.sum() > 0 else np.nan


def area_one_versus_rest(labels, logits):
    """One less the mean area over the classes that are there, by scikit-learn."""
    logits = np.stack(list(logits)).astype(float)
    scores = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    classes = np.unique(labels)
    if len(classes) < 2:
        return np.nan
    return 1 - np.mean([roc_auc_score(labels == label, scores[:, label]) for label in classes])


def kish(counts):
    """Effective number of recordings with so many clips each."""
    return counts.sum() ** 2 / max((counts**2).sum(), 1e-300)


def interval(number, recordings, counts=None, area=False, folds=None):
    """Mid-p interval of a share worth so many trials as its numerical derivatives by recordings say.

    Args:
        number: of how often each clip counts.
        recordings: of each clip.
        counts: what each recording, in sorted order, weighs; the number of its clips by default.
        area: whether the number is a mean over pairs of clips.
        folds: of each clip, for a mean over folds, of which the smallest says how much is known of each.
    """
    places = np.unique(recordings, return_inverse=True)[1]
    counts = np.bincount(places) if counts is None else counts
    m = kish(counts)
    if folds is not None:
        of_folds = [kish(np.unique(places[folds == fold], return_counts=True)[1]) for fold in set(folds)]
        # Of fewer than eight recordings on a fold the variance is not known.
        m = min(m, (len(of_folds) if min(of_folds) >= 8 - 1e-9 else 1) * min(of_folds))
    if m < 10 - 1e-9:
        return None, None, "fewer than 10 recordings"
    p = number(np.ones(len(places)))
    if np.isnan(p):
        return None, None, "mid_p"
    step = 1e-4
    slopes = [
        (number(1 + step * (places == one)) - number(1 - step * (places == one))) / (2 * step)
        for one in range(places.max() + 1)
    ]
    design = m * np.square(slopes).sum() / (p * (1 - p)) if 0 < p < 1 else 1.0
    known, prior = m * min(p, 1 - p), 1.0
    if area:
        # Areas have no rarer outcome: the kurtosis of the influences says how many recordings they come from.
        known, prior = (m / stats.kurtosis(slopes, fisher=False) if np.abs(slopes).max() > 1e-9 else 0.0), 0.75
    design = (known * design + 0.5 * prior) / (known + 0.5)
    price = (stats.norm.ppf(0.975) / stats.t.ppf(0.975, m - 1)) ** 2
    n = m * max(price / design, min(1, 1 / design))
    x = p * n

    def tail(share):
        at_least = 1.0 if x <= 1e-12 * n else stats.beta.cdf(share, x, n - x + 1)
        more = 0.0 if n - x <= 1e-12 * n else stats.beta.cdf(share, x + 1, n - x)
        return (at_least + more) / 2

    low = 0.0 if x <= 1e-12 * n else optimize.brentq(lambda share: tail(share) - 0.025, 0, 1, xtol=1e-14)
    high = 1.0 if n - x <= 1e-12 * n else optimize.brentq(lambda share: tail(share) - 0.975, 0, 1, xtol=1e-14)
    return low, high, "mid_p"


def ends(rate, area):
    """The entries of the intervals of a fooling rate and an area."""
    (low, high, method), (area_low, area_high, _) = rate, area
    entry = {"fooling_rate_low": low, "fooling_rate_high": high, "interval_method": method}
    return entry | {"auc_low": area_low, "auc_high": area_high}


def attack_summary(rows, clips):
    """What an attack's ``summary.json`` has to say, without the checks."""
    rows = rows[~rows["attack"].str.startswith("check_")].sort_values(["fold", "attack", "budget_index", "clip"])
    places = {(f, a, b): part for (f, a, b), part in rows.groupby(["fold", "attack", "budget_index"])}
    above = {
        k: comparisons(v["label"].to_numpy(), v["logits_clean"], v["logits_adversarial"]) for k, v in places.items()
    }
    tested = clips.groupby("fold").size()
    budgets = {place: budget_entry(place, part, above[place], tested[place[0]]) for place, part in places.items()}
    attacks = {}
    for fold, attack in dict.fromkeys((fold, attack) for fold, attack, _ in places):
        own = [entry for place, entry in budgets.items() if place[:2] == (fold, attack)]
        attacks[fold, attack] = attack_entry(fold, attack, own)
    joined = {attack: pooled([attack], rows, above) for attack in rows["attack"].unique()}
    means = {
        attack: mean_entry([entry for place, entry in attacks.items() if place[1] == attack]) | joined[attack]
        for attack in joined
    }
    right = clips[clips["clean_correct"]]
    return {
        "n_test": clips["clip"].nunique(),
        "n": right["clip"].nunique(),
        "recordings": right["recording"].nunique(),
        "accuracy_on_attacked": clips["clean_correct"].mean(),
        "folds": [
            {
                "fold": fold,
                "n_test": len(part),
                "n": part["clean_correct"].sum(),
                "accuracy": part["clean_correct"].mean(),
            }
            for fold, part in clips.groupby("fold")
        ],
        "budgets": budgets,
        "attacks": attacks,
        "means": means,
        "six": six_entry(means) | pooled(SIX, rows, above) if set(SIX) <= set(means) else None,
    }


def six_entry(means):
    """The plain mean over the six."""
    entry = {name: np.mean([means[attack][name] for attack in SIX]) for name in SIX_MEANS}
    return {"attacks": list(SIX), **entry, "cost_auc90": mean_cost([means[attack]["cost_auc90"] for attack in SIX])}


def budget_entry(place, rows, above, tested):
    """One attack at one budget on one fold."""
    fooled = rows["success"] == 1
    targeted = (rows["target_label"] >= 0).any()
    entry = dict(zip(("fold", "attack", "budget_index"), place, strict=True))
    entry |= {"budget": json.loads(rows["budget"].iloc[0]), "n": len(rows), "n_test": tested}
    entry |= {"recordings": rows["recording"].nunique(), "fooling_rate": fooled.sum() / len(rows)}
    entry |= {name: rows[name].sum() / len(rows) for name in ("success_65", "success_8bit")}
    entry["target_rate"] = rows["target_hit"].sum() / len(rows) if targeted else None
    # A clip that is wrong before counts as fooled among all clips.
    entry["fooling_rate_all"] = (fooled.sum() + tested - len(rows)) / tested
    entry["auc"] = area_of(above, np.ones(len(rows)))
    entry["auc_ovr"] = area_one_versus_rest(rows["label"].to_numpy(), rows["logits_adversarial"])
    for name, column in PRICES.items():
        batches = rows.groupby("reporting_batch")[column].agg(["max", "size"])
        entry[name] = np.average(batches["max"], weights=batches["size"])
    entry["gradients_mean"] = rows["gradients"].mean()
    for column in ("l2", "linf", "l0", "snr_db"):
        entry[f"median_{column}"] = rows.loc[fooled, column].median()
    entry["median_l2_all"] = np.median(rows["l2"].where(fooled, np.inf))
    entry["zero_gradient_share"] = rows["zero_gradients"].sum() / max(rows["gradients"].sum(), 1)
    entry["seconds"] = rows["seconds"].sum()
    happened = fooled.to_numpy(float)
    rate = interval(lambda weights: weights @ happened / weights.sum(), rows["recording"])
    return entry | ends(rate, interval(lambda weights: area_of(above, weights), rows["recording"], area=True))


def attack_entry(fold, attack, budgets):
    """One attack on one fold: means over its budgets."""
    entry = {"fold": fold, "attack": attack, "n": budgets[0]["n"], "recordings": budgets[0]["recordings"]}
    entry |= {"budgets": len(budgets), "seconds": sum(one["seconds"] for one in budgets)}
    entry |= {name: mean([one[name] for one in budgets]) for name in MEANS}
    curve = sorted((one["budget"]["delta"], one["fooling_rate"]) for one in budgets if "delta" in one["budget"])
    widths = np.log([delta for delta, _ in curve])
    area = np.trapezoid([rate for _, rate in curve], widths) / np.ptp(widths) if len(curve) > 1 else None
    entry["auc_budget"] = area
    entry["cost_auc90"] = cost(budgets)
    # Without a success there is no size of one, and nothing says that it was small.
    entry["cost_auc90_bounded"] = cost([one for one in budgets if one["median_snr_db"] >= 20])
    return entry


def cost(budgets):
    """The cheapest budget above 0.9, or what was spent in vain."""
    reached = [one["batch_gradients"] for one in budgets if one["auc"] > 0.9]
    spent = max((one["batch_gradients"] for one in budgets), default=0)
    return {"gradients": min(reached, default=spent), "censored": not reached, "low": None, "high": None}


def mean_cost(costs):
    """A mean of costs is a lower bound as soon as one of them is."""
    spent, censored = [one["gradients"] for one in costs], any(one["censored"] for one in costs)
    high = None if censored else max(spent)
    return {"gradients": np.mean(spent), "censored": censored, "low": min(spent), "high": high}


def mean_entry(entries):
    """One attack over the folds."""
    mean_of = {"folds": len(entries), "seconds": sum(one["seconds"] for one in entries)}
    for name in (*MEANS, "auc_budget"):
        values = [one[name] for one in entries]
        mean_of[name] = mean(values)
        mean_of[f"{name}_std"] = None if None in values or len(values) < 2 else np.std(values, ddof=1)
    for name in ("cost_auc90", "cost_auc90_bounded"):
        mean_of[name] = mean_cost([one[name] for one in entries])
    spent = [one["batch_gradients"] for one in entries]
    return mean_of | {"batch_gradients_min": min(spent), "batch_gradients_max": max(spent)}


def pooled(attacks, rows, above):
    """Counts and intervals of a mean over folds, budgets and attacks, with the recordings of all folds together."""
    some = rows[rows["attack"].isin(attacks)]
    first = some[(some["attack"] == attacks[0]) & (some["budget_index"] == 0)]
    folds = first["fold"].to_numpy()
    happened = {key: part["success"].to_numpy(float) for key, part in some.groupby(["fold", "attack", "budget_index"])}

    def averaged(of_place, area=False):
        def number(weights):
            by_fold = {}
            for fold, attack, budget in happened:
                value = of_place((fold, attack, budget), weights[folds == fold])
                by_fold.setdefault((attack, fold), []).append(value)
            return np.mean([np.mean(values) for values in by_fold.values()])

        return interval(number, first["recording"], area=area, folds=folds)

    rate = averaged(lambda place, weights: weights @ happened[place] / weights.sum())
    area = averaged(lambda place, weights: area_of(above[place], weights), area=True)
    return {"n": some["clip"].nunique(), "recordings": some["recording"].nunique(), **ends(rate, area)}


def transfer_cells(rows, crafted):
    """What the cells of a transfer's ``summary.json`` have to say, by target, fold and attack."""
    cells = {}
    for target, of_target in rows.groupby("target_run"):
        for fold in [*of_target["fold"].unique(), None]:
            some = of_target[(of_target["fold"] == fold) | (fold is None)]
            single = {attack: transfer_cell(some[some["attack"] == attack]) for attack in SIX}
            for attack, cell in single.items():
                source = crafted["means"][attack] if fold is None else crafted["attacks"][fold, attack]
                cells[target, fold, attack] = cell | of_source(source)
            cells[target, fold, None] = mean_cell(some, single) | of_source(crafted["six"] if fold is None else None)
    return cells


def of_source(entry):
    """What the attack did to the model that it was made on."""
    entry = entry or {"auc": None, "batch_gradients": None}
    return {"source_auc": entry["auc"], "source_batch_gradients": entry["batch_gradients"]}


def counted(rows):
    """Rows of a denominator: right for both when clean, and the source is fooled."""
    return rows[rows["clean_correct_source"] & rows["clean_correct_target"] & rows["source_success"]]


def transfer_cell(rows):
    """One attack on one target."""
    right = rows[rows["clean_correct_source"] & rows["clean_correct_target"]]
    fools, hits = counted(rows), right[right["source_reached_target_label"]]
    folds = []
    for _, fold in rows[rows["clean_correct_target"]].groupby("fold"):
        areas = []
        for _, one in fold.groupby("budget_index"):
            logits = one["target_logits_clean"], one["target_logits_adversarial"]
            areas.append(area_of(comparisons(one["label"].to_numpy(), *logits), np.ones(len(one))))
        folds.append(np.mean(areas))
    return {
        "ratio": fools["target_success"].mean(),
        "numerator": fools["target_success"].sum(),
        "denominator": len(fools),
        "target_hit_ratio": hits["target_reached_target_label"].mean(),
        "target_hit_denominator": len(hits),
        "auc_on_target": np.mean(folds),
        "n": fools["clip"].nunique(),
        "recordings": fools["recording"].nunique(),
        **ratio_ends([rows]),
    }


def mean_cell(rows, cells):
    """The plain mean over the six."""
    parts = [rows[rows["attack"] == attack] for attack in SIX]
    fools = counted(rows)
    return {
        "ratio": np.mean([cell["ratio"] for cell in cells.values()]),
        "attacks": sum(cell["denominator"] > 0 for cell in cells.values()),
        "numerator": sum(cell["numerator"] for cell in cells.values()),
        "denominator": sum(cell["denominator"] for cell in cells.values()),
        "target_hit_ratio": np.mean([cell["target_hit_ratio"] for cell in cells.values()]),
        "auc_on_target": np.mean([cell["auc_on_target"] for cell in cells.values()]),
        "n": fools["clip"].nunique(),
        "recordings": fools["recording"].nunique(),
        **ratio_ends(parts),
    }


def ratio_ends(attacks):
    """Interval of a mean of ratios; the attack that fools the source on the fewest recordings says how sure it is."""
    names = np.unique(pd.concat(attacks)["recording"])
    sums = [
        (
            counted(rows).groupby("recording")["target_success"].sum().reindex(names, fill_value=0).to_numpy(float),
            counted(rows).groupby("recording").size().reindex(names, fill_value=0).to_numpy(float),
        )
        for rows in attacks
    ]
    fewest = min((fools for _, fools in sums), key=lambda n: n.sum() ** 2 / max((n**2).sum(), 1))
    low, high, method = interval(lambda w: np.mean([w @ both / (w @ fools) for both, fools in sums]), names, fewest)
    return {"ratio_low": low, "ratio_high": high, "interval_method": method}


def mean(values):
    """A mean of numbers that are all there."""
    return None if None in values else np.mean(values)
