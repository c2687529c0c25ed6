"""The scalar test of section V-C of the paper: whether an adversarial multiplied by a scalar still fools."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.clip_random import random_uniform

DRAWS = 20
GAINS_DB = (-40.0, -30.0, -20.0, -12.0, -6.0, -3.0, 0.0, 3.0, 6.0, 12.0)
"""Fixed gains in dB; a gain of 0 dB changes nothing, so that it cannot restore a label."""
STREAM = 7001
"""Number of the draw, different from those of attacks and noise."""


@dataclass(frozen=True)
class ScalarTest:
    """Whether adversarials and their clean clips are classified correctly when multiplied by scalars.

    Attributes:
        scalars: float64 ``(clips, draws)`` in (0, 1).
        restored: whether each multiplied adversarial is assigned its true label, bool ``(clips, draws)``.
        clean_correct: the same for the clean clips multiplied by the same scalars.
        restored_at_gain: whether each adversarial is assigned its true label at each gain, bool ``(clips, gains)``.
        clean_correct_at_gain: the same for the clean clips.
    """

    scalars: Tensor
    restored: Tensor
    clean_correct: Tensor
    restored_at_gain: Tensor
    clean_correct_at_gain: Tensor


def draw_scalars(ids: Tensor, seed: int, draws: int = DRAWS) -> Tensor:
    """Draw scalars uniformly from (0, 1), as a function of clip, seed and draw.

    Args:
        ids: integer identities of the clips ``(clips,)``.
        seed: seed of the run.
        draws: number of scalars per clip.

    Returns:
        float64 ``(clips, draws)``.
    """
    # The numbers are multiples of 2^-53, including 0; half a step excludes 0.
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
    """Multiply adversarials by scalars and test whether the true label is restored.

    Products of gains above 0 dB are clamped to the bounds. An adversarial that lies outside of them, as sounds made of
    maps may, is clamped to its own range instead, so that a gain of 0 dB changes nothing.

    Args:
        classify: function from inputs ``(clips, ...)`` to logits ``(clips, classes)``.
        adversarials: maps or waveforms that fool the classifier ``(clips, ...)``.
        clean: the clean inputs, of the same shape, or one input if all adversarials are of one clip.
        labels: true classes ``(clips,)``.
        ids: integer identities of the clips ``(clips,)``, which determine their scalars.
        seed: seed of the run.
        bounds: smallest and largest value of an input.
        draws: number of random scalars per clip.
        gains_db: fixed gains in dB, the same for all clips.

    Returns:
        The scalars and the result for every clip and scalar.

    Raises:
        ValueError: if adversarials and clean clips have different shapes, or there is one clean input of several clips.
    """
    of_one_clip = len(clean) == 1 and bool((ids == ids[0]).all())
    if adversarials.shape[1:] != clean.shape[1:] or (len(clean) != len(adversarials) and not of_one_clip):
        raise ValueError(f"expected clean inputs {tuple(adversarials.shape)}, got {tuple(clean.shape)}")
    scalars = draw_scalars(ids, seed, draws)
    gains = torch.tensor([10 ** (gain / 20) for gain in gains_db], dtype=torch.float64).expand(len(ids), -1)

    def right(inputs: Tensor, factors: Tensor) -> Tensor:
        shape = (-1, *[1] * (inputs.ndim - 1))
        low = inputs.flatten(1).amin(1).clamp(max=bounds[0]).reshape(shape)
        high = inputs.flatten(1).amax(1).clamp(min=bounds[1]).reshape(shape)
        right_labels = labels[: len(inputs)]
        answers = [
            classify((inputs * factor.to(inputs).reshape(shape)).clamp(low, high)).argmax(dim=1) == right_labels
            for factor in factors[: len(inputs)].unbind(1)
        ]
        return torch.stack(answers, dim=1).expand(len(adversarials), -1)

    return ScalarTest(
        scalars, right(adversarials, scalars), right(clean, scalars), right(adversarials, gains), right(clean, gains)
    )
