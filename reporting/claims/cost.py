"""Claims about the cost of attacks: the cost parts of R7 and R12, C2, C5 and C6.

Batch gradients are maxima over clips, which have no interval over recordings: the unit is a trained model, that is, one
fold of a setting. Folds with different test recordings reflect the variation of models and of recordings; five of them
give an interval, fewer only a range.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from metrics.attack_summary import THE_SIX
from reporting.claims.claim import DESCRIPTIVE, Claim, Finding, beside, of_equal_subsets, paper_contrast, units_differ
from reporting.controls import runs_of
from reporting.estimates import Estimate, fold_gradients
from reporting.names import CORPUS_NAMES, NAMES, label
from reporting.paper_numbers import ITERATIVE, PaperSetting, Setting, paper_settings
from reporting.runs import Run
from reporting.selection import PAPER_CORPORA, Selection, corpora_of
from reporting.studies import REPRESENTATIONS, STUDIES, TABLES, Slice, same_setting, slice_of
from reporting.verdicts import Verdict, judge, mean_of_folds

COST = "batch gradients, five iterative attacks"

R7C = Claim("R7c", "Without an orthonormal DCT attacks are cheaper", f"{COST}: ortho over no norm", False)

R12G = Claim("R12g", "ResNet-18 is costlier to attack than GoogLeNet", f"{COST}: ResNet-18 over GoogLeNet", False)

R12H = Claim("R12h", "GoogLeNet is costlier to attack than AlexNet", f"{COST}: GoogLeNet over AlexNet", False)

C2 = Claim("C2", "Settings change the cost of attacks", f"{COST}: costliest over cheapest setting", False)

C5A = Claim("C5a", "DWT is costlier to attack than STFT", f"{COST}: DWT over STFT", False)

C5B = Claim("C5b", "DWT is costlier to attack than MFCC", f"{COST}: DWT over MFCC", False)

C6 = Claim(
    "C6",
    "CWA is the costliest attack",
    "batch gradients: CWA over the costliest other attack, least of settings",
    False,
)

PAIRS: dict[Claim, tuple[str, Setting, Setting]] = {
    R7C: ("figure2_dct_norm", "ortho", None),
    R12G: ("section5a_classifiers", "resnet18", "googlenet"),
    R12H: ("section5a_classifiers", "googlenet", "alexnet"),
}

AT_THE_BUDGET = 0.01
"""Costs that differ by less count as the same: the numbers of a stopped attack are means over budgets and batches."""


def cost_findings(selection: Selection) -> list[Finding]:
    """Judge every claim about cost, on the paper's numbers and on each of our corpora."""
    findings = [R7C.stated(1 / (1 - 0.085), "stated: 8.5 % cheaper; no data")]
    findings += [claim.stated(None, "stated in the text; no data") for claim in (R12G, R12H)]
    findings += [_paper_spread(), _paper_ratio(C5A, 2), _paper_ratio(C5B, 1), _paper_costliest()]
    for corpus in corpora_of(selection.runs) or [PAPER_CORPORA[0]]:
        ours = f"ours, {CORPUS_NAMES.get(corpus, corpus)}"
        for claim, (key, first, second) in PAIRS.items():
            slices = [slice_of(STUDIES[key], selection.runs, corpus, name) for name in STUDIES[key].representations]
            # Only representations attacked on both sides; otherwise the sides would be averages over different ones.
            both = [f for f in slices if all(fold_costs(f.runs.get(value, [])) for value in (first, second))]
            sides = [[found.runs[value] for found in both] for value in (first, second)]
            finding = _judge_ratio(claim, ours, sides, _command(selection, key, corpus))
            # The norm of the DCT scales coefficients, and with them what a delta changes in the sound.
            finding = units_differ(finding) if claim is R7C else finding
            findings.append(beside(finding, sides, varied=STUDIES[key].varied))
        tables = [
            slice_of(STUDIES[key], selection.runs, corpus, r) for key, r in zip(TABLES, REPRESENTATIONS, strict=False)
        ]
        findings += [_spread(found, ours, selection) for found in tables]
        for claim, other in ((C5A, 1), (C5B, 0)):
            sides = [list(tables[place].runs.values()) for place in (2, other)]
            key = TABLES[2 if not sides[0] else other]
            finding = units_differ(_judge_ratio(claim, ours, sides, _command(selection, key, corpus)))
            findings.append(beside(finding, sides))
        findings.append(_costliest([run for run in selection.runs if run.corpus == corpus], ours, selection.profile))
    return findings


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


