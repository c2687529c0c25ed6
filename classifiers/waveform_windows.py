"""Nets of a fixed number of samples on clips of any length."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class OverWindows(nn.Module):
    """Mean of a net's logits over windows that cover a clip evenly and overlap by half at least.

    So the dense layers have the size of the published net whatever the length of a clip. A clip that is shorter than a
    window is followed by zeros. Training sees the mean too, where the publications train on single random windows.

    Args:
        net: windows ``(batch, 1, samples)`` to logits ``(batch, classes)``.
        samples: length of a window.
    """

    def __init__(self, net: nn.Module, samples: int) -> None:
        super().__init__()
        self.net = net
        self.samples = samples

    def forward(self, waveforms: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of waveforms ``(batch, 1, time)``."""
        starts = window_starts(waveforms.shape[2], self.samples)
        padded = F.pad(waveforms, (0, max(0, self.samples - waveforms.shape[2])))
        windows = torch.stack([padded[:, :, start : start + self.samples] for start in starts], dim=1)
        return self.net(windows.flatten(0, 1)).unflatten(0, (-1, len(starts))).mean(dim=1)


def window_starts(time: int, samples: int) -> list[int]:
    """First samples of windows from the beginning of a clip to its end, at most half a window apart."""
    rest = max(0, time - samples)
    steps = -(-rest * 2 // samples)
    return [round(rest * step / max(1, steps)) for step in range(steps + 1)]


def require_random_weights(architecture: str, pretrained: bool) -> None:
    """Raise ``ValueError`` if weights are asked for that nobody has published."""
    if pretrained:
        raise ValueError(f"expected pretrained false with {architecture}, of which no weights are published, got true")
