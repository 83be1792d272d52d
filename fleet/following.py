"""Follows which model of a folder is live, and has devices get it: packaged, recorded, and rolled out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from fleet.errors import FleetError, StoreUnusable
from fleet.fleet import Fleet
from fleet.packing import ModelChanged, Packer
from fleet.rollouts import Plan
from models.components.component import TARGETS, Target
from models.components.twin import MOST_MODELS
from models.errors import (
    CacheUnusable,
    ModelRejected,
    QuantizedOtherwise,
    ReleaseError,
    VettingFailed,
    VettingStarved,
    VettingStopped,
    one_line,
)
from models.printable import logger
from models.reference import ModelReference
from models.storage.errors import InvalidAddress, NotWritten, StorageUnavailable
from models.troubles import Troubles

_LOGGER = logger(__name__)

_LOOK_SECONDS = 0.2
_DEVICES_SECONDS = 5.0
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 2.0, 120.0
_UNEXPECTED_SECONDS = 10.0
_LONGEST_CLOSE_SECONDS = 10.0
_NAMED = 5
"""Of the names that are left out."""
_TRANSIENT = (
    CacheUnusable,
    FleetError,
    InvalidAddress,
    NotWritten,
    OSError,
    StorageUnavailable,
    StoreUnusable,
    VettingFailed,
    VettingStarved,
    VettingStopped,
)
"""What may go well another time."""
Outcome = Literal["packaged", "refused", "failed"]
"""Of packaging: made; never to be; not this time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A component that devices are to have.

    Attributes:
        name: of it.
        model: that it is to be made of.
    """

    name: str
    model: ModelReference


class Models(Protocol):
    """Which models devices are to have now."""

    def wanted(self) -> Sequence[Wanted]:
        """One of each name, the one that leads first.

        Raises:
            StorageUnavailable: nobody knows; what was wanted before stays.
        """


@dataclass
class _Progress:
    """What became of one wanted component, for these targets.

    Attributes:
        of: it, and they.
        done: whether it was brought, or given up.
        retry_at: by the stopwatch: when it is tried again.
        pause: seconds until the next try.
    """

    of: tuple[Wanted, frozenset[Target]]
    done: bool = False
    retry_at: float = float("-inf")
    pause: float = _FIRST_RETRY_SECONDS


@dataclass
class Following:
    """Brings each wanted model to devices, in a thread of its own.

    Every step may be cut off: the next look, of whichever process, completes it.

    Attributes:
        models: which are wanted.
        fleet: whose devices get them.
        packer: makes components of them.
        plan: how they come to devices.
        say: is told a line of each that is packaged.
        troubles: is told what does not work.
        counted: is told what became of each component.
        stopwatch: seconds that only grow.
    """

    models: Models
    fleet: Fleet
    packer: Packer
    plan: Plan
    say: Callable[[str], None]
    troubles: Troubles
    counted: Callable[[Outcome], None] = lambda outcome: None
    stopwatch: Callable[[], float] = time.monotonic
    _of: dict[str, _Progress] = field(default_factory=dict)
    _refused: dict[str, tuple[Wanted, frozenset[Target]]] = field(default_factory=dict)
    _targets: frozenset[Target] = frozenset()
    _names: Sequence[str] = ()
    _left_out: frozenset[str] = frozenset()
    _devices_at: float = float("-inf")
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look."""
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begins to end."""
        self._ending.set()

    def close(self) -> None:
        """Waits until what is under way is over; not for long."""
        self.stop()
        if self._thread is not None:
            self._thread.join(_LONGEST_CLOSE_SECONDS)

    def look(self) -> None:
        """Brings whatever is wanted and is not there yet. Never raises what a storage or a database does."""
        try:
            wanted = self.models.wanted()
            targets = self._seen_to(wanted) if wanted else frozenset()
        except VettingStopped:  # this program ends
            return
        except FleetError as error:
            self.troubles.begin("looking", f"which devices there are is not known now: {one_line(error)}")
            return
        except _TRANSIENT as error:
            self.troubles.begin("looking", f"which model is live is not known now: {one_line(error)}")
            return
        self.troubles.end("looking")
        for each in wanted:
            if self._ending.is_set():
                return
            if each.name not in self._left_out:
                self._bring(each, targets)

    def _run(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                _LOGGER.exception("following goes on after an unexpected error")
                self._ending.wait(_UNEXPECTED_SECONDS)

    def _seen_to(self, wanted: Sequence[Wanted]) -> frozenset[Target]:
        """The targets of devices, which are looked at now and then, with who follows what.

        Before there is a device it is the most frequent one, so that the first need not wait.
        """
        now, names = self.stopwatch(), [each.name for each in wanted]
        if now - self._devices_at >= _DEVICES_SECONDS or names != self._names:
            self._targets = frozenset(self.fleet.targets() or TARGETS[:1])
            self._left_out = self._have_followed(names)
            self._devices_at, self._names = now, names
        return self._targets

    def _have_followed(self, names: Sequence[str]) -> frozenset[str]:
        """Who follows the first follows the others too, unless something was said of them; the names that nobody can
        follow, since a device has only so many components.
        """
        leading, *others = names
        left_out = self.fleet.assignments.follow_along(leading, others) if others else ()
        if left_out:
            named = ", ".join(left_out[:_NAMED]) + (" and more" if len(left_out) > _NAMED else "")
            why = f"a device has {MOST_MODELS} components at most"
            self.troubles.begin("following", f"{len(left_out)} models of other names come to no device: {why}: {named}")
        else:
            self.troubles.end("following")
        return frozenset(left_out)

    def _bring(self, wanted: Wanted, targets: frozenset[Target]) -> None:
        progress = self._of.get(wanted.name)
        if progress is None or progress.of != (wanted, targets):
            progress = self._of[wanted.name] = _Progress((wanted, targets))
        refused = self._refused.get(wanted.name)
        if refused is not None and refused[0] == wanted and targets <= refused[1]:
            # A device that says now this, now that of itself has nothing be tried again.
            progress.done = True
        if progress.done or self.stopwatch() < progress.retry_at:
            return
        trouble = f"packaging {wanted.name}"
        try:
            self._packaged(wanted, [each for each in TARGETS if each in targets])
        except ModelChanged:
            self._try_later(progress)
        except (ModelRejected, QuantizedOtherwise, ReleaseError) as refusal:
            self.troubles.begin(trouble, f"{wanted.model.model_id} cannot be packaged: {one_line(refusal)}")
            self.counted("refused")
            progress.done = True
            before = refused[1] if refused is not None and refused[0] == wanted else frozenset()
            self._refused[wanted.name] = (wanted, before | targets)
        except _TRANSIENT as error:
            if not self._ending.is_set():
                self.troubles.begin(
                    trouble, f"{wanted.model.model_id} is not packaged yet: {one_line(error)}; it is tried again"
                )
                self.counted("failed")
            self._try_later(progress)
        else:
            self.troubles.end(trouble)
            progress.done = True

    def _packaged(self, wanted: Wanted, targets: Sequence[Target]) -> None:
        releases, made = self.packer.release(wanted.name, wanted.model, targets)
        for each in made:
            self.say(f"packaged {each.title}: {each.size:,} bytes, made of {each.model_id}")
            self.counted("packaged")
        if self._ending.is_set():
            return
        self.fleet.rollouts.go_live(wanted.name, releases[0].version, self.plan)

    def _try_later(self, progress: _Progress) -> None:
        progress.retry_at = self.stopwatch() + progress.pause
        progress.pause = min(2 * progress.pause, _LONGEST_RETRY_SECONDS)
