"""Random numbers per clip, the same in every batch, attack, budget and process.

They come from a hash of (clip, seed, counter), not from a generator with a state, so they do not depend on earlier
draws and leave the global generators untouched.
"""

import torch
from torch import Tensor

# Odd constants and shifts of the SplitMix64 finaliser (Steele, Lea and Flood 2014), as signed 64-bit integers.
_INCREMENT = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)


def _shift_right(value: Tensor, bits: int) -> Tensor:
    # torch shifts signed integers arithmetically; the mask removes the copies of the sign bit.
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def scramble(value: Tensor) -> Tensor:
    """Map 64-bit integers one to one onto scrambled 64-bit integers (SplitMix64)."""
    value = value + _INCREMENT
    value = (value ^ _shift_right(value, 30)) * _FIRST
    value = (value ^ _shift_right(value, 27)) * _SECOND
    return value ^ _shift_right(value, 31)


def random_targets(ids: Tensor, labels: Tensor, classes: int, seed: int) -> Tensor:
    """Draw a wrong label uniformly for each clip, as a function of (clip, seed) and the clip's label.

    Args:
        ids: integer identities ``(clips,)``.
        labels: true labels ``(clips,)`` in 0 .. classes - 1.
        classes: number of classes, at least 2.
        seed: seed of the run.

    Returns:
        Targets ``(clips,)``, never the label.

    Raises:
        ValueError: with fewer than two classes.
    """
    if classes < 2:
        raise ValueError(f"expected at least two classes to draw a wrong label from, got {classes}")
    offset = _shift_right(_hash(ids, seed), 1) % (classes - 1)
    return (labels + 1 + offset) % classes


def random_uniform(ids: Tensor, seed: int, shape: tuple[int, ...], stream: int = 0) -> Tensor:
    """Draw numbers uniformly from [0, 1) for each clip, as a function of (clip, seed, stream).

    Args:
        ids: integer identities ``(clips,)``.
        seed: seed of the run.
        shape: shape of the draw per clip.
        stream: number of the draw, if a clip needs several independent ones.

    Returns:
        float64 ``(clips, *shape)``.
    """
    numel = 1
    for size in shape:
        numel *= size
    counter = torch.arange(numel, device=ids.device)
    base = scramble(_hash(ids, seed) + stream)
    bits = _shift_right(scramble(base[:, None] + scramble(counter)[None, :]), 11)
    return (bits.double() * 2.0**-53).reshape(len(ids), *shape)


def identities(inputs: Tensor) -> Tensor:
    """Hash the content of clips, as an identity that does not depend on the batch.

    Args:
        inputs: ``(clips, ...)``, of any floating type.

    Returns:
        int64 ``(clips,)``.
    """
    values = inputs.detach().float().flatten(1).contiguous().view(torch.int32).long()
    weights = scramble(torch.arange(values.shape[1], device=inputs.device))
    return scramble((values * weights).sum(dim=1))


def _hash(ids: Tensor, seed: int) -> Tensor:
    # Without scrambling the seed first, neighbouring clips would swap their numbers between neighbouring seeds.
    key = scramble(torch.tensor(seed, dtype=torch.long, device=ids.device))
    return scramble(ids.long() ^ key)
