"""The scalar test on stored adversarials: the maps, and the sounds that they stand for, times scalars."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor

from attacks.scalar_test import GAINS_DB, scalar_test
from commands.errors import UsageError
from commands.named_runs import named_runs
from commands.sound_commands import folds_of, open_store, percent, short, summary_of
from commands.sound_flags import ScalarFlags
from commands.stored_adversarials import StoredFold, attacked_sounds, store_rows
from metrics.survival import share_among
from storage.row_store import RowStore
from storage.space import MAP, SPACES

KEY = ("fold", "attack", "budget_index", "clip", "input", "kind", "number")
INPUTS = {"map": (0.0, 1.0), "sound": (-1.0, 1.0)}
"""What is multiplied, and its bounds."""


def run_scalar_test(flags: ScalarFlags) -> dict[str, dict[str, Any]]:
    """Multiply the stored adversarials of every run; print and return the summaries, by name of the run."""
    summaries = {}
    for run in named_runs(flags.checkpoints, flags.folds):
        folds = folds_of(run, flags, SPACES[flags.space])
        # Before the folder is opened, which --overwrite empties.
        if not any(len(fooling_rows(fold)) for fold in folds):
            raise UsageError(f"expected adversarials of {run.name} that fool it, found none")
        store = RowStore(run.path / SPACES[flags.space].beside("scalar-test"), KEY)
        with store.alone():
            open_store(store, folds, flags, flags.seed)
            rows = scalar_rows(folds, store, seed=flags.seed)
            cells = summarise_scalars(rows)
            summaries[run.name] = store.write_summary(summary_of(folds, cells))
        show(run.name, cells, store)
    return summaries


def scalar_rows(folds: Sequence[StoredFold], store: RowStore, *, seed: int = 0) -> pd.DataFrame:
    """Multiply all stored adversarials that fool, or go on where a command stopped.

    Returns:
        One row per fold, attack, budget, clip, ``input`` (map or sound), ``kind`` (draw or gain) and
        ``number``, with the ``scalar``, ``restored`` (the product gets the label), ``clean_correct`` (the clean
        input times the same) and ``fools`` (the input fools before it is multiplied; a sound made of a map may
        not).
    """
    done = store.rows()
    there = set(map(tuple, done[["fold", "attack", "clip"]].to_numpy().tolist())) if len(done) else set()
    pending, fooling = [], {}
    for fold in folds:
        fooled = fooling_rows(fold)
        for (attack, clip), rows in fooled.groupby(["attack", "clip"], sort=False):
            fooling[fold.fold, attack, clip] = rows.sort_values("budget_index")
        clips = fooled[["attack", "clip"]].drop_duplicates().groupby("attack", sort=False)["clip"]
        for attack, of_attack in clips:
            missing = [clip for clip in of_attack.tolist() if (fold.fold, attack, clip) not in there]
            pending.append((fold, str(attack), missing))

    def rows_of_clip(fold: StoredFold, attack: str, clip: int) -> pd.DataFrame:
        return _of_clip(fold, attack, clip, fooling[fold.fold, attack, clip], seed)

    return store_rows("scalar test", pending, store, rows_of_clip)


def fooling_rows(fold: StoredFold) -> pd.DataFrame:
    """The outcomes whose kept adversarial fools: of an attack on several targets it may be one that does not."""
    return fold.outcomes[fold.outcomes["prediction"] != fold.outcomes["label"]]


def _of_clip(fold: StoredFold, attack: str, clip: int, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    budgets = rows["budget_index"].tolist()
    victims: dict[str, tuple[Callable[[Tensor], Tensor], Tensor, Tensor]] = {}
    if fold.store.space == MAP:
        sounds, clean_sound, maps, clean_map = attacked_sounds(fold, attack, clip)
        victims["map"] = fold.trained.model.classifier, maps[budgets], clean_map
        victims["sound"] = fold.logits, sounds[budgets], clean_sound
    else:
        stored, sounds = fold.adversarial_sounds(attack, clip)
        # Of the budgets, those at which the attack fools.
        chosen = torch.from_numpy(stored["budget_index"].isin(budgets).to_numpy(copy=True))
        victims["sound"] = fold.logits, sounds[chosen], fold.clean_sound(clip)
    labels = torch.tensor(rows["label"].tolist(), device=fold.device)
    ids = torch.full((len(budgets),), clip)
    frames, copied = [], fold.copied(rows)
    for name, (classify, adversarials, clean) in victims.items():
        with torch.no_grad():
            fools = (classify(adversarials).argmax(dim=1) != labels).tolist()
        result = scalar_test(classify, adversarials, clean, labels, ids, seed=seed, bounds=INPUTS[name])
        gains = [10 ** (gain / 20) for gain in GAINS_DB]
        for kind, restored, correct in (
            ("draw", result.restored, result.clean_correct),
            ("gain", result.restored_at_gain, result.clean_correct_at_gain),
        ):
            for place in range(len(budgets)):
                scalars = result.scalars[place].tolist() if kind == "draw" else gains
                one = {"input": name, "kind": kind, "number": range(len(scalars)), "scalar": scalars}
                one |= {"restored": restored[place].tolist(), "clean_correct": correct[place].tolist()}
                known = {str(column): values.iloc[place] for column, values in copied.items()}
                frames.append(pd.DataFrame({**one}).assign(**known, fools=fools[place]))
    return pd.concat(frames, ignore_index=True)


def summarise_scalars(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Shares of labels restored, for each attack, budget and input: over all draws, and at each fixed gain.

    Args:
        rows: of :func:`scalar_rows`.

    Returns:
        Cells with ``restored`` and ``clean_kept`` among the inputs that fool, and ``restored_where_clean_kept`` among
        those of them whose clean input times the same scalar is right; ``gain_db`` is None over the draws.
    """
    columns = ["attack", "budget_index", "input", "kind", "gain_number"]
    numbered = rows.assign(gain_number=rows["number"].where(rows["kind"] == "gain", -1))
    cells = []
    for _, part in numbered.groupby(columns):
        some = part.iloc[0]
        cells.append(
            {
                "attack": str(some["attack"]),
                "budget_index": int(some["budget_index"]),
                "budget": str(some["budget"]),
                "input": str(some["input"]),
                "gain_db": GAINS_DB[int(some["number"])] if some["kind"] == "gain" else None,
                "clips": int(part.loc[part["fools"], "clip"].nunique()),
                "restored": share_among(part, part["restored"], part["fools"]),
                "restored_where_clean_kept": share_among(part, part["restored"], part["fools"] & part["clean_correct"]),
                "clean_kept": share_among(part, part["clean_correct"], part["fools"]),
            }
        )
    return cells


def show(name: str, cells: Sequence[dict[str, Any]], store: RowStore) -> None:
    """Print what random scalars restore, and where the results lie."""
    table = Table(title=f"{name}: labels restored by a random scalar, % of adversarials that fool", box=SIMPLE_HEAD)
    headings = (
        "attack\nbudget",
        "input",
        "clips",
        "restored\n\\[95 %]",
        "clean clips\nright",
        "restored where\nthey are",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading.startswith("attack") else "right")
    for cell in (cell for cell in cells if cell["gain_db"] is None):
        shares = (
            percent(cell["restored"]),
            percent(cell["clean_kept"], ends=False),
            percent(cell["restored_where_clean_kept"], ends=False),
        )
        table.add_row(f"{cell['attack']}\n{short(cell['budget'])}", cell["input"], str(cell["clips"]), *shares)
    console = Console()
    console.print(table)
    console.print(f"results in {store.path}", soft_wrap=True, highlight=False)
