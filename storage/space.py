"""Where attacks take place: on the map that a classifier sees, or on the sound that the map is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SpaceName = Literal["map", "sound"]


@dataclass(frozen=True)
class Space:
    """What is attacked. Results of two spaces never lie in one folder.

    Attributes:
        name: ``map`` or ``sound``, as results say it.
        bounds: lowest and highest value of an input.
        folder: name of the folder of a run that holds its results.
        rounded: column that says whether an adversarial still fools when it is rounded to the bits that it is kept in.
        size: setting of a budget that limits a perturbation: ``delta`` in units of the map, ``snr_db`` in dB of sound.
    """

    name: SpaceName
    bounds: tuple[float, float]
    folder: str
    rounded: str
    size: str

    @property
    def width(self) -> float:
        """Width of the bounds: with this l_inf radius an attack reaches every input."""
        return self.bounds[1] - self.bounds[0]

    def beside(self, name: str) -> str:
        """Name of the folder of a run for what another command makes of the results; that of maps is bare."""
        return name if self.name == "map" else f"{name}-{self.name}"


MAP = Space("map", (0.0, 1.0), "attacks", "success_8bit", "delta")
SOUND = Space("sound", (-1.0, 1.0), "attacks-sound", "success_16bit", "snr_db")
SPACES: dict[str, Space] = {space.name: space for space in (MAP, SOUND)}
