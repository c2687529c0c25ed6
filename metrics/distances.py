"""Size of a perturbation: l_2, l_inf, l_0 and signal-to-noise ratio of each clip, and their medians."""

import numpy as np
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


def consistency(shown: Tensor, adversarial: Tensor, clean: Tensor) -> Tensor:
    r"""How much of an attacked map no sound has, :math:`\|T(x') - m'\|_2 / \|m' - T(x)\|_2`, in float64.

    0 where the sound made of an adversarial map m' shows that very map; 1 where it is as far from it as the clean map.

    Args:
        shown: maps of the sounds ``(clips, ...)``.
        adversarial: the maps that the sounds were made of.
        clean: the maps of the clean clips.

    Returns:
        float64 ``(clips,)``; NaN where the attack changed nothing.

    Raises:
        ValueError: if the shapes differ.
    """
    change = l2_distance(clean, adversarial)
    return torch.where(change > 0, l2_distance(adversarial, shown) / change, torch.nan)


def _difference(clean: Tensor, adversarial: Tensor) -> Tensor:
    if clean.shape != adversarial.shape or clean.ndim < 2:
        raise ValueError(
            f"expected the same clips (clips, ...) clean and attacked, got {tuple(clean.shape)} and "
            f"{tuple(adversarial.shape)}"
        )
    return adversarial.detach().flatten(1).cpu().double() - clean.detach().flatten(1).cpu().double()


def median_over_successes(values: Tensor, success: Tensor) -> float:
    r"""Median of a distance over the clips that were fooled, :math:`\mathrm{med}\{v_i : s_i\}`.

    Args:
        values: distances or SNR ``(clips,)``, over S.
        success: bool ``(clips,)``.

    Returns:
        The median, the mean of the two middle values where their number is even; NaN without a success.

    Raises:
        ValueError: if the two are for different numbers of clips.
    """
    _require_same_clips(values, success)
    fooled = values.detach().cpu().double()[success.cpu()]
    return float(np.median(fooled.numpy())) if len(fooled) else float("nan")


def median_over_all(values: Tensor, success: Tensor, failure: float = float("inf")) -> float:
    r"""Median over S in which a failure counts as an infinite perturbation, :math:`\mathrm{med}\{s_i ? v_i : \infty\}`.

    Args:
        values: distances or SNR ``(clips,)``, over S.
        success: bool ``(clips,)``.
        failure: what a failure counts as: infinity for a distance, minus infinity for an SNR in decibel.

    Returns:
        The median; infinite where half of the clips or more withstood; NaN without a clip.

    Raises:
        ValueError: if the two are for different numbers of clips.
    """
    _require_same_clips(values, success)
    counted = torch.where(success.cpu(), values.detach().cpu().double(), failure)
    return float(np.median(counted.numpy())) if len(counted) else float("nan")


def _require_same_clips(values: Tensor, success: Tensor) -> None:
    if values.shape != success.shape or values.ndim != 1:
        raise ValueError(
            f"expected a value and a success for each clip, got {tuple(values.shape)} and {tuple(success.shape)}"
        )
