"""A model trained elsewhere: a complete checkpoint of it is written when it is tested."""

import warnings
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from attacks.victim import find_probabilities
from datamodules import Batch
from lightning_modules.cross_validation import CrossValidation


class ImportedModel(Callback):
    """Writes the checkpoint of a fold that has no epochs to train, before its test marks the fold as finished.

    Args:
        validation: the run's cross-validation, which provides the path of checkpoints and the description of the data.
        fold: number of the fold, from 1.
    """

    def __init__(self, validation: CrossValidation, fold: int) -> None:
        self.validation = validation
        self.path = validation.run.checkpoint(fold)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoint, and warn that its training clips are unknown."""
        self.validation.begin_fold(trainer, pl_module)
        self.validation.epochs = 0
        trainer.save_checkpoint(self.path, weights_only=True)
        if trainer.is_global_zero:
            warnings.warn(
                "which clips this model was trained on is not known; its test is honest only if it has never seen a "
                "recording of the test part, which split.csv lists",
                stacklevel=2,
            )

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Say so if the outputs for the first batch are probabilities, which the attacks would take for logits."""
        if batch_idx > 0 or not trainer.is_global_zero:
            return
        finding = find_probabilities(outputs.float())
        if not finding.passed:
            warnings.warn(f"the imported model's {finding.found}; {finding.remedy}", stacklevel=2)
