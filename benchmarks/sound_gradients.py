"""Gradients of loss through representation and classifier on real sound: ``python -m benchmarks.sound_gradients DIR``.

Ten clips of ESC-10 in DIR, one of each class, whole, at 8 kHz, in float64, through an untrained ResNet-18. The
derivatives in three random directions are compared with central differences of six steps, 1e-6 to 1e-11 of the clip's
peak, of which the best counts: long steps pass kinks (cells at the floor of a map, ReLU), short ones are lost in
rounding, and where that happens is the clip's own. A clip's error is the norm of the three errors over that of the
three derivatives, because one derivative may be next to zero by cancellation. Noise at -80 dB of full scale is added
first, because equal neighbours among 16-bit samples make wavelet coefficients of zero, where abs(W) has no derivative.
Exactly zero gradients are counted on the clips as they are, outside stretches of 20 ms in which no sample exceeds two
steps of 16 bits.
"""

import sys
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from classifiers import build_classifier
from classifiers.sound_victim import SoundVictim
from datamodules import ESC10
from representations import DWT, MFCC, STFT, LogMel, Representation

SAMPLE_RATE = 8000
DIRECTIONS = 3
STEPS = tuple(10.0**-exponent for exponent in range(6, 12))
STRETCH = SAMPLE_RATE // 50
SIXTEEN_BITS = 2.0**-15
REPRESENTATIONS: dict[str, Callable[[], Representation]] = {
    "STFT": lambda: STFT(sample_rate=SAMPLE_RATE),
    "STFT, `power_mean`": lambda: STFT(sample_rate=SAMPLE_RATE, resize_method="power_mean"),
    "LogMel": lambda: LogMel(sample_rate=SAMPLE_RATE),
    "MFCC": lambda: MFCC(sample_rate=SAMPLE_RATE),
    "DWT, Morlet": lambda: DWT(sample_rate=SAMPLE_RATE, mother="morlet"),
    "DWT, Mexican hat": lambda: DWT(sample_rate=SAMPLE_RATE, mother="mexican_hat"),
    "DWT, Haar": lambda: DWT(sample_rate=SAMPLE_RATE, mother="haar"),
}


def one_clip_of_each_class(root: str) -> Tensor:
    """The first clip of each class, ``(10, 1, time)``, float64."""
    data = ESC10(root=root, representation=STFT(sample_rate=SAMPLE_RATE))
    data.prepare_data()
    data.setup("test")
    labels = data.table.labels.tolist()
    first = [labels.index(label) for label in sorted(set(labels))]
    return torch.stack([torch.from_numpy(data.waveforms.read(clip, 0)).double()[None] for clip in first])


def losses(victim: nn.Module, waveforms: Tensor) -> Tensor:
    """Cross-entropy of class 0 for each clip, ``(clips,)``."""
    logits = victim(waveforms)
    return logits.logsumexp(dim=1) - logits[:, 0]


def gradients(victim: nn.Module, waveforms: Tensor) -> Tensor:
    """Gradient of each clip's loss, ``(clips, 1, time)``."""
    points = waveforms.clone().requires_grad_()
    return torch.autograd.grad(losses(victim, points).sum(), points)[0]


@torch.no_grad()
def relative_errors(victim: nn.Module, waveforms: Tensor, gradient: Tensor, directions: Tensor) -> Tensor:
    """Distance of derivatives from the nearest central differences, over their norm, ``(clips,)``.

    Args:
        victim: from waveforms to logits.
        waveforms: ``(clips, 1, time)``.
        gradient: of the loss, with that shape.
        directions: ``(directions, clips, 1, time)``.
    """
    derivatives = (gradient * directions).flatten(2).sum(dim=2)
    peaks = waveforms.abs().amax(dim=2, keepdim=True)
    errors = []
    for direction, derivative in zip(directions, derivatives, strict=True):
        distances = []
        for step in STEPS:
            change = step * peaks * direction
            difference = losses(victim, waveforms + change) - losses(victim, waveforms - change)
            distances.append((difference / (2 * step * peaks.flatten()) - derivative).abs())
        errors.append(torch.stack(distances).amin(dim=0))
    return torch.stack(errors).norm(dim=0) / derivatives.norm(dim=0)


def zero_share(gradient: Tensor, waveforms: Tensor) -> float:
    """Share of exactly zero gradients outside stretches of digital silence, with or without dither."""
    stretches, slopes = (values.flatten().unfold(0, STRETCH, STRETCH) for values in (waveforms, gradient))
    sounding = stretches.abs().amax(dim=1) > 2 * SIXTEEN_BITS
    return float((slopes[sounding] == 0).double().mean())


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    clips = one_clip_of_each_class(sys.argv[1])
    generator = torch.Generator().manual_seed(0)
    noisy = clips + 1e-4 * torch.randn(clips.shape, generator=generator, dtype=clips.dtype)
    directions = torch.randn((DIRECTIONS, *clips.shape), generator=generator, dtype=clips.dtype)
    table = Table("representation", "relative error, median", "largest", "zero gradients")
    for name, build in REPRESENTATIONS.items():
        torch.manual_seed(0)
        classifier = build_classifier("resnet18", 10).double().eval()
        victim = SoundVictim(build(), classifier).requires_grad_(False)
        errors = relative_errors(victim, noisy, gradients(victim, noisy), directions)
        zeros = zero_share(gradients(victim, clips), clips)
        table.add_row(name, f"{float(errors.median()):.1e}", f"{float(errors.max()):.1e}", f"{zeros:.3%}")
    Console().print(table)


if __name__ == "__main__":
    main()
