"""Estimates of how long points of a sweep take, from unit times, without running anything."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifiers.baselines import BASELINES
from commands.attack_cli import checks_beside, read_plans
from commands.sweeps.point import Point, finished_json
from commands.sweeps.unit_times import UnitTimes
from datamodules import CORPORA
from datamodules.metadata import CorpusSize

COPIES = {"none": 1, "pitch_shift": 5, "time_stretch": 5}
BASELINE_SECONDS = 60.0
"""Fitting a support vector machine or a random forest on the maps of 1200 clips; negligible beside the rest."""
MEASURED_CLASSES = 10
"""Classes of the corpus on which gradient rows were measured; DeepFool spends one less per iteration."""
RIGHT_WHEN_CLEAN = 0.85
"""Share of test clips that are attacked, because the classifier gets them right when clean."""


@dataclass(frozen=True)
class Hours:
    """Estimated time of training and attacks, in seconds.

    Attributes:
        training: seconds of training and of making maps.
        attacks: seconds of attacks; of those that stop early, as many gradients as were measured.
        attacks_at_most: seconds of attacks if every attack spent all that its budgets allow.
    """

    training: float = 0.0
    attacks: float = 0.0
    attacks_at_most: float = 0.0

    def __add__(self, other: "Hours") -> "Hours":
        return Hours(
            self.training + other.training,
            self.attacks + other.attacks,
            self.attacks_at_most + other.attacks_at_most,
        )

    @property
    def seconds(self) -> float:
        """Seconds of training and attacks together."""
        return self.training + self.attacks


class Estimate:
    """Estimates the time of points from unit times.

    Args:
        times: unit times of the machine.
    """

    def __init__(self, times: UnitTimes) -> None:
        self.times = times
        self._rows: dict[tuple[Any, ...], tuple[float, int]] = {}

    def of(self, point: Point, planned: set[tuple[Path, int]] | None = None) -> Hours:
        """Time of what is left of a point; zero for corpora of unknown size and architectures without unit times.

        Args:
            point: the setting.
            planned: folds of runs that an earlier point will have trained; this point's are added.
        """
        planned = set() if planned is None else planned
        corpus = _published_size(point)
        unknown = set(point.architectures) - set(BASELINES) - set(self.times.train)
        if corpus is None or unknown:
            return Hours()
        numbers = _folds(point, corpus)
        total = Hours()
        for architecture in point.architectures:
            path, trained = point.runs[architecture].path, _trained(point, architecture)
            missing = [fold for fold in numbers if fold not in trained and (path, fold) not in planned]
            planned |= {(path, fold) for fold in missing}
            total += Hours(training=len(missing) * self.training(point, architecture, corpus))
        if point.attacked and not point.is_attacked():
            total += self.attacking(point, point.architectures[:1], corpus, _unattacked(point, numbers))
        if point.settings["transfer"] and not point.is_transferred():
            total += self.attacking(point, point.architectures, corpus, numbers)
        return total

    def training(self, point: Point, architecture: str, corpus: CorpusSize) -> float:
        """Estimated seconds of training one fold, maps included."""
        data = point.settings["data"]["init_args"]
        copies = COPIES.get(data["augmentation"], 1)
        test = corpus.clips / corpus.folds
        train = corpus.clips - 2 * test
        unit = self.times.representation.get(_representation(point), 0.0)
        maps = (train * copies + 2 * test) * unit
        if architecture in BASELINES:
            return maps + BASELINE_SECONDS * corpus.clips / 400
        epochs = int(point.identities[architecture]["trainer"]["max_epochs"] or 1)
        return maps + epochs * (
            train * copies * self.times.train[architecture] + test * self.times.forward[architecture]
        )

    def attacking(self, point: Point, architectures: Sequence[str], corpus: CorpusSize, folds: Sequence[int]) -> Hours:
        """Estimated time of attacking some folds of each architecture."""
        settings = point.settings
        clips = min(settings["clips"] or math.inf, corpus.clips / corpus.folds) * RIGHT_WHEN_CLEAN
        spent, most = self._rows_per_clip(settings["attacks"], settings["budgets"], corpus.classes)
        total = Hours()
        for architecture in architectures:
            unit = self.times.gradient[architecture]
            total += Hours(attacks=len(folds) * clips * spent * unit, attacks_at_most=len(folds) * clips * most * unit)
        return total

    def _rows_per_clip(self, attacks: Sequence[str], budgets: str, classes: int) -> tuple[float, int]:
        """Expected and largest possible number of gradient rows per clip."""
        key = (tuple(attacks), budgets, classes)
        if key not in self._rows:
            plans = read_plans(attacks, budgets)
            plans += checks_beside(plans, full=False)[0]
            allowed = {plan.name: plan.gradients_allowed(classes) for plan in plans}
            spent = sum(self._expected(name, budgets, rows) for name, rows in allowed.items())
            self._rows[key] = (spent, sum(allowed.values()))
        return self._rows[key]

    def _expected(self, name: str, budgets: str, allowed: int) -> float:
        """Measured rows at this profile; else the share of allowed rows that was measured at another profile.

        DeepFool stops after a few iterations, however many are allowed, so its number of rows is taken unchanged.
        """
        measured = self.times.rows.get(budgets, {}).get(name)
        if measured is not None:
            return measured
        for profile, rows in self.times.rows.items():
            if name in rows:
                if name.startswith(("deepfool", "check_")):
                    return rows[name]
                (plan,) = read_plans([name], profile)
                return allowed * min(1.0, rows[name] / plan.gradients_allowed(MEASURED_CLASSES))
        return float(allowed)


@dataclass(frozen=True)
class Pace:
    """Ratio of measured to estimated time on this machine; None if nothing is finished.

    Attributes:
        training: of the folds that were trained.
        attacks: of the folds that were attacked.
    """

    training: float | None = None
    attacks: float | None = None

    def of(self, hours: Hours) -> Hours:
        """The time at this pace; if only one of the two ratios was measured, it is used for both."""
        training = self.training or self.attacks or 1.0
        attacks = self.attacks or self.training or 1.0
        return Hours(hours.training * training, hours.attacks * attacks, hours.attacks_at_most * attacks)


def measured_pace(points: Iterable[Point], estimate: Estimate) -> Pace:
    """Compare the durations of finished folds with their estimates."""
    taken, expected = [0.0, 0.0], [0.0, 0.0]
    seen: set[tuple[str, int]] = set()
    for point in points:
        corpus = _published_size(point)
        if corpus is None:
            continue
        for architecture, run in point.runs.items():
            rows = (
                []
                if architecture not in estimate.times.train
                else (finished_json(run.summary_file) or {}).get("folds", [])
            )
            for row in rows:
                if row.get("seconds") and (str(run.path), row["fold"]) not in seen:
                    seen.add((str(run.path), row["fold"]))
                    taken[0] += float(row["seconds"])
                    expected[0] += estimate.training(point, architecture, corpus)
        summary = (
            finished_json(point.path / "attacks" / "summary.json") if point.attacked and point.is_attacked() else None
        )
        known = point.architectures[0] in estimate.times.gradient
        if summary is not None and known and (str(point.path), 0) not in seen:
            seen.add((str(point.path), 0))
            timed = [row for row in summary["attacks"] if row.get("seconds")]
            taken[1] += sum(float(row["seconds"]) for row in timed)
            folds = sorted({int(row["fold"]) for row in timed})
            expected[1] += estimate.attacking(point, point.architectures[:1], corpus, folds).attacks
    training, attacks = (
        spent / seconds if spent and seconds else None for spent, seconds in zip(taken, expected, strict=True)
    )
    return Pace(training, attacks)


def _published_size(point: Point) -> CorpusSize | None:
    corpus = CORPORA.get(_short(point.settings["data"]["class_path"]))
    return None if corpus is None else corpus.published_size


def _folds(point: Point, corpus: CorpusSize) -> list[int]:
    chosen = point.settings["folds"]
    return list(range(1, corpus.folds + 1)) if chosen == "all" else point.folds(point.architectures[0])


def _trained(point: Point, architecture: str) -> set[int]:
    return {row["fold"] for row in (finished_json(point.runs[architecture].summary_file) or {}).get("folds", [])}


def _unattacked(point: Point, folds: Sequence[int]) -> list[int]:
    return [fold for fold in folds if not point.with_folds([fold]).is_attacked()]


def _short(class_path: str) -> str:
    return class_path.rsplit(".", 1)[-1]


def _representation(point: Point) -> str:
    representation = point.settings["data"]["init_args"].get("representation") or {}
    return _short(representation.get("class_path", "STFT"))
