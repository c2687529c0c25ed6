"""The selection of runs that may be compared in one table: same split, and attacks with the same budget profile."""

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
        runs: the runs of tables and figures; attacks and transfers with other profiles are removed.
        split: the split of all of them.
        profile: the budget profile of all their attacks; None if no run was attacked.
        repetitions: runs left out because another run has the same setting and seed -> the name of that run.
        left_out: name of a run that is not compared, wholly or in part -> the reason, with the flag that includes it if
            there is one.
        found: the runs of the page's first part: all that were read with all their attacks, unless a split or a profile
            was asked for.
    """

    runs: tuple[Run, ...]
    split: str
    profile: str | None
    repetitions: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    found: tuple[Run, ...] = ()

    @property
    def attack_flags(self) -> str:
        """The flags of attack.py for budgets and clips that match the attacks of this report."""
        subsets = {run.attacks.clips for run in self.runs if run.attacks is not None}
        # A run that was attacked on more clips cannot be attacked on fewer; None means all clips.
        chosen = None if None in subsets else max((clips for clips in subsets if clips is not None), default=None)
        return f"--budgets {self.profile or 'reduced'}" + (f" --clips {chosen}" if chosen is not None else "")

    def sweep_command(self, sweep: str, corpus: str) -> str | None:
        """The command that runs the missing points of a corpus in a sweep; None if the sweep lacks the corpus."""
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
        runs: all runs that were read.
        split: ``grouped``, ``official`` or ``random``; by default the most frequent one.
        profile: name of a budget profile; by default the most frequent one among the kept runs.

    Raises:
        ValueError: if no run has that split, or none was attacked with that profile.
    """
    asked_split, asked_profile = split is not None, profile is not None
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
        found=tuple(
            _with_profile(run, profile) if asked_profile else run
            for run in runs
            if run.split == split or not asked_split
        ),
    )


def _left_out(runs: Sequence[Run], split: str, profile: str | None, repetitions: dict[str, str]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for run in runs:
        others = sorted(_profiles(run) - {str(profile)})
        if run.split != split:
            reasons[run.name] = f"its split is {run.split}, not {split}; --split {run.split} shows it"
        elif run.name in repetitions:
            reasons[run.name] = f"{repetitions[run.name]}, which is shown, has the same setting and seed"
        elif others:
            named = " and ".join(others)
            reasons[run.name] = (
                f"only its attacks: their budgets are {named}, not {profile}; --budgets {others[0]} shows them"
            )
    return reasons


def _repetitions(runs: Sequence[Run]) -> dict[str, str]:
    """Runs with the same setting and seed as another -> the run that is kept; repetitions are not averaged as seeds.

    An attacked run is preferred, then one with more folds, then one with more epochs.
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
        # Ties are broken by name, so that the choice does not depend on the order of folders.
        return min(found, key=lambda name: (-found[name], name))
    if wanted not in found:
        raise ValueError(f"expected {what} among {', '.join(sorted(found)) or 'none'}, got {wanted!r}")
    return wanted


def corpora_of(runs: Iterable[Run]) -> list[str]:
    """Names of the corpora of some runs: the paper's in its order, then the others sorted by name."""
    found = {run.corpus for run in runs}
    return [name for name in PAPER_CORPORA if name in found] + sorted(found - set(PAPER_CORPORA))


PAPER_CORPORA = ("ESC10", "ESC50", "UrbanSound8K")
