"""Representation and classifier as one differentiable module, which classifies waveforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

CPU_BYTES = 2**28
"""Bytes that one chunk may keep for its gradient on a CPU: fixed, so that chunks do not depend on the free memory of
the moment, and small, because intermediate results take several times as much."""
GPU_SHARE = 4
"""One chunk may take a GPU's memory divided by this number."""


class SoundVictim(nn.Module):
    """Logits of waveforms, computed by a classifier on their representation.

    Differentiating a large batch would keep the transform of every clip in memory: with Haar wavelets, about 20 GiB for
    32 clips of 5 s at 22,050 Hz. Batches are therefore evaluated in chunks of clips. The memory that one clip keeps is
    measured once per length and type of waveforms, and a chunk takes as many clips as fit in 256 MiB on a CPU or in a
    quarter of the memory of a GPU. A batch of one chunk is differentiated as usual; in a larger batch, each chunk is
    recomputed in the backward pass (one more evaluation per gradient), so that only one chunk's graph is in memory at a
    time. On a CPU the representation works clip by clip, so its result does not depend on the chunk; the classifier's
    rounding may differ between chunk sizes, as between batch sizes.

    Args:
        representation: waveform ``(batch, 1, time)`` in [-1, 1] to map ``(batch, 1, rows, columns)``.
        classifier: map to logits ``(batch, classes)``.
        chunk: number of clips evaluated at once; None chooses it as described above.

    Raises:
        ValueError: for a chunk of fewer than one clip.
    """

    def __init__(self, representation: nn.Module, classifier: nn.Module, *, chunk: int | None = None) -> None:
        super().__init__()
        if chunk is not None and chunk < 1:
            raise ValueError(f"expected a chunk of at least one clip, got {chunk}")
        self.representation = representation
        self.classifier = classifier
        self.chunk = chunk
        self._chunks: dict[tuple[object, ...], int] = {}
        # A representation has no mode; the victim takes that of its classifier.
        self.train(classifier.training)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` of waveforms ``(batch, 1, time)``."""
        # In training mode batch normalisation needs the whole batch at once.
        if self.training or len(waveforms) == 0:
            return self._logits(waveforms)
        chunk = self.clips_at_once(waveforms)
        if len(waveforms) <= chunk:
            return self._logits(waveforms)
        parts = waveforms.split(chunk)
        if not (torch.is_grad_enabled() and waveforms.requires_grad):
            return torch.cat([self._logits(part) for part in parts])
        return torch.cat(
            [checkpoint(self._logits, part, use_reentrant=False, preserve_rng_state=False) for part in parts]
        )

    def clips_at_once(self, waveforms: Tensor) -> int:
        """Number of clips per chunk for waveforms ``(batch, 1, time)`` of this length and type, at least 1."""
        if self.chunk is not None:
            return self.chunk
        key = (
            *waveforms.shape[1:],
            waveforms.dtype,
            waveforms.device,
            torch.is_autocast_enabled(waveforms.device.type),
        )
        if key not in self._chunks:
            self._chunks[key] = max(1, _bytes_for_chunks(waveforms.device) // self._bytes_per_clip(waveforms))
        return self._chunks[key]

    def _logits(self, waveforms: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.representation(waveforms))
        return logits

    def _bytes_per_clip(self, waveforms: Tensor) -> int:
        """Bytes that the evaluation of one clip keeps for its gradient, without the victim's own parameters."""
        owned = {tensor.untyped_storage().data_ptr() for tensor in (*self.parameters(), *self.buffers())}
        kept: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in owned:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.inference_mode(False), torch.enable_grad():
            # The memory does not depend on the sound.
            ramp = torch.linspace(-1, 1, waveforms.shape[-1], dtype=waveforms.dtype, device=waveforms.device)
            with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                logits = self._logits(ramp.expand(1, *waveforms.shape[1:]).clone().requires_grad_())
        del logits
        return max(1, sum(kept.values()))


def _bytes_for_chunks(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory) // GPU_SHARE
    return CPU_BYTES
