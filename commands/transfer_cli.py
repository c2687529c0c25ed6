"""The command line of transfer.py: the flags of attack.py, and the check that classifiers may be compared."""

from collections.abc import Mapping
from typing import Any

from commands.attack_cli import AttackCLI
from commands.errors import UsageError
from commands.flags import TransferFlags
from commands.transfer_targets import recipe_of
from storage.space import MAP, SOUND, Space
from storage.trained_run import TrainedRun


class TransferCLI(AttackCLI):
    """The flags of transfer.py, turned into runs that may be compared.

    Args:
        flags: the flags, checked.
    """

    def __init__(self, flags: TransferFlags) -> None:
        super().__init__(flags, save_adversarials=True)
        self.name = flags.folder

    def comparable_runs(self) -> list[TrainedRun]:
        """The runs, all of one corpus, split, seed and of the same folds, for maps also of one representation.

        Raises:
            UsageError: if they are not, or there are fewer than two.
        """
        runs = self.runs()
        if len(runs) < 2:
            raise UsageError(f"expected at least two runs to carry adversarials between, got {len(runs)}")
        if all(run.is_baseline for run in runs):
            raise UsageError("expected a ConvNet among the runs, got baselines only, which have no gradients to attack")
        first = recipe_of(runs[0])
        for run in runs[1:]:
            differing = differing_settings(first, recipe_of(run), self.space)
            if differing:
                why = "a map of the one is none of the other; --space sound compares representations"
                raise UsageError(
                    f"expected runs of one setting, got {runs[0].name} and {run.name}, which differ in "
                    f"{', '.join(differing)}; {why if self.space == MAP else 'their clips are not the same'}"
                )
        shared = sorted(set.intersection(*(set(run.checkpoints) for run in runs)))
        for run in runs:
            if sorted(run.checkpoints) != shared:
                raise UsageError(
                    f"expected the same folds in every run, got {sorted(run.checkpoints)} in {run.name} and "
                    f"{shared} in common; choose with --folds"
                )
        return runs


def differing_settings(first: Mapping[str, Any], second: Mapping[str, Any], space: Space = MAP) -> list[str]:
    """Names of the settings by which the test clips of two runs, or their maps, could differ.

    Args:
        first: recipe of a run.
        second: recipe of another.
        space: what targets are given: a map, or a sound of which each target computes its own map.
    """
    one, two = (_map_settings(recipe["data"]) for recipe in (first, second))
    differing = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    return [name for name in differing if space != SOUND or name.partition(".")[0] != "representation"]


def _map_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    # What happens to training clips only, and how fast, does not change a test map.
    other = {"root", "fold", "num_workers", "cache_dir", "cache_maps", "download", "augmentation", "batch_size"}
    settings = {name: value for name, value in data["init_args"].items() if name not in other}
    representation = settings.pop("representation", None) or {"class_path": "STFT", "init_args": {}}
    settings["representation"] = representation["class_path"].rpartition(".")[2]
    settings |= {f"representation.{name}": value for name, value in (representation.get("init_args") or {}).items()}
    return {"corpus": data["class_path"].rpartition(".")[2], **settings}
