"""A storage that drips, hangs, floods, or is not who it should be: a device is done with it soon, and says why."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from edge.connections import AddressRefused, checked_address, is_of_this_machine
from edge.fetching import Fetching
from models.errors import FetchFault, KeyUnusable
from tests.edge.downloads import ARCHIVE, Download
from tests.edge.hostile_storage import Answer, HostileStorage, dripping, endlessly, hanging, ranged, says
from tests.serving.certificates import Authority

OK = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ARCHIVE)}\r\n\r\n".encode()
SOON = 2.0


@pytest.fixture
def download(tmp_path: Path) -> Download:
    return Download(tmp_path)


@pytest.fixture
def impatient(download: Download) -> Download:
    """With little patience, for storages that are never done."""
    download.fetching = Fetching(None, allow_here=True, seconds=SOON, least=1000)
    return download


# Slow


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (hanging(), FetchFault.UNREACHABLE),
        (hanging(b"HTTP/1.1 200 OK\r\nContent-Le"), FetchFault.UNREACHABLE),
        (dripping(b"", b"H"), FetchFault.UNREACHABLE),
        (dripping(b"HTTP/1.1 200 OK\r\n", b"X"), FetchFault.UNREACHABLE),
        (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), FetchFault.UNREACHABLE),
        (hanging(OK + ARCHIVE[:1]), FetchFault.INTERRUPTED),
        (dripping(OK, b"x"), FetchFault.INTERRUPTED),
        (
            dripping(OK.replace(b"Content-Length: 307200", b"Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
            FetchFault.INTERRUPTED,
        ),
    ],
    ids=range(8),
)
def test_silence_and_a_byte_now_and_then_end_alike(impatient: Download, answer: Answer, fault: FetchFault) -> None:
    with HostileStorage(answer) as storage:
        failure = impatient.refused(storage.url)
    assert failure.fault == fault
    assert failure.detail == "fewer than 1,000 bytes came in 2 seconds"


def test_a_download_that_never_ends_makes_way_for_other_work_and_goes_on_later(download: Download) -> None:
    download.fetching = Fetching(None, allow_here=True, seconds=60, least=1, longest=SOON)
    with HostileStorage(dripping(OK, b"\0"), ranged(ARCHIVE)) as storage:
        failure = download.refused(storage.url)
        assert (failure.fault, failure.detail) == (FetchFault.INTERRUPTED, "it has not come in 2 seconds")
        assert download.part.stat().st_size == failure.received
        download.fetching = Fetching(None, allow_here=True)
        download.from_(storage.url)
    assert download.came()


# Answers that are none


@pytest.mark.parametrize(
    "answer",
    [
        says("SSH-2.0-OpenSSH_9.2"),
        says("HTTP/1.1 many OK"),
        says("HTTP/9.9 200 OK"),
        says("\x1b[2J\x00\xff"),
        says("HTTP/1.1 200 " + "O" * 70_000),
        says("HTTP/1.1 200 OK\n" + "\n".join(f"X-{number}: x" for number in range(200))),
        endlessly(b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 60_000 + b"\r\n"),
        endlessly(b"HTTP/1.1 200 OK\r\n", b"x" * 1000),
        endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        says("HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 307200", ARCHIVE),
        says("HTTP/1.1 200 OK\nContent-Encoding: identity, br", ARCHIVE),
        says("HTTP/1.1 206 Partial\nContent-Range: bytes 0-307199/307200", ARCHIVE),
        says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"-5\r\n" + bytes(len(ARCHIVE) * 2)),
        says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1" * 70_000),
    ],
    ids=range(14),
)
def test_nonsense_is_a_bad_answer_and_little_of_it_is_read(download: Download, answer: Answer) -> None:
    with HostileStorage(answer) as storage:
        assert download.refused(storage.url).fault in (FetchFault.BAD_ANSWER, FetchFault.WRONG_DIGEST)


@pytest.mark.parametrize(
    "answer",
    [says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"ten\r\n"), lambda asked: [b""], lambda asked: [b"HTTP/1"]],
    ids=range(3),
)
def test_who_hangs_up_early_is_asked_again_later(download: Download, answer: Answer) -> None:
    with HostileStorage(answer) as storage:
        assert download.refused(storage.url).fault in (FetchFault.UNREACHABLE, FetchFault.BAD_ANSWER)


def test_more_than_it_said_is_never_written(download: Download) -> None:
    with HostileStorage(endlessly(b"HTTP/1.1 200 OK\r\n\r\n", bytes(100_000))) as storage:
        failure = download.refused(storage.url)
    assert (failure.fault, failure.received) == (FetchFault.WRONG_DIGEST, len(ARCHIVE))


# Who it is


def test_a_storage_is_known_by_its_certificate(download: Download, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    download.fetching = Fetching(authority.certificate)
    with HostileStorage(ranged(ARCHIVE, 5000), ranged(ARCHIVE), secured=authority.pair("it", "127.0.0.1")) as storage:
        assert download.refused(storage.url).fault == FetchFault.INTERRUPTED
        assert download.from_(storage.url) == len(ARCHIVE) - 5000
    assert download.came()


def test_somebody_else_with_a_certificate_or_without_is_not_asked(download: Download, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    download.fetching = Fetching(authority.certificate)
    others = Authority(tmp_path, "others").pair("other", "127.0.0.1")
    for secured, said in (
        (others, "its certificate is not trusted: "),
        (authority.pair("elsewhere", "elsewhere.example"), "its certificate is not trusted: "),
        (None, "it does not speak TLS as it should: "),
    ):
        with HostileStorage(ranged(ARCHIVE), secured=secured) as storage:
            failure = download.refused(storage.url.replace("http://", "https://"))
        assert failure.fault == FetchFault.UNREACHABLE
        assert failure.detail.startswith(said)
        assert storage.asked == [] or secured is None

    download.fetching = Fetching(None, allow_here=True)
    with HostileStorage(ranged(ARCHIVE), secured=authority.pair("it", "127.0.0.1")) as storage:
        assert download.refused(storage.url).fault == FetchFault.UNREACHABLE


def test_a_certificate_that_ran_out_by_this_clock_is_told_with_the_clock(download: Download, tmp_path: Path) -> None:
    authority = Authority(tmp_path, days_ago=9)
    download.fetching = Fetching(authority.certificate)
    with HostileStorage(ranged(ARCHIVE), secured=authority.pair("it", "127.0.0.1")) as storage:
        failure = download.refused(storage.url)
    assert failure.fault == FetchFault.UNREACHABLE
    assert re.search(r"by this machine's clock, which says \d{4}-\d\d-\d\d; set the clock", failure.detail)


def test_a_handshake_that_never_ends_does(impatient: Download) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        failure = impatient.refused(f"https://127.0.0.1:{server.getsockname()[1]}/a.zip")
    assert (failure.fault, failure.detail) == ("unreachable", "fewer than 1,000 bytes came in 2 seconds")


def test_a_file_of_authorities_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("trust me")
    os.mkfifo(tmp_path / "pipe")
    for name in ("text", "absent", "pipe"):
        with pytest.raises(KeyUnusable, match="holds no certificates in PEM"):
            Fetching(tmp_path / name)


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a.zip",
        "file:///etc/passwd",
        "ftp://host/a.zip",
        "http://storage.example/a.zip",
        "http://10.0.0.1/a.zip",
        "https://user:word@host/a.zip",
        "https:///a.zip",
        "https://host:port/a.zip",
        "https://host:99999/a.zip",
        "https://[::1/a.zip",
        "https://host/a zip",
        "https://host/a\r\nX: y",
        "https://hōst/a.zip",
        "https://a..b/a.zip",
        "https://.host/a.zip",
        f"https://{'a' * 64}.example/a.zip",
    ],
)
def test_nothing_is_read_from_an_address_that_is_none_or_in_the_clear(download: Download, url: str) -> None:
    failure = download.refused(url)
    assert failure.fault == FetchFault.BAD_ADDRESS


HERE = ("localhost", "127.0.0.1", "127.9.9.9", "[::1]")


def test_in_the_clear_it_is_read_where_that_is_allowed_and_nowhere_else() -> None:
    for host in HERE:
        assert not checked_address(f"http://{host}:80/a.zip", allow_plain=False, allow_here=True).secure
    assert not checked_address("http://storage.example/a.zip", allow_plain=True, allow_here=False).secure
    with pytest.raises(AddressRefused, match="would be read in the clear") as refusal:
        checked_address("http://storage.example/a.zip?secret=x", allow_plain=False, allow_here=True)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("allow_plain", [False, True])
def test_a_server_elsewhere_has_nothing_asked_of_this_machines_own_services(allow_plain: bool) -> None:
    for host in HERE:
        with pytest.raises(AddressRefused, match="of this machine"):
            checked_address(f"http://{host}:80/a.zip", allow_plain, allow_here=False)


@pytest.mark.parametrize(
    ("server", "is_here"),
    [
        ("http://127.0.0.1:8600", True),
        ("https://localhost", True),
        ("https://[::1]:8600/fleet", True),
        ("https://fleet.example:8600", False),
        ("https://127.0.0.1.example", False),
        ("azure-iot:", False),
        ("https://[", False),
    ],
)
def test_which_server_is_on_this_machine(server: str, is_here: bool) -> None:
    assert is_of_this_machine(server) == is_here


def test_the_host_that_is_asked_is_named_with_its_port(download: Download) -> None:
    with HostileStorage(ranged(ARCHIVE)) as storage:
        download.from_(storage.url)
        [asked] = storage.asked
        assert asked.headers["host"] == storage.url.split("/")[2]