def _judge_ratio(claim: Claim, ours: str, sides: Sequence[Sequence[Sequence[Run]]], missing: str) -> Finding:
    found = cost_ratio(*sides)
    finding = claim.judge(ours, found, folds_in_words(found), null=1.0, logarithmic=True, missing=missing)
    return of_equal_subsets(_by_free_attacks(finding, sides), sides)


def _by_free_attacks(finding: Finding, sides: Sequence[Sequence[Sequence[Run]]], confidence: float = 0.95) -> Finding:
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


def _spread(found: Slice, ours: str, selection: Selection) -> Finding:
    """The finding on C2 from the costliest and the cheapest setting, an extreme pair among all pairs."""
    costs = {value: fold_costs(runs) for value, runs in found.runs.items()}
    costs = {value: folds for value, folds in costs.items() if folds}
    study = found.study
    numbers = f"{ours}, {found.representation}"
    if len(costs) < 2:
        return C2.missing(numbers, _command(selection, study.key, found.corpus))
    common = sorted(set.intersection(*(set(folds) for folds in costs.values())))
    if not common:
        return C2.missing(numbers, "no fold on which two settings are attacked")
    ordered = sorted(costs, key=lambda value: statistics.fmean(costs[value][fold] for fold in common))
    cheapest, costliest = ordered[0], ordered[-1]
    sides = [[found.runs[costliest]], [found.runs[cheapest]]]
    ratio = cost_ratio(*sides)
    pairs = math.comb(len(costs), 2)
    note = f"{study.label} {label(costliest)} over {label(cheapest)}"
    if pairs > 1:
        note += f", the extreme of {pairs} pairs (Bonferroni)"
    n = f"{len(costs)} settings, {folds_in_words(ratio)}"
    confidence = 1 - 0.05 / pairs
    finding = C2.judge(numbers, ratio, n, note, null=1.0, confidence=confidence, logarithmic=True)
    finding = _by_free_attacks(finding, sides, confidence)
    return of_equal_subsets(finding, [[runs] for runs in found.runs.values() if any(run.attacks for run in runs)])


@dataclass(frozen=True)
class _Costliest:
    """What CWA costs over the costliest other attack in one setting, on each model.

    Attributes:
        ratio: over folds.
        models: batch gradients by attack of each model.
        verdict: whether CWA is the costliest, judged beside all other settings.
        ends: the interval by which it was judged, or the range over folds.
        basis: what kind of interval it is.
    """

    ratio: Estimate
    models: tuple[Mapping[str, float], ...]
    verdict: Verdict
    ends: tuple[float, float] | None
    basis: str


def _costliest(runs: Sequence[Run], ours: str, profile: str | None) -> Finding:
    """The finding on C6: CWA is the costliest attack if it is so in every setting, each judged over its own folds."""
    settings = []
    for group in same_setting(runs):
        spent = [{fold: one for fold, one in fold_gradients(run).items() if _of_six(one)} for run in group]
        if any(spent):
            settings.append((group, [folds for folds in spent if folds]))
    if not settings:
        return C6.missing(ours, "no run is attacked with all six attacks yet")
    found = [one for group, spent in settings if (one := _cwa_in(group, spent, len(settings)))]
    if not found:
        return C6.missing(ours, "no fold on which all runs of a setting are attacked with all six attacks")
    least = min(found, key=lambda one: one.ratio.value)
    ratios = [_cwa_over_others(model) for one in found for model in one.models]
    n = f"{len(found)} settings; the least: {folds_in_words(least.ratio)}"
    n += f"; CWA is the costliest on {sum(ratio > 1 for ratio in ratios)} of {len(ratios)} models"
    verdicts = [one.verdict for one in found]
    verdict: Verdict = "undecided"
    if "fails" in verdicts or set(verdicts) == {"holds"}:
        verdict = "fails" if "fails" in verdicts else "holds"
    several = f"interval for {len(found)} settings (Bonferroni)" if len(found) > 1 else ""
    stopped = sum(_stopped([_costliest_other(model) for model in one.models]) for one in found)
    whole = f"the costliest other attack spent its whole budget on most models of {stopped} settings" if stopped else ""
    note = "; ".join(filter(None, (several, least.basis, whole)))
    names = tuple(dict.fromkeys(name for one in found for name in one.ratio.runs))
    low, high = least.ends or (None, None)
    finding = C6.finding(ours, (least.ratio.value, low, high), n, verdict, note, names)
    if profile != "paper":
        # The profile then determines how much each attack may spend, and so which one spends most.
        return finding.withdrawn(
            f"the profile {profile} itself limits what each attack may spend; only budgets=paper can decide"
        )
    return finding


