"""The models of a device: the component that lies at a path answers, and another one in its place takes over."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from edge.probing import load_proved
from edge.runs import RunNotes
from models.artefacts import Artefact, Vetted
from models.components.component import Component
from models.components.opening import OpenedComponent, open_component
from models.engines.engine import Engine
from models.errors import ComponentRefused, typed_line
from models.events import EventLog
from models.hosting.hosted_engine import Hosts
from models.live import LiveModels
from models.reference import ModelReference, Statement
from models.registry.cache import ArtefactCache
from models.trees import remove_tree

LOOK_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_KEPT = 3
"""Components that lie on the disk: the live one, the one before, which may have to take over, and one that comes."""

_REMEMBERED = 64
"""Components whose names are known: of those that may still be told of, there are a few."""

Seen = tuple[tuple[str, int, int, int], ...]
"""What changes with a component: the names, inodes, sizes and times of its files."""


class DeviceModels:
    """Looks at a path, proves what lies there, and has it answer; what is bad is told once, and changes nothing.

    A component is copied into a folder of its own while it is proved, so that nobody changes it afterwards.

    Args:
        path: of a component: an archive, an unpacked folder, or a link to either.
        cache: on whose disk components are unpacked.
        tell: is given a line about each thing that happens.

    Attributes:
        live: what answers.
    """

    def __init__(self, path: Path, cache: ArtefactCache, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell
        self._notes = RunNotes(path, tell)
        self._events = EventLog()
        self._hosts = Hosts()
        self.live = LiveModels(self._obtain, self._events, self._load, warm_sizes=(1,))
        self._opened: dict[ModelReference, OpenedComponent] = {}
        self._components: dict[ModelReference, Component] = {}
        self._followed: ModelReference | None = None
        self._judged: Seen | None = None
        self._unsettled: Seen | None = None
        self._trouble = ""
        self._looks = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._left = ExitStack()
        self._work = self._left.enter_context(cache.workspace())

    def __enter__(self) -> DeviceModels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def follow(self) -> None:
        """Looks again and again, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="component", daemon=True)
        self._thread.start()

    def look(self, settled: bool = False) -> ComponentRefused | None:
        """Looks once; what is new there is proved, and will answer.

        Args:
            settled: leave what changed since the last look to the next one: it may still be written.

        Returns:
            Why what is new there is not taken.

        Raises:
            OSError: of this machine; a full disk, say. It is looked at again.
        """
        seen = _seen(self._path)
        if seen == self._judged:
            return None
        if settled and seen != self._unsettled:
            self._unsettled = seen
            return None
        folder = self._work / str(self._looks)
        self._looks += 1
        folder.mkdir()
        try:
            opened = open_component(self._path, folder)
        except ComponentRefused as refusal:
            remove_tree(folder)
            self._judged = seen
            return refusal
        except BaseException:
            remove_tree(folder)
            raise
        self._judged = seen
        self._take(opened)
        return None

    def component(self, reference: ModelReference) -> Component:
        """What a model that is or was live was unpacked of."""
        return self._components[reference]

    def answered(self, reference: ModelReference, image: Hashable) -> None:
        """A model has answered to an image."""
        self._notes.answered(reference.sha256, image)

    def failed(self, reference: ModelReference, image: Hashable) -> None:
        """A model has not answered to an image, and by no fault of the image's file."""
        self._notes.failed(reference.sha256, image)

    def tell_events(self) -> bool:
        """Tells what became of models since the last time; whether one could not be brought in."""
        failed = False
        known = {reference.model_id: (reference, each.title) for reference, each in list(self._components.items())}
        for event in self._events.drain():
            reference, title = known[event.model_id]
            match event.event:
                case "live":
                    self._notes.runs(reference.sha256)
                    self._tell(f"live: {title} after {event.seconds:.2f} s")
                case "quarantined":
                    self._notes.quarantined(reference.sha256, event.reason)
                    self._tell(f"{title} fails here: {event.reason}")
                case "failed":
                    failed = True
                    self._tell(f"{title} could not be loaded, and is tried again: {event.reason}")
        return failed

    def end_soon(self) -> None:
        """The program is to end: a model that does not answer now is given up."""
        self._hosts.end_soon()

    def close(self) -> None:
        """Ends every process, and takes away what was unpacked."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self._hosts.close()
        self.live.close()
        self._notes.close()
        self._left.close()

    def _run(self) -> None:
        pause, again_at = 0.0, math.inf
        settled = False
        while not self._closing.is_set():
            if time.monotonic() >= again_at:
                self._judged, again_at = None, math.inf
            try:
                if refusal := self.look(settled):
                    self._tell_trouble(str(refusal))
            except OSError as error:
                # Writing wears a device's disk: what fails is tried again ever more seldom, unless it changes.
                self._judged = _seen(self._path)
                pause = min(max(FIRST_PAUSE_SECONDS, 2 * pause), _LONGEST_PAUSE_SECONDS)
                again_at = time.monotonic() + pause
                if (trouble := typed_line(error)) != self._trouble:
                    self._tell_trouble(trouble)
                    self._trouble = trouble
            settled = True
            self.tell_events()
            self._notes.flush()
            self._closing.wait(LOOK_SECONDS)

    def _tell_trouble(self, trouble: str) -> None:
        live = self.live.peek()
        goes_on = f"{live.reference.uri} goes on" if live else "waiting for another"
        self._tell(f"{self._path} is not taken: {trouble}; {goes_on}")

    def _take(self, opened: OpenedComponent) -> None:
        reference, component = opened.vetted.reference, opened.component
        self._trouble = ""
        if reference in self._opened:  # the same again, in another place
            remove_tree(opened.vetted.artefact.folder)
        else:
            self._opened[reference] = opened
            self._components.pop(reference, None)  # to its end: it is the latest
            self._components[reference] = component
            self._tell(
                f"taken: {component.title} ({component.runtime.engine}, {component.precision}, {component.model_id})"
            )
        self._forget_old(reference)
        self._forget_names()
        if reference != self._followed:
            self._notes.runs(reference.sha256)  # before it is loaded, which may be the end of this process
        self._followed = reference
        self.live.follow(Statement(reference, self._looks))

    def _forget_old(self, newest: ModelReference) -> None:
        live = self.live.peek()
        for reference in list(self._opened):
            if len(self._opened) <= _KEPT:
                return
            if reference != newest and (live is None or reference != live.reference):
                remove_tree(self._opened.pop(reference).vetted.artefact.folder)

    def _forget_names(self) -> None:
        old = [reference for reference in self._components if reference not in self._opened]
        for reference in old[: max(0, len(self._components) - _REMEMBERED)]:
            del self._components[reference]

    def _obtain(self, reference: ModelReference) -> Vetted:
        return self._opened[reference].vetted

    def _load(self, artefact: Artefact, threads: int) -> Engine:
        return load_proved(self._hosts, artefact, threads)


def _seen(path: Path) -> Seen:
    """What is there; () where nothing is, or nothing can be seen."""
    try:
        place = path.resolve(strict=True)
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        statuses = [(str(each), os.lstat(each)) for each in files]
    except OSError:
        return ()
    return tuple((name, status.st_ino, status.st_size, status.st_mtime_ns) for name, status in statuses)
