"""The table of runs under their own names: one row per run, partial ones included, with its measurements."""

import csv
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metrics.attack_summary import THE_SIX
from reporting.accuracy import Accuracies
from reporting.estimates import Estimate
from reporting.names import CORPUS_NAMES, NAMES
from reporting.outcomes import AttackedClips, Threat, read_attacked
from reporting.runs import FoldBudget, Run
from reporting.selection import Selection
from reporting.tables.formats import number
from storage import DataError

ORDER = (*THE_SIX, "lbfgs")


@dataclass(frozen=True)
class Measured:
    """The result of one attack with one budget on one run, as means over folds.

    Attributes:
        robust: share of the test clips classified correctly both when clean and after the attack, in [0, 1].
        fooled: share of the clips classified correctly when clean that the attack fools, in [0, 1].
        sizes: median perturbation size over the fooled clips: ``linf`` and ``l2`` in units of the map, ``snr_db`` in
            dB.
        gradients: the paper's batch gradients.
        target_rate: share of the clips that reach the target; None for an untargeted attack.
    """

    robust: Estimate
    fooled: Estimate
    sizes: dict[str, float | None]
    gradients: float | None
    target_rate: float | None


@dataclass(frozen=True)
class OwnRun:
    """A row of the table of runs.

    Attributes:
        run: the run, as read from its folder.
        representation: class of the representation, and its settings that differ between runs.
        accuracy: mean over folds with its interval over recordings; None if no fold is tested.
        threats: the measurements under each attack and budget.
        attacked: rows of the attacks; None if it was not attacked.
        confusion: number of test clips by true class (rows) and predicted class (columns), over all folds.
        classes: names of the classes.
        note: why it is not in the paper's tables; empty if it is.
    """

    run: Run = field(repr=False)
    representation: str
    accuracy: Estimate | None
    threats: dict[Threat, Measured] = field(repr=False)
    attacked: AttackedClips | None = field(repr=False)
    confusion: list[list[int]] = field(repr=False)
    classes: tuple[str, ...]
    note: str

    @property
    def corpus(self) -> str:
        """Display name of the corpus."""
        return CORPUS_NAMES.get(self.run.corpus, self.run.corpus)

    @property
    def architecture(self) -> str:
        """Display name of the classifier."""
        name = str(self.run.settings["architecture"])
        return NAMES.get(name, name)

    @property
    def folds(self) -> str:
        """Numbers of finished and of all folds, as text."""
        return f"{self.run.summary['folds_finished']} of {self.run.summary['folds_in_all']}"

    @property
    def space(self) -> str:
        """What its attacks perturb: ``map`` or ``sound``."""
        return self.run.attacks.space if self.run.attacks else "map"

    @property
    def checks(self) -> str:
        """Numbers of passed and of all trust checks of its attacks, as text; a dash without attacks."""
        if self.run.attacks is None:
            return "-"
        held, failed = self.run.attacks.checks_passed, len(self.run.attacks.checks)
        return f"{held} of {held + failed} hold"


def own_runs(selection: Selection, accuracies: Accuracies) -> list[OwnRun]:
    """The rows of all runs that were read, sorted by name.

    Args:
        selection: the runs that were read, and those compared in the paper's tables.
        accuracies: intervals of accuracies.

    Raises:
        DataError: if a file of a run cannot be read.
    """
    runs = selection.found
    attacked = {run.name: rows for run in runs if (rows := read_attacked(run)) is not None}
    found = []
    for run in runs:
        rows = attacked.get(run.name)
        measured = {}
        if rows is not None:
            summaries = _by_threat(run)
            rates = rows.rates()
            for threat in sorted(rates, key=lambda threat: _place(threat.attack)):
                measured[threat] = _measured(*rates[threat], summaries.get(threat, []))
        confusion, classes = _confusion(run)
        found.append(
            OwnRun(
                run,
                what_differs(run, runs),
                accuracies.mean([run]),
                measured,
                rows,
                confusion,
                classes,
                selection.left_out.get(run.name, ""),
            )
        )
    return found


def what_differs(run: Run, runs: Sequence[Run]) -> str:
    """The representation of a run, and its settings that differ between the runs of that representation, as text."""
    rivals = [rival.settings for rival in runs if rival.representation == run.representation]
    differing = [
        f"{key} {'none' if value is None else value}"
        for key, value in run.settings.items()
        if key != "architecture" and any(rival.get(key) != value for rival in rivals)
    ]
    return ", ".join([run.representation, *differing])


