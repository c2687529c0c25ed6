"""The command line of transfer.py: the flags of attack.py, and the check that classifiers may be compared."""

from commands.attack_cli import AttackCLI
from commands.errors import UsageError
from commands.flags import TransferFlags
from commands.transfer_run import differing_settings, recipe_of
from storage.trained_run import TrainedRun


class TransferCLI(AttackCLI):
    """The flags of transfer.py, turned into runs that may be compared.

    Args:
        flags: the flags, checked.
    """

    def __init__(self, flags: TransferFlags) -> None:
        super().__init__(flags)
        self.name = flags.folder

    def comparable_runs(self) -> list[TrainedRun]:
        """The runs, all of one corpus, split, seed, representation and of the same folds.

        Raises:
            UsageError: if they are not, or there are fewer than two.
        """
        runs = self.runs()
        if self.settings["output"]:
            raise UsageError(
                "expected no --output, because results lie in each source's run; --name names their folder"
            )
        if len(runs) < 2:
            raise UsageError(f"expected at least two runs to carry adversarials between, got {len(runs)}")
        if all(run.is_baseline for run in runs):
            raise UsageError("expected a ConvNet among the runs, got baselines only, which have no gradients to attack")
        if self.settings["across_representations"]:
            raise UsageError(
                "expected adversarial sounds for --across-representations, found attacks on maps only: a map of one "
                "representation is none of another; leave the flag out and compare runs of one representation"
            )
        first = recipe_of(runs[0])
        for run in runs[1:]:
            differing = differing_settings(first, recipe_of(run))
            if differing:
                raise UsageError(
                    f"expected runs of one setting, got {runs[0].name} and {run.name}, which differ in "
                    f"{', '.join(differing)}; a map of the one is none of the other"
                )
        shared = sorted(set.intersection(*(set(run.checkpoints) for run in runs)))
        for run in runs:
            if sorted(run.checkpoints) != shared:
                raise UsageError(
                    f"expected the same folds in every run, got {sorted(run.checkpoints)} in {run.name} and "
                    f"{shared} in common; choose with --folds"
                )
        return runs
