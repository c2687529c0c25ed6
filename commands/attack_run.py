"""Attacks on one trained run, fold by fold, and the summary over all folds."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any, cast

import pandas as pd
from pytorch_lightning import Trainer
from torch import nn

from attacks.plan import AttackPlan
from classifiers.sound_victim import SoundVictim
from commands.errors import UsageError
from commands.trainer import of_all_processes
from datamodules import SoundDataModule
from lightning_modules.attack_evaluation import AttackEvaluation
from lightning_modules.attack_example import AttackExample
from lightning_modules.trained_classifier import TrainedClassifier, load_classifier
from metrics.attack_summary import summarise
from metrics.budget_lines import BudgetLine, budget_lines
from metrics.finished_rows import whole_attacks, without_silence
from metrics.trust_checks import Check, check_outcomes
from storage import SCHEMA_VERSION, DataError, plain_numbers, write_json
from storage.attack_store import DEFAULT_PRECISION, AttackStore
from storage.provenance import git_commit, is_first_process, is_launched, makers_in, package_versions
from storage.space import MAP, SOUND
from storage.summaries import AttackSummary, Maker
from storage.trained_run import TrainedRun, sha256


class AttackRun:
    """Attacks the classifiers of one trained run.

    Args:
        run: checkpoints of its folds.
        store: where results are kept; its space says whether maps or sounds are attacked.
        plans: the attacks that were asked for.
        beside: attacks that are run for the trust checks only.
        limits: number of test clips for attacks that are not run on all, by name.
        budgets: name of the profile of budgets.
        clips: size of the stratified subset of each test part; None means all.
        seed: seed of everything random.
        data: settings of the DataModule that this machine replaces, ``root`` for example; None keeps the checkpoint's.
        save_adversarials: keep every adversarial.
        precision: precision of the Trainer; results of different precisions are never combined.
        allowed: packages whose classes checkpoints may name, in addition to the project's own.

    Raises:
        DataError: if a checkpoint cannot be used.
    """

    def __init__(
        self,
        run: TrainedRun,
        store: AttackStore,
        plans: Sequence[AttackPlan],
        *,
        beside: Sequence[AttackPlan] = (),
        limits: Mapping[str, int] | None = None,
        budgets: str = "reduced",
        clips: int | None = None,
        seed: int = 0,
        data: Mapping[str, Any] | None = None,
        save_adversarials: bool = False,
        precision: str = DEFAULT_PRECISION,
        allowed: Sequence[str] = (),
    ) -> None:
        self.store = store
        self.space = store.space
        self.plans = [*plans, *beside]
        self.limits = dict(limits or {})
        self.budgets = budgets
        self.clips = clips
        self.seed = seed
        self.save_adversarials = save_adversarials
        self.precision = precision
        self.trained: dict[int, TrainedClassifier] = {}
        for path in run.checkpoints.values():
            classifier = load_classifier(path, allowed)
            self.trained[classifier.fold] = classifier
        replaced = {name: value for name, value in (data or {}).items() if value is not None}
        self.data = {fold: classifier.data(**replaced) for fold, classifier in sorted(self.trained.items())}
        for fold, fold_data in self.data.items():
            if self.space == SOUND:
                fold_data.serve_sounds()
            elif not fold_data.representation.is_map:
                raise UsageError(
                    f"expected a classifier of maps to attack maps, found {self.trained[fold].path}, which takes "
                    "waveforms; --space sound attacks the sound"
                )
        self.examples: dict[str, AttackExample] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the results."""
        return {
            "common": {
                **{"seed": self.seed, "clips": self.clips, "budgets": self.budgets},
                "precision": self.precision,
                "space": self.space.name,
            },
            "attacks": {plan.name: {"budgets": plan.budgets, "definition": plan.definition} for plan in self.plans},
            "subsets": {str(fold): self.clips for fold in self.trained},
            "checkpoints": {str(fold): sha256(trained.path) for fold, trained in self.trained.items()},
            "test_clips": {str(fold): _digest(data) for fold, data in self.data.items()},
            "class_names": list(next(iter(self.trained.values())).split.class_names),
            "recipe": next(iter(self.trained.values())).recipe,
        }

    def alone(self) -> AbstractContextManager[None]:
        """Lock the folder of results against other commands; the first of several processes does so for all.

        Raises:
            DataError: if another command works on it.
        """
        return of_all_processes(self.store.alone())

    def open(self, *, overwrite: bool) -> None:
        """Check the recordings, then start the folder of results or add to it.

        Raises:
            DataError: if a recording is missing or broken.
            ValueError: if the folder holds results of other settings or test clips, or there are fewer test clips than
                wanted.
        """
        for fold, data in self.data.items():
            data.keep_test_part(self.clips)
            self.trained[fold].check_fold(data)
            data.check()
            if self.clips is not None and self.clips > len(data.split.test):
                raise ValueError(f"expected at most the {len(data.split.test)} test clips, got --clips {self.clips}")
        # A process that another one started must not delete what the first has begun.
        if overwrite and not is_launched():
            self.store.remove()
        # Nothing orders this against what the first process writes into the same file later.
        self.store.open(self.settings, write=is_first_process())

    def pending(self) -> list[int]:
        """Folds on which some clip is not finished with some attack."""
        return [fold for fold in self.data if self._unfinished(fold)]

    def victim(self, fold: int) -> nn.Module:
        """The module that is attacked: the fold's classifier, for sounds behind its representation."""
        classifier = self.trained[fold].model.classifier
        return classifier if self.space == MAP else SoundVictim(self.data[fold].representation, classifier)

    def attack_fold(self, fold: int, trainer: Trainer) -> None:
        """Attack one fold's classifier, or go on where an interrupted run stopped."""
        data = self.data[fold]
        evaluation = AttackEvaluation(
            self.victim(fold),
            self.plans,
            self.store,
            fold=fold,
            seed=self.seed,
            reporting_batch_size=data.reporting_batch_size,
            limits=self.limits,
            save_adversarials=self.save_adversarials,
            space=self.space,
            sample_rate=data.representation.sample_rate,
        )
        if trainer.is_global_zero:
            # Before the first clip, so that what a stopped command leaves has its maker.
            maker = Maker(git_commit=git_commit(), versions=package_versions())
            self.store.note_maker(fold, self._unfinished(fold), maker)
        trainer.test(evaluation, datamodule=data, verbose=False)
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            self.store.write_victim_findings(fold, [asdict(finding) for finding in evaluation.findings])
            self.store.merge()
        trainer.strategy.barrier()
        for name, example in evaluation.examples.items():
            self.examples.setdefault(name, example)

    def write_summary(self) -> AttackSummary:
        """Compute every number and check from the rows, and write ``summary.json``.

        Raises:
            DataError: if there is nothing to attack, because every test clip is wrong when clean.
        """
        outcomes, clips = self._rows()
        if not len(outcomes):
            raise DataError(
                f"expected test clips that the classifier gets right when clean, found none among {len(clips)}; "
                "train it longer"
            )
        stored = self.store.stored_settings()
        recipe, some = stored["recipe"], next(iter(self.data.values()))
        summary: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "space": self.space.name,
            "corpus": some.corpus,
            "num_classes": some.num_classes,
            "class_names": list(some.table.class_names),
            "split": some.split_protocol,
            "representation": some.representation.settings,
            "architecture": recipe["model"]["architecture"],
            "profile": stored["common"]["budgets"],
            "seed": self.seed,
            "clips": self.clips,
        }
        if self.space == SOUND:
            everything = self._current(self.store.clips())
            summary["silent"] = int(everything.loc[everything["silent"].astype(bool), "clip"].nunique())
        summary |= summarise(outcomes, clips)
        checks = [check for _, rows in outcomes.groupby("fold") for check in check_outcomes(rows)]
        for fold, findings in self.store.victim_findings().items():
            checks += [Check(kind="soft", fold=int(fold), attack=None, **finding) for finding in findings]
        summary["checks"] = [check.as_dict() for check in checks]
        summary |= {name: stored[name] for name in ("recipe", "checkpoints")}
        summary["made_by"] = makers_in(stored)
        summary = json.loads(json.dumps(plain_numbers(summary)))
        write_json(self.store.summary_file, summary)
        return cast(AttackSummary, summary)

    def lines(self) -> list[BudgetLine]:
        """One line per attack and budget of the table at the end of attack.py, over all folds."""
        return budget_lines(*self._rows())

    def progress(self) -> tuple[int, int]:
        """Number of clips that are attacked and on disk, summed over attacks and folds, and of all that may be."""
        done = wanted = 0
        for fold, data in self.data.items():
            finished = self.store.finished(fold, with_adversarials=self.save_adversarials)
            done += sum(len(finished.get(plan.name, ())) for plan in self.plans)
            wanted += sum(min(len(data.tested), self.limits.get(plan.name, len(data.tested))) for plan in self.plans)
        return done, wanted

    def _rows(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Outcomes of whole attacks, and clips, of the folds whose clips are all those that are wanted now."""
        outcomes, clips = self._current(self.store.outcomes()), without_silence(self._current(self.store.clips()))
        return (whole_attacks(outcomes, clips) if len(outcomes) else outcomes), clips

    def _current(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Leave out folds on which fewer clips are attacked than on the others, until they are attacked again."""
        return rows[rows["fold"].isin(list(self.store.current_folds()))] if len(rows) else rows

    def _unfinished(self, fold: int) -> list[str]:
        """Names of the attacks that are not finished on a fold; all of them where a clean prediction is missing."""
        everything = self.store.clips()
        clips = everything[everything["fold"] == fold] if len(everything) else everything
        tested = self.data[fold].tested.tolist()
        if not len(clips) or not set(clips["clip"]) >= set(tested):
            return [plan.name for plan in self.plans]
        attackable = without_silence(clips)
        correct = set(attackable.loc[attackable["clean_correct"], "clip"].tolist())
        finished = self.store.finished(fold, with_adversarials=self.save_adversarials)
        return [
            plan.name
            for plan in self.plans
            if not finished.get(plan.name, set()) >= correct & set(tested[: self.limits.get(plan.name)])
        ]


def kept(runs: Collection[AttackRun]) -> str:
    """How much of the attacks on some runs is on disk, in a few words; empty where nothing is."""
    counts = [run.progress() for run in runs]
    done, wanted = (sum(numbers) for numbers in zip(*counts, strict=True))
    places = ", ".join(str(run.store.path) for run in runs) if len(runs) <= 3 else f"{len(runs)} folders of results"
    return f"kept: {done} of at most {wanted} attacked clips, in {places}" if done else ""


def _digest(data: SoundDataModule) -> str:
    """Hash of the names of a fold's test clips that the table lists now."""
    return hashlib.sha256("\0".join(data.table.names[clip] for clip in data.split.test).encode()).hexdigest()
