"""Tables of paired differences of accuracy: between the settings of a study, and between any two runs."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from metrics.model_variance import FEWEST_FOLDS
from reporting.accuracy import Accuracies
from reporting.controls import note_of
from reporting.estimates import Estimate
from reporting.identity import differing
from reporting.names import CORPUS_NAMES, label
from reporting.runs import Run
from reporting.selection import Selection
from reporting.studies import BEST, STUDIES, USUAL, slice_of
from reporting.tables.plain import WORDS, PlainTable
from reporting.verdicts import Ends, Verdict, both_interval, corrected, judge, over_recordings

NUMBERS = ("points", "over recordings", "over models and recordings", "folds", "clips", "verdict", "verdict (Holm)")
RULE = (
    "in percentage points, paired clip by clip on the same recordings. The 95 % interval over recordings is "
    "conditional on the trained models; the one over models and recordings requires five folds or three seeds, and a "
    "difference is called higher or lower only if it excludes zero. Verdict: each row by itself; Holm: corrected for "
    "all rows shown."
)
MOST_RUNS = 25
"""Of more runs on one corpus all pairs are too many to read, and each is hardly decided among so many."""


@dataclass(frozen=True)
class _Pair:
    """Two settings, or two runs, whose accuracies are compared.

    Attributes:
        place: what they are, in words.
        runs: the runs of the first, and those of the one to subtract.
        varied: the setting that is compared; None for the representation.
    """

    place: tuple[str, ...]
    runs: tuple[Sequence[Run], Sequence[Run]]
    varied: str | None = None

    def difference(self, accuracies: Accuracies, confidence: float = 0.95) -> Estimate | None:
        """The difference of accuracies; None without a common fold."""
        return accuracies.difference([self.runs[0]], [self.runs[1]], confidence)


def setting_differences_table(selection: Selection, accuracies: Accuracies) -> PlainTable:
    """The table of differences between each setting of a study and the paper's usual one.

    Args:
        selection: runs that may be compared.
        accuracies: their accuracies.
    """
    return PlainTable(
        "accuracy_differences",
        "Differences of accuracy",
        f"Each setting minus the one that the paper found best or fixes elsewhere, {RULE}",
        ("study", "corpus", "representation", "setting", "minus", *NUMBERS, "runs", "note"),
        tuple(
            (*pair.place, *numbers, " ".join(found.runs), note_of(*pair.runs, pair.varied))
            for pair, found, numbers in _compared(_settings(selection), accuracies)
        ),
    )


def run_differences_table(runs: Sequence[Run], accuracies: Accuracies) -> PlainTable:
    """The table of differences between every two runs of one corpus and split, on the folds that both have.

    Of a corpus with more than ``MOST_RUNS`` of them, only runs that differ in a single setting or in the seed alone,
    and those with enough folds for an interval over models.

    Args:
        runs: all runs that were read.
        accuracies: their accuracies.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.corpus, run.split), []).append(run)
    pairs = (
        _Pair((first.name, second.name), ([first], [second]))
        for group in groups.values()
        for first, second in _pairs(group)
    )
    return PlainTable(
        "run_differences",
        "Differences of accuracy between runs",
        f"The first run minus the second, on the folds that both have, {RULE} Of a corpus with more than {MOST_RUNS} "
        "runs, only pairs that differ in a single setting or in the seed alone, and those of runs with at least "
        f"{FEWEST_FOLDS} folds.",
        ("first run", "second run", *NUMBERS),
        tuple((*pair.place, *numbers) for pair, _, numbers in _compared(pairs, accuracies)),
    )


def _pairs(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """All pairs of few runs; of many, those that differ in one thing or, of few again, have the folds to decide."""
    several = [run.name for run in runs if len(run.folds) >= FEWEST_FOLDS]
    decisive = set(several) if len(several) <= MOST_RUNS else set()
    return [
        (first, second)
        for first, second in itertools.combinations(runs, 2)
        if len(runs) <= MOST_RUNS or {first.name, second.name} <= decisive or len(differing(first, second)) == 1
    ]


def _compared(pairs: Iterable[_Pair], accuracies: Accuracies) -> Iterator[tuple[_Pair, Estimate, tuple[str, ...]]]:
    """The pairs that share a fold, each with its difference and the formatted ``NUMBERS``."""
    found = [(pair, estimate) for pair in pairs if (estimate := pair.difference(accuracies)) is not None]
    together = corrected([partial(pair.difference, accuracies) for pair, _ in found])
    for (pair, estimate), of_all in zip(found, together, strict=True):
        yield pair, estimate, _printed(estimate, of_all)


def _settings(selection: Selection) -> Iterator[_Pair]:
    corpora = dict.fromkeys(run.corpus for run in selection.runs)
    for study in STUDIES.values():
        for corpus in corpora:
            for representation in study.representations:
                runs = slice_of(study, selection.runs, corpus, representation).runs
                fixed = {**USUAL, **BEST.get(corpus, {}).get(representation, {})}
                values = [value for value in study.values if value in runs]
                reference = next((v for v in values if v == fixed.get(study.varied)), values[0] if values else None)
                for value in values:
                    if value != reference:
                        where = (study.title, CORPUS_NAMES.get(corpus, corpus), representation)
                        settings = (label(value), label(reference))
                        yield _Pair((*where, *settings), (runs[value], runs[reference]), study.varied)


def _printed(found: Estimate, of_all: Verdict) -> tuple[str, ...]:
    folds = " ".join(f"{100 * value:+.2f}" for value in found.by_fold)
    intervals = (_interval(over_recordings(found)), _interval(both_interval(found)))
    said = [WORDS.get(verdict, verdict) for verdict in (judge(found).verdict, of_all)]
    return f"{100 * found.value:+.2f}", *intervals, folds, str(found.n), *said


def _interval(ends: Ends | None) -> str:
    return "-" if ends is None else f"[{100 * ends[0]:+.2f}, {100 * ends[1]:+.2f}]"
