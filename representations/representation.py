"""What all representations share: input checks, cached constants, resizing, and the inverse to a sound."""

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
"""How the native map is resized, see :class:`Representation`."""
LOWEST_RATE, HIGHEST_RATE = 100, 384_000
"""Range of sample rates in Hz: below it, resampling a recording takes too long; above it, nothing is recorded."""
LARGEST_SIZE = 4096
LONGEST_FRAME = 2**17
"""Largest number of samples per frame: 1.5 s at 88.2 kHz, longer than any single sound event."""


def require_samples(name: str, value: int, lowest: int) -> None:
    """Raise ``ValueError`` unless a length in samples lies between ``lowest`` and ``LONGEST_FRAME``."""
    if value < lowest:
        raise ValueError(f"expected {name} of at least {lowest}{' samples' if lowest > 1 else ''}, got {value}")
    if value > LONGEST_FRAME:
        raise ValueError(f"expected {name} of at most {LONGEST_FRAME} samples, got {value}")


class Representation(nn.Module):
    """A differentiable map of a sound, with values in [0, 1], computed per clip independently of the rest of the batch.

    A subclass implements :meth:`cells`, which measures a power in time and frequency, and :meth:`scaled`, which turns
    it into a map in [0, 1], and keeps each constructor argument as an attribute of the same name. To support
    :meth:`inverse`, from a changed map to a sound, it also implements :meth:`filtered_change` and, where the map is not
    linear in dB, :meth:`decibel_change`. Constants (windows, filters) are neither parameters nor buffers: :meth:`table`
    computes them in float64 and caches one copy per device and precision of the waveforms.

    Args:
        sample_rate: sample rate of the waveforms in Hz, 100 to 384,000.
        resize: height and width of the map (one number for a square), at most 4096; None keeps the native size.
        align_corners: whether the corner cells of the native and of the resized map have the same centres.
        resize_method: ``bilinear``, our reading of the paper, interpolates between the nearest cells of the scaled map
            and skips the others where the map shrinks; ``bilinear_antialias`` averages scaled cells with a triangular
            kernel as wide as the shrinkage; ``power_mean`` takes the mean power of the cells that a pixel covers,
            before scaling (along an axis that grows, power is interpolated linearly).

    Raises:
        ValueError: if the sample rate or the size is out of range, or the resize method is inconsistent with ``resize``
            or ``align_corners``.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Lower and upper bound of the values that :meth:`forward` returns, the box of attacks on it."""
    is_map: ClassVar[bool] = True
    """Whether :meth:`forward` returns a map of time and frequency rather than samples."""

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
                "expected align_corners false with resize_method power_mean, which averages over the areas of pixels, "
                "got true"
            )
        self.sample_rate = sample_rate
        self.resize = None if size is None else (int(size[0]), int(size[1]))
        self.align_corners = align_corners
        self.resize_method: ResizeMethod = resize_method
        self._tables: dict[Hashable, Tensor] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments, including those passed on to base classes, and the class name as ``class``."""
        arguments = constructor_types(type(self))
        values = {name: getattr(self, name) for name in arguments}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {"class": type(self).__name__, **plain}

    def extra_repr(self) -> str:
        """The settings, for ``print``."""
        return ", ".join(f"{name}={value}" for name, value in self.settings.items() if name != "class")

    def forward(self, waveform: Tensor) -> Tensor:
        """Turn waveforms into maps.

        Waveforms in half precision are converted to float32 and autocast is disabled, because a quiet cell lies up to
        80 dB below the loudest.

        Args:
            waveform: ``(batch, 1, time)``, floating point, in [-1, 1], at least one sample.

        Returns:
            ``(batch, 1, height, width)`` in [0, 1], with the lowest frequency (or first coefficient) in row 0. A clip
            whose samples are all equal counts as silent: its map and its gradient are zero.

        Raises:
            ValueError: if the waveform has a different shape or is not floating point.
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
        """Turn changed maps into sounds by applying the change as gains in time and frequency to the clean sound.

        The gains multiply the complex transform T of the clean clip, and the resulting difference is inverted:
        x' = x + inverse(gain T(x)) - inverse(T(x)). An unchanged map thus gives back the clip itself, the phases are
        those of the clip, and the signal outside the band of the transform is unchanged. A gain is the difference of
        the two maps in dB, from -80 to 80. A cell at the floor of a map (80 dB below the loudest) is assumed to lie
        exactly at the floor: raising it by 10 dB in the map makes it 10 dB louder, however far below the floor it was,
        and digital zeros remain zeros.

        The result is differentiable in all arguments and, per clip, does not depend on the other clips.

        Args:
            waveform: the clean clips ``(batch, 1, time)`` in [-1, 1].
            changed: their changed maps, ``(batch, 1, height, width)`` in [0, 1].
            clean: the maps of the clean clips before the change; computed from the waveform by default.

        Returns:
            ``(batch, 1, time)`` in the precision of the waveform, at least float32; it may exceed [-1, 1].

        Raises:
            ValueError: if the shape of the waveform is wrong, or a map does not have the shape of the waveform's map.
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
        """Convert a change of the map to a change of level per cell.

        Args:
            cells: cells of the clean clip, ``(batch, rows, columns)``, as :meth:`scaled` takes them.
            change: change of the output of :meth:`scaled`, in units of the map.

        Returns:
            ``(batch, rows, columns)`` in dB, one value per cell.
        """
        return RANGE_DB * change

    def filtered_change(self, clips: Tensor, decibels: Tensor) -> Tensor:
        """Difference that gains in time and frequency make to a sound: inverse(gain T(x)) - inverse(T(x)).

        Args:
            clips: ``(batch, time)``.
            decibels: gain of each cell ``(batch, rows, columns)``, from -80 to 80 dB.

        Returns:
            ``(batch, time)``; zeros where all gains are 0 dB.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define how its maps become sounds")

    def _checked(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """The clips ``(batch, time)`` of a waveform, and which of them are silent ``(batch, 1)``."""
        if waveform.ndim != 3 or waveform.shape[1] != 1 or waveform.shape[2] == 0:
            raise ValueError(f"expected a waveform (batch, 1, time), got shape {tuple(waveform.shape)}")
        if not waveform.is_floating_point():
            raise ValueError(f"expected a waveform of floating-point numbers, got {waveform.dtype}")
        clips = waveform.squeeze(1)
        if clips.dtype not in (torch.float32, torch.float64):
            clips = clips.float()
        # A clip whose peak-to-peak amplitude underflows when squared counts as silent too.
        swing = clips.detach().amax(1, keepdim=True) - clips.detach().amin(1, keepdim=True)
        silent = swing <= torch.finfo(clips.dtype).tiny ** 0.5
        return clips, silent

    def _pixels(self, cells: Tensor) -> Tensor:
        """The input of :meth:`scaled`: the cells, or with ``power_mean`` their mean power per pixel."""
        if self.resize is not None and self.resize_method == "power_mean":
            return self.mean_power(cells, *self.resize)
        return cells

    def _resized(self, maps: Tensor) -> Tensor:
        """Resize maps ``(batch, 1, rows, columns)`` to the size asked for."""
        if self.resize is None or len(maps) == 0:
            return maps if self.resize is None else maps.new_zeros(0, 1, *self.resize)
        if tuple(maps.shape[2:]) != self.resize:
            antialias = self.resize_method == "bilinear_antialias"
            maps = F.interpolate(
                maps, size=self.resize, mode="bilinear", align_corners=self.align_corners, antialias=antialias
            )
        # Rounding may move a bilinear mean of values in [0, 1] just outside the interval.
        return maps.clamp(0.0, 1.0)

    def native(self, clips: Tensor) -> Tensor:
        """The map at its native size, before the resize.

        Args:
            clips: ``(batch, time)``, float32 or float64; silent clips are all zeros.

        Returns:
            ``(batch, rows, columns)`` in [0, 1].
        """
        return self.scaled(self.cells(clips))

    def cells(self, clips: Tensor) -> Tensor:
        """Measure each cell of time and frequency; a power unless a subclass says otherwise.

        Args:
            clips: ``(batch, time)``, float32 or float64; silent clips are all zeros.

        Returns:
            ``(batch, rows, columns)``, non-negative.
        """
        raise NotImplementedError

    def scaled(self, cells: Tensor) -> Tensor:
        """Scale cells to a map before the resize, ``(batch, rows, columns)`` in [0, 1]."""
        raise NotImplementedError

    def mean_power(self, cells: Tensor, rows: int, columns: int) -> Tensor:
        """The mean power of the cells that each pixel of a map covers, ``(batch, rows, columns)``."""
        return self.resized_axis(self.resized_axis(cells, 1, rows), 2, columns)

    def resized_axis(self, cells: Tensor, axis: int, size: int) -> Tensor:
        """Average or interpolate cells to ``size`` rows (axis 1) or columns (axis 2)."""
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
        of a clip is bit-identical whatever the rest of the batch. A single clip also fits the cache.

        Args:
            function: takes as many tensors ``(n, ...)`` as are given, and returns one tensor ``(n, ...)``.
            clips: tensors that share their first dimension: waveforms ``(batch, time)``, cells
                ``(batch, rows, columns)``.

        Returns:
            The results of all clips, in the same order.
        """
        if len(clips[0]) == 0:
            return function(*(one.new_zeros(1, *one.shape[1:]) for one in clips))[:0]
        if clips[0].device.type != "cpu":
            return function(*clips)
        return torch.cat([function(*ones) for ones in zip(*(one.split(1) for one in clips), strict=True)])

    def table(self, key: Hashable, build: Callable[[], Tensor], like: Tensor) -> Tensor:
        """A constant in the precision and on the device of ``like``, computed once for each and cached.

        Args:
            key: whatever the constant depends on, apart from the settings.
            build: computes it on the CPU in float64 or complex128, or as integers, which are not converted.
            like: a tensor of the precision and device in which the constant is needed.

        Returns:
            The constant.
        """
        full_key = (key, like.dtype, like.device)
        if full_key not in self._tables:
            # Lightning validates in inference mode; a tensor created there cannot take part in a later backward pass.
            with torch.inference_mode(False), torch.no_grad():
                constant = build()
                if constant.is_complex():
                    constant = constant.to(like.dtype.to_complex())
                elif constant.is_floating_point():
                    constant = constant.to(like.dtype)
                self._tables[full_key] = constant.to(like.device)
        return self._tables[full_key]
