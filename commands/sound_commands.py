"""What round_trip.py and fragility.py do for each run, and what they print."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from commands.errors import UsageError
from commands.fragility_run import KEY as FRAGILITY_KEY
from commands.fragility_run import fragility, supported
from commands.named_runs import named_runs
from commands.round_trip_run import KEY as ROUND_TRIP_KEY
from commands.round_trip_run import round_trip
from commands.sound_flags import FragilityFlags, RoundTripFlags, StoredFlags
from commands.stored_adversarials import StoredFold, stored_folds
from commands.trainer import chosen_device
from datamodules.disturbances import disturbances
from metrics.fragility import FragilityCell, summarise_fragility
from metrics.round_trip import RoundTripCell, summarise_round_trip
from metrics.survival import Median, Share
from storage.provenance import git_commit, package_versions
from storage.row_store import RowStore
from storage.space import MAP, SPACES, Space
from storage.trained_run import TrainedRun, sha256
from storage.untrusted import allowed_packages

# Characters of the terminal: the columns with the disturbance and its clean accuracy, and one attack and budget.
NAMES_WIDTH = 34
COLUMN_WIDTH = 15


def run_round_trip(flags: RoundTripFlags) -> dict[str, dict[str, Any]]:
    """Bring the stored adversarials of every run back to sound; print and return the summaries, by name of the run."""
    summaries = {}
    for run in named_runs(flags.checkpoints, flags.folds):
        folds = folds_of(run, flags)
        store = RowStore(run.path / "round-trip", ROUND_TRIP_KEY)
        with store.alone():
            open_store(store, folds, flags, None)
            rows = round_trip(folds, store, flags.sounds)
            cells = summarise_round_trip(rows)
            summaries[run.name] = store.write_summary(summary_of(folds, cells))
        show_round_trip(run.name, cells, store)
    return summaries


def run_fragility(flags: FragilityFlags) -> dict[str, dict[str, Any]]:
    """Disturb the adversarial sounds of every run; print and return the summaries, by name of the run."""
    try:
        chosen = disturbances(flags.transforms)
    except ValueError as error:
        raise UsageError(str(error)) from error
    summaries = {}
    for run in named_runs(flags.checkpoints, flags.folds):
        folds = folds_of(run, flags, SPACES[flags.space])
        # Before the folder is opened, which --overwrite empties.
        kept = supported(chosen, folds[0].sample_rate)
        store = RowStore(run.path / SPACES[flags.space].beside("fragility"), FRAGILITY_KEY)
        with store.alone():
            open_store(store, folds, flags, flags.seed)
            rows = fragility(folds, store, kept, seed=flags.seed)
            cells = summarise_fragility(rows)
            summaries[run.name] = store.write_summary(summary_of(folds, cells))
        show_fragility(run.name, cells, store)
    return summaries


def folds_of(run: TrainedRun, flags: StoredFlags, space: Space = MAP) -> list[StoredFold]:
    """The folds of a run with stored adversarials that the flags choose.

    Raises:
        UsageError: for a baseline, for maps of a run on waveforms, and for a device that is not there.
        DataError: if nothing is stored.
    """
    if run.is_baseline:
        raise UsageError(f"expected a run that was attacked, got {run.name}, a baseline, which has no gradients")
    return stored_folds(
        run,
        flags.attacks,
        space=space,
        data={"root": flags.data.root, "cache_dir": flags.data.cache_dir},
        device=chosen_device(flags.device),
        allowed=allowed_packages(flags.allow_import),
    )


def open_store(store: RowStore, folds: Sequence[StoredFold], flags: StoredFlags, seed: int | None) -> None:
    """Open a folder of rows for results of these folds; without a seed, nothing in them is random.

    Raises:
        UsageError: if it holds results of other settings.
    """
    attacked = folds[0].store.stored_settings()
    names = sorted({str(name) for fold in folds for name in fold.outcomes["attack"].unique()})
    settings = {
        "seed": seed,
        "attacked_with": {name: attacked["common"][name] for name in ("seed", "budgets", "precision")},
        "attacks": {name: attacked["attacks"][name] for name in names},
        "checkpoints": {str(fold.fold): sha256(fold.trained.path) for fold in folds},
    }
    try:
        store.open(settings, overwrite=flags.overwrite)
    except ValueError as error:
        raise UsageError(str(error)) from error


def summary_of(folds: Sequence[StoredFold], cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a summary says of the folds, with its cells."""
    data, recipe = folds[0].data, folds[0].trained.recipe
    return {
        "corpus": data.corpus,
        "representation": data.representation.settings,
        "architecture": recipe["model"]["architecture"],
        "checkpoints": {str(fold.fold): sha256(fold.trained.path) for fold in folds},
        "cells": list(cells),
        "versions": package_versions(),
        "git_commit": git_commit(),
    }


