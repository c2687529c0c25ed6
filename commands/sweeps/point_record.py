"""What a logger records of a point: one run, whose summary holds the numbers of all its steps."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import wandb

from commands.sweeps.point import Point, finished_json
from lightning_modules.run_values import attack_numbers, config_of
from lightning_modules.tensorboard import log_summary
from lightning_modules.weights_and_biases import (
    log_attacks,
    log_transfer,
    resolve_mode,
    set_config,
    wandb_id,
)

# By these a W&B agent tells a program which run it is; they are the point's own and not for what the point starts.
AGENT_VARIABLES = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_RUN_GROUP", "WANDB_SERVICE")


class PointRecord:
    """A point's own run in Weights & Biases or TensorBoard, open while the point is trained and attacked.

    Under an agent of W&B the run is the one that the agent asks for. What the point starts (a run per fold and per
    folder of attacks) logs offline into its own folder, so that the page of the sweep has one run per point.

    Args:
        point: the point.
    """

    def __init__(self, point: Point) -> None:
        self.point = point
        self.run: Any = None

    def __enter__(self) -> "PointRecord":
        """Start the W&B run, if that is what records the point."""
        if self.point.settings["logger"] == "wandb":
            self.run = self._start()
        return self

    def _start(self) -> Any:
        settings = self.point.settings
        mode = resolve_mode(settings["wandb"]["mode"])
        folder = self.point.path
        folder.mkdir(parents=True, exist_ok=True)
        if mode == "offline":
            os.environ.setdefault("WANDB_SILENT", "true")
        sweep = "WANDB_SWEEP_ID" in os.environ
        run = wandb.init(
            # An agent's run already has a project, and W&B warns of another.
            project=None if sweep else settings["wandb"]["project"],
            name=self.point.name,
            # An agent decides which run it is; otherwise the point keeps its run.
            id=None if sweep else wandb_id(folder),
            group=None if sweep else self.point.name,
            job_type="point",
            dir=str(folder),
            mode=mode,
        )
        run.config.update({"settings": settings, "run": self.point.name}, allow_val_change=True)
        return run

    def log(self) -> dict[str, float]:
        """Write what the files say by now into the run's configuration and summary.

        Returns:
            The numbers by name.
        """
        numbers = point_numbers(self.point)
        if self.run is not None:
            trained = self._trained()
            if trained is not None:
                more = {name: trained[name] for name in ("parameters", "leakage")}
                set_config(self.run, self._config(trained), more)
            self.run.summary.update(numbers)
        return numbers

    def _trained(self) -> dict[str, Any] | None:
        return finished_json(next(iter(self.point.runs.values())).summary_file)

    def _config(self, trained: Mapping[str, Any]) -> dict[str, Any]:
        return {**config_of(trained), "budget_profile": self.point.settings["budgets"], "space": "map"}

    def log_results(self) -> None:
        """Log the tables and pictures of what the point attacked, once it is finished; TensorBoard gets numbers."""
        trained = self._trained()
        if self.point.settings["logger"] == "tensorboard" and trained is not None:
            log_summary(self.point.path, self._config(trained), point_numbers(self.point), "point")
        if self.run is None:
            return
        for source in self.point.architectures if self.point.settings["transfer"] else ():
            transfer = self.point.transfer_summary(source)
            if transfer is not None:
                log_transfer(self.run, transfer)
        attacked = finished_json(self.point.path / "attacks" / "summary.json") if self.point.attacked else None
        if attacked is not None:
            log_attacks(self.run, attacked, self.point.path / "attacks")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the W&B run, failed where the point did."""
        if self.run is not None:
            self.run.finish(exit_code=0 if kind is None else 1)


def environment_of_steps() -> dict[str, str]:
    """Variables for what a point starts: no agent's, and W&B offline unless it is off."""
    kept = {name: value for name, value in os.environ.items() if name not in AGENT_VARIABLES}
    return {**kept, "WANDB_MODE": "disabled" if os.environ.get("WANDB_MODE") == "disabled" else "offline"}


def point_numbers(point: Point) -> dict[str, float]:
    """Accuracy, AUC, gradient counts and transfer ratios that the point's files hold so far."""
    numbers: dict[str, float] = {}
    for architecture, run in point.runs.items():
        summary = finished_json(run.summary_file)
        if summary is not None:
            prefix = f"test/{architecture}/" if len(point.runs) > 1 else "test/"
            numbers |= _present(
                {
                    f"{prefix}accuracy": summary.get("accuracy_mean"),
                    f"{prefix}accuracy_std": summary.get("accuracy_std"),
                    f"{prefix}parameters": summary.get("parameters"),
                    f"{prefix}seconds": sum(row.get("seconds", 0.0) for row in summary.get("folds", [])),
                }
            )
    if point.settings["transfer"]:
        return numbers | _transfer_numbers(point)
    summary = finished_json(point.path / "attacks" / "summary.json")
    return numbers if summary is None else numbers | attack_numbers(summary)


def _transfer_numbers(point: Point) -> dict[str, float]:
    numbers: dict[str, Any] = {}
    ratios = []
    for source in point.architectures:
        summary = point.transfer_summary(source)
        for row in (summary or {"rows": []})["rows"]:
            # Means over folds and attacks; the rows of each attack and fold stay in the file.
            if row["fold"] is None and row["attack"] is None and row["target_architecture"] != source:
                numbers[f"transfer/{source}/{row['target_architecture']}/ratio"] = row["ratio"]
                numbers[f"transfer/{source}/{row['target_architecture']}/auc"] = row["auc_on_target"]
                numbers[f"attack/{source}/auc"] = row["source_auc"]
                numbers[f"attack/{source}/batch_gradients"] = row["source_batch_gradients"]
                ratios.append(row["ratio"])
    # Every model to every other, or it is the mean of something else.
    if len(ratios) == len(point.architectures) * (len(point.architectures) - 1) and None not in ratios:
        numbers["transfer/ratio"] = sum(ratios) / len(ratios)
    return _present(numbers)


def _present(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if value is not None}


def log_file(folder: Path) -> Path:
    """Where a local sweep keeps what a point printed."""
    return folder / "point.log"
