"""Which commit and versions computed what: the trace from a number of the report to the code that made it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reporting.names import NAMES
from reporting.runs import REMEDY, AttackResults, Run
from reporting.tables.plain import PlainTable
from storage import in_this_version, read_json
from storage.space import SPACES

UNKNOWN = "not recorded"
OTHER_TESTS = {
    "transfer": "transfer",
    "round-trip": "from maps to sounds",
    "fragility": "disturbed sounds",
    "scalar-test": "scalar test",
}
"""Folders of a run in which other commands keep their results, and what those are."""

Row = tuple[str, str, str, str]
"""What was computed, folds, commit, version of PyTorch."""


def provenance_table(runs: Sequence[Run]) -> PlainTable:
    """The commit of each result of every run.

    Raises:
        DataError: if a file of a run cannot be read.
    """
    rows = [(run.name, *row) for run in runs for row in (*_training(run), *_attacks(run), *_other_tests(run))]
    return PlainTable(
        "provenance",
        "Which code computed what",
        "Commits of the program, with +changes where tracked files differed. Results of attacks that are "
        "older name the first commit only, without folds. Of tests of stored adversarials, the last command is named.",
        ("run", "what", "folds", "commit", "PyTorch"),
        tuple(rows),
        ("run", "what", "folds", "commit", "PyTorch"),
        tuple(rows),
    )


def _training(run: Run) -> Iterator[Row]:
    folds: dict[str, list[int]] = {}
    for record in run.summary["folds"]:
        folds.setdefault(_short(record.get("git_commit")), []).append(record["fold"])
    for commit, some in folds.items():
        yield "training and test", _numbers(some), commit, _torch(run.summary)


def _attacks(run: Run) -> Iterator[Row]:
    for results in (run.attacks, run.sound_attacks):
        if results is not None:
            yield from _attacks_in_one_space(results)


def _attacks_in_one_space(results: AttackResults) -> Iterator[Row]:
    alike: dict[Row, list[str]] = {}
    for attack, makers in results.made_by.items():
        # Attacks of the trust checks come with the others.
        for maker in makers if attack in results.means else ():
            row = ("", _numbers(maker.get("folds")), _short(maker["git_commit"]), _torch(maker))
            alike.setdefault(row, []).append(NAMES.get(attack, attack))
    for (_, *rest), names in alike.items():
        folds, commit, version = rest
        yield f"attacks on {results.space}s: {', '.join(names)}", folds, commit, version


def _other_tests(run: Run) -> Iterator[Row]:
    for folder, what in OTHER_TESTS.items():
        for space in SPACES.values():
            place = run.path / space.beside(folder)
            for file in sorted([*place.glob("summary.json"), *place.glob("*/summary.json")]):
                summary = in_this_version(read_json(file, REMEDY), file, REMEDY)
                folds = sorted(map(int, summary.get("checkpoints", {})))
                yield f"{what} ({space.name}s)", _numbers(folds), _short(summary.get("git_commit")), _torch(summary)


def _short(commit: str | None) -> str:
    if commit is None:
        return UNKNOWN
    digest, plus, changes = commit.partition("+")
    return digest[:7] + plus + changes


def _torch(made: Mapping[str, Any]) -> str:
    return str((made.get("versions") or {}).get("torch", UNKNOWN))


def _numbers(folds: Sequence[int] | None) -> str:
    return ", ".join(map(str, folds)) if folds else UNKNOWN
