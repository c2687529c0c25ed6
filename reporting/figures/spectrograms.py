"""Figure 6: one clip, clean and after each attack whose maps are stored, in every representation."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from datamodules import CORPORA
from metrics.attack_summary import CHECK, THE_SIX
from reporting.figures.figure import ReportFigure, new_figure
from reporting.names import CORPUS_NAMES, NAMES, describe
from reporting.runs import Run
from reporting.selection import Selection
from reporting.studies import REPRESENTATIONS, RESNET
from representations.wavelets import centre_frequencies
from storage import DataError
from storage.attack_store import CLEAN, AttackStore
from storage.rows import read_rows
from storage.space import MAP

DOG_BARK = {"ESC10": 0, "ESC50": 0, "UrbanSound8K": 3}
COLUMNS = ["fold", "attack", "budget_index", "clip", "name", "label", "target_label", "prediction"]
COLUMNS += ["l2", "linf"]
KEY = "figure6_adversarial_maps"
TITLE = "Figure 6. One clip, clean and attacked"


@dataclass(frozen=True)
class Example:
    """A clip of one run whose clean and adversarial maps are stored.

    Attributes:
        run: the run.
        fold: fold of the attacked classifier.
        clip: row of the corpus table.
        name: file name.
        rows: by attack with a stored map, the row of the first budget that fooled the classifier, else of the last one.
        fooled: number of attacks in ``rows`` that fooled the classifier.
    """

    run: Run
    fold: int
    clip: int
    name: str
    rows: dict[str, dict[str, Any]]
    fooled: int

    def map(self, attack: str) -> NDArray[np.float32]:
        """The adversarial map ``(rows, columns)`` of an attack, or with ``clean`` the clean map.

        Raises:
            DataError: if the file cannot be read.
        """
        store = AttackStore(self.run.path / MAP.folder)
        maps = store.read_adversarials(self.fold, attack, self.clip)
        budget = 0 if attack == CLEAN else int(self.rows[attack]["budget_index"])
        if budget >= len(maps):
            file = store.adversarials_file(self.fold, attack, self.clip)
            raise DataError(
                f"expected maps of more than {budget} budgets in {file}, found {len(maps)}; attack again with "
                "--overwrite"
            )
        return maps[budget, 0]


def spectrogram_figure(selection: Selection, label: int | None = None) -> ReportFigure:
    """Draw the clip that most representations share and that is fooled by most attacks.

    Args:
        selection: runs that may be compared in one figure.
        label: class of the clip; by default the corpus' dog bark, or class 0.
    """
    caption = (
        "Two rows per representation: maps, coloured from the 1st to the 99th percentile of the clean one, and changes "
        "relative to the largest. Columns: the clean map and, for each attack, the first budget that fooled the "
        "classifier (else its last). Below each: largest change, l2 norm of the change, and predicted class."
    )
    chosen = _chosen([example for run in _candidates(selection) for example in examples_of(run, label)])
    attacks = [attack for attack in (*THE_SIX, *_others(chosen)) if any(attack in one.rows for one in chosen)]
    whole = all(len(one.rows) >= len(THE_SIX) for one in chosen)
    there = {one.run.representation for one in chosen}
    commands = () if whole and there >= set(REPRESENTATIONS) else _commands(selection)
    if not chosen:
        why = "maps are stored by attack.py --save-adversarials"
        return ReportFigure(KEY, TITLE, caption, "", None, [], commands, why)
    figure = new_figure(max(5.0, 1.6 * (len(attacks) + 1) + 1.2), 3.3 * len(chosen) + 0.2)
    axes = figure.subplots(2 * len(chosen), len(attacks) + 1, squeeze=False, sharex=True)
    numbers = []
    for line, example in enumerate(chosen):
        numbers += _draw(example, figure, axes[2 * line : 2 * line + 2], attacks)
    for panel, attack in zip(axes[0], (CLEAN, *attacks), strict=True):
        panel.set_title(NAMES.get(attack, attack), fontsize=9)
    first = chosen[0]
    shown = ", ".join(dict.fromkeys(example.name for example in chosen))
    corpus = CORPUS_NAMES.get(first.run.corpus, first.run.corpus)
    caption = f"{caption} Clip {shown} of {corpus}; {'; '.join(describe(e.run.settings) for e in chosen)}."
    fooled = ", ".join(f"{e.run.representation}: {e.fooled} of {len(e.rows)} attacks" for e in chosen)
    alt = f"Grid of maps of the clip {shown}, clean and after {len(attacks)} attacks. Fooled by: {fooled}."
    return ReportFigure(KEY, TITLE, caption, alt, figure, numbers, commands)


def _draw(example: Example, figure: Figure, axes: NDArray[Any], attacks: Sequence[str]) -> list[dict[str, Any]]:
    """Draw the maps of an example in the first row of panels and their changes in the second; returns the numbers."""
    clean = example.map(CLEAN)
    low, high = np.percentile(clean, (1, 99))
    # The colour range of a constant map must not be empty.
    scale = {"vmin": low, "vmax": max(high, low + 1e-3)}
    seconds = clip_seconds(example.run)
    common: dict[str, Any] = {"origin": "lower", "aspect": "auto", "extent": (0, seconds or 1, 0, 1)}
    names = example.run.summary.get("class_names") or []
    numbers = []
    differences = None
    for column, attack in enumerate((CLEAN, *attacks)):
        panel, below = axes[:, column]
        if attack != CLEAN and attack not in example.rows:
            panel.set_axis_off()
            below.set_axis_off()
            panel.text(0.5, 0.5, "no map stored", ha="center", va="center", transform=panel.transAxes, fontsize=7)
            continue
        values = example.map(attack)
        image = panel.imshow(values, cmap="magma", **scale, **common)
        row = example.rows.get(attack)
        for one in (panel, below):
            one.set_yticks([])
            one.tick_params(labelsize=6)
        if row is None:
            label = int(next(iter(example.rows.values()))["label"])
            panel.set_xlabel(_class(label, names), fontsize=7)
            below.set_axis_off()
            continue
        change = values - clean
        largest = max(float(np.abs(change).max()), 1e-12)
        differences = below.imshow(change / largest, cmap="RdBu_r", vmin=-1, vmax=1, **common)
        below.set_xlabel(f"{_under(row, names)}\n{'time (s)' if seconds else 'share of the clip'}", fontsize=6)
        numbers.append({"run": example.run.name, "representation": example.run.representation, **row})
    places, texts, unit = frequency_axis(example.run.settings)
    axes[0, 0].set_yticks(places, texts)
    axes[0, 0].set_ylabel(f"{example.run.representation}\n{unit}", fontsize=8)
    figure.colorbar(image, ax=axes[0].tolist(), pad=0.01).ax.tick_params(labelsize=6)
    if differences is not None:
        bar = figure.colorbar(differences, ax=axes[1].tolist(), pad=0.01, ticks=[-1, 0, 1])
        bar.ax.tick_params(labelsize=6)
    return numbers


def clip_seconds(run: Run) -> float | None:
    """Length of the clips of a run in seconds; None if neither its settings nor its corpus state it."""
    recipe = run.summary.get("recipe") or {}
    said = ((recipe.get("data") or {}).get("init_args") or {}).get("clip_seconds")
    if said:
        return float(said)
    return CORPORA[run.corpus].default_clip_seconds if run.corpus in CORPORA else None


def frequency_axis(settings: Mapping[str, Any]) -> tuple[list[float], list[str], str]:
    """Ticks of the vertical axis of a map: heights in [0, 1] from the bottom, their labels, and the unit.

    Args:
        settings: settings of the representation.
    """
    rate, name = float(settings.get("sample_rate") or 0), settings["representation"]
    if name == "STFT":
        heights = [0.0, 0.5, 1.0]
        return heights, [f"{rate / 2 * height:,.0f}" for height in heights], "Hz"
    if name == "DWT":
        frequencies = centre_frequencies(settings["mother"], int(rate), int(settings["n_scales"])).tolist()
        rows = [0, len(frequencies) // 2, len(frequencies) - 1]
        return [(row + 0.5) / len(frequencies) for row in rows], [f"{frequencies[row]:,.0f}" for row in rows], "Hz"
    if name in ("MFCC", "LogMel"):
        number = int(settings["n_mfcc" if name == "MFCC" else "n_mels"])
        rows = [0, number // 2, number - 1]
        return (
            [(row + 0.5) / number for row in rows],
            [str(row) for row in rows],
            "coefficient" if name == "MFCC" else "mel band",
        )
    return [0.0, 1.0], ["low", "high"], "row"


def examples_of(run: Run, label: int | None = None) -> list[Example]:
    """Examples of a class for which a run has stored the clean map and that of at least one attack.

    Raises:
        DataError: if the rows of the attacks cannot be read.
    """
    label = DOG_BARK.get(run.corpus, 0) if label is None else label
    store = AttackStore(run.path / MAP.folder)
    rows = read_rows(store.outcomes_file, "attack again", COLUMNS, [("label", "==", label)])
    examples = []
    for _, some in rows.groupby(["fold", "clip"]):
        fold, clip, name = int(some["fold"].iloc[0]), int(some["clip"].iloc[0]), str(some["name"].iloc[0])
        chosen = {
            str(attack): _cheapest(part)
            for attack, part in some.groupby("attack")
            if not str(attack).startswith(CHECK) and store.adversarials_file(fold, str(attack), clip).is_file()
        }
        if chosen and store.adversarials_file(fold, CLEAN, clip).is_file():
            fooled = sum(row["prediction"] != row["label"] for row in chosen.values())
            examples.append(Example(run, fold, clip, name, chosen, fooled))
    return examples


def _candidates(selection: Selection) -> list[Run]:
    """Attacked runs with stored maps: of each representation those of the paper's front-end classifier, else any."""
    stored = [run for run in selection.runs if run.attacks and (run.path / "attacks" / "adversarials").is_dir()]
    front = [run for run in stored if run.settings["architecture"] == RESNET["architecture"]]
    known = {run.representation for run in front}
    return front + [run for run in stored if run.representation not in known]


