"""How much of an STFT each method of resizing its map preserves: ``python -m benchmarks.map_resize``.

For each ``resize_method`` and each n_fft of the paper, two things are printed: the share of native cells that have no
influence on the map, by the gradient of a clip of noise, and the level at which steady tones are drawn. There is one
tone on every native bin between the lowest and the highest, each in a clip of its own with nothing else; its level is
that of the brightest row in the middle column of the map, less that of the brightest row of the native map. Maps are in
dB relative to the loudest cell of what they are made of, so ``power_mean``, which averages before that, draws a lone
tone at the level of the map's loudest cell.
"""

import argparse
import math
from typing import get_args

import torch
from torch import Tensor

from representations import STFT
from representations.representation import ResizeMethod

RANGE_DECIBELS = 80.0
"""What 0 to 1 in a map of STFT stands for."""


class RecordedSTFT(STFT):
    """An STFT that stores its native cells, so that gradients with respect to them can be computed."""

    recorded: Tensor

    def cells(self, clips: Tensor) -> Tensor:
        """See :meth:`STFT.cells`."""
        self.recorded = super().cells(clips).detach().requires_grad_()
        return self.recorded


def share_without_influence(method: ResizeMethod, n_fft: int, rate: int, samples: int) -> float:
    """Share, in [0, 1], of the native cells of a clip of noise on which the map does not depend."""
    clip = 0.1 * torch.randn(1, 1, samples, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    representation = RecordedSTFT(sample_rate=rate, n_fft=n_fft, resize_method=method)
    representation(clip).sum().backward()
    assert representation.recorded.grad is not None
    return float((representation.recorded.grad == 0).double().mean())


def tone_levels(method: ResizeMethod, n_fft: int, rate: int, samples: int) -> Tensor:
    """Level of a steady tone on each native bin, in dB relative to its level in the native map, ``(bins,)``."""
    resized = STFT(sample_rate=rate, n_fft=n_fft, resize_method=method)
    native = STFT(sample_rate=rate, n_fft=n_fft, resize=None)
    time = torch.arange(samples, dtype=torch.float64)
    levels = []
    with torch.inference_mode():
        for tone in range(1, n_fft // 2):
            clip = 0.5 * torch.sin(2 * math.pi * tone / n_fft * time).view(1, 1, -1)
            drawn, true = (found[0, 0, :, found.shape[3] // 2].amax() for found in (resized(clip), native(clip)))
            levels.append(RANGE_DECIBELS * (drawn - true))
    return torch.stack(levels)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample-rate", type=int, default=22050, help="Hz")
    parser.add_argument("--clip-seconds", type=float, default=5.0)
    parser.add_argument("--n-fft", type=int, nargs="+", default=[512, 1024, 2048])
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    samples = round(arguments.clip_seconds * arguments.sample_rate)
    print("| resize_method | n_fft | cells without influence | worst tone (dB) | median tone (dB) |")
    print("|---|---|---|---|---|")
    for method in get_args(ResizeMethod):
        for n_fft in arguments.n_fft:
            unused = share_without_influence(method, n_fft, arguments.sample_rate, samples)
            levels = tone_levels(method, n_fft, arguments.sample_rate, samples)
            print(
                f"| {method} | {n_fft} | {100 * unused:.1f} % | {float(levels.min()):.1f} | "
                f"{float(levels.median()):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
