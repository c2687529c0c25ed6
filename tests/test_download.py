import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from datamodules.download import download_esc50, download_urbansound8k
from datamodules.esc50 import read_esc_table
from datamodules.urbansound8k import read_urbansound8k_table
from storage import DataError
from tests.corpus_fixtures import write_esc_corpus, write_urbansound8k_corpus


class Server(http.server.ThreadingHTTPServer):
    """Serves one archive on the loopback interface and notes what was asked for."""

    def __init__(self, content, *, cut_at=None, ranges=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cut_at, self.ranges, self.asked = content, cut_at, ranges, []

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start and start >= len(self.server.content):
            self.send_error(416)
            return
        if not self.server.content:
            self.send_error(404)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        self.wfile.write(self.server.content[start : self.server.cut_at])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(*arguments, **options):
        server = Server(*arguments, **options)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def pack_zip(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, f"ESC-50-master/{path.relative_to(folder)}")
    return packed.getvalue()


def pack_tar(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, "UrbanSound8K")
    return packed.getvalue()


@pytest.fixture
def esc_archive(tmp_path):
    return pack_zip(write_esc_corpus(tmp_path / "source", seconds=0.01, classes=2))


def leftovers(root):
    return sorted(path.name for path in root.iterdir() if path.name != ".download.lock")


@pytest.mark.filterwarnings("ignore:.*fewer than the.*published")
def test_esc50_is_fetched_unpacked_and_not_fetched_again(tmp_path, serve, esc_archive):
    server = serve(esc_archive)
    root = tmp_path / "ESC-50"
    for _ in range(2):
        download_esc50(root, url=server.url("master.zip"), expected_clips=20)
    assert len(read_esc_table(root, only_esc10=False)) == 20
    assert server.asked == [None]
    assert leftovers(root) == ["audio", "meta"]


@pytest.mark.filterwarnings("ignore:.*fewer than the.*published")
def test_urbansound8k_is_fetched_when_its_checksum_agrees(tmp_path, serve):
    source = write_urbansound8k_corpus(tmp_path / "source", clips_per_fold=2)
    (source / "audio" / "fold1" / "._100-0-0-0.wav").write_bytes(b"a file manager's leavings")
    packed = pack_tar(source)
    server = serve(packed)
    root = tmp_path / "UrbanSound8K"
    checksum = "md5:" + hashlib.md5(packed).hexdigest()
    with pytest.raises(DataError, match=r"expected md5:0+ as the checksum of http.*, found another file"):
        download_urbansound8k(root, url=server.url("U.tar.gz"), checksum="md5:" + "0" * 32, expected_clips=20)
    assert leftovers(root) == []
    download_urbansound8k(root, url=server.url("U.tar.gz"), checksum=checksum, expected_clips=20)
    assert len(read_urbansound8k_table(root)) == 20


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="Python before 3.11.4 filters nothing")
def test_an_archive_does_not_write_outside_its_folder(tmp_path, serve):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../outside.wav"))
    checksum = "md5:" + hashlib.md5(packed.getvalue()).hexdigest()
    url = serve(packed.getvalue()).url("U.tar.gz")
    with pytest.raises(DataError, match=r"expected a whole archive in .*, found a damaged one, .*outside"):
        download_urbansound8k(tmp_path / "UrbanSound8K", url=url, checksum=checksum, expected_clips=1)
    assert not list(tmp_path.rglob("outside.wav"))


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no_ranges"])
def test_a_broken_transfer_continues_where_it_ended(tmp_path, serve, esc_archive, ranges):
    server = serve(esc_archive, cut_at=1000, ranges=ranges)
    root = tmp_path / "ESC-50"
    with pytest.raises(
        DataError, match=r"the connection ended after 1000 of \d+ bytes, which are kept.*by hand, place"
    ):
        download_esc50(root, url=server.url("master.zip"), expected_clips=20)
    assert leftovers(root) == [".master.zip.part"]
    server.cut_at = None
    download_esc50(root, url=server.url("master.zip"), expected_clips=20)
    assert server.asked == [None, "bytes=1000-"]
    assert leftovers(root) == ["audio", "meta"]


def test_a_part_that_is_longer_than_the_archive_starts_over(tmp_path, serve, esc_archive):
    server = serve(esc_archive)
    root = tmp_path / "ESC-50"
    root.mkdir()
    (root / ".master.zip.part").write_bytes(bytes(len(esc_archive) + 1))
    download_esc50(root, url=server.url("master.zip"), expected_clips=20)
    assert leftovers(root) == ["audio", "meta"]


def test_another_number_of_recordings_is_refused_and_unpacks_nothing(tmp_path, serve, esc_archive):
    server = serve(esc_archive)
    root = tmp_path / "ESC-50"
    with pytest.raises(DataError, match=r"expected 2000 recordings and meta/esc50.csv in .*, found 20 and 1"):
        download_esc50(root, url=server.url("master.zip"))
    assert leftovers(root) == ["ESC-50-master.zip"]


def test_a_damaged_archive_is_removed(tmp_path, serve, esc_archive):
    server = serve(esc_archive[:-2000])
    root = tmp_path / "ESC-50"
    with pytest.raises(DataError, match=r"expected a whole archive in .*, found a damaged one, which was removed"):
        download_esc50(root, url=server.url("master.zip"), expected_clips=20)
    assert leftovers(root) == []


def test_without_a_way_out_one_sentence_says_what_to_fetch_and_where_to_put_it(tmp_path, serve):
    server = serve(b"")
    url = server.url("master.zip")
    with pytest.raises(DataError, match=r"expected ESC-50-master.zip at http.*, found: 404 Not Found; fetch"):
        download_esc50(tmp_path / "ESC-50", url=url)
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError) as caught:
        download_esc50(tmp_path / "ESC-50", url=url)
    message = str(caught.value)
    assert message.startswith(f"expected to fetch {url}, found no way to it")
    assert message.endswith(
        f"fetch {url} by hand, place it as {tmp_path / 'ESC-50' / 'ESC-50-master.zip'} and start again"
    )
    assert "\n" not in message


def test_an_archive_that_was_placed_by_hand_is_used_and_kept(tmp_path, esc_archive):
    root = tmp_path / "ESC-50"
    root.mkdir()
    (root / "ESC-50-master.zip").write_bytes(esc_archive)
    download_esc50(root, url="http://127.0.0.1:1/master.zip", expected_clips=20)
    assert leftovers(root) == ["ESC-50-master.zip", "audio", "meta"]


def test_an_unpacking_that_was_killed_between_the_folders_continues(tmp_path, esc_archive):
    root = tmp_path / "ESC-50"
    root.mkdir()
    (root / "ESC-50-master.zip").write_bytes(esc_archive)
    download_esc50(root, url="http://127.0.0.1:1/master.zip", expected_clips=20)
    (root / "meta" / "esc50.csv").unlink()
    (root / "meta").rmdir()
    download_esc50(root, url="http://127.0.0.1:1/master.zip", expected_clips=20)
    assert (root / "meta" / "esc50.csv").is_file()
