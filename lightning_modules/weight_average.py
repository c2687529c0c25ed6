"""A moving average of the weights, which is validated and stored in checkpoints."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage(WeightAveraging):
    r"""Exponential moving average of weights and of batch statistics over training steps.

    .. math:: \bar w_{n+1} = d_n \bar w_n + (1 - d_n) w_{n+1},\quad d_n = \min(d, \tfrac{1 + n}{10 + n})

    On a few hundred clips, the accuracy of single epochs fluctuates by ten points; that of the average does not. The
    decay rises from 0.1 so that the random initial weights are soon forgotten. A weights-only checkpoint contains the
    average (by :func:`keep_average`); a checkpoint to resume from contains both, so that nothing is lost.

    Args:
        decay: d, in (0, 1).

    References:
        B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 1992.
        The rising decay is that of TensorFlow's ExponentialMovingAverage.

    Raises:
        ValueError: for a decay outside (0, 1).
    """

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"expected a decay between 0 and 1, got {decay}")

        def average(averaged: list[Tensor], current: list[Tensor], steps: Tensor | int) -> None:
            if averaged[0].is_floating_point():
                share = min(decay, (1 + int(steps)) / (10 + int(steps)))
                get_ema_multi_avg_fn(share)(averaged, current, steps)
                return
            # Counters, such as a batch norm's number of batches, cannot be averaged.
            for kept, new in zip(averaged, current, strict=True):
                kept.copy_(new)

        # All tensors in one call: on a GPU one by one would wait for the number of steps at each.
        super().__init__(multi_avg_fn=average)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Create the average on the device on which the module will be trained.

        Lightning moves the module there only afterwards; without this the average of a module on a GPU stays on the
        CPU, and every step copies all weights to it.
        """
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            self._average_model.to(trainer.strategy.root_device)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore both sets of weights when a fold is resumed; a test loads the average, which the checkpoint holds."""
        if trainer.training or "current_model_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


def keep_average(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> None:
    """Put the average, if there is one, into a weights-only checkpoint.

    Lightning calls callbacks only for checkpoints from which training can be resumed; therefore a module calls this in
    its own ``on_save_checkpoint``.
    """
    callbacks: list[pl.Callback] = getattr(trainer, "callbacks", [])
    for callback in callbacks if "optimizer_states" not in checkpoint else []:
        if isinstance(callback, WeightAverage) and callback._average_model is not None:
            state = callback._average_model.module.state_dict()
            checkpoint["state_dict"] = {
                name: value for name, value in state.items() if name in checkpoint["state_dict"]
            }
