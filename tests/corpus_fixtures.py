"""Miniature corpora in the layouts of the downloads, with real recordings, for the tests that read corpora."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile

ESC_CATEGORIES = (
    "dog",
    "rooster",
    "rain",
    "sea_waves",
    "crackling_fire",
    "crying_baby",
    "sneezing",
    "clock_tick",
    "helicopter",
    "chainsaw",
    "pig",
)


def write_sound(
    path: Path,
    *,
    seconds: float = 0.5,
    sample_rate: int = 8000,
    channels: int = 1,
    subtype: str = "PCM_16",
    seed: int = 0,
    tone_hz: float | None = None,
) -> np.ndarray:
    """Write a tone (of a random height by default) over noise and return its samples ``(time, channels)``."""
    random = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * sample_rate))) / sample_rate
    height = random.uniform(200, 0.3 * sample_rate) if tone_hz is None else tone_hz
    tone = np.sin(2 * np.pi * height * time)[:, None]
    sound = 0.5 * tone + 0.05 * random.standard_normal((len(time), channels))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, sample_rate, subtype=subtype)
    return sound


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows of cells as a comma-separated table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def write_esc_corpus(
    root: Path,
    *,
    clips_per_class_and_fold: int = 2,
    classes: int = 5,
    seconds: float = 0.5,
    sample_rate: int = 8000,
    takes: int = 2,
    tones_hz: tuple[float, ...] | None = None,
    misleading: bool = False,
) -> Path:
    """Write a corpus in the ESC-50 layout: every class in each of five folds, ``takes`` clips cut from a recording.

    Targets are 0, 10, 20 .. and all but the last class belong to ESC-10. With ``tones_hz`` a class is a tone; where
    recordings are ``misleading``, each class has the tone of the next one in one of the folds, so that a classifier
    that has learnt the tones is wrong on some clips of every fold.

    Returns:
        ``root``.
    """
    rows = []
    for fold in range(1, 6):
        for label in range(classes):
            for clip in range(clips_per_class_and_fold):
                source = 1000 * fold + 100 * label + clip // takes
                take = "ABCDEFGHIJ"[clip % takes]
                name = f"{fold}-{source}-{take}-{10 * label}.wav"
                sounding = (label + (misleading and label % 5 == fold - 1)) % classes
                tone = None if tones_hz is None else tones_hz[sounding]
                write_sound(
                    root / "audio" / name, seconds=seconds, sample_rate=sample_rate, seed=len(rows), tone_hz=tone
                )
                rows.append(
                    {
                        "filename": name,
                        "fold": fold,
                        "target": 10 * label,
                        "category": ESC_CATEGORIES[label],
                        "esc10": label < classes - 1,
                        "src_file": source,
                        "take": take,
                    }
                )
    write_table(root / "meta" / "esc50.csv", rows[0], rows)
    return root


def write_urbansound8k_corpus(root: Path, *, clips_per_fold: int = 4, classes: int = 2) -> Path:
    """Write a corpus in the UrbanSound8K layout, ten folds, in the formats that the original is known for.

    Stereo, 24 bit, MS-ADPCM, 8 to 96 kHz, 0.05 s to 4 s.

    Returns:
        ``root``.
    """
    formats = (
        {"seconds": 0.6, "sample_rate": 44100, "channels": 2, "subtype": "PCM_24"},
        {"seconds": 0.05, "sample_rate": 48000, "channels": 1, "subtype": "PCM_16"},
        {"seconds": 0.5, "sample_rate": 8000, "channels": 1, "subtype": "MS_ADPCM"},
        {"seconds": 0.3, "sample_rate": 96000, "channels": 2, "subtype": "PCM_U8"},
    )
    rows = []
    for fold in range(1, 11):
        for clip in range(clips_per_fold):
            label, source = clip % classes, 100 * fold + clip // 2
            name = f"{source}-{label}-0-{clip}.wav"
            write_sound(root / "audio" / f"fold{fold}" / name, seed=len(rows), **formats[clip % len(formats)])
            rows.append(
                {
                    "slice_file_name": name,
                    "fsID": source,
                    "start": 0.0,
                    "end": formats[clip % len(formats)]["seconds"],
                    "salience": 1,
                    "fold": fold,
                    "classID": label,
                    "class": ("air_conditioner", "car_horn", "children_playing", "dog_bark")[label],
                }
            )
    write_table(root / "metadata" / "UrbanSound8K.csv", rows[0], rows)
    return root


def write_class_folders(
    root: Path, *, classes: tuple[str, ...], files: int, seconds: float = 0.5, recordings: int | None = None
) -> Path:
    """Write a folder per class with tones of the class's own height, half of the files one folder deeper.

    Files are called ``<class>-<recording>-<number>.wav``; their recordings are as many as there are files by default.

    Returns:
        ``root``.
    """
    for label, name in enumerate(classes):
        for number in range(files):
            recording = number % (recordings or files)
            folder = root / name / "more" if number % 2 else root / name
            write_sound(
                folder / f"{name}-{recording}-{number}.wav",
                seconds=seconds,
                seed=100 * label + number,
                tone_hz=500.0 * (label + 1),
            )
    return root
