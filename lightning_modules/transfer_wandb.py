"""What a transfer shows in Weights & Biases: numbers, a table and a heat map."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import wandb
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pytorch_lightning.loggers import WandbLogger


def log_transfer(logger: WandbLogger, summary: Mapping[str, Any]) -> None:
    """Log every cell of one source: ratio, AUC and n for each attack and target.

    Args:
        logger: the run's logger.
        summary: content of the transfer's ``summary.json``.
    """
    experiment = logger.experiment
    names = ("corpus", "split", "representation", "source_run", "source_architecture", "profile", "seed")
    experiment.config.update({name: summary[name] for name in names}, allow_val_change=True)
    cells = [cell for cell in summary["rows"] if cell["fold"] is None]
    numbers = {}
    for cell in cells:
        place = f"transfer/{cell['attack'] or 'six'}/{cell['target_architecture']}"
        for name in ("ratio", "auc_on_target", "denominator", "source_auc", "source_batch_gradients"):
            if cell.get(name) is not None:
                numbers[f"{place}/{name}"] = cell[name]
    experiment.summary.update(numbers)
    frame = pd.DataFrame(summary["rows"]).fillna({"attack": "six"})
    experiment.log({"transfer/cells": wandb.Table(dataframe=frame), "transfer/heat_map": wandb.Image(heat_map(cells))})


def heat_map(cells: list[dict[str, Any]]) -> Figure:
    """Ratios of one source: a row an attack, a column a target; empty cells are missing, not zero."""
    attacks = list(dict.fromkeys(cell["attack"] or "mean of the six" for cell in cells))
    targets = list(dict.fromkeys(cell["target_run"] for cell in cells))
    ratios = np.full((len(attacks), len(targets)), np.nan)
    for cell in cells:
        if cell["ratio"] is not None:
            place = attacks.index(cell["attack"] or "mean of the six"), targets.index(cell["target_run"])
            ratios[place] = cell["ratio"]
    figure = Figure(figsize=(1.8 + 1.4 * len(targets), 1.2 + 0.4 * len(attacks)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(ratios, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(targets)), targets, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(attacks)), attacks, fontsize=8)
    for (row, column), ratio in np.ndenumerate(ratios):
        if not np.isnan(ratio):
            axes.text(column, row, f"{ratio:.2f}", ha="center", va="center", color="white" if ratio < 0.6 else "black")
    axes.set_title("share that fools the target too", fontsize=9)
    return figure
