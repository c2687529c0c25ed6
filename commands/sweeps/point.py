"""One point of a sweep: the steps that train and attack it, and which of them are finished."""

import copy
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifiers.baselines import BASELINES
from commands.errors import UsageError
from commands.flags import chosen_folds
from commands.sweeps.point_cli import SCRIPTS, PointCLI, pairs
from storage import RunFolder, read_json

# Flags that training and attacks share: where data lie, devices and logging.
PLACES = (
    *("data.root", "data.cache_dir", "trainer.accelerator", "trainer.devices", "trainer.strategy"),
    *("trainer.num_nodes", "logger", "wandb.project", "wandb.mode"),
)


@dataclass(frozen=True)
class Step:
    """A program of a point.

    Args:
        what: the program and the run it works on.
        command: how it is started.
    """

    what: str
    command: list[str]


class Point:
    """Training and attacks of one setting; with several architectures, training of each and transfer between them.

    What is finished is read from the runs' files alone.

    Args:
        cli: the parser, which has read the point's flags.
    """

    def __init__(self, cli: PointCLI) -> None:
        self.settings = cli.settings
        self.name = cli.run_name
        cli.check_name(self.name)
        self.allowed = cli.packages_of_checkpoints
        self.flags = [*cli.train_flags, *_root_from_environment(cli.settings)]
        runs = Path(self.settings["runs_dir"])
        own = self.settings["model"]["architecture"]
        self.architectures: list[str] = []
        self.runs: dict[str, RunFolder] = {}
        self.identities: dict[str, dict[str, Any]] = {}
        self.model_flags: dict[str, list[str]] = {}
        # The models of a transfer are named as if each were a point alone, so that other sweeps find them.
        for model in self.settings["transfer"] or [own]:
            architecture, _, epochs = model.partition(":")
            flags = [] if architecture == own else ["--model.architecture", architecture]
            flags += ["--trainer.max_epochs", epochs] if epochs else []
            with cli.with_flags(flags) if flags else nullcontext():
                name, identity = cli.run_name, cli.identity
            self.architectures.append(architecture)
            self.runs[architecture] = RunFolder(runs / name)
            self.identities[architecture] = identity
            self.model_flags[architecture] = flags

    def with_folds(self, folds: Sequence[int]) -> "Point":
        """The same setting, trained and attacked on these folds only."""
        other = copy.copy(self)
        chosen = ",".join(map(str, folds))
        other.settings = {**self.settings, "folds": chosen}
        other.flags = [*self.flags, f"--folds={chosen}"]
        return other

    @property
    def work(self) -> tuple[Any, ...]:
        """A key of the work that this point asks for; two points with equal keys need be run only once."""
        settings = self.settings
        runs = tuple(str(run.path) for run in self.runs.values())
        return (runs, *(str(settings[name]) for name in ("attacks", "budgets", "clips", "folds", "seed")))

    def lost_checkpoints(self) -> list[Path]:
        """Checkpoints of finished folds that are to be attacked and are not on this machine.

        Runs may be brought from another machine without their checkpoints: what they have finished is known, and
        nothing more can be done with them here.
        """
        if self.attacked and self.is_attacked():
            return []
        if not self.attacked and (not self.settings["transfer"] or self.is_transferred()):
            return []
        return [
            run.checkpoint(fold)
            for architecture, run in self.runs.items()
            if self.is_trained(architecture)
            for fold in self.folds(architecture)
            if not run.checkpoint(fold).is_file()
        ]

    @property
    def attacked(self) -> bool:
        """Whether there is something to attack: baselines have no gradients, a transfer attacks by itself."""
        return not self.settings["transfer"] and self.architectures[0] not in BASELINES

    def steps(self) -> Iterator[Step]:
        """The steps that are left; each is decided when the one before has ended."""
        for architecture, run in self.runs.items():
            if not self.is_trained(architecture):
                yield Step(f"train.py for {run.path}", self._train(architecture))
        if self.attacked and not self.is_attacked():
            yield Step(f"attack.py for {self.path}", self._attack("attack.py", [self.path]))
        if self.settings["transfer"] and not self.is_transferred():
            paths = [run.path for run in self.runs.values()]
            yield Step(f"transfer.py for {', '.join(map(str, paths))}", self._attack("transfer.py", paths))

    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return next(self.steps(), None) is None

    @property
    def path(self) -> Path:
        """Folder of the point's run, of the first architecture where there are several."""
        return next(iter(self.runs.values())).path

    def folds(self, architecture: str) -> list[int]:
        """Numbers of the folds that were asked for; all that the run has when all were."""
        folds = chosen_folds(self.settings["folds"])
        if folds is None:
            return [row["fold"] for row in (finished_json(self.runs[architecture].summary_file) or {}).get("folds", [])]
        return folds

    def is_trained(self, architecture: str) -> bool:
        """Whether the folds that were asked for have their results.

        Raises:
            UsageError: if the run of this name was trained with other settings.
        """
        run = self.runs[architecture]
        if run.config_file.is_file():
            others = run.differing_settings(self.identities[architecture])
            if others:
                raise UsageError(
                    f"expected {run.path} to be a run of this point, found another value of {', '.join(others)} in "
                    "its config.yaml; move that run away, or choose another --runs_dir"
                )
        summary = finished_json(run.summary_file)
        if summary is None:
            return False
        if self.settings["folds"] == "all":
            return summary["folds_finished"] >= summary["folds_in_all"]
        return {row["fold"] for row in summary["folds"]} >= set(self.folds(architecture))

    def is_attacked(self) -> bool:
        """Whether every attack's summary is there for every fold, with these budgets, clips and seed."""
        summary = finished_json(self.path / "attacks" / "summary.json")
        if summary is None or not self._same_attack(summary):
            return False
        rows = {(row["fold"], row["attack"]) for row in summary["attacks"]}
        return all(
            (fold, name) in rows for fold in self.folds(self.architectures[0]) for name in attack_names(self.settings)
        )

    def is_transferred(self) -> bool:
        """Whether all other models were evaluated on each model's attacks, with these budgets, clips and seed."""
        return all(self.transfer_summary(source) is not None for source in self.architectures)

    def transfer_summary(self, source: str) -> dict[str, Any] | None:
        """Content of the finished transfer from one model to the others, or None."""
        targets = {self.runs[target].path.name for target in self.architectures if target != source}
        wanted = {
            (fold, name, target)
            for fold in self.folds(source)
            for name in attack_names(self.settings)
            for target in targets
        }
        for file in sorted(self.runs[source].path.glob("transfer/*/summary.json")):
            summary = finished_json(file)
            if summary is not None and self._same_attack(summary):
                rows = {(row["fold"], row["attack"], row["target_run"]) for row in summary["rows"]}
                if wanted and wanted <= rows:
                    return summary
        return None

    def _same_attack(self, summary: dict[str, Any]) -> bool:
        names = (("profile", "budgets"), ("seed", "seed"), ("clips", "clips"))
        return all(summary.get(theirs, self.settings[ours]) == self.settings[ours] for theirs, ours in names)

    def _train(self, architecture: str) -> list[str]:
        name = self.runs[architecture].path.name
        return [*self._script("train.py"), *self.flags, *self.model_flags[architecture], "--name", name]

    def _attack(self, script: str, paths: list[Path]) -> list[str]:
        settings = self.settings
        command = [*self._script(script), "--checkpoints", *map(str, paths), "--attacks", *settings["attacks"]]
        command += ["--budgets", settings["budgets"], "--seed", str(settings["seed"])]
        if settings["clips"] is not None:
            command += ["--clips", str(settings["clips"])]
        if settings["folds"] != "all":
            command += ["--folds", ",".join(map(str, self.folds(self.architectures[0])))]
        if self.allowed:
            command += ["--allow-import", *self.allowed]
        # The last value of a flag counts, as in train.py.
        given = dict(pairs(self.flags))
        command += [f"--{flag}={given[flag]}" for flag in PLACES if flag in given]
        return command

    def _script(self, name: str) -> list[str]:
        return [sys.executable, str(Path(self.settings["scripts"] or SCRIPTS) / name)]


def attack_names(settings: dict[str, Any]) -> list[str]:
    """Names under which the results of the chosen attacks are stored; an attack's YAML file gives it its own."""
    return [name if not name.endswith((".yaml", ".yml")) else Path(name).stem for name in settings["attacks"]]


def finished_json(path: Path) -> dict[str, Any] | None:
    """Content of a file of results, None where there is none yet.

    Raises:
        DataError: if it is not JSON.
    """
    return read_json(path, "remove the file") if path.is_file() else None


def _root_from_environment(settings: dict[str, Any]) -> list[str]:
    """A sweep over several corpora cannot name one root: each has a variable, ``ESC50_ROOT`` for example."""
    data = settings["data"]
    root = os.environ.get(data["class_path"].rsplit(".", 1)[-1].upper() + "_ROOT")
    return [f"--data.root={root}"] if root and data["init_args"].get("root") is None else []
