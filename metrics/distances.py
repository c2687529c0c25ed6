"""Size of a perturbation, clip by clip: l_2, l_inf, l_0 and signal-to-noise ratio."""

import torch
from torch import Tensor

TOUCHED = 1e-6
"""A value has changed if it moved by more than this; below it float32 rounds."""


def l2_distance(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""Euclidean length of the perturbation, :math:`\|x' - x\|_2`, in float64.

    Args:
        clean: inputs ``(clips, ...)``.
        adversarial: the same clips attacked.

    Returns:
        float64 ``(clips,)``.

    Raises:
        ValueError: if the shapes differ.
    """
    return _difference(clean, adversarial).square().sum(dim=1).sqrt()


def linf_distance(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""Largest change of a value, :math:`\max_p |x'_p - x_p|`; shapes as in :func:`l2_distance`."""
    return _difference(clean, adversarial).abs().amax(dim=1)


def l0_distance(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""How many values changed, :math:`|\{p : |x'_p - x_p| > 10^{-6}\}|`, int64; shapes as in :func:`l2_distance`."""
    return (_difference(clean, adversarial).abs() > TOUCHED).sum(dim=1)


def snr_db(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""Signal-to-noise ratio in decibel, :math:`10 \log_{10} (\|x\|_2^2 / \|x' - x\|_2^2)`.

    An unchanged clip has :math:`+\infty`, also where it is all zeros; a changed clip of zeros has :math:`-\infty`.
    Shapes as in :func:`l2_distance`.
    """
    noise = _difference(clean, adversarial).square().sum(dim=1)
    signal = clean.detach().flatten(1).cpu().double().square().sum(dim=1)
    ratio = 10 * (signal.log10() - noise.log10())
    return torch.where(noise == 0, torch.inf, ratio)


def _difference(clean: Tensor, adversarial: Tensor) -> Tensor:
    if clean.shape != adversarial.shape or clean.ndim < 2:
        raise ValueError(
            f"expected the same clips (clips, ...) clean and attacked, got {tuple(clean.shape)} and "
            f"{tuple(adversarial.shape)}"
        )
    return adversarial.detach().flatten(1).cpu().double() - clean.detach().flatten(1).cpu().double()
