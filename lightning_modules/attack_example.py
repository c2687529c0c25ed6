"""One attacked clip to look at: clean, adversarial, and the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from metrics.distances import snr_db
from storage import write_atomically


@dataclass(frozen=True)
class AttackExample:
    """The first clip of a batch on which an attack succeeded, at its first successful budget; else the last outcome.

    Args:
        attack: name of the attack.
        clean: map ``(rows, columns)`` in [0, 1], or waveform ``(time,)`` in [-1, 1].
        adversarial: the same after the attack, of the same shape.
        caption: clip, labels, budget and size.
    """

    attack: str
    clean: Tensor = field(repr=False)
    adversarial: Tensor = field(repr=False)
    caption: str

    @classmethod
    def of(cls, rows: pd.DataFrame, inputs: Tensor, adversarials: Tensor, class_names: Sequence[str]) -> AttackExample:
        """Choose an example from the outcomes of an attack on a batch.

        Args:
            rows: one row per clip and budget, budget by budget.
            inputs: clean maps ``(clips, 1, rows, columns)`` or waveforms ``(clips, 1, time)``.
            adversarials: ``(budgets, clips, 1, ...)``, shaped as the inputs.
            class_names: names by label.
        """
        fooled = rows[rows["prediction"] != rows["label"]]
        chosen = int(fooled.index[0]) if len(fooled) else len(rows) - 1
        row: dict[str, Any] = dict(rows.loc[chosen])
        budget, clip = divmod(chosen, len(inputs))
        answer = class_names[int(row["prediction"])]
        # Of the picture, which an attack on several targets has one of.
        ratio = float(snr_db(inputs[clip][None], adversarials[budget, clip][None]))
        caption = f"{row['attack']} {row['budget']}: {class_names[row['label']]} -> {answer}, {ratio:.0f} dB"
        return cls(str(row["attack"]), inputs[clip, 0], adversarials[budget, clip, 0], caption)

    def figure(self) -> Figure:
        """Clean, adversarial and difference side by side; the difference has its own scale.

        Maps have the lowest frequency at the bottom, waveforms are drawn over time.
        """
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        FigureCanvasAgg(figure)
        difference = self.adversarial - self.clean
        largest = max(float(difference.abs().max()), 1e-12)
        panels = (("clean", self.clean, "magma", 0.0, 1.0), ("adversarial", self.adversarial, "magma", 0.0, 1.0))
        for axes, (title, values, colours, low, high) in zip(
            figure.subplots(1, 3), (*panels, ("difference", difference, "RdBu_r", -largest, largest)), strict=True
        ):
            axes.set_title(title, fontsize=9)
            axes.set_xticks([])
            if values.ndim == 1:
                axes.plot(values.numpy(), linewidth=0.3)
                continue
            axes.set_yticks([])
            image = axes.imshow(values.numpy(), origin="lower", cmap=colours, vmin=low, vmax=high, aspect="auto")
            figure.colorbar(image, ax=axes, shrink=0.8)
        figure.suptitle(self.caption, fontsize=9)
        return figure

    def save(self, path: Path) -> None:
        """Write the figure as PNG."""
        with write_atomically(path) as file:
            self.figure().savefig(file, format="png", dpi=100)
