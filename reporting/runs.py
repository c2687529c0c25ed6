"""Reading a folder of runs: trained classifiers, the results of attacks on them, and of their transfer to others."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reporting.identity import settings_of, training_of
from storage import DataError, in_this_version, read_json

FOLD_OR_HIDDEN = re.compile(r"fold\d+|\..*")
SKIPPED = {"wandb", "tensorboard", "attacks", "attacks-sound", "transfer", "transfer-sound", "lightning_logs"}
DEPTH = 3
"""Largest depth of subfolders in which runs are looked for."""
REMEDY = "run the command that wrote it again with this version, with --overwrite"
PER_FOLD = ["fold", "attack", "budget_index", "budget", "fooling_rate", "target_rate", "batch_gradients"]
PER_FOLD += ["median_linf", "median_l2", "median_snr_db"]


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
        curve: one row per attack and budget: fooling rate, AUC and cost, as means over folds.
        checks: trust checks that failed or could not be judged.
        checks_passed: number of trust checks that hold.
        budgets: one row per fold, attack and budget: fooling rate, target rate, median sizes and cost.
        recordings: number of distinct recordings of the clips of S; None if an earlier version did not record it.
        space: what the attacks perturb, ``map`` or ``sound``.
    """

    profile: str
    clips: int | None
    n: int
    n_test: int
    means: dict[str, dict[str, Any]] = field(repr=False)
    six: dict[str, Any] | None = field(repr=False)
    folds: list[dict[str, Any]] = field(repr=False)
    curve: list[dict[str, Any]] = field(repr=False)
    checks: list[dict[str, Any]] = field(repr=False)
    checks_passed: int
    budgets: list[dict[str, Any]] = field(default_factory=list, repr=False)
    recordings: int | None = None
    space: str = "map"


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
        attacks: results of the attacks; None if it was not attacked.
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
    summary: dict[str, Any] = field(repr=False)
    attacks: AttackResults | None = field(repr=False)
    transfers: list[dict[str, Any]] = field(repr=False)
    training: dict[str, Any] = field(default_factory=dict, repr=False)

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
        return max((int(row["epochs"]) for row in self.summary["folds"] if row.get("epochs")), default=None)


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
    summary = read_json(path / "summary.json", REMEDY)
    if "representation" in summary:
        summary = in_this_version(summary, path / "summary.json", REMEDY)
    try:
        attacks = path / "attacks" / "summary.json"
        return Run(
            name=name or path.name,
            path=path,
            corpus=summary["corpus"],
            split=summary["split"],
            settings=settings_of(summary),
            training=training_of(summary),
            seed=summary["seed"],
            summary=summary,
            attacks=_attack_results(_current(attacks)) if attacks.is_file() else None,
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


def _attack_results(summary: Mapping[str, Any]) -> AttackResults:
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
        budgets=[{name: row[name] for name in PER_FOLD} for row in summary["budgets"]],
        recordings=summary.get("recordings"),
        space=str(summary.get("space", "map")),
    )


def _curve(rows: list[dict[str, Any]], means: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One point per attack and budget, each a plain mean over folds; all budgets of an attack share their clips."""
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["attack"], row["budget_index"]), []).append(row)
    curve = []
    for (attack, index), some in sorted(grouped.items()):
        budget = some[0]["budget"]
        point = {"attack": attack, "budget_index": index, "budget": budget, "delta": budget.get("delta")}
        for name in ("fooling_rate", "auc", "batch_gradients"):
            values = [row[name] for row in some if row[name] is not None]
            point[name] = sum(values) / len(values) if values else None
        counted = means.get(attack, {})
        point["n"] = counted.get("n", sum(row["n"] for row in some))
        point["recordings"] = counted.get("recordings")
        curve.append(point)
    return curve


def _transfer_rows(path: Path) -> list[dict[str, Any]]:
    summary = _current(path)
    common = {key: summary.get(key) for key in ("profile", "source_run", "source_architecture")}
    common["file"] = path.with_name("rows.parquet")
    return [{**row, **common} for row in summary["rows"]]


def _current(path: Path) -> dict[str, Any]:
    return in_this_version(read_json(path, REMEDY), path, REMEDY)
