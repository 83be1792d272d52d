"""Bringing in what is desired of a device, whatever is desired meanwhile, and what is done with that which fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event

from edge.acquiring import Acquirer
from edge.conversation import Conversation
from edge.device_folder import RESERVED
from edge.device_record import DeviceRecord
from edge.device_state import DeviceState, Failure, Installed, Place
from edge.fetching import FetchStopped
from edge.retries import Retries
from edge.runs import now
from edge.steps import At, Step
from edge.trial_watch import TrialWatch
from edge.trials import begin, is_desired, may_be_another, swapped
from models.components.twin import DesiredModel
from models.errors import ComponentFault, ComponentRefused, FetchFailed, FetchFault, ModelUnfit

_PROGRESS_SECONDS = 10.0
_MOST_ROUNDS = 3
"""In a turn: where something else is desired each time, the next question is waited for."""
_OF_THE_ARCHIVE = frozenset(ComponentFault) - {
    ComponentFault.NOT_FOUND,
    ComponentFault.NO_RUNTIME,
    ComponentFault.UNSIGNED,
    ComponentFault.BAD_SIGNATURE,
}
"""Refusals that another signature, another package or another device would not change."""


class Overtaken(Exception):  # noqa: N818 - named for what happened
    """Something else is desired meanwhile."""


class BringingIn:
    """Has the places of a device lead to what is desired there. One thread has it.

    Args:
        record: of the device.
        conversation: with whoever desires; it goes on during downloads.
        watch: over what is in trial; it goes on during downloads.
        acquirer: brings releases into the folder.
        retries: what is not tried now.
        tell: is given a line about each thing that happens.
        stop: set where it is to end.
        at: is told of steps.
    """

    def __init__(
        self,
        record: DeviceRecord,
        conversation: Conversation,
        watch: TrialWatch,
        acquirer: Acquirer,
        retries: Retries,
        tell: Callable[[str], None],
        stop: Event,
        at: At,
    ) -> None:
        self._record = record
        self._conversation = conversation
        self._watch = watch
        self._acquirer = acquirer
        self._retries = retries
        self._tell = tell
        self._stop = stop
        self._at = at
        self._told_progress = time.monotonic()

    def all(self) -> None:
        """Brings in what is due, and what is desired meanwhile; not without end where that is another each time.

        Raises:
            FetchStopped: it is to end.
            OSError: the folder's disk failed outside of any archive.
        """
        for _ in range(_MOST_ROUNDS):
            if not self._is_overtaken():
                return

    def coming(self) -> set[str]:
        """Archives that are still to be fetched, or may be."""
        state = self._record.state
        wanted = {each.sha256 for each in state.wanted().values()}
        return wanted - {release.sha256 for release in state.releases().values()} - set(state.failed)

    def waiting(self) -> list[str]:
        """Archives that come in once it is no longer too early: the others wait for whoever tells where they lie."""
        wanted = self._record.state.wanted().items()
        return [
            desired.sha256 for name, desired in wanted if not self.is_there(name, desired) and self._is_told(desired)
        ]

    def is_there(self, name: str, desired: DesiredModel) -> bool:
        """Whether a place leads to what is desired."""
        place = self._record.state.places.get(name)
        return place is not None and is_desired(place.current, desired)

    def _is_overtaken(self) -> bool:
        """Brings in what is due; whether something else was desired before all was done."""
        before = self._record.state  # two places may change with each other
        for name, desired in before.wanted().items():
            self._forget_other_names(desired)
            if self.is_there(name, desired) or not self._may_try(desired):
                continue
            if not self._is_told(desired):
                continue
            if name in RESERVED:
                self._refuse(desired, str(ComponentFault.UNSAFE_NAME), f"the folder has something else at {name}")
                continue
            try:
                self._bring_in(name, desired, before)
                self._retries.forget(desired.sha256)
            except Overtaken:
                self._tell(f"{desired.title} is no longer desired")
                return True
            except ComponentRefused as refusal:
                word, detail = str(refusal.fault), refusal.detail
                if refusal.fault in _OF_THE_ARCHIVE and self._record.state.here(desired.sha256) is None:
                    self._give_up(desired, word, detail)
                else:
                    self._refuse(desired, word, detail)
            except ModelUnfit as unfit:
                self._give_up(desired, str(unfit.fault), unfit.detail)
            except FetchFailed as failure:
                self._postpone(desired, failure)
            except OSError as error:
                self._retries.postpone_disk(desired.sha256, desired.title, error, self._record.goes_on())
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
        record = self._record
        self._acquirer.verify(desired)
        self._at(Step.VERIFIED)
        here = before.here(desired.sha256)
        if here is not None and record.folder.holds(here):
            if not is_desired(here, desired):
                raise ComponentRefused(ComponentFault.OTHER_COMPONENT, f"its archive holds {here.title}")
            release, trial = here, None if before.is_proved(here) else begin(now())
        else:
            release, trial = self._acquired(name, desired), begin(now())
        record.folder.make_way(name)
        place = record.state.places.get(name, Place())
        record.write(record.state.with_place(name, swapped(place, release, trial, record.state.failed)))
        try:
            record.folder.point(record.state, name)
        except OSError:  # nothing is said to be there that is not
            record.state = record.state.with_place(name, place)
            record.write(record.state)
            raise
        self._tell(f"current{' of ' + name if name else ''}: {release.title} ({release.model_id})")

    def _acquired(self, name: str, desired: DesiredModel) -> Installed:
        addressed = self._conversation.address(desired)
        if addressed is None:
            addressed = self._addressed_anew(name, desired)
        self._conversation.report()
        self._tell(f"fetching {desired.title}, {desired.size:,} bytes")
        self._told_progress = time.monotonic()
        between = partial(self._fetched, name, desired)
        self._record.clean([desired.sha256])
        try:
            self._acquirer.fetch(addressed, self._stop, between)
        except FetchFailed as failure:
            if failure.fault != FetchFault.EXPIRED:
                raise
            self._acquirer.fetch(self._addressed_anew(name, desired), self._stop, between)
        self._conversation.poll()
        self._require_wanted(name, desired)
        return self._acquirer.take_in(desired, partial(self._between, name, desired))

    def _addressed_anew(self, name: str, desired: DesiredModel) -> DesiredModel:
        """With an address that is fresh: they die, and are made for whoever asks."""
        self._conversation.poll(anew=True)
        self._require_wanted(name, desired)
        addressed = self._conversation.address(desired)
        if addressed is None:
            why = self._conversation.trouble or "the server tells no address of it"
            raise FetchFailed(FetchFault.UNREACHABLE, why)
        return addressed

    def _fetched(self, name: str, desired: DesiredModel, fetched: int) -> None:
        """So many bytes of something lie there."""
        self._at(Step.FETCHING)
        self._between(name, desired)
        if time.monotonic() - self._told_progress >= _PROGRESS_SECONDS:
            self._told_progress = time.monotonic()
            self._tell(f"{desired.title}: {fetched / desired.size:.0%} of {desired.size:,} bytes")

    def _between(self, name: str, desired: DesiredModel) -> None:
        """What goes on while something is fetched, or its model is asked.

        Raises:
            Overtaken: something else is desired.
            FetchStopped: it is to end.
        """
        if self._stop.is_set():
            raise FetchStopped(0)
        if not self._watch.is_due:
            return
        try:
            self._watch.look()
            self._conversation.poll_if_due()
        except OSError as error:  # of the folder's disk, and not of whoever sends
            self._record.disk_failed(error)
        self._require_wanted(name, desired)
        self._conversation.report()

    def _require_wanted(self, name: str, desired: DesiredModel) -> None:
        wanted = self._record.state.wanted().get(name)
        if wanted is None or wanted.sha256 != desired.sha256:
            raise Overtaken

    def _is_told(self, desired: DesiredModel) -> bool:
        """Whether it lies here, or somebody tells where it lies, or can be asked."""
        is_here = self._record.state.here(desired.sha256) is not None
        return is_here or self._conversation.address(desired) is not None or not self._conversation.trouble

    def _forget_other_names(self, desired: DesiredModel) -> None:
        """An archive that was desired under a name that it does not have is tried under another."""
        state = self._record.state
        if may_be_another(state.failed.get(desired.sha256), desired):
            kept = {sha256: each for sha256, each in state.failed.items() if sha256 != desired.sha256}
            self._record.state = replace(state, failed=kept)

    def _may_try(self, desired: DesiredModel) -> bool:
        return desired.sha256 not in self._record.state.failed and self._retries.may_try(desired.sha256)

    # What fails

    def _refuse(self, desired: DesiredModel, word: str, detail: str) -> None:
        """It is not tried by this process."""
        self._retries.refuse(desired.sha256, desired.title, word, detail, self._record.goes_on())

    def _give_up(self, desired: DesiredModel, word: str, detail: str) -> None:
        """It is never tried again: what is wrong with an archive stays so."""
        self._retries.forget(desired.sha256)
        failure = Failure(desired.name, desired.version, "", word, detail)
        self._record.write(self._record.state.with_failure(desired.sha256, failure))
        self._tell(f"{desired.title} fails here: {word}: {detail}; {self._record.goes_on()}")

    def _postpone(self, desired: DesiredModel, failure: FetchFailed) -> None:
        """It is tried again, soon where some of it came."""
        self._retries.came_on(desired.sha256, failure.received / desired.size)
        word, detail = str(failure.fault), failure.detail
        self._retries.postpone(desired.sha256, desired.title, word, detail, self._record.goes_on())
