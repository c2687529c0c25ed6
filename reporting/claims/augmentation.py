"""The paper's claim about augmentation and the cost of attacks: the second half of R5."""

import math
import statistics
from collections.abc import Sequence

from reporting.claims.claim import Claim, Finding, beside, of_equal_subsets
from reporting.claims.cost_ratio import folds_in_words, geometric_mean
from reporting.names import CORPUS_NAMES, NAMES
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import STUDIES, Slice, slice_of

R5B = Claim(
    "R5b",
    "With less data JSMA and CWA need fewer gradients for the same fooling rate",
    "batch gradients for the same fooling rate, JSMA and CWA: with pitch-shifted copies over without",
    False,
)
ATTACKS = ("jsma", "cwa")
COPIES, NONE = "pitch_shift", "none"


def augmentation_findings(selection: Selection) -> list[Finding]:
    """Judge R5b on each of our corpora; the paper gives no numbers."""
    findings = [R5B.stated(None, "stated in the text; no data")]
    study = STUDIES["section5b_augmentation"]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        slices = [slice_of(study, selection.runs, corpus, name) for name in study.representations]
        findings.append(_judged(ours, slices, selection.sweep_command(study.key, corpus) or ""))
    return findings


def _judged(ours: str, slices: Sequence[Slice], missing: str) -> Finding:
    """The finding for the geometric mean over attacks and representations for each fold, then over folds."""
    parts: dict[str, dict[int, float]] = {}
    attacked: list[Run] = []
    for one in slices:
        copies, without = (one.runs.get(value, []) for value in (COPIES, NONE))
        for attack in ATTACKS:
            logs = equal_rate_logs(copies, without, attack)
            if logs:
                parts[f"{NAMES[attack]} on {one.representation}"] = logs
                attacked += [run for run in (*copies, *without) if run.attacks]
    common = set.intersection(*map(set, parts.values())) if parts else set()
    ratios = [math.exp(statistics.fmean(logs[fold] for logs in parts.values())) for fold in sorted(common)]
    sides = [[one.runs.get(value, []) for one in slices] for value in (COPIES, NONE)]
    found = geometric_mean(ratios, attacked)
    if found is None:
        return R5B.missing(ours, missing)
    note = f"cheapest budget that reaches the highest fooling rate of both models; {', '.join(parts)}"
    finding = R5B.judge(ours, found, folds_in_words(found), note, null=1.0, logarithmic=True)
    return beside(of_equal_subsets(finding, sides), sides, varied="augmentation")


def equal_rate_logs(first: Sequence[Run], second: Sequence[Run], attack: str) -> dict[int, float]:
    """Log cost of an attack on some runs minus that on others at equal fooling rate, by fold, on their common folds.

    The rate is the highest that the attack reaches on all of them, and the cost is that of the cheapest budget that
    reaches it, in batch gradients. Folds on which the attack fools no clip of some model are left out.
    """
    models = [[curve for run in side if (curve := _curves(run, attack))] for side in (first, second)]
    if not all(models):
        return {}
    logs = {}
    for fold in sorted(set.intersection(*(set().union(*side) for side in models))):
        curves = [[curve[fold] for curve in side if fold in curve] for side in models]
        rate = min(max(curve) for side in curves for curve in side)[0]
        if rate > 0:
            costs = [[min(c for r, c in curve if r >= rate) for curve in side] for side in curves]
            one, other = (statistics.fmean(map(math.log, side)) for side in costs)
            logs[fold] = one - other
    return logs


def _curves(run: Run, attack: str) -> dict[int, list[tuple[float, float]]]:
    """By fold, the fooling rate and batch gradients of each budget."""
    folds: dict[int, list[tuple[float, float]]] = {}
    for row in run.attacks.budgets if run.attacks else []:
        if row["attack"] == attack and row["fooling_rate"] is not None and row["batch_gradients"]:
            folds.setdefault(row["fold"], []).append((float(row["fooling_rate"]), float(row["batch_gradients"])))
    return folds
