"""Figure 6: one dog bark, clean and after six attacks, in every representation."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metrics.attack_summary import THE_SIX
from reporting.figures.figure import ReportFigure, new_figure
from reporting.names import CORPUS_NAMES, NAMES, describe
from reporting.runs import Run
from reporting.selection import Selection
from reporting.studies import REPRESENTATIONS, RESNET
from storage import DataError
from storage.rows import read_rows

DOG_BARK = {"ESC10": 0, "ESC50": 0, "UrbanSound8K": 3}
COLUMNS = ["fold", "attack", "budget_index", "clip", "name", "label", "target_label", "prediction"]
COLUMNS += ["success", "l2", "linf"]
KEY = "figure6_adversarial_maps"
TITLE = "Figure 6. One clip after six attacks"


@dataclass(frozen=True)
class Example:
    """A clip of one run whose clean and adversarial maps are stored.

    Attributes:
        run: the run.
        fold: fold of the attacked classifier.
        clip: row of the corpus table.
        name: file name.
        rows: for each attack the row of the cheapest budget that fooled the classifier, else of the last one.
        fooled: number of attacks that fooled it.
    """

    run: Run
    fold: int
    clip: int
    name: str
    rows: dict[str, dict[str, Any]]
    fooled: int

    def map(self, attack: str) -> NDArray[np.float32]:
        """Adversarial map ``(rows, columns)``, or with ``clean`` the one it was made from.

        Raises:
            DataError: if the file cannot be read.
        """
        path = _map_file(self.run.path, self.fold, attack, self.clip)
        budget = 0 if attack == "clean" else int(self.rows[attack]["budget_index"])
        try:
            maps: NDArray[np.float32] = np.load(path, allow_pickle=False)
            return maps[budget, 0]
        except (OSError, ValueError, IndexError) as error:
            raise DataError(
                f"expected maps (budgets, 1, rows, columns) in {path}, found others; attack again"
            ) from error


def spectrogram_figure(selection: Selection, label: int | None = None) -> ReportFigure:
    """Draw the clip that most representations have, and most attacks fool.

    Args:
        selection: runs that may stand in one figure.
        label: class of the clip; by default the corpus' dog bark, or class 0.
    """
    caption = (
        "Rows: representations; columns: the clean map and the cheapest budget of each attack that fooled the "
        "classifier (else its last). Under each: largest change of a value, l2 length of the change, and what the "
        "classifier answers (t: the attack's random target). Lowest frequency at the bottom."
    )
    chosen = _chosen([example for run in _candidates(selection) for example in examples_of(run, label)])
    commands = () if len(chosen) == len(REPRESENTATIONS) else _commands(selection)
    if not chosen:
        return ReportFigure(KEY, TITLE, caption, "", None, [], commands)
    figure = new_figure(1.55 * (len(THE_SIX) + 1) + 0.3, 2.05 * len(chosen) + 0.2)
    axes = figure.subplots(len(chosen), len(THE_SIX) + 1, squeeze=False)
    numbers = []
    for line, example in enumerate(chosen):
        for column, attack in enumerate(("clean", *THE_SIX)):
            panel = axes[line, column]
            panel.imshow(example.map(attack), origin="lower", cmap="magma", vmin=0, vmax=1, aspect="auto")
            panel.set_xticks([])
            panel.set_yticks([])
            if line == 0:
                panel.set_title(NAMES.get(attack, attack), fontsize=9)
            row = example.rows.get(attack)
            if row is None:
                panel.set_xlabel(f"l = {next(iter(example.rows.values()))['label']}", fontsize=7)
                continue
            panel.set_xlabel(_under(row), fontsize=7)
            numbers.append({"run": example.run.name, "representation": example.run.representation, **row})
        axes[line, 0].set_ylabel(example.run.representation, fontsize=10)
    first = chosen[0]
    shown = ", ".join(dict.fromkeys(example.name for example in chosen))
    corpus = CORPUS_NAMES.get(first.run.corpus, first.run.corpus)
    caption = f"{caption} Clip {shown} of {corpus}; {'; '.join(describe(e.run.settings) for e in chosen)}."
    fooled = ", ".join(f"{e.run.representation}: {e.fooled} of {len(THE_SIX)} attacks" for e in chosen)
    alt = f"Grid of maps of the clip {shown}, clean and after six attacks. Fooled by: {fooled}."
    return ReportFigure(KEY, TITLE, caption, alt, figure, numbers, commands)


def examples_of(run: Run, label: int | None = None) -> list[Example]:
    """Clips of a class for which a run has stored the clean map and one of each of the six attacks.

    Raises:
        DataError: if the rows of the attacks cannot be read.
    """
    label = DOG_BARK.get(run.corpus, 0) if label is None else label
    path = run.path / "attacks" / "outcomes.parquet"
    rows = read_rows(path, "attack again", COLUMNS, [("label", "==", label), ("attack", "in", THE_SIX)])
    examples = []
    for _, some in rows.groupby(["fold", "clip"]):
        fold, clip, name = (some[column].iloc[0] for column in ("fold", "clip", "name"))
        stored = [_map_file(run.path, int(fold), attack, int(clip)) for attack in ("clean", *THE_SIX)]
        if all(file.is_file() for file in stored):
            chosen = {str(attack): _cheapest(part) for attack, part in some.groupby("attack")}
            fooled = sum(row["success"] > 0 for row in chosen.values())
            examples.append(Example(run, int(fold), int(clip), str(name), chosen, fooled))
    return [example for example in examples if set(example.rows) == set(THE_SIX)]


def _candidates(selection: Selection) -> list[Run]:
    return [
        run
        for run in selection.runs
        if run.attacks
        and run.settings["architecture"] == RESNET["architecture"]
        and (run.path / "attacks" / "adversarials").is_dir()
    ]


def _chosen(examples: Sequence[Example]) -> list[Example]:
    """One example a representation, of the clip that most of them share and that is fooled most often."""
    best: dict[tuple[str, str], dict[str, Example]] = {}
    for example in sorted(examples, key=lambda e: (e.run.name, e.fold, e.clip)):
        of_clip = best.setdefault((example.run.corpus, example.name), {})
        known = of_clip.get(example.run.representation)
        if known is None or example.fooled > known.fooled:
            of_clip[example.run.representation] = example
    if not best:
        return []
    key = min(best, key=lambda clip: (-len(best[clip]), -sum(e.fooled for e in best[clip].values()), clip))
    shown = [best[key][name] for name in REPRESENTATIONS if name in best[key]]
    # A representation without that clip shows another one of the same corpus rather than nothing.
    for name in REPRESENTATIONS:
        others = [e for (corpus, _), of_clip in sorted(best.items()) if corpus == key[0] for e in of_clip.values()]
        others = [e for e in others if e.run.representation == name]
        if others and name not in best[key]:
            shown.append(max(others, key=lambda e: e.fooled))
    return sorted(shown, key=lambda e: REPRESENTATIONS.index(e.run.representation))


def _cheapest(rows: pd.DataFrame) -> dict[str, Any]:
    rows = rows.sort_values("budget_index")
    fooled = rows[rows["success"] > 0]
    row = (fooled if len(fooled) else rows.tail(1)).iloc[0]
    values = {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in COLUMNS}
    return {str(name): value for name, value in values.items()}


def _under(row: dict[str, Any]) -> str:
    target = f" (t {row['target_label']})" if row["target_label"] >= 0 else ""
    answer = f"l' = {row['prediction']}{target}" if row["success"] > 0 else f"not fooled{target}"
    return f"δ∞ {row['linf']:.3g}, ‖δ‖₂ {row['l2']:.2g}\n{answer}"


def _map_file(run: Path, fold: int, attack: str, clip: int) -> Path:
    return run / "attacks" / "adversarials" / f"fold{fold}" / attack / f"{clip}.npy"


def _commands(selection: Selection) -> tuple[str, ...]:
    runs = [run for run in selection.runs if run.settings["architecture"] == RESNET["architecture"]]
    first = {run.representation: run for run in reversed(runs)}
    names = shlex.join(str(first[name].path) for name in REPRESENTATIONS if name in first) or "runs/<run>"
    return (
        f"python attack.py --checkpoints {names} --attacks {' '.join(THE_SIX)} "
        f"{selection.attack_flags} --save-adversarials",
    )
