"""The trained runs that a command line names."""

from collections.abc import Sequence
from pathlib import Path

from commands.errors import UsageError
from commands.flags import chosen_folds
from lightning_modules.trained_classifier import read_checkpoint
from storage.trained_run import TrainedRun


def named_runs(checkpoints: Sequence[str], folds: str | int | list[int]) -> list[TrainedRun]:
    """The runs that ``--checkpoints`` names, each with the folds that ``--folds`` chooses.

    Args:
        checkpoints: checkpoints, or folders of runs.
        folds: as :func:`~commands.flags.chosen_folds` takes it.

    Raises:
        UsageError: if two checkpoints are of one fold or in one folder that is no run's, or two runs have one name.
        DataError: if a path is neither a checkpoint nor a run with one, or a fold is not there.
    """
    runs: dict[Path, TrainedRun] = {}
    for name in checkpoints:
        run = TrainedRun.of(Path(name), _stored_fold)
        known = runs.setdefault(run.path, run)
        there = known.checkpoints
        lost = [
            path
            for fold, path in run.checkpoints.items()
            # Of checkpoints in one folder, which is none of a fold, nothing says that they are of one run.
            if path not in there.values() and (fold in there or path.parent == run.path)
        ]
        if lost:
            raise UsageError(
                f"expected one checkpoint per fold in {run.path}, got a second, {lost[0].name}; "
                "give the others a folder of their own"
            )
        there.update(run.checkpoints)
    names = [run.name for run in runs.values()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"expected runs of different names, got two called {twice}; results are told apart by it")
    chosen = chosen_folds(folds)
    if chosen is not None:
        for run in runs.values():
            run.keep_folds(set(chosen))
    return list(runs.values())


def _stored_fold(path: Path) -> int:
    return read_checkpoint(path)["fold"]
