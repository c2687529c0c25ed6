"""Networks with a fixed number of input samples, applied to clips of any length."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class OverWindows(nn.Module):
    """Mean of a network's logits over evenly spaced windows that cover a clip and overlap by at least half.

    The dense layers thus have the size of the published network whatever the length of a clip. A clip shorter than a
    window is padded with zeros at its end. Training uses the mean too, whereas the publications train on single random
    windows.

    Args:
        net: windows ``(batch, 1, samples)`` to logits ``(batch, classes)``.
        samples: length of a window in samples.
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
    """First sample of each window; windows are evenly spaced from end to end, by half a window or less."""
    rest = max(0, time - samples)
    steps = -(-rest * 2 // samples)
    return [round(rest * step / max(1, steps)) for step in range(steps + 1)]


def require_random_weights(architecture: str, pretrained: bool) -> None:
    """Raise ``ValueError`` if pretrained weights are requested; none are published for this architecture."""
    if pretrained:
        raise ValueError(f"expected pretrained=False for {architecture}, got True; no weights of it are published")
