"""Reading a folder of runs: trained classifiers, the results of attacks on them, and of their transfer to others."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, cast

from reporting.identity import settings_of, training_of
from storage import DataError, in_this_version, read_json
from storage.provenance import makers_in
from storage.space import MAP, SOUND
from storage.summaries import (
    AttackNumbers,
    AttackSummary,
    BudgetNumbers,
    CheckRecord,
    Maker,
    MeanNumbers,
    RunSummary,
    SixNumbers,
    TransferCell,
    TransferSummary,
)

FOLD_OR_HIDDEN = re.compile(r"fold\d+|\..*")
SKIPPED = {"wandb", "tensorboard", "attacks", "attacks-sound", "transfer", "transfer-sound", "lightning_logs"}
DEPTH = 3
"""Largest depth of subfolders in which runs are looked for."""
REMEDY = "run the command that wrote it again with this version, with --overwrite"


class FoldBudget(TypedDict):
    """What the report needs of :class:`storage.summaries.BudgetNumbers`: one budget of an attack on one fold."""

    fold: int
    attack: str
    budget_index: int
    budget: dict[str, object]
    fooling_rate: float
    target_rate: float | None
    batch_gradients: float
    median_linf: float | str | None
    median_l2: float | str | None
    median_snr_db: float | str | None


class CurvePoint(TypedDict):
    """One budget of an attack on one run, as means over folds.

    There are ``n`` distinct clips; each counts once in ``tests`` for every fold that attacks it.
    """

    attack: str
    budget_index: int
    fooling_rate: float | None
    n: int
    tests: int


class CarriedCell(TransferCell):
    """A cell of a transfer, with the names of its source and profile and the file of its rows."""

    profile: str
    source_run: str
    source_architecture: str
    file: Path


@dataclass(frozen=True)
class AttackResults:
    """The parts of a run's ``attacks/summary.json`` that the report needs.

    Attributes:
        profile: name of the budget profile.
        clips: size of the stratified subset of each test part; None for all clips.
        n: number of distinct clips of S.
        n_test: number of distinct test clips.
        means: by attack, its numbers averaged over folds.
        six: means over the six attacks; None unless all of them ran on the same folds.
        folds: one row per fold and attack.
        curve: one row per attack and budget: the fooling rate as a mean over folds, and the number of distinct clips.
        checks: trust checks that failed or could not be judged.
        checks_passed: number of trust checks that hold.
        budgets: one row per fold, attack and budget: fooling rate, target rate, median sizes and cost.
        recordings: number of distinct recordings of the clips of S; None if an earlier version did not record it.
        space: what the attacks perturb, ``map`` or ``sound``.
        made_by: by attack, each commit and set of versions that attacked clips with it.
    """

    profile: str
    clips: int | None
    n: int
    n_test: int
    means: dict[str, MeanNumbers] = field(repr=False)
    six: SixNumbers | None = field(repr=False)
    folds: list[AttackNumbers] = field(repr=False)
    curve: list[CurvePoint] = field(repr=False)
    checks: list[CheckRecord] = field(repr=False)
    checks_passed: int
    budgets: list[FoldBudget] = field(default_factory=list, repr=False)
    recordings: int | None = None
    space: str = "map"
    made_by: dict[str, list[Maker]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Run:
    """A trained, and possibly attacked, setting.

    Attributes:
        name: path of the run relative to the folder of runs; for display only, never for matching.
        path: its folder.
        corpus: name of the corpus.
        split: split protocol.
        settings: settings of the representation, its class as ``representation``, and ``architecture`` and
            ``augmentation``; ``instance_norm`` only if it is on.
        seed: seed of the training.
        summary: content of ``summary.json``.
        attacks: results of the attacks on its maps; None if they were not attacked.
        sound_attacks: results of the attacks on sounds through it; None if there are none.
        transfers: entries of every ``transfer/*/summary.json``, each with its ``profile`` and the ``file`` of the rows,
            one per clip, from which it was computed.
        training: all other settings that determine the run: how it was trained, and on which data.
    """

    name: str
    path: Path
    corpus: str
    split: str
    settings: dict[str, Any]
    seed: int
    summary: RunSummary = field(repr=False)
    attacks: AttackResults | None = field(repr=False)
    transfers: list[CarriedCell] = field(repr=False)
    training: dict[str, Any] = field(default_factory=dict, repr=False)
    sound_attacks: AttackResults | None = field(default=None, repr=False)

    @property
    def representation(self) -> str:
        """Class of the representation."""
        return str(self.settings["representation"])

    @property
    def folds(self) -> list[int]:
        """Numbers of the trained and tested folds."""
        return [int(row["fold"]) for row in self.summary["folds"]]

    @property
    def epochs(self) -> int | None:
        """Largest number of epochs of any fold; None for a baseline."""
        return max((epochs for row in self.summary["folds"] if (epochs := row.get("epochs"))), default=None)


NEEDED = ("corpus", "split", "folds", "folds_finished", "folds_in_all", "leakage", "accuracy_mean")
"""Keys of a run's summary that tables read long after it was opened."""


def read_runs(folder: Path) -> list[Run]:
    """Read every finished or partly finished run in a folder.

    Args:
        folder: folder of the runs, each in a subfolder with a ``summary.json``.

    Returns:
        Runs sorted by path.

    Raises:
        DataError: if the folder is missing, holds no run, or a file of a run cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"expected a folder of runs at {folder}, found none; train with train.py first")
    runs = [read_run(path, str(path.relative_to(folder))) for path in sorted(_run_folders(folder))]
    if not runs and (folder / "summary.json").is_file():
        raise DataError(f"expected a folder of runs, found the run {folder} itself; give {folder.parent}")
    if not runs:
        raise DataError(f"expected runs with a summary.json in {folder}, found none; train with train.py first")
    return runs


def read_run(path: Path, name: str | None = None) -> Run:
    """Read one run.

    Args:
        path: its folder.
        name: display name; by default the name of the folder.

    Raises:
        DataError: if a file cannot be read or lacks a required key.
    """
    found = read_json(path / "summary.json", REMEDY)
    if "representation" in found:
        found = in_this_version(found, path / "summary.json", REMEDY)
    summary = cast(RunSummary, found)
    try:
        absent = next((key for key in NEEDED if key not in found), None)
        if absent is not None:
            raise KeyError(absent)
        attacks, sound_attacks = (_attacks_in(path / space.folder) for space in (MAP, SOUND))
        return Run(
            name=name or path.name,
            path=path,
            corpus=summary["corpus"],
            split=summary["split"],
            settings=settings_of(summary),
            training=training_of(summary),
            seed=summary["seed"],
            summary=summary,
            attacks=attacks,
            sound_attacks=sound_attacks,
            transfers=[row for file in sorted(path.glob("transfer/*/summary.json")) for row in _transfer_rows(file)],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"expected the summary of a run in {path}, found one without {error}; run its command again"
        ) from error


