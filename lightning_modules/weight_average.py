"""A moving average of the weights, which is what validation judges and what a checkpoint keeps."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class WeightAverage(WeightAveraging):
    r"""Exponential moving average of weights and of batch statistics over training steps.

    .. math:: \bar w_{n+1} = d_n \bar w_n + (1 - d_n) w_{n+1},\quad d_n = \min(d, \tfrac{1 + n}{10 + n})

    On a few hundred clips single epochs swing by ten points of accuracy; their average does not. The decay rises from
    0.1 so that the first, random weights are soon forgotten. A checkpoint of weights alone holds the average (with
    :func:`keep_average`); one to go on from holds both, so that an interrupted fold loses nothing.

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

        def average(averaged: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
            # Counters, such as a batch norm's number of batches, are no averages.
            if not averaged.is_floating_point():
                return current
            rising = (1 + int(steps)) / (10 + int(steps))
            return averaged.lerp(current, 1 - min(decay, rising))

        super().__init__(avg_fn=average)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore both sets of weights when a fold continues; a test takes the average as the checkpoint gives it."""
        if trainer.training or "current_model_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


def keep_average(trainer: pl.Trainer, checkpoint: dict[str, Any]) -> None:
    """Put the average, where there is one, into a checkpoint of weights alone.

    Lightning calls callbacks only for checkpoints that training can go on from; a module calls this in its own
    ``on_save_checkpoint``.
    """
    callbacks: list[pl.Callback] = getattr(trainer, "callbacks", [])
    for callback in callbacks if "optimizer_states" not in checkpoint else []:
        if isinstance(callback, WeightAverage) and callback._average_model is not None:
            state = callback._average_model.module.state_dict()
            checkpoint["state_dict"] = {
                name: value for name, value in state.items() if name in checkpoint["state_dict"]
            }
