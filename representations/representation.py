"""What every representation has in common: checks of its input, constants, resizing, and the way back to sound."""

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from representations.decibels import RANGE_DB
from representations.map_change import change_before_resize, gains_of_cells
from representations.resampling import averaging_weights, resample_axis
from storage.untrusted import constructor_types

ResizeMethod = Literal["bilinear", "bilinear_antialias", "power_mean"]
"""How the native map becomes one of the wanted size, see :class:`Representation`."""
LOWEST_RATE, HIGHEST_RATE = 100, 384_000
"""Below, resampling from the rates of recordings takes filters of hours; above, nothing is recorded."""
LARGEST_SIZE = 4096
LONGEST_FRAME = 2**17
"""Samples of a frame: 1.4 s at the rate of CDs times two, longer than any sound that is one event."""


def require_samples(name: str, value: int, lowest: int) -> None:
    """Raise ``ValueError`` unless a length in samples lies between the lowest that makes sense and the longest."""
    if value < lowest:
        raise ValueError(f"expected {name} of at least {lowest}{' samples' if lowest > 1 else ''}, got {value}")
    if value > LONGEST_FRAME:
        raise ValueError(f"expected {name} of at most {LONGEST_FRAME} samples, got {value}")


class Representation(nn.Module):
    """A differentiable map of a sound, in [0, 1], one clip independent of every other.

    A subclass writes :meth:`cells`, what is measured in time and frequency, and :meth:`scaled`, how that becomes a map
    in [0, 1], and keeps each constructor argument as an attribute of the same name. For the way from a changed map to a
    sound (:meth:`inverse`) it writes :meth:`decibel_change` and :meth:`filtered_change` too. Constants (windows,
    filters) are neither parameters nor buffers: :meth:`table` computes them in float64 and keeps one copy for each
    device and precision in which waveforms arrive.

    Args:
        sample_rate: samples a second of the waveforms, in Hz, 100 to 384,000.
        resize: height and width of the map (one number for a square), at most 4096; None keeps the native size.
        align_corners: whether the corner cells of the native map and of the resized one have the same centres.
        resize_method: ``bilinear`` interpolates between the nearest cells of the scaled map and skips the others where
            the map shrinks, the paper's reading; ``bilinear_antialias`` averages scaled cells under a triangle that is
            as wide as the shrinking; ``power_mean`` takes the mean power of the cells that a pixel covers, before
            anything is scaled (along an axis that grows, power is interpolated linearly).

    Raises:
        ValueError: if the sample rate or the size lies outside its range, or a method has no size or corners to work
            with.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Lower and upper end of what :meth:`forward` returns, the box of attacks on it."""
    is_map: ClassVar[bool] = True
    """Whether what :meth:`forward` returns is a map, a picture of time and frequency."""

    def __init__(
        self,
        *,
        sample_rate: int,
        resize: int | tuple[int, int] | None = (128, 128),
        align_corners: bool = False,
        resize_method: ResizeMethod = "bilinear",
    ) -> None:
        super().__init__()
        if sample_rate <= 0:
            raise ValueError(f"expected a positive sample_rate in Hz, got {sample_rate}")
        size = (resize, resize) if isinstance(resize, int) else resize
        if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
            raise ValueError(f"expected sample_rate from {LOWEST_RATE} to {HIGHEST_RATE} Hz, got {sample_rate}")
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(f"expected resize to be a positive height and width or null, got {resize}")
        if size is not None and max(size) > LARGEST_SIZE:
            raise ValueError(f"expected resize of at most {LARGEST_SIZE} rows and columns, got {resize}")
        if resize_method not in get_args(ResizeMethod):
            raise ValueError(f"expected resize_method to be one of {get_args(ResizeMethod)}, got {resize_method!r}")
        if resize is None and resize_method != "bilinear":
            raise ValueError(f"expected a size to resize to with resize_method {resize_method}, got resize None")
        if align_corners and resize_method == "power_mean":
            raise ValueError(
                "expected align_corners false with resize_method power_mean, got true: its pixels have areas"
            )
        self.sample_rate = sample_rate
        self.resize = None if size is None else (int(size[0]), int(size[1]))
        self.align_corners = align_corners
        self.resize_method: ResizeMethod = resize_method
        self._tables: dict[Hashable, Tensor] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, those handed on to base classes too, and the class name under ``class``."""
        arguments = constructor_types(type(self))
        values = {name: getattr(self, name) for name in arguments}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"class": type(self).__name__, **plain}

    def extra_repr(self) -> str:
        """The settings, for ``print``."""
        return ", ".join(f"{name}={value}" for name, value in self.settings.items() if name != "class")

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn waveforms into maps.

        Half precision is computed in float32, and autocast is off inside: a quiet cell lies 80 dB under the loudest.

        Args:
            waveform: ``(batch, 1, time)``, floating point, in [-1, 1], at least one sample.

        Returns:
            ``(batch, 1, height, width)`` in [0, 1], row 0 the lowest frequency (or first coefficient). A clip whose
            samples are all equal is silent: its map and its gradient are zero.

        Raises:
            ValueError: if the waveform has another shape or holds no floating-point numbers.
        """
        clips, silent = self._checked(waveform)
        with torch.autocast(clips.device.type, enabled=False):
            maps = (
                self.scaled(self._pixels(self.cells(clips.masked_fill(silent, 0.0))))
                .masked_fill(silent.unsqueeze(2), 0.0)
                .unsqueeze(1)
            )
            return self._resized(maps)

    def inverse(self, waveform: Tensor, changed: Tensor, clean: Tensor | None = None) -> Tensor:
        """Turn changed maps into sounds: the change is read as gains in time and frequency on the clean sound.

        The gains multiply the clean clip's own complex transform T, and the difference that this makes is inverted,
        x' = x + inverse(gain T(x)) - inverse(T(x)). So an unchanged map gives back the clip itself, phases are those
        of the clip, and what lies outside the band of the transform is kept. A gain is the difference of the two maps
        in dB, from -80 to 80. A cell at the floor of a map (80 dB under the loudest) is taken to lie on the floor:
        raised by 10 dB in the map it becomes 10 dB louder, however far below it was, and digital zeros remain zeros.

        Differentiable in all arguments; a clip's sound does not depend on the other clips.

        Args:
            waveform: the clean clips ``(batch, 1, time)`` in [-1, 1].
            changed: what their maps have become, ``(batch, 1, height, width)`` in [0, 1].
            clean: the maps of the clean clips before the change; computed from the waveform by default.

        Returns:
            ``(batch, 1, time)`` in the precision of the waveform, float32 at least; it may exceed [-1, 1].

        Raises:
            ValueError: if the waveform is none, or a map has another shape than the waveform's.
        """
        clips, silent = self._checked(waveform)
        with torch.autocast(clips.device.type, enabled=False):
            cells = self.cells(clips.masked_fill(silent, 0.0))
            grid = self._pixels(cells)
            native = self.scaled(grid)
            own = self._resized(native.masked_fill(silent.unsqueeze(2), 0.0).unsqueeze(1))
            for name, one in (("changed", changed), ("clean", clean)):
                if one is not None and one.shape != own.shape:
                    raise ValueError(f"expected {name} maps {tuple(own.shape)}, got {tuple(one.shape)}")
            change = (changed.to(clips) - (own if clean is None else clean.to(clips))).squeeze(1)
            change = change_before_resize(self, change, native.shape[1], native.shape[2])
            decibels = self.decibel_change(grid, change)
            decibels = decibels.clamp(-RANGE_DB, RANGE_DB).masked_fill(silent.unsqueeze(2), 0.0)
            decibels = gains_of_cells(self, decibels, cells.shape[1], cells.shape[2])
            return (clips + self.clip_by_clip(self.filtered_change, clips, decibels)).unsqueeze(1)

    def decibel_change(self, cells: Tensor, change: Tensor) -> Tensor:
        """The change of level of each cell that a change of the map means.

        Args:
            cells: of the clean clip, ``(batch, rows, columns)``, as :meth:`scaled` takes them.
            change: of what :meth:`scaled` returns, in units of the map.

        Returns:
            ``(batch, rows, columns)`` in dB, one number for each of ``cells``.
        """
        return RANGE_DB * change

    def filtered_change(self, clips: Tensor, decibels: Tensor) -> Tensor:
        """What gains in time and frequency add to a sound: inverse(gain T(x)) - inverse(T(x)).

        Args:
            clips: ``(batch, time)``.
            decibels: change of level in each cell ``(batch, rows, columns)``, from -80 to 80 dB.

        Returns:
            ``(batch, time)``; zeros where all gains are 0 dB.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its maps become sounds")

    def _checked(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """The clips ``(batch, time)`` of a waveform, and which of them are silent ``(batch, 1)``."""
        if waveform.ndim != 3 or waveform.shape[1] != 1 or waveform.shape[2] == 0:
            raise ValueError(f"expected a waveform (batch, 1, time), got shape {tuple(waveform.shape)}")
        if not waveform.is_floating_point():
            raise ValueError(f"expected a waveform of floating-point numbers, got {waveform.dtype}")
        clips = waveform.squeeze(1)
        if clips.dtype not in (torch.float32, torch.float64):
            clips = clips.float()
        # A swing whose square underflows is no sound either.
        swing = clips.detach().amax(1, keepdim=True) - clips.detach().amin(1, keepdim=True)
        silent = swing <= torch.finfo(clips.dtype).tiny ** 0.5
        return clips, silent

    def _pixels(self, cells: Tensor) -> Tensor:
        """What :meth:`scaled` is given: the cells, or their mean power in each pixel."""
        if self.resize is not None and self.resize_method == "power_mean":
            return self.mean_power(cells, *self.resize)
        return cells

    def _resized(self, maps: Tensor) -> Tensor:
        """Maps ``(batch, 1, rows, columns)`` of the wanted size."""
        if self.resize is None or len(maps) == 0:
            return maps if self.resize is None else maps.new_zeros(0, 1, *self.resize)
        if tuple(maps.shape[2:]) != self.resize:
            antialias = self.resize_method == "bilinear_antialias"
            maps = F.interpolate(
                maps, size=self.resize, mode="bilinear", align_corners=self.align_corners, antialias=antialias
            )
        # A bilinear mean of numbers in [0, 1] can leave the interval by one rounding error.
        return maps.clamp(0.0, 1.0)

    def native(self, clips: Tensor) -> Tensor:
        """The map before the resize.

        Args:
            clips: ``(batch, time)``, float32 or float64; silence is all zeros.

        Returns:
            ``(batch, rows, columns)`` in [0, 1].
        """
        return self.scaled(self.cells(clips))

    def cells(self, clips: Tensor) -> Tensor:
        """What is measured in each cell of time and frequency, a power unless a subclass says otherwise.

        Args:
            clips: ``(batch, time)``, float32 or float64; silence is all zeros.

        Returns:
            ``(batch, rows, columns)``, not negative.
        """
        raise NotImplementedError

    def scaled(self, cells: Tensor) -> Tensor:
        """The map that the cells of a clip become before the resize, ``(batch, rows, columns)`` in [0, 1]."""
        raise NotImplementedError

    def mean_power(self, cells: Tensor, rows: int, columns: int) -> Tensor:
        """The mean power of the cells that each pixel of a map covers, ``(batch, rows, columns)``."""
        return self.resized_axis(self.resized_axis(cells, 1, rows), 2, columns)

    def resized_axis(self, cells: Tensor, axis: int, size: int) -> Tensor:
        """Cells at another number of rows (axis 1) or columns (axis 2), averaged or interpolated."""
        inputs = cells.shape[axis]
        if size == inputs:
            return cells
        key = ("resize", inputs, size)
        places = self.table((*key, "places"), lambda: averaging_weights(inputs, size)[0], cells)
        weights = self.table((*key, "weights"), lambda: averaging_weights(inputs, size)[1], cells)
        return resample_axis(cells, axis, places, weights)

    @staticmethod
    def clip_by_clip(function: Callable[..., Tensor], *clips: Tensor) -> Tensor:
        """Apply a function to one clip at a time on the CPU and to the whole batch elsewhere.

        CPU libraries choose their order of summation by the shape of the whole batch; with one clip at a time the map
        of a clip is the same to the last bit whatever stands beside it. It is also what fits the cache.

        Args:
            function: takes as many tensors ``(n, ...)`` as there are here, and returns one of n clips.
            clips: tensors that share their first dimension: waveforms ``(batch, time)``, cells
                ``(batch, rows, columns)``.

        Returns:
            The results of all clips, in their order.
        """
        if len(clips[0]) == 0:
            return function(*(one.new_zeros(1, *one.shape[1:]) for one in clips))[:0]
        if clips[0].device.type != "cpu":
            return function(*clips)
        return torch.cat([function(*ones) for ones in zip(*(one.split(1) for one in clips), strict=True)])

    def table(self, key: Hashable, build: Callable[[], Tensor], like: Tensor) -> Tensor:
        """A constant in the precision and on the device of ``like``, computed once for each.

        Args:
            key: what the constant depends on, apart from the settings.
            build: computes it on the CPU in float64 or complex128, or as whole numbers, which stay as they are.
            like: a tensor of the precision and device in which the constant is needed.

        Returns:
            The constant.
        """
        full_key = (key, like.dtype, like.device)
        if full_key not in self._tables:
            # Lightning validates in inference mode, and a constant made there could not be used in a later backward.
            with torch.inference_mode(False), torch.no_grad():
                constant = build()
                if constant.is_complex():
                    constant = constant.to(like.dtype.to_complex())
                elif constant.is_floating_point():
                    constant = constant.to(like.dtype)
                self._tables[full_key] = constant.to(like.device)
        return self._tables[full_key]
