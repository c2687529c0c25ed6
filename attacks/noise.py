"""Random noise of the same norm as an attack's perturbation, a baseline that every attack must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from attacks.clip_random import random_uniform
from attacks.outcome import Outcome


def noise_of_equal_norm(
    inputs: Tensor, outcome: Outcome, norm: str, *, ids: Tensor, seed: int, bounds: tuple[float, float] = (0.0, 1.0)
) -> Tensor:
    """Add random noise to every clip, as large as an attack's perturbation in the norm that the attack keeps small.

    In l_inf every feature moves up or down by the attack's largest change; in l_2 Gaussian noise is scaled to the norm
    of the perturbation; in l_0 as many random features as the attack changed are set to the upper bound. Clamping to
    the bounds can only make the noise smaller.

    Args:
        inputs: clean ``(clips, ...)``.
        outcome: result of the attack on them.
        norm: ``"linf"``, ``"l2"`` or ``"l0"``.
        ids: identity of each clip ``(clips,)``; its noise is a function of (clip, seed).
        seed: seed of the noise.
        bounds: smallest and largest value of an input.

    Returns:
        Noisy inputs of the same shape and type.

    Raises:
        ValueError: for an unknown norm.
    """
    uniform = random_uniform(ids, seed, tuple(inputs.shape[1:])).to(inputs.device).flatten(1)
    flat = inputs.flatten(1).double()
    if norm == "linf":
        noisy = flat + outcome.linf[:, None].double() * torch.where(uniform < 0.5, -1.0, 1.0)
    elif norm == "l2":
        gaussian = torch.special.ndtri(uniform.clamp(min=2.0**-53))
        noisy = flat + outcome.l2[:, None].double() * gaussian / gaussian.norm(dim=1, keepdim=True)
    elif norm == "l0":
        rank = uniform.argsort(dim=1).argsort(dim=1)
        noisy = torch.where(rank < outcome.l0[:, None], bounds[1], flat)
    else:
        raise ValueError(f"expected a norm among linf, l2 and l0, got {norm!r}")
    return noisy.clamp(*bounds).view_as(inputs).to(inputs.dtype)
