"""A victim that an attack cannot change, whatever happens during the attack."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def frozen(victim: nn.Module) -> Iterator[None]:
    """Put a victim into eval mode without parameter gradients, and leave it exactly as it was found.

    Modes are kept module by module, because a model in training may hold batch norms that are frozen in eval mode;
    ``requires_grad`` is kept parameter by parameter. Both come back after an exception too. Gradients are enabled
    inside, also under ``torch.no_grad`` and ``torch.inference_mode``.

    Args:
        victim: any module; a user may choose other modes inside the block.
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
    """Return the device of the victim's first parameter or buffer, or ``default`` where it has neither."""
    for tensor in (*victim.parameters(), *victim.buffers()):
        return tensor.device
    return default
