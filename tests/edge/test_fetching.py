"""An archive comes whole and as it was desired, however often a storage cuts, or it does not come."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from edge.fetching import FetchStopped
from models.errors import FetchFault
from tests.edge.downloads import ARCHIVE, SHA256, Download
from tests.edge.hostile_storage import (
    Answer,
    HostileStorage,
    chunked,
    hanging,
    ranged,
    says,
    without_ranges,
)
from tests.waiting import eventually


@pytest.fixture
def download(tmp_path: Path) -> Download:
    return Download(tmp_path)


@contextmanager
def served(application: Starlette) -> Iterator[str]:
    """Yields the address of a server of another maker."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, "a server")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


# As it should be


def test_an_archive_comes_whole_and_a_second_call_asks_for_nothing(download: Download) -> None:
    with HostileStorage(ranged(ARCHIVE)) as storage:
        assert download.from_(storage.url) == len(ARCHIVE)
        assert download.came()
        assert download.told == sorted(set(download.told))
        assert download.told[-1] == len(ARCHIVE)
        assert download.from_(storage.url) == 0
    [asked] = storage.asked
    assert asked.target == "/a.zip?signature=x"
    assert asked.headers["accept-encoding"] == "identity"
    assert not {"range", "authorization", "cookie"} & asked.headers.keys()


def test_in_chunks_or_until_the_storage_hangs_up_it_comes_too(download: Download) -> None:
    for answer in (chunked(ARCHIVE), says("HTTP/1.1 200 OK", ARCHIVE), says("HTTP/1.0 200 OK", ARCHIVE + b"junk")):
        with HostileStorage(answer) as storage:
            assert download.from_(storage.url) == len(ARCHIVE)
        assert download.came()
        download.target.unlink()


def test_a_stock_server_serves_it_and_the_rest_of_it(download: Download, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(ARCHIVE)

    async def archive(request: Request) -> FileResponse:
        return FileResponse(file)

    with served(Starlette(routes=[Route("/a.zip", archive)])) as url:
        assert download.from_(f"{url}/a.zip") == len(ARCHIVE)
        download.target.unlink()
        download.part.write_bytes(ARCHIVE[:12_345])
        assert download.from_(f"{url}/a.zip") == len(ARCHIVE) - 12_345
        assert download.came()
        download.target.unlink()
        assert download.refused(f"{url}/b.zip").fault == FetchFault.EXPIRED


# Cuts


def test_after_each_cut_it_goes_on_where_it_was(download: Download) -> None:
    places = [1, 1000, 1001, 100_000, len(ARCHIVE) - 1]
    with HostileStorage(*(ranged(ARCHIVE, until) for until in places), ranged(ARCHIVE)) as storage:
        received = 0
        for place in places:
            failure = download.refused(storage.url)
            assert (failure.fault, download.part.stat().st_size) == (FetchFault.INTERRUPTED, place)
            received += failure.received
        received += download.from_(storage.url)
    assert download.came()
    assert received == len(ARCHIVE), "no byte came twice"
    assert [asked.start for asked in storage.asked] == [None, *places]


def test_a_storage_that_knows_no_ranges_begins_anew(download: Download) -> None:
    with HostileStorage(without_ranges(ARCHIVE, 5000), without_ranges(ARCHIVE)) as storage:
        assert download.refused(storage.url).received == 5000
        assert download.from_(storage.url) == len(ARCHIVE)
    assert download.came()


def test_what_a_power_cut_spoiled_is_asked_for_once_more(download: Download) -> None:
    download.part.parent.mkdir()
    for spoiled in (bytes(5000), bytes(len(ARCHIVE)), bytes(len(ARCHIVE) + 1)):
        download.part.write_bytes(spoiled)
        with HostileStorage(ranged(ARCHIVE)) as storage:
            download.from_(storage.url)
        assert download.came()
        assert storage.asked[-1].start is None
        download.target.unlink()


def test_what_is_whole_already_is_asked_for_nowhere(download: Download) -> None:
    download.part.parent.mkdir()
    download.part.write_bytes(ARCHIVE)
    assert download.from_("https://nowhere.invalid/") == 0
    assert download.came()


def test_something_else_under_its_name_gives_way(download: Download) -> None:
    download.target.parent.mkdir()
    for there in (b"something else", bytes(len(ARCHIVE))):
        download.target.write_bytes(there)
        with HostileStorage(says("HTTP/1.1 503 Later"), ranged(ARCHIVE)) as storage:
            download.refused(storage.url)
            assert download.from_(storage.url) == len(ARCHIVE)
        assert download.came()


def test_a_storage_with_less_than_lies_there_is_asked_for_all_of_it(download: Download) -> None:
    download.part.parent.mkdir()
    download.part.write_bytes(ARCHIVE[:5000])
    with HostileStorage(ranged(ARCHIVE[:4000]), ranged(ARCHIVE)) as storage:
        assert download.from_(storage.url) == len(ARCHIVE)
    assert download.came()
    assert [asked.start for asked in storage.asked] == [5000, None]


# Lies


def test_an_archive_that_is_swapped_in_the_middle_is_told_by_its_digest(download: Download) -> None:
    other = bytes(len(ARCHIVE))
    with HostileStorage(ranged(ARCHIVE, 5000), ranged(other)) as storage:
        download.refused(storage.url)
        failure = download.refused(storage.url)
    assert failure.fault == FetchFault.WRONG_DIGEST
    assert not download.part.exists()
    assert [asked.start for asked in storage.asked] == [None, 5000, None], "all of it is asked for once more"
    with HostileStorage(ranged(ARCHIVE)) as storage:
        download.from_(storage.url)
    assert download.came()


def test_other_bytes_are_removed_and_another_size_is_not_even_read(download: Download) -> None:
    with HostileStorage(ranged(bytes(len(ARCHIVE)))) as storage:
        assert download.refused(storage.url).fault == FetchFault.WRONG_DIGEST
        assert not download.part.exists()
    for data in (ARCHIVE[:-1], ARCHIVE + b"."):
        with HostileStorage(ranged(data)) as storage:
            failure = download.refused(storage.url)
        assert (failure.fault, failure.received) == (FetchFault.WRONG_DIGEST, 0)
        assert "bytes, and" in failure.detail


PARTS = [
    "HTTP/1.1 206 Partial\nContent-Range: bytes 0-307199/307200",
    "HTTP/1.1 206 Partial\nContent-Range: bytes 5001-307199/307200",
    "HTTP/1.1 206 Partial\nContent-Range: bytes 5000-307200/307200",
    "HTTP/1.1 206 Partial\nContent-Range: bytes 5000-307199",
    "HTTP/1.1 206 Partial\nContent-Range: none",
    "HTTP/1.1 206 Partial\nContent-Type: multipart/byteranges; boundary=x",
]


@pytest.mark.parametrize("head", PARTS)
def test_another_part_than_was_asked_for_is_refused_and_then_all_of_it_is_asked_for(
    download: Download, head: str
) -> None:
    download.part.parent.mkdir()
    download.part.write_bytes(ARCHIVE[:5000])
    with HostileStorage(says(head, ARCHIVE[5000:]), ranged(ARCHIVE)) as storage:
        assert download.refused(storage.url).fault == FetchFault.BAD_ANSWER
        assert download.from_(storage.url) == len(ARCHIVE)
    assert download.came()
    assert storage.asked[-1].start is None


def test_a_part_of_an_archive_of_another_size_is_no_part_of_it(download: Download) -> None:
    download.part.parent.mkdir()
    download.part.write_bytes(ARCHIVE[:5000])
    with HostileStorage(ranged(ARCHIVE + b".")) as storage:
        assert download.refused(storage.url).fault == FetchFault.WRONG_DIGEST


# What storages answer


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        *((status, FetchFault.EXPIRED) for status in (400, 401, 403, 404, 410)),
        *((status, FetchFault.UNREACHABLE) for status in (408, 429, 500, 502, 503, 504)),
        *((status, FetchFault.BAD_ANSWER) for status in (204, 301, 302, 303, 304, 307, 308, 402, 416, 418)),
    ],
)
def test_each_answer_has_its_word_and_leaves_what_was_there(download: Download, status: int, fault: FetchFault) -> None:
    head = f"HTTP/1.1 {status} So\nLocation: http://127.0.0.1/elsewhere\nContent-Length: 0"
    with HostileStorage(ranged(ARCHIVE, 5000), *[says(head)] * 2) as storage:
        download.refused(storage.url)
        failure = download.refused(storage.url)
    assert failure.fault == fault
    assert download.part.exists()
    assert len(storage.asked) == (3 if status == 416 else 2), "no redirect was followed"


