"""The scalar test of section V-C of the paper: what is left of an adversarial that is multiplied by a number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.clip_random import random_uniform

DRAWS = 20
GAINS_DB = (-40.0, -30.0, -20.0, -12.0, -6.0, -3.0, 0.0, 3.0, 6.0, 12.0)
"""Fixed gains in dB; 0 changes nothing, so there no label can be restored."""
STREAM = 7001
"""Number of the draw, apart from those of attacks and noise."""


@dataclass(frozen=True)
class ScalarTest:
    """What a classifier says of adversarials, and of their clean clips, times scalars.

    Attributes:
        scalars: float64 ``(clips, draws)`` in (0, 1).
        restored: whether each multiplied adversarial gets the true label, bool ``(clips, draws)``.
        clean_correct: the same of the clean clips times the same scalars.
        restored_at_gain: whether the adversarials get the true label at each fixed gain, bool ``(clips, gains)``.
        clean_correct_at_gain: the same of the clean clips.
    """

    scalars: Tensor
    restored: Tensor
    clean_correct: Tensor
    restored_at_gain: Tensor
    clean_correct_at_gain: Tensor


def draw_scalars(ids: Tensor, seed: int, draws: int = DRAWS) -> Tensor:
    """Numbers uniform in (0, 1), a function of clip, seed and draw: float64 ``(clips, draws)``.

    Args:
        ids: integer identities of the clips ``(clips,)``.
        seed: seed of the run.
        draws: numbers per clip.
    """
    # Half a step, because the numbers are multiples of 2^-53 from 0.
    return random_uniform(ids, seed, (draws,), STREAM) + 2.0**-54


@torch.no_grad()
def scalar_test(
    classify: Callable[[Tensor], Tensor],
    adversarials: Tensor,
    clean: Tensor,
    labels: Tensor,
    ids: Tensor,
    *,
    seed: int = 0,
    bounds: tuple[float, float] = (0.0, 1.0),
    draws: int = DRAWS,
    gains_db: Sequence[float] = GAINS_DB,
) -> ScalarTest:
    """Multiply adversarials by scalars and ask whether the true label comes back.

    Products outside the bounds, which only gains above 0 dB make, are moved to the nearest bound.

    Args:
        classify: inputs ``(clips, ...)`` to logits ``(clips, classes)``.
        adversarials: maps or waveforms that fool the classifier ``(clips, ...)``.
        clean: what they were made from, of the same shape.
        labels: true classes ``(clips,)``.
        ids: integer identities of the clips ``(clips,)``; a clip's scalars follow from its own.
        seed: seed of the run.
        bounds: what an input may hold.
        draws: random scalars per clip.
        gains_db: fixed gains, the same for all clips.

    Raises:
        ValueError: if adversarials and clean clips have different shapes.
    """
    if adversarials.shape != clean.shape:
        raise ValueError(f"expected clean inputs {tuple(adversarials.shape)}, got {tuple(clean.shape)}")
    scalars = draw_scalars(ids, seed, draws)
    gains = torch.tensor([10 ** (gain / 20) for gain in gains_db], dtype=torch.float64).expand(len(ids), -1)

    def right(inputs: Tensor, factors: Tensor) -> Tensor:
        shape = (-1, *[1] * (inputs.ndim - 1))
        answers = [
            classify((inputs * factor.to(inputs).reshape(shape)).clamp(*bounds)).argmax(dim=1) == labels
            for factor in factors.unbind(1)
        ]
        return torch.stack(answers, dim=1)

    return ScalarTest(
        scalars, right(adversarials, scalars), right(clean, scalars), right(adversarials, gains), right(clean, gains)
    )
