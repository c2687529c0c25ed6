"""Numbers of distinct clips and recordings behind a result, over all of its budgets, attacks, folds and seeds."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from metrics.attack_summary import CHECK
from reporting.runs import AttackResults, Run
from storage.rows import last_change, read_rows

COLUMNS = ["attack", "fold", "name", "recording"]
Clip = tuple[str, str]
"""Name of a clip, and its recording."""


@dataclass(frozen=True)
class Distinct:
    """Numbers of distinct clips and of their recordings; the latter is None if a run did not record it."""

    clips: int
    recordings: int | None


def attacked_clips(
    runs: Sequence[Run], attacks: Iterable[str] | None = None, folds: Collection[int] | None = None
) -> Distinct:
    """Count the attacked clips of some runs, all of which are classified correctly when clean.

    Args:
        runs: runs of one or several settings; those that were not attacked are ignored.
        attacks: count only clips on which one of these attacks was run; all attacks by default.
        folds: count only clips of these folds; all by default.

    Raises:
        DataError: if there are several runs and the rows of one of them cannot be read.
    """
    attacked = [(run, run.attacks) for run in runs if run.attacks]
    wanted = None if attacks is None else set(attacks)
    if len(attacked) == 1 and _covers(folds, attacked[0][1]) and (found := _said(attacked[0][1], wanted)) is not None:
        return found
    clips: dict[str, set[Clip]] = {}
    for run, results in attacked:
        outcomes = run.path / "attacks" / "outcomes.parquet"
        of_attacks = _of_attacks(outcomes, last_change(outcomes))
        # Rows of unfinished attacks, and of folds attacked with other settings, are not in the summary.
        current = {(row["attack"], row["fold"]) for row in results.folds}
        some = (
            of_attacks[attack, fold]
            for attack, fold in of_attacks
            if (wanted is None or attack in wanted) and (folds is None or fold in folds) and (attack, fold) in current
        )
        clips.setdefault(run.corpus, set()).update(*some)
    return Distinct(*(sum(len({clip[part] for clip in some}) for some in clips.values()) for part in (0, 1)))


def _covers(folds: Collection[int] | None, results: AttackResults) -> bool:
    """Whether these are all the folds that a run was attacked on."""
    return folds is None or {row["fold"] for row in results.folds} <= set(folds)


def _said(results: AttackResults, attacks: set[str] | None) -> Distinct | None:
    """The counts in the summary of a run; None for several attacks that were run on different clips."""
    if attacks is None:
        return Distinct(results.n, results.recordings)
    means = [results.means[attack] for attack in attacks if attack in results.means]
    counted = {(row.get("n", results.n), row.get("recordings")) for row in means}
    return Distinct(*counted.pop()) if len(counted) == 1 else None


@lru_cache(maxsize=4096)
def _of_attacks(outcomes: Path, changed: int) -> dict[tuple[str, int], frozenset[Clip]]:
    """The attacked clips of a run, by attack and fold; cached until the file is changed."""
    rows = read_rows(outcomes, "attack again", COLUMNS)
    found: dict[tuple[str, int], set[Clip]] = {}
    for attack, fold, name, recording in set(zip(*(rows[column].tolist() for column in COLUMNS), strict=True)):
        # Attacks run for the trust checks are not part of any table.
        if not str(attack).startswith(CHECK):
            found.setdefault((str(attack), int(fold)), set()).add((name, recording))
    # The attacks on a run mostly have the same clips, which are then kept once.
    kept: dict[frozenset[Clip], frozenset[Clip]] = {}
    return {key: kept.setdefault(one := frozenset(some), one) for key, some in found.items()}
