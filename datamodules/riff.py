"""The length of sound that the header of a WAV file announces.

Source: IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0, 1991 (RIFF); EBU Tech 3306
(RF64).
"""

import struct
from pathlib import Path

# Streaming encoders cannot go back to write the length: ffmpeg leaves 0xFFFFFFFF, SoX just below 2 GiB, others 0.
UNKNOWN_LENGTH = 0x7FFF0000


def announced_bytes(path: Path) -> tuple[int, int] | None:
    """Bytes of sound that a WAV header announces, and bytes that follow the header in the file.

    libsndfile shortens a truncated file without a word, so the chunks are walked here. Bytes are compared and not
    frames, because in compressed formats (MS-ADPCM) a frame has no fixed size.

    Returns:
        Announced and found number of bytes, or None if the file is no WAV file or announces no length.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX", b"RF64") or head[8:12] != b"WAVE":
            return None
        order = ">" if head[:4] == b"RIFX" else "<"
        long_length = None
        while len(chunk := file.read(8)) == 8:
            length = struct.unpack(f"{order}I", chunk[4:])[0]
            if chunk[:4] == b"data":
                if long_length is not None and length == 0xFFFFFFFF:
                    return long_length, size - file.tell()
                if length == 0 or length >= UNKNOWN_LENGTH > size:
                    return None
                return length, size - file.tell()
            following = file.tell() + length + length % 2
            if chunk[:4] == b"ds64" and length >= 16:
                long_length = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
            file.seek(following)
    return None
