"""The agent: keeps what a device runs at what is desired of it, one verified and proved release after another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

from edge.acquiring import Acquirer
from edge.device_folder import RESERVED, DeviceFolder
from edge.device_state import FIRST_PLACE, DeviceState, Failure, Place, Release, Trial
from edge.fetching import FetchStopped
from edge.listening import Listener, heard
from edge.reporting import report_of
from edge.runs import forget_runs, now, read_runs
from edge.steps import At, Step
from edge.trials import SeenRun, begin, condemned, failure_of, given_way, looked_at, proved, swapped
from edge.troubles import FOLDER, Troubles
from models.components.twin import DesiredModel, Twin
from models.errors import ComponentFault, ComponentRefused, FetchFailed, FetchFault, ModelUnfit

LOOK_SECONDS = 1.0
"""Between two looks at what runs a release in trial."""
_WRITTEN_SHARE = 0.1
"""Of a trial: its time is written to the disk no more often."""
_PROGRESS_SECONDS = 10.0
_LEAST_REST_SECONDS = 0.05
_OF_THE_ARCHIVE = frozenset(ComponentFault) - {
    ComponentFault.NOT_FOUND,
    ComponentFault.NO_RUNTIME,
    ComponentFault.UNSIGNED,
    ComponentFault.BAD_SIGNATURE,
}
"""Refusals that another signature, another package or another device would not change."""


class Overtaken(Exception):  # noqa: N818 - named for what happened
    """Something else is desired meanwhile."""


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
        self._listener = listener
        self._folder = folder
        self._acquirer = acquirer
        self._terms = terms
        self._tell = tell
        self._stop = stop
        self._at = at
        self._troubles = Troubles(tell)
        self._may_report = True
        self._is_unsaved = False
        self._looked = self._told_progress = time.monotonic()
        state, trouble = folder.read_state()
        if trouble:
            tell(trouble)
        self._state = self._saved = folder.whole(state)
        try:
            folder.mend(self._state)
            at(Step.STARTED)
        except OSError as error:  # a full disk: each turn tries again
            self._troubles.postpone_disk(FOLDER, str(folder.path), error, self._goes_on())

    def run(self) -> None:
        """Goes on until it is to end."""
        while not self._stop.is_set():
            self.turn()
            self._stop.wait(self._seconds_to_rest())

    def turn(self) -> None:
        """Does whatever is due now; what fails is told once, and tried again by a later turn."""
        try:
            self._look_at_trials()
            if self._listener.seconds_left <= 0:
                self._poll()
            self._bring_in_all()
            if self._is_unsaved and self._troubles.may_try(FOLDER):
                self._write(self._state)
            for name in self._state.places:
                self._folder.point(self._state, name)  # whoever meddled with it
            if self._folder.clean(self._state, self._coming()):
                self._at(Step.CLEANED)
        except FetchStopped:
            return
        except OSError as error:  # of the folder's disk; what is there goes on
            self._troubles.postpone_disk(FOLDER, str(self._folder.path), error, self._goes_on())
        self._report()

    def why_not(self) -> str:
        """Why not all is as desired; "" where it is."""
        if self._listener.trouble:
            return self._listener.trouble
        passing, refused = self._troubles.passing, self._troubles.refused
        if FOLDER in passing:
            return passing[FOLDER][1]
        for name, desired in self._state.wanted().items():
            if not self._is_there(name, desired) or desired.sha256 in self._state.failed:
                failure = self._state.failed.get(desired.sha256)
                trouble = (failure.error, failure.detail) if failure else None
                trouble = trouble or refused.get(desired.sha256) or passing.get(desired.sha256)
                return f"{desired.title} does not run: {': '.join(trouble or ('fetching', 'it is on its way'))}"
        return ""

    # What is desired

    def _poll(self, anew: bool = False) -> None:
        """Hears what is desired.

        Args:
            anew: read it with new addresses, whether it changed or not.
        """
        twin = self._listener.ask(None if anew else self._state.etag or None)
        self._at(Step.POLLED)
        if twin is not None:
            self._hear(twin)
        if not self._listener.trouble:
            self._may_report = True

    def _hear(self, twin: Twin) -> None:
        before, after = self._state, heard(self._state, twin)
        if after == before:
            return
        if after.desired != before.desired:
            self._troubles.forget_all()
        self._write(after)
        for name in before.places.keys() - after.places.keys():
            self._folder.drop(name)

    def _coming(self) -> set[str]:
        """Archives that are still to be fetched, or may be."""
        wanted = {each.sha256 for each in self._state.wanted().values()}
        return wanted - {release.sha256 for release in self._state.releases().values()} - set(self._state.failed)

    # Bringing in

    def _bring_in_all(self) -> None:
        """Until nothing more is due, whatever is desired meanwhile."""
        while self._is_overtaken():
            pass

    def _is_overtaken(self) -> bool:
        """Brings in what is due; whether something else was desired before all was done."""
        before = self._state  # two places may change with each other
        for name, desired in before.wanted().items():
            if self._is_there(name, desired) or not self._may_try(desired):
                continue
            if self._listener.trouble and not self._is_at_hand(desired):
                continue  # nobody tells where it lies now
            if name in RESERVED:
                why = f"the folder has something else at {name}"
                self._troubles.refuse(desired.sha256, desired.title, "unsafe_name", why, self._goes_on())
                continue
            try:
                self._bring_in(name, desired, before)
                self._troubles.forget(desired.sha256)
            except Overtaken:
                self._tell(f"{desired.title} is no longer desired")
                return True
            except ComponentRefused as refusal:
                word, detail = str(refusal.fault), refusal.detail
                if refusal.fault in _OF_THE_ARCHIVE:
                    self._give_up(desired, word, detail)
                else:
                    self._troubles.refuse(desired.sha256, desired.title, word, detail, self._goes_on())
            except ModelUnfit as unfit:
                self._give_up(desired, str(unfit.fault), unfit.detail)
            except FetchFailed as failure:
                word, detail = str(failure.fault), failure.detail
                if failure.received:
                    self._troubles.came_on(desired.sha256)
                self._troubles.postpone(desired.sha256, desired.title, word, detail, self._goes_on())
            except OSError as error:
                self._troubles.postpone_disk(desired.sha256, desired.title, error, self._goes_on())
        return False

    def _bring_in(self, name: str, desired: DesiredModel, before: DeviceState) -> None:
        """Has a place lead to what is desired there.

        Args:
            name: of the place.
            desired: is to be there.
            before: what lay here before this turn, and is not removed yet.

        Raises:
            Overtaken, FetchStopped: meanwhile.
            ComponentRefused, ModelUnfit: it must not run here.
            FetchFailed: it cannot be had now.
            OSError: of this machine.
        """
        self._acquirer.verify(desired)
        self._at(Step.VERIFIED)
        here = before.here(desired.sha256)
        if here is not None and self._folder.holds(here):
            release, trial = here, None if before.is_proved(here) else begin(now())
        else:
            release, trial = self._acquired(name, desired), begin(now())
        place = self._state.places.get(name, Place())
        self._write(self._state.with_place(name, swapped(place, release, trial, self._state.failed)))
        self._folder.point(self._state, name)
        self._tell(f"current{' of ' + name if name else ''}: {release.title} ({release.model_id})")

    def _acquired(self, name: str, desired: DesiredModel) -> Release:
        addressed = self._listener.address(desired)
        if addressed is None:
            addressed = self._addressed_anew(name, desired)
        self._report()
        self._tell(f"fetching {desired.title}, {desired.size:,} bytes")
        self._told_progress = time.monotonic()
        between = partial(self._between, name, desired)
        self._folder.clean(self._state, [desired.sha256])
        try:
            self._acquirer.fetch(addressed, self._stop, between)
        except FetchFailed as failure:
            if failure.fault != FetchFault.EXPIRED:
                raise
            self._acquirer.fetch(self._addressed_anew(name, desired), self._stop, between)
        self._poll()
        self._require_wanted(name, desired)
        return self._acquirer.take_in(desired)

    def _addressed_anew(self, name: str, desired: DesiredModel) -> DesiredModel:
        """With an address that is fresh: they die, and are made for whoever asks."""
        self._poll(anew=True)
        self._require_wanted(name, desired)
        addressed = self._listener.address(desired)
        if addressed is None:
            why = self._listener.trouble or "the server tells no address of it"
            raise FetchFailed(FetchFault.UNREACHABLE, why)
        return addressed

    def _between(self, name: str, desired: DesiredModel, fetched: int) -> None:
        """What goes on while something is fetched, of which so many bytes lie there."""
        self._at(Step.FETCHING)
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        try:
            self._look_at_trials()
            if self._listener.seconds_left <= 0:
                self._poll()
        except OSError as error:  # of the folder's disk, and not of whoever sends
            self._troubles.postpone_disk(FOLDER, str(self._folder.path), error, self._goes_on())
        self._require_wanted(name, desired)
        self._report()
        if self._looked - self._told_progress >= _PROGRESS_SECONDS:
            self._told_progress = self._looked
            self._tell(f"{desired.title}: {fetched / desired.size:.0%} of {desired.size:,} bytes")

    def _require_wanted(self, name: str, desired: DesiredModel) -> None:
        wanted = self._state.wanted().get(name)
        if wanted is None or wanted.sha256 != desired.sha256:
            raise Overtaken

    def _is_there(self, name: str, desired: DesiredModel) -> bool:
        place = self._state.places.get(name)
        return place is not None and place.current is not None and place.current.sha256 == desired.sha256

    def _is_at_hand(self, desired: DesiredModel) -> bool:
        return self._state.here(desired.sha256) is not None or self._listener.address(desired) is not None

    def _may_try(self, desired: DesiredModel) -> bool:
        return desired.sha256 not in self._state.failed and self._troubles.may_try(desired.sha256)

    # What fails

    def _give_up(self, desired: DesiredModel, word: str, detail: str) -> None:
        """It is never tried again: what is wrong with an archive stays so."""
        self._troubles.forget(desired.sha256)
        self._write(self._state.with_failure(desired.sha256, Failure(desired.name, desired.version, "", word, detail)))
        self._tell(f"{desired.title} fails here: {word}: {detail}; {self._goes_on()}")

    def _goes_on(self) -> str:
        current = self._state.places[FIRST_PLACE].current
        return f"{current.title} goes on" if current is not None else "there is no other yet"

    # Trials

    def _look_at_trials(self) -> None:
        self._looked = time.monotonic()
        runs = read_runs(self._folder.runs)
        for name, place in self._state.places.items():
            if place.trial is not None and place.current is not None:
                self._look_at(name, place, place.current, runs)
        forget_runs(self._folder.runs, [run.name for run in runs if not run.alive])

    def _look_at(self, name: str, place: Place, release: Release, runs: list[SeenRun]) -> None:
        assert place.trial is not None
        trial = looked_at(place.trial, release, runs, now())
        if (failure := condemned(trial, release, runs)) is not None:
            self._give_way(name, release, failure)
            return
        after = self._state.with_place(name, replace(place, trial=trial))
        if trial.seconds >= self._terms.trial and self._troubles.may_try(release.sha256):
            self._conclude(name, release, answered=trial.answered)
            return
        self._state = after
        if self._is_worth_writing(name, trial) and self._troubles.may_try(FOLDER):
            self._write(after)

    def _is_worth_writing(self, name: str, trial: Trial) -> bool:
        """Whether a trial is another than the disk knows, but for a little time."""
        known = self._saved.places[name].trial
        if known is None or trial.seconds - known.seconds >= _WRITTEN_SHARE * self._terms.trial:
            return True
        return replace(trial, seen=known.seen, seconds=known.seconds) != known

    def _conclude(self, name: str, release: Release, answered: bool) -> None:
        """The end of a trial: where nobody has answered by it, it has to answer once more."""
        try:
            if not answered:
                self._acquirer.prove_again(release)
        except (ModelUnfit, ComponentRefused) as unfit:
            self._give_way(name, release, failure_of(release, str(unfit.fault), unfit.detail))
            return
        except OSError as error:
            self._troubles.postpone_disk(release.sha256, release.title, error, self._goes_on())
            return
        self._troubles.forget(release.sha256)
        self._write(self._state.with_place(name, proved(self._state.places[name])))
        self._tell(f"{release.title} has come through its first minutes")

    def _give_way(self, name: str, release: Release, failure: Failure) -> None:
        self._troubles.forget(release.sha256)
        self._state = given_way(self._state, name, failure)
        self._is_unsaved = True
        self._folder.point(self._state, name)  # whether it can be written down or not: the disk may be full
        self._write(self._state)
        self._tell(f"{release.title} fails here: {failure.error}: {failure.detail}; {self._goes_on()}")

    # Writing and telling

    def _write(self, state: DeviceState) -> None:
        try:
            self._folder.write_state(state)
        except OSError:
            if not self._folder.clean(state):
                raise
            self._folder.write_state(state)  # in the room of what was on its way
        self._state = self._saved = state
        self._is_unsaved = False
        self._troubles.forget(FOLDER)

    def _report(self) -> None:
        if self._listener.trouble or not self._may_report:
            return
        reported = report_of(self._state, self._troubles, self._folder.free_bytes())
        if reported == self._state.told:
            return
        if not self._listener.report(reported):
            self._may_report = False  # before the next poll
            return
        self._at(Step.REPORTED)
        try:
            self._write(replace(self._state, told=reported))
        except OSError:  # then the next agent tells it once more
            self._state = replace(self._state, told=reported)

    def _seconds_to_rest(self) -> float:
        in_trial = any(place.trial is not None for place in self._state.places.values())
        waits = [self._listener.seconds_left, *self._troubles.seconds_left(), LOOK_SECONDS if in_trial else math.inf]
        return max(_LEAST_REST_SECONDS, min(waits))
