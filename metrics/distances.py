"""Size of a perturbation: l_2, l_inf and l_0 distances and signal-to-noise ratio per clip, and their medians."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

TOUCHED = 1e-6
"""Smallest change of a value that counts in l_0; smaller ones may be float32 rounding."""


def l2_distance(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""Euclidean length of the perturbation per clip, :math:`\|x' - x\|_2`, computed in float64.

    Args:
        clean: inputs ``(clips, ...)``.
        adversarial: the same clips after the attack.

    Returns:
        float64 ``(clips,)``, in the units of the input.

    Raises:
        ValueError: if the shapes differ.
    """
    return _difference(clean, adversarial).square().sum(dim=1).sqrt()


def linf_distance(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""Largest change of a value per clip, :math:`\max_p |x'_p - x_p|`; shapes and units as in :func:`l2_distance`."""
    return _difference(clean, adversarial).abs().amax(dim=1)


def l0_distance(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""Number of values that changed, :math:`|\{p : |x'_p - x_p| > 10^{-6}\}|`, int64 ``(clips,)``."""
    return (_difference(clean, adversarial).abs() > TOUCHED).sum(dim=1)


def snr_db(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""Signal-to-noise ratio per clip in dB, :math:`10 \log_{10} (\|x\|_2^2 / \|x' - x\|_2^2)`.

    It is :math:`+\infty` for an unchanged clip, even one of all zeros, and :math:`-\infty` for a clip of all zeros
    that was changed. Shapes as in :func:`l2_distance`.
    """
    noise = _difference(clean, adversarial).square().sum(dim=1)
    signal = clean.detach().flatten(1).cpu().double().square().sum(dim=1)
    ratio = 10 * (signal.log10() - noise.log10())
    return torch.where(noise == 0, torch.inf, ratio)


def allowed_amplitude(budget: Mapping[str, Any]) -> float | None:
    r"""How large a perturbation a budget allows, so that the sizes of an attack's budgets can be ordered and compared.

    Args:
        budget: settings of the budget.

    Returns:
        Its ``delta``, or :math:`10^{-SNR/20}`, the share of the signal's amplitude, for its ``snr_db``; None for a
        budget that sets no size.
    """
    if budget.get("delta") is not None:
        return float(budget["delta"])
    return None if budget.get("snr_db") is None else float(10.0 ** (-budget["snr_db"] / 20.0))


def consistency(shown: Tensor, adversarial: Tensor, clean: Tensor) -> Tensor:
    r"""Share of an attack's change that its sound does not reproduce, :math:`\|T(x') - m'\|_2 / \|m' - T(x)\|_2`.

    It is 0 if the map of the sound x', which was made from the adversarial map m', equals m', and 1 if it is as far
    from m' as the clean map T(x).

    Args:
        shown: T(x'), the maps of the sounds, ``(clips, ...)``.
        adversarial: m', the maps from which the sounds were made, of the same shape.
        clean: T(x), the maps of the clean clips, of the same shape.

    Returns:
        float64 ``(clips,)``, at least 0; NaN where the attack changed nothing.

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
    r"""Median of a distance over the successful adversarials, :math:`\mathrm{med}\{v_i : s_i\}`.

    Args:
        values: distances or SNR ``(clips,)``, over S.
        success: bool ``(clips,)``.

    Returns:
        The median in the unit of the values; NaN without a success.

    Raises:
        ValueError: if the two differ in length.
    """
    _require_same_clips(values, success)
    fooled = values.detach().cpu().double()[success.cpu()]
    return float(np.median(fooled.numpy())) if len(fooled) else float("nan")


def median_over_all(values: Tensor, success: Tensor, failure: float = float("inf")) -> float:
    r"""Median over S, counting each failure as an infinite perturbation, :math:`\mathrm{med}\{s_i ? v_i : \infty\}`.

    Args:
        values: distances or SNR ``(clips,)``, over S.
        success: bool ``(clips,)``.
        failure: value of a failure: infinity for a distance, minus infinity for an SNR in dB.

    Returns:
        The median in the unit of the values; infinite if the attack failed on half of the clips or more; NaN without
        a clip.

    Raises:
        ValueError: if the two differ in length.
    """
    _require_same_clips(values, success)
    counted = torch.where(success.cpu(), values.detach().cpu().double(), failure)
    return float(np.median(counted.numpy())) if len(counted) else float("nan")


def _require_same_clips(values: Tensor, success: Tensor) -> None:
    if values.shape != success.shape or values.ndim != 1:
        raise ValueError(
            f"expected a value and a success for each clip, got {tuple(values.shape)} and {tuple(success.shape)}"
        )
