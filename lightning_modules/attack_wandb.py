"""What an attack run shows in Weights & Biases, online or offline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import wandb
from pytorch_lightning.loggers import WandbLogger

from lightning_modules.attack_example import AttackExample

LOGGED = ("fooling_rate", "auc", "auc_ovr", "target_rate", "batch_gradients", "full_jacobian_batch_gradients")


def log_attacks(
    logger: WandbLogger, summary: Mapping[str, Any], settings: Mapping[str, Any], examples: Mapping[str, AttackExample]
) -> None:
    """Log an attack run: settings, means, one table of budgets, security curves, checks and a picture an attack.

    Args:
        logger: the run's logger.
        summary: content of the attack run's ``summary.json``.
        settings: what the folder was attacked with.
        examples: one attacked clip of each attack.
    """
    experiment = logger.experiment
    experiment.config.update({"settings": dict(settings)}, allow_val_change=True)
    numbers = {
        f"attack/{attack}/{name}": mean[name]
        for attack, mean in summary["means"].items()
        for name in LOGGED
        if mean.get(name) is not None
    }
    if summary["six"] is not None:
        numbers |= {f"attack/six/{name}": summary["six"][name] for name in ("fooling_rate", "auc", "batch_gradients")}
    numbers |= {"attack/accuracy": summary["accuracy_on_attacked"], "attack/n": summary["n"]}
    numbers["attack/checks_failed"] = sum(not check["passed"] for check in summary["checks"])
    experiment.summary.update(numbers)
    budgets = pd.json_normalize(summary["budgets"])
    # An infinite median is a word in JSON and a number again here.
    budgets["median_l2_all"] = budgets["median_l2_all"].astype(float)
    log: dict[str, Any] = {"attack/budgets": wandb.Table(dataframe=budgets)}
    log["attack/checks"] = wandb.Table(dataframe=pd.DataFrame(summary["checks"]).fillna({"attack": ""}))
    log |= {f"attack/{name}/example": wandb.Image(example.figure()) for name, example in examples.items()}
    for axis, title in (("settings.delta", "delta"), ("batch_gradients", "batch gradients")):
        curves = _curves(budgets, axis)
        if curves:
            log[f"attack/fooling_rate_over_{title.replace(' ', '_')}"] = wandb.plot.line_series(
                xs=[list(curve.index) for curve in curves.values()],
                ys=[curve.tolist() for curve in curves.values()],
                keys=list(curves),
                title=f"fooling rate over {title}",
                xname=title,
            )
    experiment.log(log)


def save_examples(folder: Path, examples: Mapping[str, AttackExample]) -> None:
    """Write a picture of each attack beside the run's numbers."""
    for name, example in examples.items():
        example.save(folder / "pictures" / f"{name}.png")


def _curves(budgets: pd.DataFrame, axis: str) -> dict[str, Any]:
    """Mean fooling rate of each attack over an axis, for attacks with at least two values on it."""
    if axis not in budgets:
        return {}
    curves = {}
    for attack, rows in budgets.dropna(subset=[axis]).groupby("attack"):
        curve = rows.groupby(axis)["fooling_rate"].mean()
        if len(curve) > 1:
            curves[str(attack)] = curve
    return curves
