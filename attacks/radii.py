"""Largest perturbation per clip: the same for all, or from a signal-to-noise ratio relative to each clip."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def snr_radii(inputs: Tensor, snr_db: float, norm: str) -> Tensor:
    r"""Largest perturbation per clip at a given signal-to-noise ratio.

    In l_2 the radius is :math:`\|x\|_2\,10^{-SNR/20}`; a perturbation of that length has exactly this ratio. In l_inf
    it is :math:`\mathrm{rms}(x)\,10^{-SNR/20}`; a perturbation that moves every value by it has exactly this ratio.

    Args:
        inputs: clean ``(clips, ...)``.
        snr_db: signal-to-noise ratio in dB; the radius of a clip of zeros is 0.
        norm: ``"l2"`` or ``"linf"``.

    Returns:
        float64 ``(clips,)``, in the units of the inputs.

    Raises:
        ValueError: for another norm.
    """
    if norm not in ("l2", "linf"):
        raise ValueError(f"expected snr_db with a norm among l2 and linf, got {norm!r}")
    flat = inputs.detach().flatten(1).double()
    length = flat.norm(dim=1) if norm == "l2" else flat.norm(dim=1) / math.sqrt(flat.shape[1])
    return length * 10.0 ** (-snr_db / 20.0)


def broadcast(values: Tensor, like: Tensor) -> Tensor:
    """Reshape one value per clip ``(clips,)`` for broadcasting with inputs ``(clips, ...)``, in their type."""
    return values.to(like.dtype).view(-1, *(1 for _ in like.shape[1:]))


def check_radius(delta: float, snr_db: float | None) -> None:
    """Raise ``ValueError`` for a negative delta or a signal-to-noise ratio that is not finite."""
    if not delta >= 0:
        raise ValueError(f"expected delta of at least 0, got {delta}")
    if snr_db is not None and not math.isfinite(snr_db):
        raise ValueError(f"expected a finite snr_db, got {snr_db}")


def is_within(outcome_norm: Tensor, radii: Tensor, inputs: Tensor, norm: str) -> Tensor:
    """Whether the perturbation of each clip respects its radius, up to the rounding of float32.

    Args:
        outcome_norm: length of the perturbation in ``norm``, ``(clips,)``.
        radii: largest allowed length ``(clips,)``, infinite without a bound.
        inputs: clean ``(clips, ...)``; the rounding error of adding a perturbation is proportional to them.
        norm: ``"linf"``, ``"l2"`` or ``"l0"``.

    Returns:
        bool ``(clips,)``.
    """
    flat = inputs.detach().flatten(1).double()
    size = flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1).clamp(min=1.0)
    rounding = 4 * torch.finfo(torch.float32).eps * size
    return outcome_norm.double() <= radii * (1 + 1e-5) + rounding
