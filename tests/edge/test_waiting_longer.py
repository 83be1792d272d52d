"""What fails is told once, and tried ever more seldom within a bound; what goes well is as before."""

from __future__ import annotations

import errno

from edge.backoff import JITTER, Backoff, jittered
from edge.listening import LONGEST_SILENCE_SECONDS, Listener
from edge.retries import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Retries
from edge.twin_source import TwinTrouble, TwinUnavailable
from models.components.twin import Reported, Twin


def test_pauses_grow_to_their_bound_and_begin_anew() -> None:
    backoff = Backoff(1.0, 60.0)
    pauses = [backoff.failed() for _ in range(20)]

    assert all(
        abs(pause - expected) <= JITTER * expected
        for pause, expected in zip(pauses, [1, 2, 4, 8, 16, 32, 60], strict=False)
    )
    backoff.worked()
    assert backoff.failed() <= 1 + JITTER


def test_devices_that_began_at_one_moment_ask_at_many() -> None:
    assert len({jittered(60.0) for _ in range(100)}) > 90


def test_a_trouble_is_told_once_until_it_is_another() -> None:
    told: list[str] = []
    retries = Retries(told.append)
    full = OSError(errno.ENOSPC, "No space left on device")
    for _ in range(20):
        retries.postpone_disk("a", "animals 1.0.0", full, "nothing else goes on")
    assert len(told) == 1
    assert not retries.may_try("a")
    [pause] = retries.seconds_left(["a", "b"])
    assert LONGEST_PAUSE_SECONDS / 2 < pause <= (1 + JITTER) * LONGEST_PAUSE_SECONDS

    retries.postpone("a", "animals 1.0.0", "unreachable", "nobody answers", "nothing else goes on")
    assert len(told) == 2
    retries.forget("a")
    assert retries.may_try("a")
    assert retries.seconds_left(["a"]) == []


def pause_after(word: str, share: float, first: str = "interrupted") -> float:
    """How long an archive waits that failed often, so much of it coming each time."""
    retries = Retries(lambda line: None)
    for each in (first, *[word] * 10):
        retries.came_on("a", share)
        retries.postpone("a", "animals 1.0.0", each, "it broke", "nothing else goes on")
    [pause] = retries.seconds_left(["a"])
    return pause


def test_what_comes_on_before_it_breaks_is_tried_again_soon() -> None:
    assert pause_after("interrupted", 0.5) <= (1 + JITTER) * FIRST_PAUSE_SECONDS


def test_who_sends_next_to_nothing_or_other_bytes_is_asked_ever_more_seldom() -> None:
    for pause in (
        pause_after("interrupted", 0.001),
        pause_after("wrong_digest", 1.0),
        pause_after("interrupted", 0.5, first="wrong_digest"),
    ):
        assert pause > 100 * FIRST_PAUSE_SECONDS


def test_what_is_refused_is_not_tried_until_something_else_is_desired() -> None:
    retries = Retries(lambda line: None)
    retries.refuse("a", "animals 1.0.0", "unsigned", "nobody signed it", "nothing else goes on")
    assert not retries.may_try("a")

    retries.forget_archives()
    assert retries.may_try("a")


class Silent:
    """A source that does not answer, until it does."""

    answers = False

    def read(self, etag: str | None) -> Twin | None:
        if not self.answers:
            raise TwinUnavailable(TwinTrouble.UNREACHABLE, "nobody answers")
        return None

    def report(self, reported: Reported) -> None:
        """Hears it."""

    def close(self) -> None:
        """Holds nothing."""


def test_a_server_that_is_gone_for_days_is_asked_ever_more_seldom_and_told_once() -> None:
    told: list[str] = []
    source = Silent()
    listener = Listener(source, 60.0, told.append)
    waits = []
    for _ in range(20):
        assert listener.ask("an etag") is None
        waits.append(listener.seconds_left)

    assert waits[0] < 75 < 120 < waits[3]
    assert max(waits) <= (1 + JITTER) * LONGEST_SILENCE_SECONDS
    assert told == ["nobody answers; going on with what is here"]
    source.answers = True
    listener.ask("an etag")
    assert listener.seconds_left <= (1 + JITTER) * 60
    assert listener.trouble == ""
    assert told[1:] == ["the server answers again"]
