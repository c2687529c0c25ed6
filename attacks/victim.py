"""The classifier under attack: its state is restored after an attack, and sanity checks are made before one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@contextmanager
def frozen(victim: nn.Module) -> Iterator[None]:
    """Put a victim into eval mode without parameter gradients inside the block, and restore its state afterwards.

    The mode is restored per module, because a model in training may hold batch norms that are frozen in eval mode, and
    ``requires_grad`` per parameter, both also after an exception. Gradients are enabled inside the block, even under
    ``torch.no_grad`` and ``torch.inference_mode``.

    Args:
        victim: any module; other modes may be set inside the block.
    """
    modes = [(module, module.training) for module in victim.modules()]
    trained = [parameter for parameter in victim.parameters() if parameter.requires_grad]
    try:
        victim.eval()
        for parameter in trained:
            parameter.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in trained:
            parameter.requires_grad_(True)


def device_of(victim: nn.Module, default: torch.device) -> torch.device:
    """Return the device of the victim's first parameter or buffer, or ``default`` if it has neither."""
    for tensor in (*victim.parameters(), *victim.buffers()):
        return tensor.device
    return default


FORWARDS = 5
RANDOMNESS = 1e-4
"""Relative change of logits between two evaluations above which a victim counts as random."""


@dataclass(frozen=True)
class VictimFinding:
    """Result of one sanity check on a victim.

    Args:
        name: name of the check.
        passed: whether it passed.
        found: the finding, in one sentence.
        remedy: what to do if the check fails.
    """

    name: str
    passed: bool
    found: str
    remedy: str


@torch.no_grad()
def check_victim(victim: nn.Module, inputs: Tensor) -> list[VictimFinding]:
    """Make sanity checks on a victim before attacking it: its mode, and its outputs for one batch.

    Args:
        victim: the module to be attacked, in its current mode.
        inputs: a batch ``(clips, ...)`` within the bounds.

    Returns:
        Whether the victim is in eval mode, its outputs are finite, the same on every call, and logits.
    """
    training = [name or "the victim itself" for name, module in victim.named_modules() if module.training]
    outputs = [victim(inputs).float() for _ in range(FORWARDS)]
    first = outputs[0]
    finite = bool(torch.stack([output.isfinite().all() for output in outputs]).all())
    largest = float(first.abs().max().clamp(min=1e-12))
    change = max(float((output - first).abs().max()) for output in outputs) / largest
    return [
        VictimFinding(
            "eval_mode",
            not training,
            f"in training mode: {', '.join(training[:3])}" if training else "every module is in eval mode",
            "call eval() before the attack",
        ),
        VictimFinding(
            "finite",
            finite,
            "finite outputs" if finite else "outputs that are infinite or NaN",
            "look for overflow in the victim; use --trainer.precision 32-true",
        ),
        VictimFinding(
            "deterministic",
            change <= RANDOMNESS,
            f"{FORWARDS} evaluations of one batch differ by {change:.1e} of the largest logit",
            "remove the randomness from the victim, or attack its average over many draws",
        ),
        find_probabilities(first),
    ]


def find_probabilities(outputs: Tensor) -> VictimFinding:
    """Check whether the outputs for one batch are logits rather than probabilities.

    Args:
        outputs: output of a classifier, ``(batch, classes)``.

    Returns:
        The finding; for outputs that all lie in [0, 1] it says whether they come from a softmax or a sigmoid.
    """
    sums = outputs.sum(dim=1)
    # The logits of a whole batch practically never all lie in [0, 1] by chance.
    probabilities = bool(((outputs >= 0) & (outputs <= 1)).all())
    softmax = bool(((sums - 1).abs() < 1e-3).all())
    if not probabilities:
        found, remedy = "outputs are logits", ""
    elif softmax:
        found = "outputs are probabilities: non-negative, and every row adds up to 1 (softmax)"
        remedy = "log(p), which gives logits up to a constant, "
    else:
        found = (
            f"outputs are probabilities: all from 0 to 1, rows add up to {float(sums.min()):.3g} .. "
            f"{float(sums.max()):.3g} (sigmoid, as of a tagger with several labels)"
        )
        remedy = "torch.logit(p), the inverse of the sigmoid, "
    return VictimFinding(
        "logits",
        not probabilities,
        found,
        f"attack the layer before the {'softmax' if softmax else 'sigmoid'}, or {remedy}of the output: "
        "probabilities saturate and hide the gradient",
    )