def _chosen(examples: Sequence[Example]) -> list[Example]:
    """One example per representation, of the clip that most of them share and that is fooled most often."""
    best: dict[tuple[str, str], dict[str, Example]] = {}
    for example in sorted(examples, key=lambda e: (e.run.name, e.fold, e.clip)):
        of_clip = best.setdefault((example.run.corpus, example.name), {})
        known = of_clip.get(example.run.representation)
        if known is None or example.fooled > known.fooled:
            of_clip[example.run.representation] = example
    if not best:
        return []
    key = min(best, key=lambda clip: (-len(best[clip]), -sum(e.fooled for e in best[clip].values()), clip))
    # The paper's representations first, then LogMel and a user's own.
    found = {name for of_clip in best.values() for name in of_clip}
    names = [*(name for name in REPRESENTATIONS if name in found), *sorted(found - set(REPRESENTATIONS))]
    shown = [best[key][name] for name in names if name in best[key]]
    # For a representation without that clip, another clip of the same corpus is shown.
    for name in names:
        others = [e for (corpus, _), of_clip in sorted(best.items()) if corpus == key[0] for e in of_clip.values()]
        others = [e for e in others if e.run.representation == name]
        if others and name not in best[key]:
            shown.append(max(others, key=lambda e: e.fooled))
    return sorted(shown, key=lambda e: names.index(e.run.representation))


