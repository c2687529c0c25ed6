"""Random changes of training waveforms, drawn anew each epoch; other clips are never changed."""

from collections.abc import Sequence

import torch
from torch import Tensor

LARGEST_DECIBELS = 100.0


class WaveformAugmentation:
    """A random gain and white noise for each clip.

    Args:
        random_gain: largest absolute gain in dB; the gain of each clip is uniform between minus and plus this value,
            but limited to full scale; 0 = off. Maps relative to their clip's maximum do not change.
        noise_snr: lowest and highest signal-to-noise ratio in dB, between which the ratio of the added white Gaussian
            noise is uniform; None = off. A clip that exceeds full scale is scaled back to it; silence stays silent.

    Raises:
        ValueError: for a gain below 0, for ratios out of order, and for either beyond 100 dB.
    """

    def __init__(self, random_gain: float = 0.0, noise_snr: Sequence[float] | None = None) -> None:
        if not 0 <= random_gain <= LARGEST_DECIBELS:
            raise ValueError(f"expected random_gain from 0 to {LARGEST_DECIBELS:.0f} dB, got {random_gain}")
        ratios = None if noise_snr is None else tuple(noise_snr)
        if ratios is not None and not (
            len(ratios) == 2 and -LARGEST_DECIBELS <= ratios[0] <= ratios[1] <= LARGEST_DECIBELS
        ):
            raise ValueError(
                f"expected noise_snr to be the lowest and the highest ratio in dB or null, got {noise_snr}"
            )
        self.random_gain = random_gain
        self.noise_snr = ratios

    @property
    def changes_clips(self) -> bool:
        """Whether any change is on; training then reads waveforms, because cached maps would not change."""
        return self.random_gain > 0 or self.noise_snr is not None

    def __call__(self, waveforms: Tensor, seeds: Sequence[int]) -> Tensor:
        """Change each clip by its own random numbers.

        Args:
            waveforms: ``(batch, 1, time)`` in [-1, 1].
            seeds: one per clip, see :func:`datamodules.batches.clip_seeds`.

        Returns:
            Waveforms of the same shape, in [-1, 1].
        """
        return torch.stack([self._changed(clip, seed) for clip, seed in zip(waveforms, seeds, strict=True)])

    def _changed(self, clip: Tensor, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        if self.noise_snr is not None:
            lowest, highest = self.noise_snr
            ratio = lowest + (highest - lowest) * torch.rand((), generator=generator, dtype=torch.float64).item()
            noise = torch.randn(clip.shape, generator=generator).to(clip)
            # The noise as drawn, not its expectation, so that the clip has exactly this ratio.
            level = (clip.square().mean() / noise.square().mean()).sqrt() * 10.0 ** (-ratio / 20.0)
            clip = clip + level * noise
            clip = clip / clip.abs().amax().clamp(min=1.0)
        if self.random_gain > 0:
            decibels = self.random_gain * (2 * torch.rand((), generator=generator, dtype=torch.float64).item() - 1)
            peak = clip.abs().amax()
            loudest = 1.0 / peak.masked_fill(peak == 0, 1.0)
            clip = (clip * loudest.clamp(max=10.0 ** (decibels / 20.0))).clamp(-1.0, 1.0)
        return clip
