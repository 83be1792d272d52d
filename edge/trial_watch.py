"""Looking at what runs releases: one stays, or gives way to the one before, above all in its first minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from edge.acquiring import Acquirer
from edge.device_record import DeviceRecord
from edge.device_state import DeviceState, Failure, Installed, Place, Trial
from edge.retries import FOLDER, Retries
from edge.runs import forget_runs, now, read_runs
from edge.trials import (
    SeenRun,
    condemned,
    failure_of,
    given_way,
    looked_at,
    proved,
    quarantined,
    stepped_back,
    still_tells,
    unfit_for_images,
)
from models.errors import ComponentRefused, ModelUnfit

LOOK_SECONDS = 1.0
"""Between two looks at what runs a release in trial."""
_WRITTEN_SHARE = 0.1
"""Of a trial: its time is written to the disk no more often."""
_MOST_KEPT = 32
"""Programs that ended, of which is remembered how images went."""


class TrialWatch:
    """Judges the releases of a device by the rules of `edge.trials`. One thread has it.

    Args:
        record: of the device.
        acquirer: has a release answer at the end of its trial.
        seconds: for which a release has to prove itself.
        retries: of what cannot be found out now.
        tell: is given a line about each verdict.
    """

    def __init__(
        self,
        record: DeviceRecord,
        acquirer: Acquirer,
        seconds: float,
        retries: Retries,
        tell: Callable[[str], None],
    ) -> None:
        self._record = record
        self._acquirer = acquirer
        self._seconds = seconds
        self._retries = retries
        self._tell = tell
        self._looked = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last look was some time ago."""
        return time.monotonic() - self._looked >= LOOK_SECONDS

    @property
    def is_needed(self) -> bool:
        """Whether there is anything in trial."""
        return any(place.trial is not None for place in self._record.state.places.values())

    def look(self) -> None:
        """Looks once.

        Raises:
            OSError: of the disk; what gives way has given way.
        """
        self._looked = time.monotonic()
        self._look_for_damage()
        folder = self._record.folder.runs
        runs = read_runs(folder)
        for name, place in self._record.state.places.items():
            if place.current is None:
                continue
            if place.trial is not None:
                self._look_at(name, place, place.current, runs)
            elif (failure := quarantined(place.current, runs)) is not None:
                self._give_way_late(name, place.current, failure)
        places = self._record.state.places.values()
        in_trial = {place.current.manifest for place in places if place.current is not None and place.trial is not None}
        dead = [run for run in runs if not run.alive]
        kept = [run for run in dead if still_tells(run, in_trial)][-_MOST_KEPT:]
        forget_runs(folder, [run.name for run in dead if run not in kept])

    def _look_for_damage(self) -> None:
        """What is no longer what it was gives way; where it is desired it is fetched once more."""
        before = self._record.state
        for name, after in self._record.folder.whole(before).places.items():
            place = before.places[name]
            if after == place:
                continue
            lost = [each.title for each in place.releases() if each not in after.releases()]
            self._record.go_back_to(self._record.state.with_place(name, after), name)
            self._tell(f"{', '.join(lost)} changed on this disk, and does not count; {self._record.goes_on()}")

    def _look_at(self, name: str, place: Place, release: Installed, runs: list[SeenRun]) -> None:
        assert place.trial is not None
        trial = looked_at(place.trial, release, runs, now())
        if (failure := condemned(trial, release, runs)) is not None:
            self._give_way(name, release, failure)
            return
        after = self._record.state.with_place(name, replace(place, trial=trial))
        if trial.seconds >= self._seconds and self._retries.may_try(release.sha256):
            if (failure := unfit_for_images(trial, release, runs, at_end=True)) is not None:
                self._give_way(name, release, failure)
                return
            self._conclude(name, release, answered=trial.answered)
            return
        self._record.state = after
        if self._is_worth_writing(name, trial) and self._retries.may_try(FOLDER):
            self._record.write(after)

    def _is_worth_writing(self, name: str, trial: Trial) -> bool:
        """Whether a trial is another than the disk knows, but for a little time."""
        known = self._record.saved.places[name].trial
        if known is None or trial.seconds - known.seconds >= _WRITTEN_SHARE * self._seconds:
            return True
        return replace(trial, seen=known.seen, seconds=known.seconds) != known

    def _conclude(self, name: str, release: Installed, answered: bool) -> None:
        """The end of a trial: where nobody has answered by it, it has to answer once more."""
        try:
            if not answered:
                self._acquirer.prove_again(release)
        except ModelUnfit as unfit:
            self._give_way(name, release, failure_of(release, str(unfit.fault), unfit.detail))
            return
        except ComponentRefused as refusal:  # its bytes were proved when it came: they, or its engine, are gone
            self._step_back(name, release, refusal)
            return
        except OSError as error:
            self._retries.postpone_disk(release.sha256, release.title, error, self._record.goes_on())
            return
        self._retries.forget(release.sha256)
        state = self._record.state
        self._record.write(state.with_place(name, proved(state.places[name])))
        self._tell(f"{release.title} has come through its first minutes")

    def _step_back(self, name: str, release: Installed, refusal: ComponentRefused) -> None:
        """Nothing was found out about a release: it is tried again later, by way of what is desired."""
        goes_on = self._record.goes_on()
        self._retries.postpone(release.sha256, release.title, str(refusal.fault), refusal.detail, goes_on)
        state = self._with_good(name)
        self._record.go_back_to(state.with_place(name, stepped_back(state.places[name])), name)

    def _give_way_late(self, name: str, release: Installed, failure: Failure) -> None:
        """A release that had proved itself fails; once, where there is no other that could answer."""
        if release.sha256 not in self._record.state.failed:
            self._give_way(name, release, failure)

    def _give_way(self, name: str, release: Installed, failure: Failure) -> None:
        self._retries.forget(release.sha256)
        self._record.go_back_to(given_way(self._with_good(name), name, failure), name)
        self._tell(f"{release.title} fails here: {failure.error}: {failure.detail}; {self._record.goes_on()}")

    def _with_good(self, name: str) -> DeviceState:
        """The state, whose last good release at a place is read once more before it is gone back to."""
        state = self._record.state
        place = state.places[name]
        if place.last_good is None or self._record.folder.holds(place.last_good, anew=True):
            return state
        return state.with_place(name, replace(place, last_good=None))
