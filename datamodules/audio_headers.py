"""Lengths in the headers of audio files: WAV files without a length, and truncated Ogg files.

Source: IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0, 1991 (RIFF); EBU Tech 3306
(RF64).
"""

import io
import math
import struct
from pathlib import Path
from typing import BinaryIO

# Streaming encoders cannot go back to write the length: ffmpeg leaves 0xFFFFFFFF, SoX just below 2 GiB, others 0.
UNKNOWN_LENGTH = 0x7FFF0000


def announced_bytes(path: Path) -> tuple[int, int] | None:
    """Bytes of sound that a WAV header announces, and bytes that follow the header in the file.

    libsndfile silently shortens a truncated file, so the chunks are parsed here. Bytes are compared rather than frames,
    because in compressed formats (MS-ADPCM) a frame has no fixed size.

    Returns:
        Announced and found number of bytes, or None if the file is not a WAV file or announces no length.
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


def with_length(path: Path, seconds: float) -> io.BytesIO | None:
    """The beginning of a streamed WAV file with the length of its sound filled in.

    libsndfile treats a length of 0 as a file without samples, although the sound of a streamed file extends to its end.
    A file whose empty sound is followed by other chunks (tags, for example) really has no samples.

    Args:
        path: any file.
        seconds: length of the sound to keep, at least, in s; later sound is left out.

    Returns:
        A WAV file in memory, or None where the header announces a length other than 0, where other chunks follow a
        length of 0, or where the file is no WAV file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:12] != b"WAVE":
            return None
        order = ">" if head[:4] == b"RIFX" else "<"
        chunks, bytes_per_second, frame_bytes = b"", 0, 1
        while len(chunk := file.read(8)) == 8:
            length = struct.unpack(f"{order}I", chunk[4:])[0]
            if chunk[:4] == b"data":
                if length != 0 or not bytes_per_second or _chunks_follow(file, size, order):
                    return None
                sound = file.read(math.ceil(seconds * bytes_per_second))
                sound = sound[: len(sound) // frame_bytes * frame_bytes]
                body = b"WAVE" + chunks + b"data" + struct.pack(f"{order}I", len(sound)) + sound
                return io.BytesIO(head[:4] + struct.pack(f"{order}I", len(body)) + body)
            content = file.read(length + length % 2)
            if chunk[:4] == b"fmt " and len(content) >= 16:
                bytes_per_second, frame_bytes = struct.unpack(f"{order}8xIH", content[:14])
                frame_bytes = max(1, frame_bytes)
            chunks += chunk + content
    return None


def _chunks_follow(file: BinaryIO, size: int, order: str) -> bool:
    """Whether the rest of a file is a chain of RIFF chunks that ends with the file; the file position is restored.

    Samples practically never form such a chain: every name must be printable ASCII, and every length must lead to the
    next name.
    """
    begin = position = file.tell()
    whole = False
    while size - position >= 8:
        file.seek(position)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        if not all(0x20 <= letter <= 0x7E for letter in name):
            break
        position += 8 + length + length % 2
        # The byte of padding after the last chunk is often left out.
        whole = position - size in (0, 1)
    file.seek(begin)
    return whole


def ends_early(path: Path) -> bool:
    """Whether an Ogg file is truncated: its last page is not marked as the last of its stream, or is incomplete.

    A decoder silently plays such a file up to the break. The segment table of a page gives its number of bytes, so that
    a cut inside the last page is found too. Source: RFC 3533, section 6.
    """
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        # A page has at most 65,307 bytes; what follows the last one is allowed as much again.
        file.seek(max(0, path.stat().st_size - 2 * 65_307))
        tail = file.read()
    page = tail.rfind(b"OggS")
    # The header has 27 bytes, the last of which is the number of segments; the sizes of these follow.
    if page < 0 or len(tail) < page + 27 or not tail[page + 5] & 0x04:
        return True
    segments = tail[page + 26]
    sizes = tail[page + 27 : page + 27 + segments]
    return len(sizes) < segments or len(tail) < page + 27 + segments + sum(sizes)