def _measured(robust: Estimate, fooled: Estimate, rows: Sequence[FoldBudget]) -> Measured:
    """Measurements from two rates and from the rows of the attacks' summary, one per fold, which are averaged."""
    sizes = {
        "linf": _mean([row["median_linf"] for row in rows]),
        "l2": _mean([row["median_l2"] for row in rows]),
        "snr_db": _mean([row["median_snr_db"] for row in rows]),
    }
    gradients = _mean([row["batch_gradients"] for row in rows])
    return Measured(robust, fooled, sizes, gradients, _mean([row["target_rate"] for row in rows]))


def _by_threat(run: Run) -> dict[Threat, list[FoldBudget]]:
    """The rows of the attacks' summary, one per fold, of each attack and budget."""
    found: dict[Threat, list[FoldBudget]] = {}
    for row in run.attacks.budgets if run.attacks else []:
        threat = Threat(str(row["attack"]), json.dumps(row["budget"], sort_keys=True))
        found.setdefault(threat, []).append(row)
    return found


def _mean(values: Sequence[float | str | None]) -> float | None:
    """Mean over the folds that have the number; a median over fooled clips does not exist if no clip is fooled."""
    there = [float(value) for value in values if value is not None]
    return statistics.fmean(there) if there else None


def _place(attack: str) -> tuple[int, str]:
    return (ORDER.index(attack) if attack in ORDER else len(ORDER), attack)


def _confusion(run: Run) -> tuple[list[list[int]], tuple[str, ...]]:
    """Confusion matrix over the folds of a run (rows: true classes), and the names of the classes."""
    labels: list[int] = []
    answers: list[int] = []
    for fold in run.folds:
        path = run.path / f"fold{fold}" / "predictions.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    labels.append(int(row["label"]))
                    answers.append(int(row["prediction"]))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"expected label and prediction of every test clip in {path}, found none; train the fold again"
            ) from error
    names = run.summary.get("class_names") or []
    size = max([len(names), *(value + 1 for value in (*labels, *answers))], default=0)
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (labels, answers), 1)
    return counts.tolist(), tuple(str(name) for name in names) or tuple(str(k) for k in range(size))


def in_percent(found: Estimate | None) -> str:
    """A share formatted in percent; a dash for None."""
    return "-" if found is None else number("percent", found.value)


def ends_in_percent(found: Estimate | None) -> str:
    """The interval of a share formatted in percent; empty without one."""
    if found is None or found.low is None or found.high is None:
        return ""
    return f"[{number('percent', found.low)}, {number('percent', found.high)}]"


def run_tables(runs: Sequence[OwnRun]) -> dict[str, str]:
    """The tables of runs and of attacks as CSV at full precision, rates in [0, 1].

    Args:
        runs: rows of the table of runs.

    Returns:
        The text of the two files, by name: ``runs`` and ``attacks``.
    """
    own = ["run", "corpus", "split", "representation", "classifier", "folds", "accuracy", "low", "high", "n"]
    own += ["recordings", "budgets", "checks", "note"]
    attack = ["run", "space", "attack", "budget", "robust", "robust_low", "robust_high", "n_test", "fooled"]
    attack += ["fooled_low", "fooled_high", "n", "recordings", "median_linf", "median_l2", "median_snr_db"]
    attack += ["batch_gradients", "target_rate"]
    rows: dict[str, list[Sequence[object]]] = {"runs": [own], "attacks": [attack]}
    for one in runs:
        run, found = one.run, one.accuracy
        shown = (found.value, found.low, found.high, found.n, found.recordings) if found else (None,) * 5
        profile = run.attacks.profile if run.attacks else None
        own = [run.name, one.corpus, run.split, one.representation, one.architecture, one.folds, *shown]
        rows["runs"].append([*own, profile, one.checks, one.note])
        for threat, measured in one.threats.items():
            robust, fooled = measured.robust, measured.fooled
            rates = [robust.value, robust.low, robust.high, robust.n]
            rates += [fooled.value, fooled.low, fooled.high, fooled.n, fooled.recordings]
            rest = [*measured.sizes.values(), measured.gradients, measured.target_rate]
            rows["attacks"].append([run.name, one.space, threat.attack, threat.budget, *rates, *rest])
    return {name: _as_csv(some) for name, some in rows.items()}


def _as_csv(rows: Sequence[Sequence[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