# This machine


def test_it_stops_while_bytes_come_and_goes_on_later(download: Download) -> None:
    def stop(have: int) -> None:
        if have >= 5000:
            download.stop.set()

    with HostileStorage(without_ranges(ARCHIVE, 5000), ranged(ARCHIVE, 9000), ranged(ARCHIVE)) as storage:
        download.refused(storage.url)
        with pytest.raises(FetchStopped) as stopped:
            download.fetching.fetch(storage.url, SHA256, len(ARCHIVE), download.target, download.stop, stop)
        have = download.part.stat().st_size
        assert have == 5000 + stopped.value.received
        download.stop.clear()
        assert download.from_(storage.url) == len(ARCHIVE) - have
    assert download.came()


@pytest.mark.parametrize("answer", [hanging(), hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 307200\r\n\r\nx")])
def test_it_stops_while_a_storage_hangs(download: Download, answer: Answer) -> None:
    ended = threading.Event()

    def run(url: str) -> None:
        with pytest.raises(FetchStopped):
            download.from_(url)
        ended.set()

    with HostileStorage(answer) as storage:
        thread = threading.Thread(target=run, args=[storage.url])
        thread.start()
        eventually(lambda: storage.asked, "a question")
        download.stop.set()
        assert ended.wait(20)
        thread.join()


def test_without_room_nothing_is_asked_and_nothing_is_left(download: Download) -> None:
    download.part.parent.mkdir()
    download.part.write_bytes(ARCHIVE[:5000])
    with pytest.raises(OSError, match="are more than there is room for") as failure:
        download.from_("https://nowhere.invalid/", size=1 << 60)
    assert failure.value.errno == errno.ENOSPC
    assert not download.part.exists()


def test_a_disk_that_fills_meanwhile_has_back_what_had_come(small_disk: Path) -> None:
    download = Download(small_disk)

    def fill(have: int) -> None:
        with (small_disk / "others").open("ab", buffering=0) as others:
            while True:
                try:
                    others.write(bytes(4096))
                except OSError:
                    return

    with HostileStorage(ranged(ARCHIVE)) as storage:
        with pytest.raises(OSError, match="No space left") as failure:
            download.fetching.fetch(storage.url, SHA256, len(ARCHIVE), download.target, download.stop, fill)
        assert failure.value.errno == errno.ENOSPC
        assert list(download.target.parent.iterdir()) == []
        (small_disk / "others").unlink()
        assert download.from_(storage.url) == len(ARCHIVE)
    assert download.came()


def test_nobody_listens_or_nobody_is_called_so(download: Download) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert download.refused(f"http://127.0.0.1:{port}/").fault == FetchFault.UNREACHABLE
    assert download.refused("https://nowhere.invalid/").fault == FetchFault.UNREACHABLE
