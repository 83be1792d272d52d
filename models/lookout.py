"""One look at a pattern of model files, and what follows from it for its pointer. No threads, no clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from models.catalogue import Catalogue
from models.judging import Judging
from models.printable import logger
from models.reference import ModelReference, Statement
from models.registry.registry import Registry
from models.signatures.beside import list_models
from models.storage import Storage, StoredFile
from models.storage.errors import StorageUnavailable
from models.trials.conduct import Conduct

_LOGGER = logger(__name__)

_REMIND_SECONDS = 30.0


class Lookout:
    """Lists a pattern, takes in verdicts, and moves the pointer to the newest valid file, after a trial
    where that is wanted.

    Trouble with the storage or the registry changes nothing.

    Args:
        storage: lists the model files.
        registry: of their pattern: where verdicts and the pointer are kept.
        catalogue: what is known about the files.
        judging: comes to verdicts on them.
        conduct: brings trials forward.
        adopts: whether what the pointer states counts before its file has been seen; while a model is tried it does.
        stopwatch: seconds that only grow, for reminders.

    Attributes:
        statement: what the pointer states; None before there is a valid model.
        failures: looks in a row that found out nothing.
    """

    def __init__(
        self,
        storage: Storage,
        registry: Registry,
        catalogue: Catalogue,
        judging: Judging,
        conduct: Conduct,
        adopts: bool = False,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self.statement: Statement | None = None
        self.failures = 0
        self._storage = storage
        self._registry = registry
        self._catalogue = catalogue
        self._judging = judging
        self._conduct = conduct
        self._adopts = adopts
        self._stopwatch = stopwatch
        self._reminded = 0.0
        self._warned = 0.0

    def look(self, clock: Callable[[], float]) -> bool:
        """One listing, and what follows from it, from the registry, and from the verdicts before it.

        Args:
            clock: wall-clock seconds; the clock of the files' modification times.

        Returns:
            Whether another look is worth while at once: somebody else was faster.
        """
        finished = self._judging.finished()
        trouble = f"the registry {self._registry.address} gives no answer"
        try:
            # First, so that whoever moves it after what is listed now was true is noticed when it is swapped.
            self._registry.live.look()
            self._conduct.take_in()
            trouble = f"{self._registry.pattern} cannot be listed"
            files = self._registry.models_among(
                list_models(self._storage, self._registry.pattern, self._registry.signed)
            )
        except Exception as error:  # whatever a storage raises, nothing is known
            self._judging.put_back(finished)
            self._note_failure(trouble, error)
            return False
        now = clock()
        self._remind_if_empty(files)
        self._catalogue.observe(files, now)
        self._take_over()
        overtaken = False
        try:
            self._judging.take(finished, now)
            self._judging.take_known(now)
            self._judging.forget_the_gone()
            self._take_over()
            overtaken = not self._bring_forward(bool(files), now)
        except StorageUnavailable as error:
            self._note_failure(f"the registry {self._registry.address} gives no answer", error)
        else:
            self._note_success()
        self._take_over()
        if not overtaken:
            self._conduct.tidy()
        return overtaken

    def next_change(self, now: float) -> float | None:
        """When something will follow from nothing but time."""
        left = self._conduct.next_change()
        step_ends = None if left is None else now + left
        changes = (self._judging.next_change(), self._catalogue.next_change(now), step_ends)
        return min((change for change in changes if change is not None), default=None)

    def _note_failure(self, what: str, error: Exception) -> None:
        now = self._stopwatch()
        reminds = self.statement is None and now - self._warned >= _REMIND_SECONDS
        if not self.failures or reminds:
            self._warned = now
            waits = "images wait" if self.statement is None else "the model stays as it is"
            _LOGGER.warning("%s, %s: %s", what, waits, error)
        self.failures += 1
        self._registry.note_outage()

    def _note_success(self) -> None:
        if self.failures:
            _LOGGER.info("%s can be listed again, and the registry %s", self._registry.pattern, self._registry.address)
        self.failures = 0

    def _bring_forward(self, sees_files: bool, now: float) -> bool:
        """Whether nobody else has moved the pointer meanwhile."""
        if not self._conduct.tell_ended():
            return False
        if self._conduct.is_under_way:  # whether or not this process follows it yet
            return self._conduct.go_on(sees_files) and self._conduct.is_under_way  # what follows its end is soon seen
        return not sees_files or self._move_pointer(now)  # of an emptied folder each remembers another

    def _move_pointer(self, now: float) -> bool:
        """Whether the pointer is where it should be; not where somebody else has moved it meanwhile."""
        stated = self.statement.reference if self.statement else self._conduct.before()
        successor = self._catalogue.successor(stated, now)
        pointer = self._registry.live.statement
        if successor is None or (pointer is not None and pointer.reference == successor.reference):
            return True
        if self._conduct.comes_first(successor):
            return self._conduct.begin(successor)
        if not self._registry.live.move(successor.reference, self._why(stated, successor.reference)):
            return False
        _LOGGER.info("newest valid model: %s", successor.reference.model_id)
        return True

    def _why(self, stated: ModelReference | None, successor: ModelReference) -> str:
        if stated is None or stated.uri in self._catalogue.listed():
            same_file = stated is not None and stated.uri == successor.uri
            return "the newest valid file" + (", which holds other bytes now" if same_file else "")
        return f"the newest valid file, now that {stated.uri} is gone"

    def _take_over(self) -> None:
        """Takes over what the pointer states."""
        stated = self._registry.live.statement
        if stated is None or stated == self.statement:
            return
        is_tried_against = stated.trial is not None and stated.reference.uri in self._catalogue.listed()
        if self._adopts or self.statement or is_tried_against or self._catalogue.holds(stated.reference):
            self.statement = stated

    def _remind_if_empty(self, files: list[StoredFile]) -> None:
        now = self._stopwatch()
        if files:
            self._reminded = 0.0
        elif now - self._reminded >= _REMIND_SECONDS and (self.statement is None or not self._reminded):
            self._reminded = now
            waiting = "waiting for one" if self.statement is None else "the live model stays"
            _LOGGER.warning("no model file matches %s; %s", self._registry.pattern, waiting)
