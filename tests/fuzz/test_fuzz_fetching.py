"""Whatever storages answer: a device writes no byte too many, and has the archive or nothing."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.fetching import Fetching
from models.errors import FetchFailed
from tests.edge.hostile_storage import Answer, Asked, HostileStorage, chunked, ranged, says, without_ranges
from tests.fuzz.test_fuzz_images import change

ARCHIVE = bytes(range(250)) * 20
OTHER = bytes(len(ARCHIVE))
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
NUMBERS = st.sampled_from([0, 1, 999, 1000, 1001, len(ARCHIVE) - 1, len(ARCHIVE), len(ARCHIVE) + 1, 1 << 40, -1])
DATA = st.sampled_from([ARCHIVE, ARCHIVE, ARCHIVE, OTHER, ARCHIVE[:-1], ARCHIVE + b"."])
UNTIL = st.none() | st.integers(0, len(ARCHIVE))
PIECES = st.binary(min_size=1, max_size=4) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"-", b"9", b"\0", b": "])
CHANGES = st.lists(st.tuples(st.integers(0, 120), st.sampled_from([0, 1, 2, 3]), PIECES), min_size=1, max_size=3)


def changed(answer: Answer, changes: list[Any]) -> Answer:
    """The same answer with some of its first bytes otherwise."""

    def otherwise(asked: Asked) -> Iterator[bytes]:
        data = b"".join(answer(asked))
        for at, kind, piece in changes:
            data = change(data, at, kind, piece)
        yield data

    return otherwise


def part(numbers: tuple[int, int, int], data: bytes) -> Answer:
    """A part that may be another one."""
    first, last, total = numbers
    return says(f"HTTP/1.1 206 Part\nContent-Range: bytes {first}-{last}/{total}", data)


PLAIN = st.one_of(
    st.builds(ranged, DATA, UNTIL),
    st.builds(without_ranges, DATA, UNTIL),
    st.builds(chunked, DATA),
    st.builds(part, st.tuples(NUMBERS, NUMBERS, NUMBERS), DATA),
)
ANSWERS = st.lists(PLAIN | st.builds(changed, PLAIN, CHANGES), max_size=4)


@lru_cache
def patient() -> Fetching:
    return Fetching(None, allow_here=True)


@given(ANSWERS)
def test_storages_of_any_kind(answers: list[Answer]) -> None:
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "a.zip"
        lying = target.with_name("a.zip.part")

        def told(have: int) -> None:
            assert have == lying.stat().st_size <= len(ARCHIVE)

        fetching, stop = patient(), threading.Event()
        with HostileStorage(*answers, ranged(ARCHIVE)) as storage:
            for _ in answers:
                try:
                    fetching.fetch(storage.url, SHA256, len(ARCHIVE), target, stop, told)
                except FetchFailed as failure:
                    assert failure.detail.isprintable()
                    assert not target.exists()
                else:
                    assert target.read_bytes() == ARCHIVE
        with HostileStorage(ranged(ARCHIVE)) as honest:
            received = fetching.fetch(honest.url, SHA256, len(ARCHIVE), target, stop, told)
        assert target.read_bytes() == ARCHIVE
        assert not lying.exists()
        assert received <= 2 * len(ARCHIVE)