def _cwa_in(
    runs: Sequence[Run], spent: Sequence[Mapping[int, Mapping[str, float]]], settings: int
) -> _Costliest | None:
    """What CWA costs in one setting, judged as one of several settings; None without a fold of all its runs."""
    common = sorted(set.intersection(*map(set, spent)))
    ratios = [statistics.geometric_mean([_cwa_over_others(folds[fold]) for folds in spent]) for fold in common]
    found = geometric_mean(ratios, runs)
    if found is None:
        return None
    # One setting in which another attack costs more refutes the claim, so each has a share of the error.
    judged = judge(found, 1.0, confidence=1 - 0.05 / settings, logarithmic=True)
    models = tuple(folds[fold] for folds in spent for fold in common)
    # What stops at its budget would have spent more: the ratio is then too large, or too small.
    bounded = _costliest_other if judged.verdict == "holds" else _cwa
    verdict = "undecided" if _stopped([bounded(model) for model in models]) else judged.verdict
    return _Costliest(found, models, verdict, judged.ends, judged.basis)


def _of_six(gradients: Mapping[str, float]) -> bool:
    """Whether all six attacks have spent gradients."""
    return all(gradients.get(attack, 0) > 0 for attack in THE_SIX)


def _cwa_over_others(gradients: Mapping[str, float]) -> float:
    return _cwa(gradients) / _costliest_other(gradients)


def _cwa(gradients: Mapping[str, float]) -> float:
    return gradients["cwa"]


def _costliest_other(gradients: Mapping[str, float]) -> float:
    return max(gradients[attack] for attack in THE_SIX if attack != "cwa")


def _paper_costliest() -> Finding:
    ratios = [_cwa_over_others(row.gradients) for table in (1, 2, 3) for row in paper_settings(table)]
    found = Estimate(min(ratios), min(ratios), max(ratios), None, len(ratios), ())
    most = sum(ratio > 1 for ratio in ratios)
    note = "least and largest over models; one number per setting, on three corpora"
    return C6.described(found, f"CWA is the costliest on {most} of {len(ratios)} models", note)


def _paper_spread() -> Finding:
    ratios = []
    for table in (1, 2, 3):
        for corpus in PAPER_CORPORA:
            costs = [_log_cost(row) for row in paper_settings(table) if row.corpus == corpus]
            ratios.append(math.exp(max(costs) - min(costs)))
    median = statistics.median(ratios)
    note = "median and range over strata; one number per setting, so chance is not excluded"
    return C2.described(Estimate(median, min(ratios), max(ratios), None, len(ratios), ()), "9 strata", note)


def _paper_ratio(claim: Claim, other: int) -> Finding:
    """The paper's ratio of geometric means over settings, averaged over corpora."""
    logs, _ = paper_contrast(3, other, _log_cost)
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    found = Estimate(math.exp(logs.value), low, high, None, logs.n, ())
    return claim.described(found, f"{logs.n} settings", DESCRIPTIVE)


def _log_cost(row: PaperSetting) -> float:
    return statistics.fmean(math.log(row.gradients[attack]) for attack in ITERATIVE)


def _command(selection: Selection, key: str, corpus: str) -> str:
    return selection.sweep_command(key, corpus) or ""


def stopped_attacks(sides: Sequence[Sequence[Sequence[Run]]]) -> list[list[str]]:
    """For each side, the iterative attacks that their budgets stop on most of its models.

    Args:
        sides: runs of each setting, for the two sides of a ratio.
    """
    models = [[fold_gradients(run) for runs in side for run in runs if run.attacks] for side in sides]
    if not all(models):
        return [[] for _ in sides]
    common = sorted(set.intersection(*(set(folds) for side in models for folds in side)))
    stopped: list[list[str]] = []
    for side in models:
        spent = {attack: [folds[fold].get(attack, 0.0) for folds in side for fold in common] for attack in ITERATIVE}
        stopped.append([name for name, some in spent.items() if some and min(some) > 0 and _stopped(some)])
    return stopped


def _stopped(spent: Sequence[float]) -> bool:
    """Whether most models cost the same to within 1 %, and none costs more: the mark of a budget."""
    return len(spent) > 1 and sum(value >= (1 - AT_THE_BUDGET) * max(spent) for value in spent) > len(spent) / 2
