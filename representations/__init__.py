"""From sound to map: waveform ``(batch, 1, time)`` in [-1, 1] -> map ``(batch, 1, height, width)`` in [0, 1].

The waveform is float32 or float64, on any device; the map has its precision and device, 128 x 128 cells unless told
otherwise, row 0 the lowest frequency (first coefficient), column 0 the beginning. Every map is differentiable with
respect to the waveform, never depends on the other clips of the batch, and scales itself, so that an attack on it works
in the box [0, 1]. ``Waveform`` alone makes no map: it hands the samples on, for classifiers that work
on them. ``inverse`` goes the other way, from a changed map to a sound. To add a representation: a file with a
subclass of :class:`Representation` and a line in ``REPRESENTATIONS``.
Nothing here reads a file, knows a label or has a parameter that is trained.
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
