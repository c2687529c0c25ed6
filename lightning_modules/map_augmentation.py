"""Random changes of training maps; they never touch what is validated, tested or attacked."""

import torch
from torch import Tensor


def roll_in_time(maps: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each map along its columns by its own circular amount, uniform over all columns.

    Args:
        maps: ``(batch, 1, rows, columns)``.
        generator: source of the amounts, on the CPU.

    Returns:
        Maps of the same shape.
    """
    columns = maps.shape[-1]
    shifts = torch.randint(columns, (len(maps), 1), generator=generator)
    index = (torch.arange(columns) - shifts) % columns
    return maps.gather(-1, index.to(maps.device)[:, None, None, :].expand_as(maps))


def mix_up(maps: Tensor, labels: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mix each clip with another of its batch, in one proportion drawn from Beta(alpha, alpha).

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018, Eq. 1.

    Args:
        maps: ``(batch, 1, rows, columns)``.
        labels: class probabilities ``(batch, classes)``.
        alpha: parameter of the Beta distribution, above 0.
        generator: source of pairs and proportion, on the CPU.

    Returns:
        Mixed maps and class probabilities.
    """
    partners = torch.randperm(len(maps), generator=generator).to(maps.device)
    # A Beta(alpha, alpha) draw is the first of two normalised Gamma(alpha) draws; only these take a generator.
    first, second = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    share = first / (first + second) if first + second > 0 else 1.0
    return maps.lerp(maps[partners], 1 - share), labels.lerp(labels[partners], 1 - share)
