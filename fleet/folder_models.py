"""Which models of a folder devices are to have: the live one alone, or every valid one beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fleet.following import Wanted
from models.catalogue import REJECTED_SECONDS, SETTLE_SECONDS
from models.components.component import checked_component_name
from models.errors import CacheUnusable, ModelRejected, ReleaseError, VettingFailed, VettingStarved, one_line
from models.reference import ModelReference
from models.registry.records import Accepted
from models.releasing.packaging import component_name
from models.serving import WatchedFolder
from models.signatures.beside import list_models
from models.storage import Storage, StoredFile, newest_first
from models.storage.errors import StorageUnavailable
from models.troubles import Troubles

_UNKNOWN = (CacheUnusable, OSError, StorageUnavailable, VettingFailed, VettingStarved)
"""Of a folder, or of a model in it: nobody knows now."""
_LISTING = "listing"


class LiveModel:
    """The live model of a folder alone.

    Args:
        folder: that is watched.
        name: of the component, whichever model is live.

    Raises:
        ReleaseError: no component can have this name.
    """

    def __init__(self, folder: WatchedFolder, name: str) -> None:
        try:
            self._name = checked_component_name(name)
        except ValueError as error:
            raise ReleaseError(f"{error}; give another --component") from error
        self._folder = folder

    def wanted(self) -> Sequence[Wanted]:
        """See `Models.wanted`: none before a model is live."""
        statement = self._folder.watch.statement
        return [Wanted(self._name, statement.reference)] if statement else []


class EveryModel:
    """The live model of a folder, and of every other name the newest valid one, as components of their own names.

    Args:
        folder: that is watched.
        name: of the component of the live model.
        storage: lists the folder.
        pattern: of its files.
        poll_seconds: between two looks.
        troubles: is told of models that are left out.
        clock: wall-clock seconds; the clock of the files' modification times.
        stopwatch: seconds that only grow.

    Raises:
        As `LiveModel`.
    """

    def __init__(
        self,
        folder: WatchedFolder,
        name: str,
        storage: Storage,
        pattern: str,
        poll_seconds: float,
        troubles: Troubles,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = LiveModel(folder, name)
        self._name = name
        self._folder = folder
        self._storage = storage
        self._pattern = pattern
        self._poll_seconds = poll_seconds
        self._troubles = troubles
        self._clock = clock
        self._stopwatch = stopwatch
        self._looked = float("-inf")
        self._known: dict[tuple[str, str], Wanted | None] = {}
        self._left_out: set[str] = set()
        self._others: Sequence[Wanted] = ()

    def wanted(self) -> Sequence[Wanted]:
        """See `Models.wanted`; it vets what nobody has vetted."""
        live = self._live.wanted()
        now = self._stopwatch()
        if live and now - self._looked >= self._poll_seconds:
            self._looked = now
            self._look()
        return [*live, *self._others] if live else []

    def _look(self) -> None:
        """The others stay what they were while nobody knows: that holds the live one up no more than it."""
        try:
            self._others = self._newest_of_each_name()
        except _UNKNOWN as error:
            self._troubles.begin(
                _LISTING, f"which models there are beside the live one is not known: {one_line(error)}"
            )
            return
        self._troubles.end(_LISTING, "which models there are beside the live one is known again")
        left_out = {uri for (uri, _), wanted in self._known.items() if wanted is None}
        for uri in self._left_out - left_out:
            self._troubles.end(_model(uri))
        self._left_out = left_out

    def _newest_of_each_name(self) -> Sequence[Wanted]:
        registry = self._folder.registry
        files = registry.models_among(list_models(self._storage, self._pattern, registry.signed))
        if not files:  # as with the live one: an emptied folder changes nothing
            return self._others
        listed = {(file.uri, file.version) for file in files}
        self._known = {key: known for key, known in self._known.items() if key in listed}
        found: dict[str, Wanted] = {}
        for file in newest_first(files):
            wanted = self._of(file)
            if wanted is not None:
                found.setdefault(wanted.name, wanted)
        return list(found.values())

    def _of(self, file: StoredFile) -> Wanted | None:
        key = (file.uri, file.version)
        still = self._clock() - file.modified
        if key in self._known or (not file.finished and still < SETTLE_SECONDS):
            return self._known.get(key)
        try:
            wanted = self._vetted(file)
        except FileNotFoundError:
            return None
        except (ModelRejected, ReleaseError) as refusal:
            if not file.finished and still < REJECTED_SECONDS:
                return None
            self._troubles.begin(_model(file.uri), f"{file.uri} is left out: {refusal}")
            wanted = None
        self._known[key] = wanted
        return wanted

    def _vetted(self, file: StoredFile) -> Wanted:
        """What a file is.

        Raises:
            ModelRejected: it is not valid.
            ReleaseError: it has the name of the live model's component, or one that no component can have.
        """
        judgement = self._folder.registry.judgement(file)
        if judgement is not None and isinstance(judgement.verdict, ModelRejected):
            raise judgement.verdict
        if judgement is not None and isinstance(judgement.verdict, Accepted):
            reference, called = judgement.verdict.reference, judgement.verdict.name
        else:
            vetted = self._folder.vetter.vet(file.uri)
            reference, called = vetted.reference, vetted.name
        name = component_name(called)
        if name == self._name:
            raise ReleaseError(f"its name {name} is that of the component of the live model; give another --component")
        return Wanted(name, ModelReference(reference.uri, reference.sha256))


def _model(uri: str) -> str:
    """Of the trouble with a file."""
    return f"model {uri}"