def _run_folders(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        here = Path(root)
        if "summary.json" in files and here != folder:
            folders.clear()
            yield here
        elif len(here.relative_to(folder).parts) >= DEPTH:
            folders.clear()
        else:
            folders[:] = [name for name in folders if name not in SKIPPED and not FOLD_OR_HIDDEN.fullmatch(name)]


def _attacks_in(folder: Path) -> AttackResults | None:
    file = folder / "summary.json"
    return _attack_results(cast(AttackSummary, _current(file))) if file.is_file() else None


def _attack_results(summary: AttackSummary) -> AttackResults:
    checks = summary.get("checks") or []
    failed = [check for check in checks if not check["passed"]]
    return AttackResults(
        profile=str(summary["profile"]),
        clips=summary["clips"],
        n=summary["n"],
        n_test=summary["n_test"],
        means=summary["means"],
        six=summary["six"] or None,
        folds=summary["attacks"],
        curve=_curve(summary["budgets"], summary["means"]),
        checks=failed,
        checks_passed=len(checks) - len(failed),
        budgets=[_fold_budget(row) for row in summary["budgets"]],
        recordings=summary.get("recordings"),
        space=str(summary.get("space", "map")),
        made_by=makers_in(summary),
    )


def _fold_budget(row: BudgetNumbers) -> FoldBudget:
    return {
        "fold": row["fold"],
        "attack": row["attack"],
        "budget_index": row["budget_index"],
        "budget": row["budget"],
        "fooling_rate": row["fooling_rate"],
        "target_rate": row["target_rate"],
        "batch_gradients": row["batch_gradients"],
        "median_linf": row["median_linf"],
        "median_l2": row["median_l2"],
        "median_snr_db": row["median_snr_db"],
    }


def _curve(rows: list[BudgetNumbers], means: Mapping[str, MeanNumbers]) -> list[CurvePoint]:
    """One point per attack and budget, each a plain mean over folds; all budgets of an attack share their clips."""
    grouped: dict[tuple[str, int], list[BudgetNumbers]] = {}
    for row in rows:
        grouped.setdefault((row["attack"], row["budget_index"]), []).append(row)
    curve: list[CurvePoint] = []
    for (attack, index), some in sorted(grouped.items()):
        counted = means.get(attack)
        curve.append(
            {
                "attack": attack,
                "budget_index": index,
                "fooling_rate": _mean([row["fooling_rate"] for row in some]),
                "n": counted["n"] if counted and "n" in counted else sum(row["n"] for row in some),
                "tests": sum(row["n"] for row in some),
            }
        )
    return curve


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _transfer_rows(path: Path) -> list[CarriedCell]:
    summary = cast(TransferSummary, _current(path))
    return [
        {
            **row,
            "profile": summary["profile"],
            "source_run": summary["source_run"],
            "source_architecture": summary["source_architecture"],
            "file": path.with_name("rows.parquet"),
        }
        for row in summary["rows"]
    ]


def _current(path: Path) -> dict[str, Any]:
    return in_this_version(read_json(path, REMEDY), path, REMEDY)
