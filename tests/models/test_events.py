"""What is told of models is told until it is confirmed, in its order, and what was confirmed is told no more."""

from __future__ import annotations

import pytest

from models import events as events_module
from models.events import MAX_UNDRAINED, EventLog, ModelEvent


def event(name: str) -> ModelEvent:
    return ModelEvent("accepted", f"{name}@sha256:0", name)


def log_of(*names: str) -> EventLog:
    log = EventLog()
    for name in names:
        log.add(event(name))
    return log


def told(log: EventLog) -> list[str]:
    return [each.model_name for each in log.tell().events]


def test_what_is_confirmed_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "LONGEST_TELLING", 0.0)
    log = log_of("a", "b")
    telling = log.tell()
    telling.confirm()

    assert not telling.put_back()
    assert told(log) == []


def test_what_is_put_back_is_told_again_before_what_came_later_however_it_is_put_back() -> None:
    log = log_of("a", "b")
    first = log.tell()
    log.add(event("c"))
    second = log.tell()
    log.add(event("d"))

    assert first.put_back()
    assert second.put_back()
    assert told(log) == ["a", "b", "c", "d"]
    assert not first.put_back()


def test_what_nobody_confirms_in_time_is_told_again_where_others_are_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "LONGEST_TELLING", 0.0)
    log = log_of("lost")
    log.tell()
    assert told(log) == []

    log.add(event("heard"))
    log.tell().confirm()
    assert told(log) == ["lost"]


def test_what_may_have_been_heard_waits_until_somebody_confirms_anything() -> None:
    log = log_of("a")
    assert not log.tell().put_back(is_certain=False)
    assert told(log) == []

    log.tell().confirm()
    assert told(log) == ["a"]


def test_what_is_let_go_is_never_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "LONGEST_TELLING", 0.0)
    log = log_of("a")
    log.tell().let_go()
    log.tell().confirm()

    assert told(log) == []


def test_a_log_that_nobody_confirms_keeps_a_bounded_number_of_events() -> None:
    log = EventLog()
    tellings = []
    for name in ("older", "newer"):
        for _ in range(MAX_UNDRAINED):
            log.add(event(name))
        tellings.append(log.tell())

    assert log.unconfirmed() == 1
    assert [telling.put_back() for telling in tellings] == [False, True]


def test_the_oldest_events_are_lost_where_there_is_no_room_for_all() -> None:
    log = log_of("oldest")
    telling = log.tell()
    for _ in range(MAX_UNDRAINED):
        log.add(event("newer"))
    telling.put_back()

    assert told(log) == ["newer"] * MAX_UNDRAINED
