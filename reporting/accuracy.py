"""Intervals of accuracies, and of differences of accuracies on the same recordings."""

import csv
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from metrics.intervals import Interval, Recordings, difference_interval, share_interval
from metrics.success import fooling_rate
from reporting.estimates import Estimate
from reporting.fold_means import Folds
from reporting.runs import Run
from storage import DataError


@dataclass(frozen=True)
class TestedFold:
    """The test result of one model.

    Attributes:
        fold: number of the fold, from 1.
        clips: names of the test clips.
        sources: recording of each clip.
        correct: whether each prediction is correct, ``(clips,)``: bool, or a share in [0, 1].
    """

    fold: int
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    correct: Tensor


Setting = dict[int, list[TestedFold]]
"""The tests of the runs of one setting, by fold."""
Sides = list[list[Setting]]
"""The settings of one or two sides of a comparison."""


class Accuracies:
    """Accuracies of runs with intervals over recordings.

    Differences between models tested on the same clips are paired.
    """

    def __init__(self) -> None:
        self._tested: dict[str, list[TestedFold]] = {}
        self._recordings: dict[tuple[tuple[str, str], ...], Recordings] = {}
        self._clips: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._means: dict[tuple[tuple[str, ...], frozenset[int] | None], Estimate | None] = {}

    def mean(self, runs: Sequence[Run], folds: Folds = None) -> Estimate | None:
        """Mean over folds of the mean accuracy over runs, in [0, 1]; None without a tested run.

        A run may lack folds that others have; each fold counts alike. Its n counts each test clip once, however many
        seeds and folds test it.

        Args:
            runs: the seeds of one setting.
            folds: only these.
        """
        key = tuple(run.name for run in runs), None if folds is None else frozenset(folds)
        if key not in self._means:
            # Cached, because the overview and up to four tables ask for the same setting.
            self._means[key] = self._mean(runs, folds)
        return self._means[key]

    def _mean(self, runs: Sequence[Run], folds: Folds) -> Estimate | None:
        kept = [(run, [one for one in self.tested(run) if folds is None or one.fold in folds]) for run in runs]
        tested = [(run, some) for run, some in kept if some]
        if not tested:
            return None
        parts = [fold for _, some in tested for fold in some]
        values = [float(fold.correct.double().mean()) for fold in parts]
        clips = len({clip for fold in parts for clip in fold.clips})
        recordings = len({source for fold in parts for source in fold.sources})
        setting = _by_fold([some for _, some in tested])
        interval = self._interval([[setting]], [1.0])
        return Estimate(
            value=float(_Difference([[setting]], [1.0], None)(torch.ones(0))),
            low=_number(interval.low),
            high=_number(interval.high),
            spread=statistics.stdev(values) if len(values) > 1 else None,
            n=clips,
            runs=tuple(run.name for run, _ in tested),
            recordings=recordings,
        )

    def difference(
        self,
        first: Sequence[Sequence[Run]],
        second: Sequence[Sequence[Run]],
        confidence: float = 0.95,
        folds: Folds = None,
    ) -> Estimate | None:
        """Mean accuracy of some settings minus that of others, on the folds that all of them have.

        The accuracy of a setting on a fold is the mean over its runs that have this fold.

        Args:
            first: runs of each setting.
            second: runs of each setting to subtract.
            confidence: coverage of the interval; higher if several intervals are considered together.
            folds: of these folds, only these.

        Returns:
            The difference in [-1, 1] with its interval; None if a side is empty or there is no common fold.
        """
        sides = [[_by_fold([self.tested(run) for run in runs]) for runs in side if runs] for side in (first, second)]
        if not all(sides):
            return None
        common = sorted(set.intersection(*(set(setting) for side in sides for setting in side)))
        common = [fold for fold in common if folds is None or fold in folds]
        if not common:
            return None
        kept = _of_folds(sides, common)
        # A grouped split tests the same clips in every fold, so clips are counted once.
        clips = {clip for fold in _all_tested(kept) for clip in fold.clips}
        interval = self._interval(kept, [1.0, -1.0], confidence)
        by_fold = [_value(_of_folds(kept, [fold])) for fold in common]
        seeds = set.intersection(*({run.seed for run in runs} for side in (first, second) for runs in side if runs))
        by_seed = []
        for seed in sorted(seeds):
            alone = [
                [_by_fold([self.tested(run) for run in runs if run.seed == seed]) for runs in side if runs]
                for side in (first, second)
            ]
            # Folds differ in difficulty, so a seed that lacks one is not compared with the others.
            if all(set(common) <= set(setting) for side in alone for setting in side):
                by_seed.append(_value(_of_folds(alone, common)))
        places, recordings = self._recordings_of(kept)
        names = dict.fromkeys(run.name for side in (first, second) for runs in side for run in runs)
        return Estimate(
            value=_value(kept),
            low=_number(interval.low),
            high=_number(interval.high),
            spread=None,
            n=len(clips),
            runs=tuple(names),
            by_fold=tuple(by_fold),
            by_seed=tuple(by_seed),
            same_recordings=_same_recordings(kept),
            recording_error=recordings.variance(_Difference(kept, [1.0, -1.0], places)) ** 0.5,
            recordings=recordings.number,
            effective_recordings=recordings.effective,
            bounds=(-1.0, 1.0),
        )

    def tested(self, run: Run) -> list[TestedFold]:
        """The test results of the models of a run, one per fold; files are read once.

        Raises:
            DataError: if a fold's predictions are missing or cannot be read, or contradict the accuracy in the run's
                summary.
        """
        if run.name not in self._tested:
            tested = [self._read(run, fold) for fold in run.folds]
            _refuse_other_accuracies(run, tested)
            self._tested[run.name] = tested
        return self._tested[run.name]

    def _read(self, run: Run, fold: int) -> TestedFold:
        path = run.path / f"fold{fold}" / "predictions.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = csv.reader(file)
                header = next(rows)
                columns = dict(zip(header, zip(*rows, strict=True), strict=True))
            right = [label == answer for label, answer in zip(columns["label"], columns["prediction"], strict=True)]
            # Many models are tested on the same clips, so that one tuple of names is shared to save memory.
            clips = self._clips.setdefault(columns["clip"], columns["clip"])
            sources = self._clips.setdefault(columns["recording"], columns["recording"])
            return TestedFold(fold, clips, sources, torch.tensor(right))
        except (OSError, ValueError, KeyError, StopIteration) as error:
            raise DataError(
                f"expected clip, recording, label and prediction of all test clips in {path}, found a file that cannot "
                "be read; train the fold again"
            ) from error

    def _interval(self, sides: Sides, signs: list[float], confidence: float = 0.95) -> Interval:
        places, recordings = self._recordings_of(sides)
        over_recordings = share_interval if len(sides) == 1 else difference_interval
        return over_recordings(_Difference(sides, signs, places), recordings, confidence)

    def _recordings_of(self, sides: Sides) -> tuple[dict[str, int], Recordings]:
        """The position of each test clip by name, and the recordings of all of them."""
        union: dict[str, str] = {}
        for fold in _all_tested(sides):
            union.update(zip(fold.clips, fold.sources, strict=True))
        key = tuple(sorted(union.items()))
        if key not in self._recordings:
            self._recordings[key] = Recordings([source for _, source in key])
        places = {clip: place for place, (clip, _) in enumerate(key)}
        # Of several settings, the one whose mean over folds is known least. Where the split depends on the seed, runs
        # test other clips in a fold of one number; the fewest count.
        folds = [[min((run.clips for run in runs), key=len) for runs in setting.values()] for setting in chain(*sides)]
        least = min(
            (self._recordings[key].over_folds([_index(clips, places) for clips in setting]) for setting in folds),
            key=lambda recordings: recordings.effective,
        )
        return places, least


