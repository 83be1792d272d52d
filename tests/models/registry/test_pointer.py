"""The pointer: one fact, which never goes back, whoever writes nonsense in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.reference import ModelReference, Statement
from models.registry.pointer import LivePointer
from models.registry.records import MOST_CHANGES, Pointer
from models.storage.local_objects import LocalObjects

NAME, PATTERN = "live/models.json", "gs://b/models/*.h5"
A, B, C = (ModelReference(f"gs://b/models/{name}.h5", name * 64) for name in "abc")


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path)


def opened(objects: LocalObjects) -> LivePointer:
    """As a process knows it that has just begun."""
    pointer = LivePointer(objects, NAME, PATTERN)
    pointer.look()
    return pointer


def written(objects: LocalObjects) -> dict[str, object]:
    found = objects.read(NAME)
    assert found is not None
    return dict(json.loads(found.data))


def test_before_there_is_one_nothing_is_stated(objects: LocalObjects) -> None:
    assert opened(objects).statement is None


def test_what_one_states_all_others_read(objects: LocalObjects) -> None:
    assert opened(objects).move(A, "the newest valid file")
    assert opened(objects).statement == Statement(A, 1)
    assert opened(objects).move(B, "the newest valid file")
    assert opened(objects).statement == Statement(B, 2)


def test_of_two_who_move_it_at_once_one_does(objects: LocalObjects) -> None:
    one, other = opened(objects), opened(objects)
    assert one.move(A, "")
    assert not other.move(B, "")
    other.look()
    assert other.statement == Statement(A, 1)
    assert other.move(B, "")
    assert not one.move(C, "")


def test_a_rollback_is_a_later_change_to_an_earlier_model(objects: LocalObjects) -> None:
    pointer = opened(objects)
    for model in (A, B, A):
        pointer.move(model, "")
    assert opened(objects).statement == Statement(A, 3)


def test_its_history_says_what_was_live_when_by_whom_and_why(objects: LocalObjects) -> None:
    pointer = opened(objects)
    pointer.move(A, "the first")
    pointer.move(B, "better")
    known = opened(objects).pointer
    assert known is not None
    assert [(each.epoch, each.reference, each.why) for each in known.changes] == [(1, A, "the first"), (2, B, "better")]
    assert all(each.by and each.time.endswith("Z") for each in known.changes)


def test_its_history_has_an_end(objects: LocalObjects) -> None:
    pointer = opened(objects)
    for number in range(MOST_CHANGES + 20):
        pointer.move((A, B)[number % 2], "")
    known = opened(objects).pointer
    assert known is not None
    assert [each.epoch for each in known.changes] == list(range(21, MOST_CHANGES + 21))


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 200_000,
        b'{"format": 1}',
        json.dumps({"format": 1, "pattern": PATTERN, "live": None, "changes": []}).encode(),
        json.dumps({"format": 1, "pattern": PATTERN, "live": 3, "changes": 7}).encode(),
        json.dumps({"format": 2, "pattern": PATTERN}).encode(),
        b" " * (2 << 20),
    ],
)
def test_whoever_remembers_puts_a_damaged_one_right(objects: LocalObjects, damage: bytes) -> None:
    pointer = opened(objects)
    pointer.move(A, "")
    pointer.move(B, "")
    found = objects.read(NAME)
    assert found is not None
    objects.swap(NAME, damage, found.version)
    assert opened(objects).statement is None
    pointer.look()
    assert pointer.statement == Statement(B, 3)
    assert opened(objects).statement == Statement(B, 3)


def test_whoever_knows_nothing_begins_anew_on_a_damaged_one(objects: LocalObjects) -> None:
    objects.swap(NAME, b"nonsense", None)
    pointer = opened(objects)
    assert pointer.move(A, "")
    assert opened(objects).statement == Statement(A, 1)


def test_a_lost_one_is_put_right_above_what_was_stated(objects: LocalObjects) -> None:
    pointer = opened(objects)
    for model in (A, B, C):
        pointer.move(model, "")
    found = objects.read(NAME)
    assert found is not None
    objects.remove(NAME, found.version)
    newcomer = opened(objects)
    newcomer.move(C, "begun anew")
    pointer.look()
    assert pointer.statement == Statement(C, 4)
    newcomer.look()
    assert newcomer.statement == Statement(C, 4)


def test_an_older_one_that_is_put_back_is_no_way_back(objects: LocalObjects) -> None:
    pointer = opened(objects)
    pointer.move(A, "")
    old = objects.read(NAME)
    pointer.move(B, "")
    found = objects.read(NAME)
    assert old is not None
    assert found is not None
    objects.swap(NAME, old.data, found.version)
    pointer.look()
    assert pointer.statement == Statement(B, 3)


def test_a_statement_from_elsewhere_is_remembered(objects: LocalObjects) -> None:
    pointer = opened(objects)
    pointer.remember(Statement(B, 7))
    pointer.look()
    assert pointer.statement == Statement(B, 8)
    assert opened(objects).statement == Statement(B, 8)


@pytest.mark.parametrize(
    "change",
    [
        {"pattern": "gs://b/others/*.h5"},
        {"live": {"epoch": 9, "uri": A.uri, "sha256": A.sha256, "why": "", "by": "", "time": ""}},
        {"changes": [{"epoch": 0, "uri": A.uri, "sha256": A.sha256, "why": "", "by": "", "time": ""}]},
        {"changes": [{"epoch": 1e300, "uri": A.uri, "sha256": A.sha256, "why": "", "by": "", "time": ""}]},
        {"changes": [{"epoch": 1, "uri": A.uri, "sha256": "a" * 63, "why": "", "by": "", "time": ""}]},
        {"changes": [{"epoch": 1, "uri": 7, "sha256": A.sha256, "why": "", "by": "", "time": ""}]},
    ],
)
def test_one_that_contradicts_itself_is_not_believed(objects: LocalObjects, change: dict[str, object]) -> None:
    opened(objects).move(A, "")
    told = json.dumps(written(objects) | change).encode()
    with pytest.raises(ValueError):
        Pointer.decode(told, PATTERN)


def test_names_of_any_bytes_survive(objects: LocalObjects) -> None:
    strange = ModelReference("/models/\udcff\u2028 \x1b[2J.h5", "e" * 64)
    opened(objects).move(strange, "\x1b[2J")
    assert opened(objects).statement == Statement(strange, 1)
    found = objects.read(NAME)
    assert found is not None
    assert found.data.isascii() or b"\x1b" not in found.data
