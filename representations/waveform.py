"""The waveform itself, for classifiers that work on samples."""

from torch import Tensor

from representations.representation import Representation


class Waveform(Representation):
    """The sound itself, without a map, resizing or scaling; the box of attacks is [-1, 1].

    Args:
        sample_rate: samples per second, in Hz, 100 to 384,000.

    Raises:
        ValueError: if the sample rate is out of range.
    """

    bounds = (-1.0, 1.0)
    is_map = False

    def __init__(self, *, sample_rate: int = 8000) -> None:
        super().__init__(sample_rate=sample_rate, resize=None)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the waveform ``(batch, 1, time)`` unchanged; half precision is converted to float32.

        Raises:
            ValueError: if the waveform has a different shape or is not floating point.
        """
        clips, _ = self._checked(waveform)
        return clips.unsqueeze(1)

    def inverse(self, waveform: Tensor, changed: Tensor, clean: Tensor | None = None) -> Tensor:
        """Return the changed waveform, which is the sound already.

        Args:
            waveform: the clean clips ``(batch, 1, time)``.
            changed: the changed clips, of the same shape.
            clean: ignored; the clean clips are their own representation.

        Raises:
            ValueError: if the two have different shapes.
        """
        if changed.shape != waveform.shape:
            raise ValueError(f"expected changed waveforms {tuple(waveform.shape)}, got {tuple(changed.shape)}")
        return self(changed)