def _others(examples: Sequence[Example]) -> list[str]:
    """Attacks beside the six, sorted."""
    return sorted({attack for example in examples for attack in example.rows} - set(THE_SIX))


def _cheapest(rows: pd.DataFrame) -> dict[str, Any]:
    rows = rows.sort_values("budget_index")
    # Of an attack on several targets, the map that is kept may be one that does not fool.
    fooled = rows[rows["prediction"] != rows["label"]]
    row = (fooled if len(fooled) else rows.tail(1)).iloc[0]
    values = {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in COLUMNS}
    return {str(name): value for name, value in values.items()}


def _under(row: Mapping[str, Any], names: Sequence[str]) -> str:
    target = f", target {_class(row['target_label'], names)}" if row["target_label"] >= 0 else ""
    answer = f"{_class(row['prediction'], names)}" if row["prediction"] != row["label"] else "not fooled"
    return f"max {row['linf']:.3g}, l2 {row['l2']:.2g}\n{answer}{target}"


def _class(label: int, names: Sequence[str]) -> str:
    return names[label].replace("_", " ") if label < len(names) else f"class {label}"


def _commands(selection: Selection) -> tuple[str, ...]:
    runs = [run for run in selection.runs if run.settings["architecture"] == RESNET["architecture"]]
    first = {run.representation: run for run in reversed(runs)}
    names = shlex.join(str(first[name].path) for name in REPRESENTATIONS if name in first) or "runs/<run>"
    return (
        f"python attack.py --checkpoints {names} --attacks {' '.join(THE_SIX)} "
        f"{selection.attack_flags} --save-adversarials",
    )
