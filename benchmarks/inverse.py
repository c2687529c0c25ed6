"""Quality of the sounds made from changed maps, for every representation: ``python -m benchmarks.inverse DIR``.

DIR is the folder of ESC-50. Clips of 5 s, at the sample rate of the representation, and three changes of their maps:

- none;
- plus or minus 2/255 in each pixel at random: the size of a weak attack, without its direction;
- smooth: up to 0.1 lower, slowly over rows and columns, and unchanged at the loudest pixel, to which maps are relative.

Printed, as medians over clips: the SNR of the sound in dB and the consistency, that is the distance of the sound's own
map from the wanted one divided by the size of the change. The smooth change is made on white noise too, where no cell
lies at the floor of the map. Last come the time and the largest memory for one clip of 5 s at 22,050 Hz, without and
with a gradient, each in a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from metrics.distances import consistency, snr_db
from representations import DWT, MFCC, STFT, LogMel, Representation

CLIPS = 12
SECONDS = 5
MEMORY_RATE = 22050
KINDS: dict[str, Representation] = {
    "STFT": STFT(),
    "STFT, resize=None": STFT(resize=None),
    "STFT, power_mean": STFT(resize_method="power_mean"),
    "STFT, n_fft 512": STFT(n_fft=512),
    "LogMel": LogMel(),
    "LogMel, resize=None": LogMel(resize=None),
    "MFCC, n_mfcc 40": MFCC(n_mfcc=40),
    "MFCC, n_mfcc 40, resize=None": MFCC(n_mfcc=40, resize=None),
    "DWT morlet": DWT(),
    "DWT morlet, resize=None": DWT(resize=None),
    "DWT mexican_hat": DWT(mother="mexican_hat"),
    "DWT haar": DWT(mother="haar"),
}
AT_ONE_RATE: dict[str, Representation] = {
    "STFT": STFT(sample_rate=MEMORY_RATE),
    "MFCC": MFCC(sample_rate=MEMORY_RATE),
    **{f"DWT {m}": DWT(sample_rate=MEMORY_RATE, mother=m) for m in ("morlet", "mexican_hat", "haar")},
}


def clips_of(folder: Path, rate: int) -> Tensor:
    """Clips at regular intervals of the corpus, ``(clips, 1, time)``."""
    files = sorted((folder / "audio").glob("*.wav"))
    sounds = []
    for file in files[:: len(files) // CLIPS][:CLIPS]:
        sound, of_file = soundfile.read(file)
        sounds.append(soxr.resample(sound, of_file, rate)[: SECONDS * rate])
    return torch.from_numpy(np.stack(sounds)).float()[:, None]


def smooth_change(maps: Tensor) -> Tensor:
    """A slow wave over rows and columns, not above 0 and 0 at the loudest pixel of each map."""
    rows, columns = (torch.linspace(0, 1, size) for size in maps.shape[2:])
    loudest = maps.flatten(1).argmax(1)
    row, column = loudest // maps.shape[3], loudest % maps.shape[3]
    place = torch.cos(2 * (rows[None] - rows[row, None]))[:, :, None]
    moment = torch.cos(2 * (columns[None] - columns[column, None]))[:, None]
    return (0.1 * (place * moment - 1).clamp(min=-1))[:, None]


@torch.no_grad()
def measured(representation: Representation, waveform: Tensor, change: Tensor, maps: Tensor) -> tuple[float, float]:
    """Median SNR in dB and median consistency."""
    changed = (maps + change).clamp(0, 1)
    sound = representation.inverse(waveform, changed, maps)
    nearness = consistency(representation(sound), changed, maps)
    return float(snr_db(waveform, sound).median()), float(nearness.nanmedian())


def memory(name: str, *, gradient: bool) -> None:
    """Print the time in s and the increase of peak memory in GiB for one inverse."""
    representation = AT_ONE_RATE[name]
    waveform = 0.1 * torch.randn(1, 1, SECONDS * MEMORY_RATE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = representation(waveform)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    changed = (maps + 0.01).requires_grad_(gradient)
    with torch.set_grad_enabled(gradient):
        sound = representation.inverse(waveform, changed, maps)
        if gradient:
            sound.square().sum().backward()
    seconds = time.perf_counter() - start
    print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of ESC-50")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--gradient", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        memory(arguments.memory_of, gradient=arguments.gradient)
        return
    console = Console(width=120)
    table = Table(
        "representation", "unchanged, dB", "random signs: dB", "consistency", "smooth: dB", "consistency", "on noise"
    )
    for name, representation in KINDS.items():
        waveform = clips_of(arguments.folder, representation.sample_rate)
        maps = representation(waveform)
        signs = 2 / 255 * torch.sign(torch.randn(maps.shape, generator=torch.Generator().manual_seed(0)))
        noise = 0.1 * torch.randn(2, 1, waveform.shape[2], generator=torch.Generator().manual_seed(0))
        maps_of_noise = representation(noise)
        numbers = [
            measured(representation, waveform, torch.zeros_like(maps), maps)[:1],
            measured(representation, waveform, signs, maps),
            measured(representation, waveform, smooth_change(maps), maps),
            measured(representation, noise, smooth_change(maps_of_noise), maps_of_noise)[1:],
        ]
        table.add_row(name, *(f"{one:.{1 if abs(one) > 5 else 3}f}" for some in numbers for one in some))
    console.print(table)
    table = Table("one clip, 5 s at 22,050 Hz", "inverse, s", "GiB", "with gradient, s", "GiB")
    for name in AT_ONE_RATE:
        costs = []
        for more in ([], ["--gradient"]):
            command = [sys.executable, "-m", "benchmarks.inverse", str(arguments.folder), "--memory-of", name, *more]
            costs += subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        table.add_row(name, *(f"{float(cost):.2f}" for cost in costs))
    console.print(table)


if __name__ == "__main__":
    main()
