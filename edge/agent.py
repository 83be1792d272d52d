"""The agent: keeps what a device runs at what is desired of it, one verified and proved release after another."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Event

from edge.acquiring import Acquirer, NotFetched
from edge.backoff import Backoff
from edge.device_folder import RESERVED, DeviceFolder
from edge.device_state import FIRST_PLACE, DeviceState, Failure, Place, Release, Trial
from edge.listening import Listener
from edge.reporting import Trouble, report_of, says_the_same
from edge.runs import forget_runs, now, read_runs
from edge.steps import At, Step
from edge.trials import SeenRun, begin, condemned, failure_of, given_way, looked_at, proved, swapped
from models.components.twin import DesiredModel, Reported, Twin
from models.errors import ComponentFault, ComponentRefused, ModelUnfit, typed_line

TRIAL_SECONDS, EVERY_SECONDS = 300.0, 60.0
LOOK_SECONDS = 1.0
"""Between two looks at what runs a release in trial."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 3600.0
_WRITTEN_SHARE = 0.1
"""Of a trial: its time is written to the disk no more often."""
_LEAST_REST_SECONDS = 0.05
_OF_THE_ARCHIVE = frozenset(ComponentFault) - {
    ComponentFault.NOT_FOUND,
    ComponentFault.NO_RUNTIME,
    ComponentFault.RESERVED_NAME,
    ComponentFault.UNSIGNED,
    ComponentFault.BAD_SIGNATURE,
}
"""Refusals that another signature, another package or another device would not change."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Overtaken(Exception):  # noqa: N818 - named for what happened
    """Something else is desired meanwhile."""


class Ending(Exception):  # noqa: N818 - nothing failed
    """The program is to end."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an agent works.

    Attributes:
        every: seconds between two polls, about.
        trial: seconds for which a release has to prove itself.
    """

    every: float = EVERY_SECONDS
    trial: float = TRIAL_SECONDS


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

    Raises:
        OSError: the folder cannot be mended.
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
        self._refused: dict[str, Trouble] = {}
        self._troubles: dict[str, Trouble] = {}
        self._pauses: dict[str, tuple[Backoff, float]] = {}
        self._may_report = True
        self._looked = -LOOK_SECONDS
        state, trouble = folder.read_state()
        if trouble:
            tell(trouble)
        self._state = self._saved = folder.mend(state)
        at(Step.STARTED)

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
            if self._folder.clean(self._state, self._coming()):
                self._at(Step.CLEANED)
            self._forget_trouble("")
        except Ending:
            return
        except OSError as error:  # of the folder's disk; what is there goes on
            self._postpone("", _word_of(error), typed_line(error))
        self._report()

    def why_not(self) -> str:
        """Why not all is as desired; "" where it is."""
        if self._listener.trouble:
            return self._listener.trouble
        if "" in self._troubles:
            return self._troubles[""][1]
        for name, desired in self._state.wanted().items():
            if not self._is_there(name, desired) or desired.sha256 in self._state.failed:
                failure = self._state.failed.get(desired.sha256)
                trouble = (failure.error, failure.detail) if failure else None
                trouble = trouble or self._refused.get(desired.sha256) or self._troubles.get(desired.sha256)
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
        desired = tuple(each.without_url() for each in twin.models)
        told = self._state.told
        if not says_the_same(twin.reported, told):
            told = Reported(version=max(told.version, twin.reported.version))  # the server forgot, or never knew
        heard = replace(self._state, etag=twin.etag, desired=desired, told=told)
        if heard == self._state:
            return
        if desired != self._state.desired:
            self._refused.clear()
            self._troubles.clear()
            self._pauses.clear()
        dropped = heard.places.keys() - heard.wanted() - {FIRST_PLACE}
        heard = replace(heard, places={name: place for name, place in heard.places.items() if name not in dropped})
        self._write(heard)
        for name in dropped:
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
        for name, desired in self._state.wanted().items():
            if self._is_there(name, desired) or not self._may_try(desired):
                continue
            try:
                self._bring_in(name, desired)
                self._forget_trouble(desired.sha256)
            except Overtaken:
                self._tell(f"{desired.title} is no longer desired")
                return True
            except ComponentRefused as refusal:
                self._refuse(desired, refusal)
            except ModelUnfit as unfit:
                self._give_up(desired, str(unfit.fault), unfit.detail)
            except NotFetched as trouble:
                self._postpone(desired.sha256, trouble.word, trouble.detail, desired.title)
            except OSError as error:
                self._postpone(desired.sha256, _word_of(error), typed_line(error), desired.title)
        return False

    def _bring_in(self, name: str, desired: DesiredModel) -> None:
        """Has a place lead to what is desired there.

        Raises:
            Overtaken, Ending: meanwhile.
            ComponentRefused, ModelUnfit: it must not run here.
            NotFetched: it cannot be had now.
            OSError: of this machine.
        """
        if name in RESERVED:
            raise ComponentRefused(ComponentFault.RESERVED_NAME, f"the device keeps something else at {name}/")
        self._acquirer.verify(desired)
        self._at(Step.VERIFIED)
        here = self._state.here(desired.sha256)
        release = here or self._acquired(name, desired)
        is_proved = here is not None and self._state.is_proved(here)
        place = self._state.places.get(name, Place())
        after = swapped(place, release, None if is_proved else begin(now()), self._state.failed)
        self._write(self._state.with_place(name, after))
        self._folder.point(self._state, name)
        self._tell(f"current{' of ' + name if name else ''}: {release.title} ({release.model_id})")

    def _acquired(self, name: str, desired: DesiredModel) -> Release:
        addressed = self._listener.address(desired)
        if addressed is None:
            addressed = self._addressed_anew(name, desired)
        self._report()
        between = partial(self._between, name, desired)
        self._folder.clean(self._state, [desired.sha256])
        self._folder.require_room(desired.size, desired.sha256)
        try:
            self._acquirer.fetch(addressed, between)
        except NotFetched as trouble:
            if trouble.word != "expired":
                raise
            self._acquirer.fetch(self._addressed_anew(name, desired), between)
        self._at(Step.FETCHED)
        self._poll()
        self._require_wanted(name, desired)
        return self._acquirer.take_in(desired)

    def _addressed_anew(self, name: str, desired: DesiredModel) -> DesiredModel:
        """With an address that is fresh: they die, and are made for whoever asks."""
        self._poll(anew=True)
        self._require_wanted(name, desired)
        addressed = self._listener.address(desired)
        if addressed is None:
            raise NotFetched("unreachable", self._listener.trouble or "the server tells no address of it")
        return addressed

    def _between(self, name: str, desired: DesiredModel) -> None:
        """What goes on while something is fetched."""
        self._at(Step.FETCHING)
        if self._stop.is_set():
            raise Ending
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look_at_trials()
        if self._listener.seconds_left <= 0:
            self._poll()
            self._require_wanted(name, desired)

    def _require_wanted(self, name: str, desired: DesiredModel) -> None:
        wanted = self._state.wanted().get(name)
        if wanted is None or wanted.sha256 != desired.sha256:
            raise Overtaken

    def _is_there(self, name: str, desired: DesiredModel) -> bool:
        place = self._state.places.get(name)
        return place is not None and place.current is not None and place.current.sha256 == desired.sha256

    def _may_try(self, desired: DesiredModel) -> bool:
        sha256 = desired.sha256
        return sha256 not in self._state.failed and sha256 not in self._refused and self._is_due(sha256)

    # What fails

    def _refuse(self, desired: DesiredModel, refusal: ComponentRefused) -> None:
        """What is wrong with the archive stays so; else it is not tried while the same is desired of this process."""
        word, detail = str(refusal.fault), refusal.detail
        if refusal.fault in _OF_THE_ARCHIVE:
            self._give_up(desired, word, detail)
            return
        self._forget_trouble(desired.sha256)
        self._refused[desired.sha256] = (word, detail)
        self._tell(f"{desired.title} is not taken: {word}: {detail}; {self._goes_on()}")

    def _give_up(self, desired: DesiredModel, word: str, detail: str) -> None:
        """It is not tried again until another archive is desired."""
        self._forget_trouble(desired.sha256)
        self._write(self._state.with_failure(desired.sha256, Failure(desired.name, desired.version, "", word, detail)))
        self._tell(f"{desired.title} fails here: {word}: {detail}; {self._goes_on()}")

    def _postpone(self, key: str, word: str, detail: str, title: str = "the folder") -> None:
        """It is tried again, ever more seldom; told once while it stays the same."""
        before = self._troubles.get(key)
        backoff, _ = self._pauses.get(key) or (Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS), 0.0)
        self._pauses[key] = (backoff, time.monotonic() + backoff.failed())
        if before is None or before[0] != word:
            self._troubles[key] = (word, detail)
            self._tell(f"{title}: {word}: {detail}; it is tried again, and {self._goes_on()}")

    def _forget_trouble(self, key: str) -> None:
        self._troubles.pop(key, None)
        self._pauses.pop(key, None)

    def _is_due(self, key: str) -> bool:
        return key not in self._pauses or self._pauses[key][1] <= time.monotonic()

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
        if trial.seconds >= self._terms.trial and self._is_due(release.sha256):
            self._conclude(name, release, answered=trial.answered)
            return
        if self._is_worth_writing(name, trial):
            self._write(after)
        self._state = after

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
            self._postpone(release.sha256, _word_of(error), typed_line(error), release.title)
            return
        self._forget_trouble(release.sha256)
        self._write(self._state.with_place(name, proved(self._state.places[name])))
        self._tell(f"{release.title} has come through its first minutes")

    def _give_way(self, name: str, release: Release, failure: Failure) -> None:
        self._forget_trouble(release.sha256)
        self._write(given_way(self._state, name, failure))
        self._folder.point(self._state, name)
        self._tell(f"{release.title} fails here: {failure.error}: {failure.detail}; {self._goes_on()}")

    # Writing and telling

    def _write(self, state: DeviceState) -> None:
        self._folder.write_state(state)
        self._state = self._saved = state

    def _report(self) -> None:
        if self._listener.trouble or not self._may_report:
            return
        reported = report_of(self._state, self._refused, self._troubles, self._folder.free_bytes())
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
        pauses = [again_at - time.monotonic() for _, again_at in self._pauses.values()]
        in_trial = any(place.trial is not None for place in self._state.places.values())
        return max(_LEAST_REST_SECONDS, min([self._listener.seconds_left, *pauses, *([LOOK_SECONDS] if in_trial else [])]))


def _word_of(error: OSError) -> str:
    return "disk_full" if error.errno in _FULL else "disk"
