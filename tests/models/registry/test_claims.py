"""Claims: one process does the work, and the next if that one dies; nobody compares clocks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.registry import claims as claiming
from models.registry.claims import CLAIM_SECONDS, Claims
from models.storage.errors import StorageUnavailable
from models.storage.local_objects import LocalObjects
from tests.waiting import eventually

NAME = "claims/a.json"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Troubled(LocalObjects):
    trouble = False

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        if self.trouble:
            raise StorageUnavailable("down")
        return super().swap(name, data, expected)


@pytest.fixture
def objects(tmp_path: Path) -> Troubled:
    return Troubled(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def one(objects: Troubled) -> Iterator[Claims]:
    claims = Claims(objects)
    yield claims
    claims.close()


@pytest.fixture
def other(objects: Troubled, clock: Clock) -> Iterator[Claims]:
    claims = Claims(objects, clock)
    yield claims
    claims.close()


def test_one_of_two_gets_it_and_the_other_once_it_is_released(one: Claims, other: Claims) -> None:
    assert one.take(NAME, "m.h5")
    assert not other.take(NAME, "m.h5")
    assert not one.take(NAME, "m.h5")
    one.release(NAME)
    assert other.take(NAME, "m.h5")


def test_whoever_closes_lets_go_of_all(objects: Troubled, other: Claims) -> None:
    first = Claims(objects)
    assert first.take(NAME, "m.h5")
    first.close()
    assert other.take(NAME, "m.h5")


def elsewhere(objects: LocalObjects) -> None:
    """Makes the claim that of a process on another machine."""
    found = objects.read(NAME)
    assert found is not None
    claim = json.loads(found.data) | {"processes": "another machine", "process": 1}
    objects.swap(NAME, json.dumps(claim).encode(), found.version)


def test_a_claim_without_a_sign_of_life_is_taken_over_after_a_minute(
    objects: Troubled, one: Claims, other: Claims, clock: Clock
) -> None:
    assert one.take(NAME, "m.h5")
    elsewhere(objects)
    assert not other.take(NAME, "m.h5")
    clock.now = CLAIM_SECONDS - 1
    assert not other.take(NAME, "m.h5")
    clock.now = CLAIM_SECONDS
    assert other.take(NAME, "m.h5")


def test_a_claim_that_is_renewed_is_never_taken_over(
    objects: Troubled, other: Claims, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "_BEAT_SECONDS", 0.01)
    living = Claims(objects)
    assert living.take(NAME, "m.h5")
    for minute in range(1, 5):
        before = objects.read(NAME)
        assert not other.take(NAME, "m.h5")
        eventually(lambda: objects.read(NAME) != before, "a sign of life")  # noqa: B023 - awaited here
        clock.now = minute * CLAIM_SECONDS
    living.close()
    assert objects.read(NAME) is None


def test_the_claim_of_a_dead_process_of_this_machine_is_free_at_once(tmp_path: Path, other: Claims) -> None:
    program = (
        "import os, sys; from pathlib import Path; from models.registry.claims import Claims;"
        "from models.storage.local_objects import LocalObjects;"
        f"assert Claims(LocalObjects(Path(sys.argv[1]))).take({NAME!r}, 'm.h5'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
    assert (tmp_path / NAME).exists()
    assert other.take(NAME, "m.h5")


def test_a_claim_in_another_space_of_process_numbers_is_not_judged_by_its_number(
    objects: Troubled, one: Claims, other: Claims
) -> None:
    assert one.take(NAME, "m.h5")
    found = objects.read(NAME)
    assert found is not None
    nobody = 2**22 - 1
    assert not Path(f"/proc/{nobody}").exists()
    claim = json.loads(found.data) | {"processes": "a container beside", "process": nobody}
    objects.swap(NAME, json.dumps(claim).encode(), found.version)
    assert not other.take(NAME, "m.h5")


@pytest.mark.parametrize("planted", [b"", b"no claim", b"[" * 100_000, b'{"format": 1, "process": -1}'])
def test_what_is_no_claim_holds_nobody_up_for_longer_than_a_minute(
    objects: Troubled, other: Claims, clock: Clock, planted: bytes
) -> None:
    objects.swap(NAME, planted, None)
    assert not other.take(NAME, "m.h5")
    clock.now = CLAIM_SECONDS
    assert other.take(NAME, "m.h5")


def test_while_the_registry_is_down_nobody_gets_anything(objects: Troubled, one: Claims) -> None:
    objects.trouble = True
    with pytest.raises(StorageUnavailable):
        one.take(NAME, "m.h5")
    objects.trouble = False
    assert one.take(NAME, "m.h5")


def test_an_owner_that_was_taken_for_dead_does_not_take_it_back(objects: Troubled, other: Claims, clock: Clock) -> None:
    stalled = Claims(objects, beats=False)
    assert stalled.take(NAME, "m.h5")
    elsewhere(objects)
    assert not other.take(NAME, "m.h5")
    clock.now = CLAIM_SECONDS
    assert other.take(NAME, "m.h5")
    taken = objects.read(NAME)
    assert taken is not None
    stalled.beat()
    stalled.release(NAME)
    stalled.close()
    assert objects.read(NAME) == taken


def test_signs_of_life_go_on_after_whatever_went_wrong(
    objects: Troubled, monkeypatch: pytest.MonkeyPatch, other: Claims
) -> None:
    monkeypatch.setattr(claiming, "_BEAT_SECONDS", 0.01)
    living = Claims(objects)
    assert living.take(NAME, "m.h5")
    with monkeypatch.context() as broken:
        failed = threading.Event()

        def fail(*_: object) -> None:
            failed.set()
            raise RuntimeError("a client's own")

        broken.setattr(objects, "swap", fail)
        assert failed.wait(60)
    before = objects.read(NAME)
    eventually(lambda: objects.read(NAME) != before, "another sign of life")
    living.close()
