"""Random augmentation of training maps; maps for validation, test and attacks are never changed."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchaudio.functional import mask_along_axis


def roll_in_time(maps: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each map circularly along its columns by an amount of its own, uniform over all columns.

    Args:
        maps: ``(batch, 1, rows, columns)``, or waveforms ``(batch, 1, time)``.
        generator: random generator for the shifts, on the CPU.

    Returns:
        Maps of the same shape.
    """
    columns = maps.shape[-1]
    shifts = torch.randint(columns, (len(maps), 1), generator=generator)
    index = (torch.arange(columns) - shifts) % columns
    index = index.to(maps.device).reshape(len(maps), *[1] * (maps.ndim - 2), columns)
    return maps.gather(-1, index.expand_as(maps))


def mix_up(maps: Tensor, labels: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each clip with another of its batch, all in one proportion drawn from Beta(alpha, alpha).

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018, Eq. 1.

    Args:
        maps: ``(batch, 1, rows, columns)``.
        labels: class probabilities ``(batch, classes)``.
        alpha: parameter of the Beta distribution, above 0.
        generator: random generator for pairs and proportion, on the CPU.

    Returns:
        Mixed maps and class probabilities, in the shapes of the arguments.
    """
    partners = torch.randperm(len(maps), generator=generator).to(maps.device)
    # A Beta(alpha, alpha) draw is the first of two normalised Gamma(alpha) draws; only those take a generator.
    first, second = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    share = first / (first + second) if first + second > 0 else 1.0
    return maps.lerp(maps[partners], 1 - share), labels.lerp(labels[partners], 1 - share)


def mask_bands(
    maps: Tensor,
    seeds: Sequence[int],
    *,
    frequency_masks: int,
    frequency_mask_width: float,
    time_masks: int,
    time_mask_width: float,
) -> Tensor:
    """Set random bands of rows and of columns of each map to 0, the level of silence (SpecAugment without warping).

    Source: Park et al., SpecAugment, Interspeech 2019. The width of a band is uniform from 0 to the largest one, its
    position uniform over the map; bands may overlap.

    Args:
        maps: ``(batch, 1, rows, columns)``.
        seeds: one per clip, see :func:`datamodules.batches.clip_seeds`.
        frequency_masks: bands of rows per map.
        frequency_mask_width: the largest width of such a band, as a share of the rows.
        time_masks: bands of columns per map.
        time_mask_width: the largest width of such a band, as a share of the columns.

    Returns:
        Maps of the same shape.
    """
    rows, columns = round(frequency_mask_width * maps.shape[2]), round(time_mask_width * maps.shape[3])
    masks = [(1, rows)] * frequency_masks + [(2, columns)] * time_masks
    masked = []
    # torchaudio draws from the global CPU generator, whose state must not change for the rest of the training.
    with torch.random.fork_rng(devices=[]):
        for one, seed in zip(maps, seeds, strict=True):
            torch.default_generator.manual_seed(seed)
            for axis, width in masks:
                one = mask_along_axis(one, width, 0.0, axis)
            masked.append(one)
    return torch.stack(masked)
