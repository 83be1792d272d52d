"""A model in a process of its own, as an engine: begun anew whenever that process does not answer."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from numpy.typing import NDArray

from models.artefacts import Artefact
from models.engines.engine import Outputs, in_runs
from models.engines.turns import waiting_for_turn
from models.errors import ImageFault, ModelFailed, ModelGivenUp, ModelsClosed, ModelUnfit
from models.hosting.host_process import Answer, HostGone, HostProcess
from models.hosting.patience import Patience

LEAST_SECONDS = 3.0
"""That a batch may take."""
FIRST_SECONDS = 20.0
"""The same of one that is larger than any before: engines compile for a size when they first meet it."""
_SLOWER = 30
"""Times as long as an image took when nothing else was asked."""
_STARTS = 2


class Hosts:
    """Every host of one holder of models."""

    def __init__(self) -> None:
        self._patience = Patience()
        self._engines: weakref.WeakSet[HostedEngine] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._restarts = 0

    @property
    def restarts(self) -> int:
        """How many hosts were begun anew, as they crashed, hung or grew."""
        return self._restarts

    def load(self, artefact: Artefact, threads: int) -> HostedEngine:
        """A model, loaded in a process of its own.

        Args:
            artefact: what vetting compiled.
            threads: CPU threads that one prediction may use.

        Raises:
            ModelUnfit: it does not load, or fails on its own probe image, again and again.
            ModelsClosed: `close` was called.
            OSError: this machine cannot start a process.
        """
        engine = HostedEngine(artefact, threads, self._patience, self._restarted)
        self._engines.add(engine)
        return engine

    def _restarted(self) -> None:
        with self._lock:
            self._restarts += 1

    def end_soon(self) -> None:
        """The program is to end: a model that does not answer now is given up."""
        self._patience.end_soon()

    def close(self) -> None:
        """Ends every host, whatever it does; who waits for one raises `ModelsClosed`."""
        self._patience.end_now()
        for engine in list(self._engines):
            engine.close()


class HostedEngine:
    """One model, in one process at a time. Threads may ask side by side.

    A process that crashes, hangs or grows is ended and begun anew. A batch that failed in company, or a single image,
    is asked once more alone, so that it fails by no doing of others.

    Args:
        artefact: what vetting compiled.
        threads: CPU threads that one prediction may use.
        patience: how long whatever is waited for.
        restarted: is told of each process that is to be begun anew.

    Raises:
        As `Hosts.load`.
    """

    def __init__(
        self, artefact: Artefact, threads: int, patience: Patience, restarted: Callable[[], None] = lambda: None
    ) -> None:
        self._artefact = artefact
        self._threads = threads
        self._patience = patience
        self._restarted = restarted
        self._renewing = threading.Lock()
        self._gate = _Gate()
        self._given_up = False
        self._largest = 0
        self._host = self._started()
        self.largest_run = self._host.largest_run

    def predict(self, batch: NDArray[Any]) -> Outputs:
        """See `Engine.predict`.

        Raises:
            ModelFailed: it did not answer; it is ready for the next batch.
            ModelUnfit: nor does it answer to a black image any more.
            ModelsClosed: the program is ending.
        """
        return in_runs(self._part, batch, self._host.images, threads=1)

    def ask(self, batch: NDArray[Any]) -> Callable[[], Outputs]:
        """See `AnswersElsewhere.ask`."""
        host = self._host
        if self._given_up or len(batch) > host.images:
            return partial(self.predict, batch)
        with contextlib.ExitStack() as stack:
            try:
                company = stack.enter_context(self._gate.shared(waits=False))
                answer = host.ask_at_once(batch)
            except (_GateClosed, HostGone):
                answer = None
            if answer is None:
                return partial(self.predict, batch)
            inside = stack.pop_all()
        return partial(self._in_company, batch, partial(self._taken, host, answer, len(batch)), company, inside)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """See `AnswersElsewhere.alone`."""
        return self._gate.alone()

    def close(self) -> None:
        """Ends it now."""
        self._host.close()

    def _part(self, batch: NDArray[Any]) -> Outputs:
        if self._given_up:
            raise ModelGivenUp(ImageFault.MODEL_TIMED_OUT, "the program ended while its model did not answer")
        inside = contextlib.ExitStack()
        company = inside.enter_context(self._gate.shared())
        return self._in_company(batch, partial(self._asked, batch), company, inside)

    def _in_company(
        self, batch: NDArray[Any], answer: Callable[[], Outputs], company: list[bool], inside: contextlib.ExitStack
    ) -> Outputs:
        """The answer; where others were inside and it failed, what it is once all of them are out."""
        with inside:
            try:
                return answer()
            except ModelUnfit:
                raise
            except ModelFailed:
                if self._patience.is_ending or (len(batch) > 1 and not company):
                    raise
        with self._gate.alone():
            return self._asked(batch)

    def _asked(self, batch: NDArray[Any]) -> Outputs:
        while True:
            host = self._host
            try:
                return self._taken(host, host.ask(batch), len(batch))
            except HostGone:
                self._renew(host)

    def _taken(self, host: HostProcess, answer: Answer, images: int) -> Outputs:
        try:
            outputs = answer(self._seconds(host, images))
        except ModelGivenUp:
            self._given_up = True
            raise
        except ModelFailed:
            if not host.is_alive:
                self._renew(host)
            raise
        self._largest = max(self._largest, images)
        return outputs

    def _seconds(self, host: HostProcess, images: int) -> float:
        least = LEAST_SECONDS if images <= self._largest else FIRST_SECONDS
        return max(least, _SLOWER * images * host.seconds)

    def _renew(self, old: HostProcess) -> None:
        """Another host in place of one that is gone, unless somebody was first."""
        with self._renewing:
            if self._host is old:
                old.close()
                self._restarted()
                self._host = self._started()

    def _started(self) -> HostProcess:
        for attempt in range(1, _STARTS + 1):
            if self._patience.is_over:
                raise ModelsClosed
            try:
                return HostProcess(self._artefact, self._threads, self._patience)
            except ModelUnfit:
                if attempt == _STARTS:
                    raise
        raise AssertionError("unreachable")


class _GateClosed(Exception):  # noqa: N818 - nothing failed
    """Somebody is alone inside."""


class _Gate:
    """Lets many through side by side, or one alone, who may come through again meanwhile."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: list[list[bool]] = []
        self._alone: int | None = None

    @contextlib.contextmanager
    def shared(self, waits: bool = True) -> Iterator[list[bool]]:
        """Yields what is true once anybody else was inside at the same time: a list that then is not empty.

        Args:
            waits: for one who is alone inside.

        Raises:
            _GateClosed: somebody is, and that is not waited for.
        """
        company: list[bool] = []
        if self._alone == threading.get_ident():
            yield company
            return
        with self._changed:
            if self._alone is not None and not waits:
                raise _GateClosed
            with waiting_for_turn():
                self._changed.wait_for(lambda: self._alone is None)
            for other in self._inside:
                other.append(True)
            company += [True] * bool(self._inside)
            self._inside.append(company)
        try:
            yield company
        finally:
            with self._changed:
                self._inside = [each for each in self._inside if each is not company]
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until all others are out, and keeps them out."""
        me = threading.get_ident()
        if self._alone == me:
            yield
            return
        with self._changed, waiting_for_turn():
            self._changed.wait_for(lambda: self._alone is None)
            self._alone = me
        try:
            with self._changed, waiting_for_turn():
                self._changed.wait_for(lambda: not self._inside)
            yield
        finally:
            with self._changed:
                self._alone = None
                self._changed.notify_all()
