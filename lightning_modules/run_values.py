"""What is logged of every run, whichever logger is chosen: flat settings, and the numbers of its summary."""

import math
from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules import SoundDataModule
from storage import RunFolder


def run_config(
    *,
    corpus: str,
    split: str,
    representation: Mapping[str, Any],
    architecture: str,
    seed: int,
    fold: int | None = None,
    profile: str | None = None,
    space: str | None = None,
) -> dict[str, Any]:
    """Settings by which runs of every job type are filtered and grouped: flat, with the same keys everywhere.

    Args:
        corpus: name of the corpus.
        split: name of the split protocol.
        representation: class name under ``class``, and the settings of the representation.
        architecture: name of the classifier.
        seed: seed of the run.
        fold: fold from 1; None for a run on several folds.
        profile: name of the profile of budgets; None for a run without attacks.
        space: where the perturbation acts, ``map`` or ``sound``; None for a run without attacks.

    Returns:
        ``corpus``, ``split``, ``representation``, ``architecture``, ``seed``, ``fold``, ``budget_profile``, ``space``,
        and a key for each setting of the representation, ``sample_rate`` among them.
    """
    settings = {name: value for name, value in representation.items() if name != "class"}
    return {
        **settings,
        "corpus": corpus,
        "split": split,
        "representation": representation["class"],
        "architecture": architecture,
        "seed": seed,
        "fold": fold,
        "budget_profile": profile,
        "space": space,
    }


def config_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """:func:`run_config` computed from the ``summary.json`` of a trained run, of its attacks or of a transfer."""
    return run_config(
        corpus=summary["corpus"],
        split=summary["split"],
        representation=summary["representation"],
        architecture=summary.get("architecture") or summary["source_architecture"],
        seed=summary["seed"],
        profile=summary.get("profile"),
        space=summary.get("space", "map") if "profile" in summary else None,
    )


LOGGED = ("fooling_rate", "auc", "auc_ovr", "target_rate", "batch_gradients", "full_jacobian_batch_gradients")


def attack_numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """The means of an attack run as ``attack/<name>/<number>``, and as ``attack/six/<number>`` if all six ran.

    Args:
        summary: content of the attack run's ``summary.json``.
    """
    numbers: dict[str, Any] = {}
    for attack, mean in {**summary.get("means", {}), "six": summary.get("six") or {}}.items():
        numbers |= {f"attack/{attack}/{name}": mean.get(name) for name in LOGGED}
        cost = mean.get("cost_auc90") or {}
        numbers[f"attack/{attack}/cost_auc90"] = cost.get("gradients")
        numbers[f"attack/{attack}/cost_auc90_censored"] = cost.get("censored")
    numbers |= {"attack/accuracy": summary.get("accuracy_on_attacked"), "attack/n": summary.get("n")}
    numbers["attack/checks_failed"] = sum(not check["passed"] for check in summary.get("checks", []))
    return {name: value for name, value in numbers.items() if value is not None}


def transfer_numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """Ratio, AUC and n of every transfer from one source, as ``transfer/<attack>/<target>/<number>``.

    The target is an architecture, or of sounds a run.

    Args:
        summary: content of the transfer's ``summary.json``; its means over the six attacks are those of ``six``.
    """
    numbers = {}
    for cell in (cell for cell in summary["rows"] if cell["fold"] is None):
        # Runs between which sounds are carried may share an architecture.
        target = cell["target_run"] if summary.get("space") == "sound" else cell["target_architecture"]
        place = f"transfer/{cell['attack'] or 'six'}/{target}"
        for name in ("ratio", "auc_on_target", "denominator", "source_auc", "source_batch_gradients"):
            if cell.get(name) is not None:
                numbers[f"{place}/{name}"] = cell[name]
    return numbers


class FoldLog(Callback):
    """Knows what a logger records of a fold: its settings and the numbers of its best validation epoch.

    The best epoch is the one with the lowest validation loss, whose weights are tested.

    Args:
        run: folder of the run.
        settings: every flag of the command line, resolved.

    Attributes:
        best: ``best/epoch`` and the validation numbers of that epoch, such as ``best/val_loss``; empty at first.
    """

    def __init__(self, run: RunFolder, settings: Mapping[str, Any]) -> None:
        self.run = run
        self.settings = dict(settings)
        self.best: dict[str, float] = {}

    @property
    def state_key(self) -> str:
        """The same for every logger, so that a resumed fold may go on with another one."""
        return "FoldLog"

    def state_dict(self) -> dict[str, Any]:
        """The numbers of the best epoch so far, for a resumed fold."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.best = dict(state_dict["best"])

    def config(self, data: SoundDataModule) -> dict[str, Any]:
        """The settings of :func:`run_config` of a fold's data."""
        return run_config(
            corpus=data.corpus,
            split=data.split_protocol,
            representation=data.representation.settings,
            architecture=self.settings["model"]["architecture"],
            seed=self.settings["seed"],
            fold=data.fold,
        )

    def record(self, data: SoundDataModule) -> dict[str, Any]:
        """The fold's ``record.json`` as ``record/<name>``."""
        return {f"record/{name}": value for name, value in (self.run.record(data.fold) or {}).items()}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the numbers of the best validation epoch; a logger itself shows the last ones."""
        numbers = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        if "val/loss" not in numbers or numbers["val/loss"] >= self.best.get("best/val_loss", math.inf):
            return
        self.best = {name.replace("val/", "best/val_"): value for name, value in numbers.items()}
        self.best["best/epoch"] = float(trainer.current_epoch)
