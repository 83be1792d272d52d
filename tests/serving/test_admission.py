"""Who is let in: as many as there is room for, and as can be answered in time."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack

import pytest

from serving.admission import Admission, Room
from serving.asking import Code, Refused


def test_whoever_comes_when_it_is_full_is_refused_at_once() -> None:
    admission = Admission(Room(images=3, size=100))
    with ExitStack() as inside:
        inside.enter_context(admission.admitted(2, 10, math.inf))
        with pytest.raises(Refused, match="2 images are waiting") as refused:
            inside.enter_context(admission.admitted(2, 10, math.inf))
        assert refused.value.code is Code.RESOURCE_EXHAUSTED
        inside.enter_context(admission.admitted(1, 10, math.inf))
        assert admission.images == 3
    assert admission.images == 0


def test_room_is_counted_in_bytes_too() -> None:
    admission = Admission(Room(images=100, size=100))
    with admission.admitted(1, 80, math.inf), pytest.raises(Refused) as refused, admission.admitted(1, 21, math.inf):
        pass
    assert refused.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("images", "size"), [(4, 1), (1, 101)])
def test_a_request_that_there_is_never_room_for_is_told_to_be_split(images: int, size: int) -> None:
    with pytest.raises(Refused, match="send several") as refused, Admission(Room(3, 100)).admitted(images, size, 9e9):
        pass
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_what_fails_inside_leaves_no_trace() -> None:
    admission = Admission(Room(3, 100))
    with pytest.raises(ZeroDivisionError), admission.admitted(3, 100, math.inf):
        raise ZeroDivisionError
    with admission.admitted(3, 100, math.inf):
        pass


def test_whoever_cannot_be_answered_in_time_is_refused_at_once() -> None:
    admission = _at_a_pace_of_a_second()
    with admission.admitted(10, 1, math.inf):
        with (
            pytest.raises(Refused, match="past the deadline") as refused,
            admission.admitted(1, 1, time.monotonic() + 1),
        ):
            pass
        assert refused.value.code is Code.RESOURCE_EXHAUSTED
        with admission.admitted(1, 1, time.monotonic() + 3600):
            pass
    with admission.admitted(1, 1, time.monotonic() + 1):  # nobody waits now
        pass


def test_a_pause_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    admission = Admission(Room(100, 100))
    _pass(admission, monkeypatch, seconds=1000, others_wait=False)
    with admission.admitted(50, 1, math.inf), admission.admitted(1, 1, time.monotonic() + 1):
        pass


def _at_a_pace_of_a_second() -> Admission:
    admission = Admission(Room(100, 100))
    with pytest.MonkeyPatch.context() as patched:
        _pass(admission, patched, seconds=1, others_wait=True)
    return admission


def _pass(admission: Admission, patched: pytest.MonkeyPatch, seconds: float, others_wait: bool) -> None:
    """Has a hundred batches of one image be done, so many seconds apart."""
    clock = time.monotonic()
    for number in range(100):
        patched.setattr(time, "monotonic", lambda number=number: clock + seconds * number)
        admission.paced(1, others_wait)
    patched.undo()
