"""The most robust run and the significance of its lead: one sentence per corpus, attack and budget."""

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reporting.accuracy import Accuracies
from reporting.estimates import Estimate
from reporting.fold_means import named_folds
from reporting.names import NAMES
from reporting.outcomes import RobustAccuracies, Threat
from reporting.own_runs import OwnRun, ends_in_percent, in_percent
from reporting.verdicts import Judgement, judge

PREFERRED = ("bim_b", "bim_a", "fgsm")
SURE = {
    "holds": "significant for other recordings and for retrained models",
    "for these models only": "significant for these trained models on other recordings, but not for retrained models",
}
"""The statement on leads whose intervals all exclude zero, by the weakest verdict among them."""


@dataclass(frozen=True)
class Ranking:
    """Runs of one corpus and split, ranked by their robust accuracy under one threat.

    Attributes:
        corpus: display name of the corpus.
        split: split protocol.
        threat: the attack and budget.
        runs: the runs, the most robust first; at the end those that were attacked on too few folds to be compared.
        sentence: the result in words, with its intervals.
    """

    corpus: str
    split: str
    threat: Threat
    runs: tuple[OwnRun, ...]
    sentence: str


def rankings(runs: Sequence[OwnRun]) -> list[Ranking]:
    """Rank the attacked runs of each corpus and split under every threat with which at least one was attacked.

    Args:
        runs: all runs.

    Returns:
        Rankings by corpus, those with most runs first; within a corpus in the order of attacks.
    """
    groups: dict[tuple[str, str, str], list[OwnRun]] = {}
    for run in runs:
        if run.threats:
            groups.setdefault((run.corpus, run.run.split, run.space), []).append(run)
    found = []
    for (corpus, split, _), members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        attacked = {one.run.name: one.attacked for one in members if one.attacked is not None}
        for threat in dict.fromkeys(threat for one in members for threat in one.threats):
            robust = RobustAccuracies(attacked, threat)
            there = [one for one in members if threat in one.threats]
            compared = _on_usual_folds(there, robust)
            others = [one for one in there if not any(one is kept for kept in compared)]
            folds = _common_folds(compared, robust)
            values = {one.run.name: _robust(one, threat, robust, folds) for one in compared}
            ranked = sorted(compared, key=lambda one: -values[one.run.name].value)
            words = _sentence(corpus, threat, ranked, robust, values, folds) + _left_out(others, robust)
            found.append(Ranking(corpus, split, threat, (*ranked, *others), words))
    return found


def most_telling(found: Sequence[Ranking]) -> Ranking | None:
    """The most informative ranking: most runs, a bounded attack, robust accuracy closest to half the clean accuracy.

    Near 0, where the attack defeats every run, and near the clean accuracy, where it affects none, runs look alike.

    Args:
        found: all rankings.

    Returns:
        The ranking; None if there is none.
    """

    def order(one: Ranking) -> tuple[int, int, float, int]:
        threat = one.threat
        clean = statistics.fmean(run.accuracy.value if run.accuracy else 1.0 for run in one.runs)
        robust = statistics.fmean(run.threats[threat].robust.value for run in one.runs)
        place = PREFERRED.index(threat.attack) if threat.attack in PREFERRED else len(PREFERRED)
        return -len(one.runs), 0 if threat.bounded else 1, round(abs(robust - clean / 2), 3), place

    return min(found, key=order, default=None)


def _folds(one: OwnRun, robust: Accuracies) -> set[int]:
    return {fold.fold for fold in robust.tested(one.run)}


def _on_usual_folds(runs: Sequence[OwnRun], robust: Accuracies) -> list[OwnRun]:
    """The runs that were attacked on every fold that more than half of all have, or all if those are no majority.

    So one run that was attacked on a single fold does not reduce every comparison to that fold.
    """
    counts = Counter(fold for one in runs for fold in _folds(one, robust))
    usual = {fold for fold, count in counts.items() if 2 * count > len(runs)}
    complete = [one for one in runs if usual <= _folds(one, robust)]
    return complete if 2 * len(complete) > len(runs) else list(runs)


def _left_out(runs: Sequence[OwnRun], robust: Accuracies) -> str:
    if not runs:
        return ""
    named = ", ".join(f"{one.run.name} ({named_folds(_folds(one, robust))})" for one in runs)
    return f" Not compared, because attacked on fewer or other folds: {named}."


