"""Time per clip of the wavelet transform, compared with PyWavelets in one run: ``python benchmarks/dwt.py``.

Both compute 128 scales of the complex Morlet wavelet on clips of noise; ours includes the finished map. The two take
turns, so that a busy machine slows both; the medians over rounds and their ratio are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import pywt
import torch

from representations import DWT
from representations.wavelets import scales


def milliseconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    function()
    return 1000.0 * (time.perf_counter() - begin)


def main() -> None:
    """Print both times per clip and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample-rate", type=int, default=8000, help="Hz")
    parser.add_argument("--clip-seconds", type=float, default=5.0)
    parser.add_argument("--batch-size", type=int, default=32, help="clips in a batch of ours")
    parser.add_argument("--peer-clips", type=int, default=2, help="clips per round of pywt.cwt, one call each")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    samples = round(arguments.clip_seconds * arguments.sample_rate)
    clips = 0.1 * torch.randn(arguments.batch_size, 1, samples, generator=torch.Generator().manual_seed(0))
    representation = DWT(sample_rate=arguments.sample_rate)
    peer_scales = scales("morlet", arguments.sample_rate, representation.n_scales).numpy()
    peer_clips = [clip.numpy() for clip in clips[: arguments.peer_clips, 0]]

    def peer() -> None:
        for clip in peer_clips:
            pywt.cwt(clip, peer_scales, "cmor2-1", method="fft")

    ours_times, peer_times = [], []
    with torch.inference_mode():
        representation(clips)
        peer()
        for _ in range(arguments.rounds):
            ours_times.append(milliseconds(lambda: representation(clips)) / len(clips))
            peer_times.append(milliseconds(peer) / len(peer_clips))
    ours, theirs = statistics.median(ours_times), statistics.median(peer_times)
    print(
        f"{len(clips)} clips of {arguments.clip_seconds:g} s at {arguments.sample_rate} Hz, {arguments.threads} threads"
    )
    print(f"DWT (waveform to map)      {ours:8.2f} ms per clip (rounds {min(ours_times):.2f} to {max(ours_times):.2f})")
    print(
        f'pywt.cwt(method="fft")     {theirs:8.2f} ms per clip (rounds {min(peer_times):.2f} to {max(peer_times):.2f})'
    )
    print(f"ratio of medians           {theirs / ours:8.1f}")


if __name__ == "__main__":
    main()
