"""What each setting of a study changes in accuracy, clip by clip on the same recordings."""

from collections.abc import Iterator

from reporting.accuracy import Accuracies
from reporting.controls import note_of
from reporting.estimates import Estimate
from reporting.plain_tables import PlainTable
from reporting.selection import Selection
from reporting.slices import BEST, USUAL, slice_of
from reporting.studies import STUDIES
from reporting.table import CORPUS_NAMES, label
from reporting.verdicts import Ends, both_interval, judge, over_recordings

HEADINGS = (
    "study",
    "corpus",
    "representation",
    "setting",
    "less",
    "points",
    "over recordings",
    "over models and recordings",
    "folds",
    "clips",
    "verdict",
    "runs",
    "note",
)
WORDS = {"holds": "higher", "fails": "lower"}


def differences_table(selection: Selection, accuracies: Accuracies) -> PlainTable:
    """Every setting of every study less the one that the paper fixes elsewhere, with paired intervals."""
    return PlainTable(
        "accuracy_differences",
        "Differences of accuracy",
        "Each setting less the one that the paper found best or fixes elsewhere, in points, clip by clip on the same "
        "recordings. The 95 % interval over recordings is given the trained models; that over models and recordings "
        "takes five folds or three seeds, and a difference is called higher or lower only where it excludes zero. "
        "Nothing is corrected for the number of tests.",
        HEADINGS,
        tuple(_rows(selection, accuracies)),
    )


def _rows(selection: Selection, accuracies: Accuracies) -> Iterator[tuple[str, ...]]:
    corpora = dict.fromkeys(run.corpus for run in selection.runs)
    for study in STUDIES.values():
        for corpus in corpora:
            for representation in study.representations:
                runs = slice_of(study, selection.runs, corpus, representation).runs
                fixed = {**USUAL, **BEST.get(corpus, {}).get(representation, {})}
                values = [value for value in study.values if value in runs]
                reference = next((v for v in values if v == fixed.get(study.varied)), values[0] if values else None)
                for value in values:
                    if value == reference:
                        continue
                    found = accuracies.difference([runs[value]], [runs[reference]])
                    if found is not None:
                        place = (study.title, CORPUS_NAMES.get(corpus, corpus), representation)
                        said = note_of(runs[value], runs[reference], study.varied)
                        yield (*place, label(value), label(reference), *_printed(found), said)


def _printed(found: Estimate) -> tuple[str, ...]:
    verdict = judge(found).verdict
    folds = " ".join(f"{100 * value:+.2f}" for value in found.by_fold)
    intervals = (_interval(over_recordings(found)), _interval(both_interval(found)))
    said = WORDS.get(verdict, verdict)
    return f"{100 * found.value:+.2f}", *intervals, folds, str(found.n), said, " ".join(found.runs)


def _interval(ends: Ends | None) -> str:
    return "-" if ends is None else f"[{100 * ends[0]:+.2f}, {100 * ends[1]:+.2f}]"
