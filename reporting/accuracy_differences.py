"""What each setting of a study changes in accuracy, clip by clip on the same recordings."""

from collections.abc import Iterator

from reporting.accuracy import Accuracies
from reporting.estimates import Estimate
from reporting.plain_tables import PlainTable
from reporting.selection import Selection
from reporting.slices import BEST, USUAL, slice_of
from reporting.studies import STUDIES
from reporting.table import CORPUS_NAMES, label


def differences_table(selection: Selection, accuracies: Accuracies) -> PlainTable:
    """Every setting of every study less the one that the paper fixes elsewhere, with paired intervals."""
    return PlainTable(
        "accuracy_differences",
        "Differences of accuracy",
        "Each setting less the one that the paper found best or fixes elsewhere, in points. The 95 % interval "
        "resamples recordings (BCa) in pairs, because both are tested on the same clips, and is given the trained "
        "models. Nothing is corrected for the number of tests.",
        ("study", "corpus", "representation", "setting", "less", "points", "interval", "clips", "verdict", "runs"),
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
                        yield (*place, label(value), label(reference), *_printed(found))


def _printed(found: Estimate) -> tuple[str, ...]:
    points = f"{100 * found.value:+.2f}"
    if found.low is None or found.high is None:
        return points, "-", str(found.n), "undecided", " ".join(found.runs)
    verdict = "higher" if found.low > 0 else "lower" if found.high < 0 else "undecided"
    interval = f"[{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
    return points, interval, str(found.n), verdict, " ".join(found.runs)