def show_round_trip(name: str, cells: Sequence[RoundTripCell], store: RowStore) -> None:
    """Print a table over folds, and where the results lie."""
    table = Table(title=f"{name}: sounds of adversarial maps, over folds", box=SIMPLE_HEAD)
    for heading in (
        "attack\nbudget",
        "n",
        "map\nfools",
        "sound\nfools",
        "survives\n[95 %]",
        "SNR in dB\n[95 %]",
        "consis-\ntency",
    ):
        table.add_column(heading, justify="left" if heading.startswith("attack") else "right")
    for cell in (cell for cell in cells if cell["fold"] is None):
        table.add_row(
            f"{cell['attack']}\n{short(cell['budget'])}",
            str(cell["n"]),
            percent(cell["map_fooling_rate"], ends=False),
            percent(cell["sound_fooling_rate"], ends=False),
            percent(cell["survival"]),
            middle(cell["snr_db"]),
            middle(cell["consistency"], digits=2, ends=False),
        )
    console = Console()
    console.print(table)
    console.print(f"results in {store.path}", soft_wrap=True, highlight=False)


def show_fragility(name: str, cells: Sequence[FragilityCell], store: RowStore) -> None:
    """Print, over folds, a row for each disturbance and a column for each attack and budget.

    Columns that do not fit the terminal go on in further tables.
    """
    over_folds = [cell for cell in cells if cell["fold"] is None]
    attacks = list(dict.fromkeys((cell["attack"], cell["budget"]) for cell in over_folds))
    shown = {(one["transform"], one["strength"], one["attack"], one["budget"]): one for one in over_folds}
    console = Console()
    side_by_side = max(1, (console.width - NAMES_WIDTH) // COLUMN_WIDTH)
    for some in (attacks[start : start + side_by_side] for start in range(0, len(attacks), side_by_side)):
        console.print(_fragility_table(name, some, shown))
    console.print(f"results in {store.path}", soft_wrap=True, highlight=False)


def _fragility_table(
    name: str, attacks: Sequence[tuple[str, str]], shown: Mapping[tuple[str, float, str, str], FragilityCell]
) -> Table:
    table = Table(title=f"{name}: fooling that survives a disturbance, % of the sounds that fool", box=SIMPLE_HEAD)
    table.add_column("disturbance", no_wrap=True)
    table.add_column("clean\nright", justify="right", no_wrap=True)
    for attack, settings in attacks:
        table.add_column(f"{attack}\n{short(settings)}", justify="right", overflow="fold")
    for disturbance in disturbances():
        some = [shown.get((disturbance.kind, disturbance.strength, *attack)) for attack in attacks]
        right = next((percent(one["clean_accuracy"], ends=False) for one in some if one), None)
        if right is not None:
            survival = [percent(one["survival"], ends=False) if one else "-" for one in some]
            table.add_row(disturbance.name, right, *survival)
    return table


def short(settings: str) -> str:
    """The settings of a budget, one per line, without the marks of JSON."""
    return settings.translate(str.maketrans(",_", "\n ", '{} "')).replace(":", " ")


def percent(share: Share, *, ends: bool = True) -> str:
    """A share as a table shows it, in percent."""
    if share["share"] is None:
        return "-"
    number = f"{100 * share['share']:.0f}"
    if not ends or share["low"] is None or share["high"] is None:
        return number
    return f"{number}\n\\[{100 * share['low']:.0f}, {100 * share['high']:.0f}]"


def middle(median: Median, *, digits: int = 1, ends: bool = True) -> str:
    """A median as a table shows it."""
    if median["median"] is None:
        return "-"
    number = f"{median['median']:.{digits}f}"
    if not ends or median["low"] is None or median["high"] is None:
        return number
    return f"{number}\n\\[{median['low']:.{digits}f}, {median['high']:.{digits}f}]"
