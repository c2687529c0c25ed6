"""A simulated room: the impulse response of a box by image sources (Allen and Berkley 1979)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.signal
from numpy.typing import NDArray

SPEED_OF_SOUND = 343.0
"""Speed of sound in air at 20 degrees Celsius, in m/s."""
TAPS = 32
"""Length in samples of the windowed sinc that places an echo between two samples."""
LOWEST_FREQUENCY = 0.01
"""Cut-off frequency of the high-pass filter on the echoes, as a share of the sample rate."""
IMAGES_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Room:
    """A box with one absorption for all walls, at all frequencies.

    Args:
        size: length, width and height in m.
        absorption: share of the energy that a wall absorbs at each reflection, in (0, 1].
        source: position of the sound source, in m from one corner.
        microphone: position of the microphone, in m from the same corner.
    """

    size: tuple[float, float, float]
    absorption: float
    source: tuple[float, float, float]
    microphone: tuple[float, float, float]

    @property
    def reverberation_seconds(self) -> float:
        """Time in s in which the sound decays by 60 dB, by Sabine's formula 0.161 V / (A S)."""
        length, width, height = self.size
        surface = 2 * (length * width + length * height + width * height)
        return 0.161 * length * width * height / (self.absorption * surface)


ROOMS = (
    Room((4.0, 3.0, 2.5), 0.35, (1.0, 1.2, 1.3), (1.9, 1.6, 1.5)),
    Room((8.0, 6.0, 3.0), 0.25, (2.0, 1.7, 1.5), (3.6, 2.9, 1.2)),
    Room((20.0, 15.0, 8.0), 0.20, (4.0, 6.0, 1.7), (6.5, 7.7, 1.5)),
)
"""An office, a classroom and a hall, with the microphone 1, 2 and 3 m from the source."""


def echoes(room: Room, seconds: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Delays and amplitudes of the direct sound and of all reflections.

    Along each axis of length L the images of a source at x lie at 2 n L + x and 2 n L - x, with abs(2 n) and
    abs(2 n - 1) reflections. Amplitudes fall as 1 / distance and by sqrt(1 - absorption) at each reflection.

    Args:
        room: the room.
        seconds: echoes that arrive later than this after the direct sound are left out.

    Returns:
        Delays in s and amplitudes, both ``(echoes,)`` and relative to the direct sound, which is first.
    """
    direct = float(np.linalg.norm(np.subtract(room.source, room.microphone)))
    reach = direct + seconds * SPEED_OF_SOUND
    offsets, reflections = [], []
    for length, source, microphone in zip(room.size, room.source, room.microphone, strict=True):
        n = np.arange(-int(reach / (2 * length)) - 1, int(reach / (2 * length)) + 2)
        offsets.append(np.concatenate([2 * n * length + source, 2 * n * length - source]) - microphone)
        reflections.append(np.concatenate([np.abs(2 * n), np.abs(2 * n - 1)]))
    squares = [offset**2 for offset in offsets]
    distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    count = reflections[0][:, None, None] + reflections[1][:, None] + reflections[2]
    heard = distance <= reach
    distance, count = distance[heard], count[heard]
    order = np.argsort(distance, kind="stable")
    distance, count = distance[order], count[order]
    amplitude = (1.0 - room.absorption) ** (count / 2.0) * direct / distance
    return (distance - direct) / SPEED_OF_SOUND, amplitude


@lru_cache(maxsize=16)
def impulse_response(room: Room, sample_rate: int, seconds: float | None = None) -> NDArray[np.float64]:
    """Impulse response of a room, with the direct sound of amplitude 1 at sample 0.

    With walls that reflect all frequencies equally, the lowest frequencies would accumulate, which does not happen in
    real rooms. As Allen and Berkley do, frequencies below 0.01 of the sample rate are removed from the echoes.

    Args:
        room: the room.
        sample_rate: in Hz.
        seconds: length; the reverberation time by default, at most 1 s.

    Returns:
        ``(samples,)`` float64.
    """
    length = min(1.0, room.reverberation_seconds) if seconds is None else seconds
    delays, amplitudes = echoes(room, length)
    response = np.zeros(int(length * sample_rate) + TAPS)
    around = np.arange(TAPS) - TAPS // 2 + 1
    for start in range(0, len(delays), IMAGES_AT_ONCE):
        at = delays[start : start + IMAGES_AT_ONCE] * sample_rate
        whole = np.floor(at).astype(np.int64)
        distance = around - (at - whole)[:, None]
        window = 0.5 + 0.5 * np.cos(np.pi * np.clip(distance / (TAPS / 2), -1, 1))
        taps = amplitudes[start : start + IMAGES_AT_ONCE, None] * np.sinc(distance) * window
        places = whole[:, None] + around
        # Nothing is heard before the direct sound.
        inside = (places >= 0) & (places < len(response))
        np.add.at(response, places[inside], taps[inside])
    sections = scipy.signal.butter(2, LOWEST_FREQUENCY, "highpass", output="sos", fs=1.0)
    response[1:] = scipy.signal.sosfilt(sections, response[1:])
    response.flags.writeable = False
    return response
