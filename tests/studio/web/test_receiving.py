"""A large body comes to the disk whole, or leaves nothing there."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from serving.asking import Refused
from serving.over_http.bodies import HungUp
from studio.errors import StudioRefused, Trouble
from studio.web.blocking import Threads
from studio.web.receiving import Receiving

MIB = 1 << 20


def arriving(parts: Sequence[bytes], *, ends: bool = True, hangs_up: bool = False):
    """A body of ASGI in these parts; after them nothing more comes."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if ends:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    if hangs_up:
        messages.append({"type": "http.disconnect"})

    async def receive():
        if messages:
            return messages.pop(0)
        return await asyncio.Event().wait()

    return receive


def received(receiving: Receiving, receive, headers: dict[bytes, bytes] | None = None) -> bytes:
    async def take() -> bytes:
        async with receiving.file(receive, headers or {}) as path:
            return path.read_bytes()

    return asyncio.run(asyncio.wait_for(take(), 30))


@pytest.fixture
def receiving(tmp_path: Path) -> Receiving:
    return Receiving(tmp_path, Threads(1, "files"), largest=3 * MIB, spare=0, stall=0.2)


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


def test_a_file_is_what_was_sent_and_goes_unless_it_is_moved(receiving: Receiving) -> None:
    parts = [b"a" * 700_000, b"b" * 700_000, b"c" * 5]
    assert received(receiving, arriving(parts)) == b"".join(parts)
    assert is_empty(receiving.folder)


@pytest.mark.parametrize("headers", [{}, {b"content-length": b"%d" % (3 * MIB + 1)}, {b"content-length": b"9" * 50}])
def test_one_that_is_too_large_leaves_nothing(receiving: Receiving, headers: dict[bytes, bytes]) -> None:
    with pytest.raises(StudioRefused) as refused:
        received(receiving, arriving([b"x" * MIB] * 3 + [b"x"]), headers)
    assert refused.value.trouble is Trouble.TOO_LARGE and "3 MiB" in str(refused.value)
    assert is_empty(receiving.folder)


def test_the_rest_of_one_that_is_refused_is_read_so_that_its_sender_hears_why(receiving: Receiving) -> None:
    taken = 0
    receive = arriving([b"x" * MIB] * 5)

    async def counted():
        nonlocal taken
        message = await receive()
        taken += len(message["body"])
        return message

    with pytest.raises(StudioRefused):
        received(receiving, counted, {b"content-length": b"%d" % (5 * MIB)})
    assert taken >= 3 * MIB


def test_an_empty_one_is_refused(receiving: Receiving) -> None:
    with pytest.raises(StudioRefused) as refused:
        received(receiving, arriving([]))
    assert refused.value.trouble is Trouble.BAD_REQUEST


def test_one_that_stops_coming_is_given_up(receiving: Receiving) -> None:
    with pytest.raises(Refused):
        received(receiving, arriving([b"x"], ends=False))
    assert is_empty(receiving.folder)


def test_one_that_comes_byte_by_byte_is_given_up(tmp_path: Path) -> None:
    receiving = Receiving(tmp_path, Threads(1, "files"), spare=0, grace=0.2)

    async def receive():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(Refused) as refused:
        received(receiving, receive)
    assert "too slowly" in refused.value.detail and is_empty(tmp_path)


def test_a_client_that_hangs_up_leaves_nothing(receiving: Receiving) -> None:
    with pytest.raises(HungUp):
        received(receiving, arriving([b"x" * 2 * MIB], ends=False, hangs_up=True))
    assert is_empty(receiving.folder)


def test_the_disks_last_room_is_left_free(tmp_path: Path) -> None:
    more_than_there_is = shutil.disk_usage(tmp_path).free * 2
    receiving = Receiving(tmp_path, Threads(1, "files"), spare=more_than_there_is)
    with pytest.raises(StudioRefused) as refused:
        received(receiving, arriving([b"x"]))
    assert refused.value.trouble is Trouble.DISK_FULL and is_empty(tmp_path)
    assert f"{(more_than_there_is >> 20) + 1} MiB must be free" in str(refused.value), (
        "and how much is asked for is told"
    )


def test_what_a_studio_that_was_killed_left_is_removed(receiving: Receiving) -> None:
    (receiving.folder / ".upload-0123").write_bytes(b"half")
    (receiving.folder / "kept").write_bytes(b"whole")
    receiving.clear()
    assert [each.name for each in receiving.folder.iterdir()] == ["kept"]
