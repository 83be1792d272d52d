"""The agent: keeps what a device runs at what is desired of it, one verified and proved release after another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from edge.acquiring import Acquirer
from edge.backoff import Backoff
from edge.bringing_in import BringingIn
from edge.conversation import Conversation
from edge.device_folder import DeviceFolder, FolderTaken
from edge.device_record import DeviceRecord
from edge.fetching import FetchStopped
from edge.listening import Listener
from edge.retries import FIRST_PAUSE_SECONDS, FOLDER, LONGEST_PAUSE_SECONDS, Retries
from edge.runs import now
from edge.steps import At
from edge.trial_watch import LOOK_SECONDS, TrialWatch
from edge.trials import begin, without_failures_of
from models.errors import typed_line
from models.version import VERSION

_LEAST_REST_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Terms:
    """How an agent works.

    Attributes:
        every: seconds between two polls, about.
        trial: seconds for which a release has to prove itself.
    """

    every: float
    trial: float


class Agent:
    """One device's agent. One thread runs it; killed at any moment, the next one goes on where it was.

    Args:
        listener: says what is desired.
        folder: of the device.
        acquirer: brings releases into it.
        terms: how long whatever lasts.
        tell: is given a line about each thing that happens.
        stop: set where it is to end.
        at: is told of steps.
    """

    def __init__(
        self,
        listener: Listener,
        folder: DeviceFolder,
        acquirer: Acquirer,
        terms: Terms,
        tell: Callable[[str], None],
        stop: Event,
        at: At = lambda step: None,
    ) -> None:
        self._tell = tell
        self._stop = stop
        self._retries = Retries(tell)
        self._acquirer = acquirer
        self._record = DeviceRecord(folder, self._retries, tell, at)
        self._record.state = without_failures_of(self._record.state, VERSION)
        self._conversation = Conversation(listener, self._record, self._retries, at)
        self._watch = TrialWatch(self._record, acquirer, terms.trial, self._retries, tell)
        self._bringing_in = BringingIn(
            self._record, self._conversation, self._watch, acquirer, self._retries, tell, stop, at
        )

    def run(self) -> None:
        """Goes on until it is to end. What nobody has thought of is told once, and it goes on after a while.

        Raises:
            FolderTaken: as `turn`.
        """
        backoff, told = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS), ""
        while not self._stop.is_set():
            try:
                self.turn()
                rest = self._seconds_to_rest()
                backoff.worked()
            except FolderTaken:
                raise
            except Exception as error:
                rest = backoff.failed()
                if (line := typed_line(error)) != told:
                    told = line
                    self._tell(f"this should not happen, please report it: {line}; {self._record.goes_on()}")
            self._stop.wait(rest)

    def turn(self) -> None:
        """Does whatever is due now; what fails is told once, and tried again by a later turn.

        Raises:
            FolderTaken: the folder was removed, and another agent has begun in its place.
        """
        try:
            self._renew_folder()
            self._retry_if_asked()
            self._watch.look()
            self._conversation.poll_if_due()
            self._bringing_in.all()
            self._record.write_what_is_left()
            self._record.tidy(self._bringing_in.coming())
        except FetchStopped:
            return
        except OSError as error:  # of the folder's disk; what is there goes on
            self._record.disk_failed(error)
        self._tell_moved()
        self._hold_against_keys()
        self._conversation.report()

    def why_not(self) -> str:
        """Why not all is as desired; "" where it is."""
        if self._conversation.trouble:
            return self._conversation.trouble
        passing, refused = self._retries.passing, self._retries.refused
        if FOLDER in passing:
            return passing[FOLDER][1]
        state, failed = self._record.state, self._record.state.failed
        for name, desired in state.wanted().items():
            if not self._bringing_in.is_there(name, desired) or desired.sha256 in failed:
                failure = failed.get(desired.sha256)
                trouble = (failure.error, failure.detail) if failure else None
                trouble = trouble or refused.get(desired.sha256) or passing.get(desired.sha256)
                return f"{desired.title} does not run: {': '.join(trouble or ('fetching', 'it is on its way'))}"
        for place in state.places.values():
            if place.current is not None and (trouble := self._retries.untrusted.get(place.current.sha256)) is not None:
                return f"{place.current.title} runs, and is not trusted: {': '.join(trouble)}"
        return ""

    def _renew_folder(self) -> None:
        folder = self._record.folder
        if folder.renew():
            self._record.write(self._record.state)
            self._tell(f"{folder.path}: some of it was removed, and is made anew")

    def _tell_moved(self) -> None:
        moved = self._record.folder.moved_aside
        while moved:
            self._tell(f"something else stood in the way, and now is {moved.pop(0)}")

    def _hold_against_keys(self) -> None:
        """Tells of what runs though no key that is trusted now signed it; it stays, as there may be no other."""
        state, untrusted = self._record.state, self._retries.untrusted
        current = {each.current.sha256: each.current for each in state.places.values() if each.current is not None}
        for sha256 in untrusted.keys() - current.keys():
            del untrusted[sha256]
        for sha256, release in current.items():
            refusal = self._acquirer.why_untrusted(release, state)
            if refusal is None:
                untrusted.pop(sha256, None)
            elif sha256 not in untrusted:
                untrusted[sha256] = (str(refusal.fault), refusal.detail)
                self._tell(f"{release.title} runs, and is not trusted: {refusal}; desire one that is")

    def _retry_if_asked(self) -> None:
        folder, state = self._record.folder, self._record.state
        if not folder.is_asked_to_retry:
            return
        self._record.write(state.without_failures(begin(now())))
        self._retries.forget_archives()
        folder.has_retried()
        self._tell(f"asked to retry: {len(state.failed)} given up before")

    def _seconds_to_rest(self) -> float:
        until_look = LOOK_SECONDS if self._watch.is_needed else math.inf
        waits = [self._conversation.seconds_left, *self._retries.seconds_left(self._bringing_in.waiting()), until_look]
        return max(_LEAST_REST_SECONDS, min(waits))
