"""When a device asks for what is desired, and what it says of a server that does not answer: once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from edge.backoff import Backoff, jittered
from edge.device_state import FIRST_PLACE, DeviceState
from edge.reporting import says_the_same
from edge.twin_source import TwinSource, TwinUnavailable
from models.components.twin import DesiredModel, Reported, Twin

LONGEST_SILENCE_SECONDS = 900.0
"""Between two questions to a server that does not answer, unless one asks more seldom anyway."""


def heard(state: DeviceState, twin: Twin) -> DeviceState:
    """What a device knows once it has heard a twin. A place that nothing is desired for goes, but for the first."""
    told = state.told
    if not says_the_same(twin.reported, told):
        told = Reported(version=max(told.version, twin.reported.version))  # the server forgot, or never knew
    desired = tuple(each.without_url() for each in twin.models)
    after = replace(state, etag=twin.etag, desired=desired, told=told)
    wanted = {FIRST_PLACE, *after.wanted()}
    return replace(after, places={name: place for name, place in state.places.items() if name in wanted})


class Listener:
    """Asks a twin's source now and then.

    Args:
        source: of the twin.
        every: seconds between two questions, about.
        tell: is given a line about each trouble, and one when it is over.

    Attributes:
        trouble: why nothing was heard the last time; "" where something was.
    """

    def __init__(self, source: TwinSource, every: float, tell: Callable[[str], None]) -> None:
        self._source = source
        self._every = every
        self._tell = tell
        self._backoff = Backoff(every, max(every, LONGEST_SILENCE_SECONDS))
        self._due = -math.inf
        self._urls: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self.trouble = ""

    @property
    def seconds_left(self) -> float:
        """Until the next question is due; not above 0 where it is."""
        return self._due - time.monotonic()

    def ask(self, etag: str | None) -> Twin | None:
        """What is desired; None where that has not changed since `etag`, or where nobody says.

        Args:
            etag: of what was heard last; None to hear it whatever it is, with new addresses.
        """
        try:
            twin = self._source.read(etag)
        except TwinUnavailable as error:
            self.trouble = str(error)
            self._due = time.monotonic() + self._backoff.failed()
            self._tell_once("read", error)
            return None
        self._is_well("read")
        self.trouble = ""
        self._backoff.worked()
        self._due = time.monotonic() + jittered(self._every)
        if twin is not None:
            self._urls = {each.sha256: each.url for each in twin.models if each.url}
        return twin

    def address(self, model: DesiredModel) -> DesiredModel | None:
        """A model with the address that was heard last; None where none was since this process began."""
        url = self._urls.get(model.sha256)
        return None if url is None else replace(model, url=url)

    def report(self, reported: Reported) -> bool:
        """Tells what the device does; whether it was heard."""
        try:
            self._source.report(reported)
        except TwinUnavailable as error:
            self._tell_once("report", error)
            return False
        self._is_well("report")
        return True

    def close(self) -> None:
        """Lets go of connections."""
        self._source.close()

    def _tell_once(self, question: str, error: TwinUnavailable) -> None:
        if self._told.get(question) != error.word:
            if error.word not in self._told.values():
                self._tell(f"{error}; going on with what is here")
            self._told[question] = error.word

    def _is_well(self, question: str) -> None:
        if self._told.pop(question, None) is not None and not self._told:
            self._tell("the server answers again")
