"""Download of the corpora from where their authors published them, unpacked into the layout that is read."""

import http.client
import logging
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pooch
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from storage import DataError

ESC50_URL = "https://github.com/karolpiczak/ESC-50/archive/master.zip"
URBANSOUND8K_URL = "https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz"
URBANSOUND8K_CHECKSUM = "md5:9aa69802bbf37fb986f71ec1483a196e"
TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
_log = logging.getLogger(__name__)


def download_esc50(root: Path, *, url: str = ESC50_URL, expected_clips: int = 2000) -> None:
    """Fetch ESC-50, which contains ESC-10, into ``root`` unless its table is there already.

    The archive is the current state of a repository, so its checksum may change; the number of recordings is checked.

    Args:
        root: folder that then holds ``audio/`` and ``meta/``; an archive ``ESC-50-master.zip`` in it is used.
        url: where the archive lies.
        expected_clips: number of recordings that it must hold.

    Raises:
        DataError: if the archive cannot be fetched, is incomplete or holds a different number of recordings.
    """
    _download(root, "meta/esc50.csv", url, "ESC-50-master.zip", None, expected_clips)


def download_urbansound8k(
    root: Path, *, url: str = URBANSOUND8K_URL, checksum: str = URBANSOUND8K_CHECKSUM, expected_clips: int = 8732
) -> None:
    """Fetch UrbanSound8K (6 GB) into ``root`` unless its table is there already.

    Args:
        root: folder that then holds ``audio/`` and ``metadata/``; an archive ``UrbanSound8K.tar.gz`` in it is used.
        url: address of the archive.
        checksum: checksum of the archive, ``md5:...``.
        expected_clips: number of recordings that it must hold.

    Raises:
        DataError: if the archive cannot be fetched, is incomplete or holds a different number of recordings.
    """
    _download(root, "metadata/UrbanSound8K.csv", url, "UrbanSound8K.tar.gz", checksum, expected_clips)


def _download(root: Path, table: str, url: str, archive_name: str, checksum: str | None, expected_clips: int) -> None:
    root = Path(root).expanduser().absolute()
    by_hand = f"fetch {url} by hand, place it as {root / archive_name} and start again"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".download.lock"):
            if (root / table).is_file():
                return
            archive = root / archive_name
            was_there = archive.exists()
            _fetch(url, archive, checksum, by_hand)
            _unpack(archive, root, table, expected_clips)
            if not was_there:
                archive.unlink()
    except OSError as error:
        raise DataError(f"expected to unpack {url} into {root}, found: {error.strerror or error}") from error


def _fetch(url: str, archive: Path, checksum: str | None, by_hand: str) -> None:
    """Download the archive unless it is there; a file under the final name is complete."""
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(url, checksum, fname=archive.name, path=archive.parent, downloader=_continue_download)
    except urllib.error.HTTPError as error:
        raise DataError(f"expected {archive.name} at {url}, found: {error.code} {error.reason}; {by_hand}") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"expected to fetch {url}, found no way to it ({reason}): {by_hand}") from error
    except ValueError as error:
        raise DataError(
            f"expected {checksum} as the checksum of {url}, found another file, which was removed: start again or "
            f"{by_hand}"
        ) from error


def _continue_download(url: str, output_file: str, _pooch: Any) -> None:
    """Download to ``output_file``, resuming an earlier attempt if the server supports it."""
    destination = Path(output_file)
    part = destination.parent / f".{Path(url).name}.part"
    present = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={present}-"} if present else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.unlink()
        present = 0
        response = urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with response, Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        if response.status != http.client.PARTIAL_CONTENT:
            present = 0
        length = response.headers.get("Content-Length")
        total = present + int(length) if length else None
        task = progress.add_task(f"fetching {Path(url).name}", total=total, completed=present)
        with part.open("ab" if present else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                progress.advance(task, len(chunk))
            received = file.tell()
    if total is not None and received < total:
        raise ConnectionError(f"the connection ended after {received} of {total} bytes, which are kept")
    part.replace(destination)


def _unpack(archive: Path, root: Path, table: str, expected_clips: int) -> None:
    """Unpack next to the final location, count the recordings, and move the folders, that of the table last."""
    _log.info("unpacking %s", archive)
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as temporary:
        try:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as zipped:
                    zipped.extractall(temporary)
            else:
                with tarfile.open(archive) as tarred:
                    # Nothing outside the folder, no links, no owners; Python before 3.11.4 has no filters yet, and
                    # what it unpacks has the published checksum.
                    tarred.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
                    tarred.extractall(temporary)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            archive.unlink()
            raise DataError(
                f"expected a whole archive in {archive}, found a damaged one, which was removed ({error}): start again"
            ) from error
        found = sorted(Path(temporary).glob(f"*/{table}"))
        clips = _recordings(Path(temporary))
        if len(found) != 1 or clips != expected_clips:
            raise DataError(
                f"expected {expected_clips} recordings and {table} in {archive}, found {clips} and {len(found)}: "
                "the published archive has changed; unpack it by hand if you trust it"
            )
        top = found[0].parents[1]
        for folder in (top / "audio", found[0].parent):
            destination = root / folder.name
            # An unpacking that was killed between the two folders has left the recordings without their table.
            if not (folder.name == "audio" and _recordings(destination) == expected_clips):
                folder.replace(destination)


def _recordings(folder: Path) -> int:
    """Number of recordings below a folder, without hidden files left by the file manager of the archive's author."""
    return sum(1 for path in folder.rglob("*.wav") if not path.name.startswith("."))
