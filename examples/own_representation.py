"""A representation of your own: a spectrogram scaled by the fourth root of its power instead of decibels.

.venv/bin/python examples/own_representation.py
PYTHONPATH=examples .venv/bin/python train.py --data.representation own_representation.RootSpectrogram
"""

import torch
from torch import Tensor

from attacks import DeepFool
from representations import STFT


class RootSpectrogram(STFT):
    """The spectrogram of ``STFT`` with the fourth root of the power in each cell, relative to the clip's largest."""

    def __init__(self, *, n_fft: int = 1024, sample_rate: int = 16000) -> None:
        super().__init__(n_fft=n_fft, sample_rate=sample_rate)

    def scaled(self, cells: Tensor) -> Tensor:
        """Map power ``(batch, rows, columns)`` to [0, 1]; the small constant keeps the gradient of silence finite."""
        roots = (cells + 1e-10) ** 0.25
        return roots / roots.amax(dim=(1, 2), keepdim=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    representation = RootSpectrogram()
    sounds = torch.rand(4, 1, 16000) * 2 - 1
    maps = representation(sounds)  # float32 in [0, 1], one channel
    print(
        f"sounds {tuple(sounds.shape)} -> maps {tuple(maps.shape)}, {float(maps.min()):.2f} to {float(maps.max()):.2f}"
    )
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128 * 128, 5))
    outcome = DeepFool(model, bounds=(0.0, 1.0)).run(maps, model(maps).argmax(dim=1))
    print(f"fooled {int(outcome.success.sum())} of {len(outcome)}, median l2 {outcome.l2.median():.4f}")
