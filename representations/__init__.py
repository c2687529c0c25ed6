"""From sound to map: waveform ``(batch, 1, time)`` in [-1, 1] -> map ``(batch, 1, height, width)`` in [0, 1].

The waveform is float32 or float64, on any device; the map has the same precision and device, 128 x 128 cells by
default, the lowest frequency (or first coefficient) in row 0 and the beginning of the clip in column 0. Every map is
differentiable with respect to the waveform, is independent of the other clips of the batch, and is normalised per
clip, so that attacks on it work in the box [0, 1]. Only ``Waveform`` computes no map: it passes the samples on to
classifiers that work on samples. ``inverse`` goes the other way, from a changed map to a sound. To add a
representation, write a file with a subclass of :class:`Representation` and add a line to ``REPRESENTATIONS``.
Nothing here reads files, knows labels or has trainable parameters.
"""

from representations.dwt import DWT
from representations.logmel import LogMel
from representations.mfcc import MFCC
from representations.representation import Representation
from representations.stft import STFT
from representations.waveform import Waveform

REPRESENTATIONS: dict[str, type[Representation]] = {
    "DWT": DWT,
    "LogMel": LogMel,
    "MFCC": MFCC,
    "STFT": STFT,
    "Waveform": Waveform,
}

__all__ = ["DWT", "MFCC", "REPRESENTATIONS", "STFT", "LogMel", "Representation", "Waveform"]