def _common_folds(runs: Sequence[OwnRun], robust: Accuracies) -> set[int] | None:
    """The folds that all runs have, possibly none, where some have others too; None if all have the same ones."""
    attacked = [_folds(one, robust) for one in runs]
    common = set.intersection(*attacked)
    return None if all(folds == common for folds in attacked) else common


def _robust(one: OwnRun, threat: Threat, robust: Accuracies, folds: set[int] | None) -> Estimate:
    """The robust accuracy of a run, on some of its folds if these are given."""
    restricted = robust.mean([one.run], folds) if folds else None
    return restricted or one.threats[threat].robust


def _sentence(
    corpus: str,
    threat: Threat,
    ranked: Sequence[OwnRun],
    robust: Accuracies,
    values: Mapping[str, Estimate],
    folds: set[int] | None,
) -> str:
    first, *others = ranked
    said = f"{NAMES.get(threat.attack, threat.attack)} with {threat.in_words}"
    value = _with_interval(values[first.run.name])
    name = first.run.name
    if not others:
        return (
            f"On {corpus}, {name} still classifies {value} of its test clips correctly under {said}. "
            "No other run was attacked in this way."
        )
    if folds == set():
        said += ", each run on its own folds, of which none is common to all"
    elif folds:
        said += f" on {named_folds(folds)}, which all of them have"
    if not any(estimate.value for estimate in values.values()):
        return (
            f"On {corpus}, none of {len(ranked)} runs classifies any test clip correctly under {said}; "
            "a smaller budget is needed to rank them."
        )
    # Bonferroni over the comparisons with all others: the first is the most robust if it leads each of them.
    confidence = 1 - 0.05 / len(others)
    found = {one.run.name: robust.difference([[first.run]], [[one.run]], confidence, folds or None) for one in others}
    judged = {other: judge(one, confidence=confidence) for other, one in found.items() if one is not None}
    alike = first.space != "map" or len({_map_of(one) for one in ranked}) == 1
    sure = _sure([judged.get(other) for other in found])
    if not alike:
        leads = f"equal changes of unlike maps rank no runs; {name} keeps most"
    elif sure == SURE["holds"]:
        leads = f"{name} is the most robust of {len(ranked)} runs"
    elif sure:
        leads = f"of these trained models, {name} is the most robust of {len(ranked)} runs"
    else:
        leads = f"no run is significantly more robust than all others; {name} leads"
    words = f"On {corpus}, {leads}: it still classifies {value} of its test clips correctly under {said}. "
    second = others[0]
    words += f"Next is {second.run.name} with {_with_interval(values[second.run.name])}"
    difference = found[second.run.name]
    if difference is None:
        return f"{words}; the two share no fold, so their difference has no interval."
    # The interval by which the lead is judged.
    lead = judged[second.run.name]
    low, high = (lead.recordings if sure == SURE["for these models only"] else lead.ends) or (None, None)
    where = " on the folds that both have" if folds == set() else ""
    words += f", a difference{where} of {_points(replace(difference, low=low, high=high), confidence)}"
    if not alike:
        return (
            f"{words}. Their maps differ, so that equal changes of them are different changes of the sound; "
            "attack.py --space sound measures all of them in decibels."
        )
    if sure:
        return f"{words}: its lead over each of them is {sure}."
    return f"{words}: its lead over at least one of them may be chance."


def _map_of(one: OwnRun) -> str:
    """The settings of a run's map, in whose unit budgets are."""
    return json.dumps(one.run.summary.get("representation"), sort_keys=True)


def _sure(leads: Sequence[Judgement | None]) -> str | None:
    """In words, for what the leads over all other runs are significant; None if one of them may be chance."""
    if any(lead is None or "holds" not in (lead.verdict, lead.alone) for lead in leads):
        return None
    weakest = "holds" if all(lead and lead.verdict == "holds" for lead in leads) else "for these models only"
    return SURE[weakest]


def _with_interval(found: Estimate) -> str:
    return f"{in_percent(found)} % {ends_in_percent(found)}".strip()


def _points(found: Estimate, confidence: float) -> str:
    """A difference in points; an interval at another level than 95 % names it."""
    if found.low is None or found.high is None:
        return f"{100 * found.value:+.1f} points"
    ends = f"[{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    level = "" if confidence == 0.95 else f" ({100 * confidence:.3g} %)"
    return f"{100 * found.value:+.1f} points {ends}{level}"
