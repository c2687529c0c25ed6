"""The audio files of a folder, recognised by their suffixes."""

import os
from pathlib import Path

import soundfile

MORE_SUFFIXES = ("aif", "aifc", "wave", "oga", "opus", "snd", "sph", "nist")
"""Suffixes of formats that libsndfile reads, in addition to the names of the formats."""


def audio_suffixes() -> frozenset[str]:
    """Suffixes of the files that this machine's libsndfile reads, in lower case with their dot."""
    # Raw samples have no header, so their format is unknown.
    formats = {name.lower() for name in soundfile.available_formats()} - {"raw"}
    return frozenset(f".{suffix}" for suffix in (*formats, *MORE_SUFFIXES))


def audio_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """All files below a folder, at any depth, in the order of their paths.

    Hidden files and folders, whose names begin with a dot, are left out; links to folders are not followed.

    Returns:
        The audio files, and the others.
    """
    suffixes = audio_suffixes()
    audio: list[Path] = []
    others: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                path = Path(place, name)
                (audio if path.suffix.lower() in suffixes else others).append(path)
    return sorted(audio), sorted(others)
