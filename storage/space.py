"""Where attacks take place: on the map that a classifier sees, or on the sound that the map is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SpaceName = Literal["map", "sound"]


@dataclass(frozen=True)
class Space:
    """What is attacked. Results of two spaces never lie in one file.

    Attributes:
        name: ``map`` or ``sound``, as results say it.
        bounds: lowest and highest value of an input.
        folder: name of the folder of a run that holds its results.
        transfer_folder: name of the folder of a run that holds judgements of its adversarials by other models.
        rounding: column that says whether an adversarial still fools after rounding to how inputs are stored.
        size: setting of a budget that limits a perturbation: ``delta`` in units of the map, ``snr_db`` in dB of sound.
        example_shape: shape of one input, by which attacks that are made for pictures only are told.
    """

    name: SpaceName
    bounds: tuple[float, float]
    folder: str
    transfer_folder: str
    rounding: str
    size: str
    example_shape: tuple[int, ...]

    @property
    def unbounded(self) -> float:
        """Width of the bounds: a perturbation of this size in l_inf reaches every input."""
        return self.bounds[1] - self.bounds[0]


MAP = Space("map", (0.0, 1.0), "attacks", "transfer", "success_8bit", "delta", (1, 128, 128))
SOUND = Space("sound", (-1.0, 1.0), "attacks-sound", "transfer-sound", "success_16bit", "snr_db", (1, 110_250))
SPACES: dict[str, Space] = {space.name: space for space in (MAP, SOUND)}
