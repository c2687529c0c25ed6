"""C6: CWA is the costliest attack, judged setting by setting."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics.attack_summary import THE_SIX
from reporting.claims.claim import Claim, Finding
from reporting.claims.cost_ratio import folds_in_words, geometric_mean, is_stopped
from reporting.estimates import Estimate, fold_gradients
from reporting.paper_numbers import paper_settings
from reporting.runs import Run
from reporting.studies import same_setting
from reporting.verdicts import Verdict, judge

C6 = Claim(
    "C6",
    "CWA is the costliest attack",
    "batch gradients: CWA over the costliest other attack, least of settings",
    False,
)


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


def costliest_attack(runs: Sequence[Run], ours: str, profile: str | None) -> Finding:
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
    stopped = sum(is_stopped([_costliest_other(model) for model in one.models]) for one in found)
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
    """What CWA costs in one setting, judged as one of several settings; None without a fold."""
    by_fold: dict[int, list[Mapping[str, float]]] = {}
    for folds in spent:
        for fold, model in folds.items():
            by_fold.setdefault(fold, []).append(model)
    ratios = [statistics.geometric_mean(map(_cwa_over_others, by_fold[fold])) for fold in sorted(by_fold)]
    found = geometric_mean(ratios, runs)
    if found is None:
        return None
    # One setting in which another attack costs more refutes the claim, so each has a share of the error.
    judged = judge(found, 1.0, confidence=1 - 0.05 / settings, logarithmic=True)
    models = tuple(model for folds in spent for model in folds.values())
    # What stops at its budget would have spent more: the ratio is then too large, or too small.
    bounded = _costliest_other if judged.verdict == "holds" else _cwa
    verdict = "undecided" if is_stopped([bounded(model) for model in models]) else judged.verdict
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


def paper_costliest() -> Finding:
    """The finding on C6 from the models that the paper prints."""
    ratios = [_cwa_over_others(row.gradients) for table in (1, 2, 3) for row in paper_settings(table)]
    found = Estimate(min(ratios), min(ratios), max(ratios), None, len(ratios), ())
    most = sum(ratio > 1 for ratio in ratios)
    note = "least and largest over models; one number per setting, on three corpora"
    return C6.described(found, f"CWA is the costliest on {most} of {len(ratios)} models", note)