def accuracy_of(folds: Sequence[TestedFold]) -> float:
    """Mean over folds of the share of correct predictions, in [0, 1]."""
    return statistics.fmean(float(fold.correct.double().mean()) for fold in folds)


def _refuse_other_accuracies(run: Run, tested: Sequence[TestedFold]) -> None:
    """Raise ``DataError`` if predictions contradict the summary, so that no value contradicts its interval."""
    said: dict[str, float | None] = {f"fold {row['fold']}": row.get("accuracy") for row in run.summary["folds"]}
    found = {f"fold {fold.fold}": accuracy_of([fold]) for fold in tested}
    if tested:
        said["all folds"], found["all folds"] = run.summary["accuracy_mean"], accuracy_of(tested)
    for place, value in said.items():
        if value is not None and abs(float(value) - found[place]) > 1e-6:
            raise DataError(
                f"expected an accuracy of {100 * found[place]:.2f} % for {place} in {run.path / 'summary.json'}, as "
                f"predictions.csv has it, found {100 * float(value):.2f} %; one of the files was changed: train the "
                "folds again, or restore the file"
            )


def _by_fold(runs: Iterable[Sequence[TestedFold]]) -> Setting:
    found: Setting = {}
    for run in runs:
        for fold in run:
            found.setdefault(fold.fold, []).append(fold)
    return found


def _of_folds(sides: Sides, folds: Iterable[int]) -> Sides:
    kept = list(folds)
    return [[{fold: setting[fold] for fold in kept} for setting in side] for side in sides]


def _all_tested(sides: Sides) -> list[TestedFold]:
    return [fold for side in sides for setting in side for runs in setting.values() for fold in runs]


class _Difference:
    """A function from weights ``(..., clips)`` to the signed sum over sides of means over settings, folds and runs."""

    def __init__(self, sides: Sides, signs: list[float], places: dict[str, int] | None) -> None:
        self.signs = signs
        self.sides = [
            [
                [[(fold.correct, None if places is None else _index(fold.clips, places)) for fold in runs]
                 for runs in setting.values()]
                for setting in side
            ]
            for side in sides
        ]  # fmt: skip

    def __call__(self, weights: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for sign, side in zip(self.signs, self.sides, strict=True):
            settings = [
                torch.stack(
                    [torch.stack([_share(*run, weights) for run in runs]).nanmean(0) for runs in folds]
                ).nanmean(0)
                for folds in side
            ]
            total = total + sign * torch.stack(settings).mean(0)
        return total


def _value(sides: Sides) -> float:
    return float(_Difference(sides, [1.0, -1.0], None)(torch.ones(0)))


def _same_recordings(sides: Sides) -> bool:
    """Whether any recording is tested by more than one fold, as in a grouped split."""
    folds: dict[int, set[str]] = {}
    for fold in _all_tested(sides):
        folds.setdefault(fold.fold, set()).update(fold.sources)
    return sum(map(len, folds.values())) > len(set().union(*folds.values()))


def _share(correct: Tensor, place: slice | Tensor | None, weights: Tensor) -> Tensor:
    return fooling_rate(correct, None if place is None else weights[..., place])


def _index(clips: Sequence[str], places: dict[str, int]) -> slice | Tensor:
    numbers = [places[clip] for clip in clips]
    # A slice needs no copy, and copying would take most of the time.
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return torch.tensor(numbers)


def _number(value: float) -> float | None:
    return None if value != value else value
