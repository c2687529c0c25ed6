"""Which of the runs is most robust, and how sure that is: one sentence per corpus, attack and budget."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reporting.accuracy import Accuracies
from reporting.estimates import Estimate
from reporting.names import NAMES
from reporting.outcomes import RobustAccuracies, Threat
from reporting.own_runs import OwnRun, ends_in_percent, in_percent
from reporting.verdicts import judge

PREFERRED = ("bim_b", "bim_a", "fgsm")
SURE = {
    "holds": "sure for other recordings and for models trained anew",
    "for these models only": "sure for these trained models on other recordings, not for models trained anew",
}
"""What is said of a difference whose interval excludes zero, by its verdict."""


@dataclass(frozen=True)
class Ranking:
    """Runs of one corpus and split in the order of their robust accuracy under one threat.

    Attributes:
        corpus: name of the corpus as it is printed.
        split: how its clips are divided.
        threat: the attack and budget.
        runs: the runs, the most robust first.
        sentence: the answer in words, with its intervals.
    """

    corpus: str
    split: str
    threat: Threat
    runs: tuple[OwnRun, ...]
    sentence: str


def rankings(runs: Sequence[OwnRun], seed: int = 0) -> list[Ranking]:
    """Rank the attacked runs of each corpus and split under every threat that at least one of them was attacked with.

    Args:
        runs: all runs.
        seed: seed of the resampling.

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
            ranked = sorted(
                (one for one in members if threat in one.threats), key=lambda one: -one.threats[threat].robust.value
            )
            words = _sentence(corpus, threat, ranked, RobustAccuracies(attacked, threat, seed))
            found.append(Ranking(corpus, split, threat, tuple(ranked), words))
    return found


def most_telling(found: Sequence[Ranking]) -> Ranking | None:
    """The ranking that tells most: most runs, a bounded attack, robust accuracy nearest to half the clean accuracy.

    Near 0, where every run fails, and near the clean accuracy, where no run notices the attack, runs look alike.

    Args:
        found: all rankings.
    """

    def order(one: Ranking) -> tuple[int, int, float, int]:
        threat = one.threat
        clean = statistics.fmean(run.accuracy.value if run.accuracy else 1.0 for run in one.runs)
        robust = statistics.fmean(run.threats[threat].robust.value for run in one.runs)
        place = PREFERRED.index(threat.attack) if threat.attack in PREFERRED else len(PREFERRED)
        return -len(one.runs), 0 if threat.bounded else 1, round(abs(robust - clean / 2), 3), place

    return min(found, key=order, default=None)


def _sentence(corpus: str, threat: Threat, ranked: Sequence[OwnRun], robust: Accuracies) -> str:
    first, *others = ranked
    said = f"{NAMES.get(threat.attack, threat.attack)} with {threat.in_words}"
    value = _with_interval(first.threats[threat].robust)
    name = first.run.name
    if not others:
        return (
            f"On {corpus}, {value} of the test clips of {name} stay right under {said}. No other run was attacked so."
        )
    if not any(one.threats[threat].robust.value for one in ranked):
        return (
            f"On {corpus}, {said} leaves no test clip right on any of {len(ranked)} runs; a smaller budget ranks them."
        )
    # Bonferroni over the comparisons with all others, as which of them is next is seen from the same clips.
    confidence = 1 - 0.05 / len(others)
    second = others[0]
    found = robust.difference([[first.run]], [[second.run]], confidence)
    verdict = judge(found, confidence=confidence) if found else None
    sure = SURE.get(verdict.verdict) if verdict else None
    leads = (
        f"{name} is the most robust of {len(ranked)} runs"
        if sure
        else f"no run is surely the most robust; {name} leads"
    )
    words = f"On {corpus}, {leads}: {value} of its test clips stay right under {said}. "
    words += f"Next is {second.run.name} with {_with_interval(second.threats[threat].robust)}"
    if found is None or verdict is None:
        return f"{words}; the two share no fold, so their difference has no interval."
    low, high = verdict.ends or (None, None)
    where = "" if first.run.folds == second.run.folds else " on the folds that both have"
    words += f", a difference{where} of {_points(replace(found, low=low, high=high))}: {sure or 'it may be chance'}."
    if first.run.representation != second.run.representation and first.space == "map":
        words += " Their maps differ, and the same change of a map is another change of the sound in each."
    return words


def _with_interval(found: Estimate) -> str:
    return f"{in_percent(found)} % {ends_in_percent(found)}".strip()


def _points(found: Estimate) -> str:
    ends = "" if found.low is None or found.high is None else f" [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return f"{100 * found.value:+.1f} points{ends}"
