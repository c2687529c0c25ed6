"""Which runs may stand in one table: the same split, and attacks of the same profile of budgets."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reporting.identity import setting_key
from reporting.runs import Run


@dataclass(frozen=True)
class Selection:
    """Runs that may be compared, and what was left out.

    Attributes:
        runs: what tables and figures are made of; attacks and transfers of other profiles are taken off.
        split: the split of all of them.
        profile: the profile of budgets of all of their attacks; None where nothing was attacked.
        repetitions: runs that were left out because another one has their setting and seed, with its name.
        left_out: what tables do not compare, by name of the run, and why, with the flag that shows it if there is one.
        found: all runs that were read, with all of their attacks.
    """

    runs: tuple[Run, ...]
    split: str
    profile: str | None
    repetitions: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    found: tuple[Run, ...] = ()

    @property
    def attack_flags(self) -> str:
        """Budgets and clips of the attacks that are shown, as the programs take them."""
        subsets = {run.attacks.clips for run in self.runs if run.attacks is not None}
        # A run that was attacked on more clips cannot be attacked on fewer; None is all of them.
        chosen = None if None in subsets else max((clips for clips in subsets if clips is not None), default=None)
        return f"--budgets {self.profile or 'reduced'}" + (f" --clips {chosen}" if chosen is not None else "")

    def sweep_command(self, sweep: str, corpus: str) -> str | None:
        """The command that fills what is missing of a corpus in a sweep; None where the sweep has no such corpus."""
        if corpus not in PAPER_CORPORA:
            return None
        split = "" if self.split == "official" else f" --data.split={self.split}"
        return (
            f"python sweep.py configs/sweeps/{sweep}.yaml {self.attack_flags} "
            f"--only data={corpus} -- --data.root DIR{split}"
        )


def select_runs(runs: Sequence[Run], split: str | None = None, profile: str | None = None) -> Selection:
    """Keep the runs of one split and the attacks of one profile.

    Args:
        runs: everything that was found.
        split: ``grouped``, ``official`` or ``random``; the most frequent one by default.
        profile: name of a profile of budgets; the most frequent one of the kept runs by default.

    Raises:
        ValueError: if no run has that split, or none was attacked with that profile.
    """
    splits = Counter(run.split for run in runs)
    split = _chosen(splits, split, "a run with split")
    kept = [run for run in runs if run.split == split]
    profiles = Counter(profile for run in kept for profile in _profiles(run))
    if profiles or profile is not None:
        profile = _chosen(profiles, profile, "a run attacked with budgets")
    fitting = [_with_profile(run, profile) for run in kept]
    repetitions = _repetitions(fitting)
    return Selection(
        runs=tuple(run for run in fitting if run.name not in repetitions),
        split=split,
        profile=profile,
        repetitions=repetitions,
        left_out=_left_out(runs, split, profile, repetitions),
        found=tuple(runs),
    )


def _left_out(runs: Sequence[Run], split: str, profile: str | None, repetitions: dict[str, str]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for run in runs:
        others = sorted(_profiles(run) - {str(profile)})
        if run.split != split:
            reasons[run.name] = f"its split is {run.split}, not {split}; --split {run.split} shows it"
        elif run.name in repetitions:
            reasons[run.name] = f"setting and seed are those of {repetitions[run.name]}, which is shown"
        elif others:
            named = " and ".join(others)
            reasons[run.name] = (
                f"only its attacks: their budgets are {named}, not {profile}; --budgets {others[0]} shows them"
            )
    return reasons


def _repetitions(runs: Sequence[Run]) -> dict[str, str]:
    """Runs that share setting and seed with another one, and the one that stays: they are no seeds to average over.

    The attacked one stays, then that with more folds, then the one that was trained longer.
    """
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.seed, *setting_key(run)), []).append(run)
    left_out: dict[str, str] = {}
    for group in groups.values():
        first, *others = sorted(
            group, key=lambda run: (run.attacks is None, -run.summary["folds_finished"], -(run.epochs or 0), run.name)
        )
        left_out |= {run.name: first.name for run in others}
    return left_out


def _profiles(run: Run) -> set[str]:
    profiles = {str(row["profile"]) for row in run.transfers}
    return profiles | ({run.attacks.profile} if run.attacks else set())


def _with_profile(run: Run, profile: str | None) -> Run:
    attacks = run.attacks if run.attacks and run.attacks.profile == profile else None
    return replace(run, attacks=attacks, transfers=[row for row in run.transfers if row["profile"] == profile])


def _chosen(found: Counter[str], wanted: str | None, what: str) -> str:
    if wanted is None:
        # Ties go to the first name, so that the choice does not hang on the order of folders.
        return min(found, key=lambda name: (-found[name], name))
    if wanted not in found:
        raise ValueError(f"expected {what} among {', '.join(sorted(found)) or 'none'}, got {wanted!r}")
    return wanted


def corpora_of(runs: Iterable[Run]) -> list[str]:
    """Names of the corpora, the paper's first and in its order."""
    found = {run.corpus for run in runs}
    return [name for name in PAPER_CORPORA if name in found] + sorted(found - set(PAPER_CORPORA))


PAPER_CORPORA = ("ESC10", "ESC50", "UrbanSound8K")
