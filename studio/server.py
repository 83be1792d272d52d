"""The studio as a program: from its address to its end, with the stream and the retraining that it starts."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial

from models.errors import one_line
from models.memory import keep_freed_memory
from models.printable import logger
from serving.listening import (
    allow_connections,
    http_server,
    listening_at,
    own_url,
    stop_requests,
    unless_asked_again,
)
from studio.alone import alone
from studio.assembly import Studio, assembled
from studio.identity import studio_id
from studio.settings import StudioConfig
from studio.store.corrections import Corrections
from studio.web.blocking import apart
from studio.web.listeners import SECOND
from transforms.pubsub import EMULATOR_VARIABLE

_LOGGER = logger(__name__)
_HTTP_SECONDS = 2.0
_SAY_SECONDS = 5.0
_AT_ONCE_SECONDS = 0.5
_LATE_SECONDS = 1.0
"""After the end of the time that each part was told: for those that keep to it."""
_OF_AN_EARLIER_STUDIO = frozenset({"stopped", "interrupted"})


class StudioLost(RuntimeError):  # noqa: N818 - named for what it says
    """Pages are not answered any more, though nobody asked for that; its text is one line."""


async def serve(config: StudioConfig, say: Callable[[str], None]) -> None:
    """Answers until SIGTERM or SIGINT, then ends in order; a second signal ends at once.

    `PUBSUB_EMULATOR_HOST` is in the environment where Pub/Sub is an emulator.

    Args:
        config: the studio.
        say: is told, in a line each, where images may be published, where the page is, what is awaited, what does not
            work, and that it is ready: a model is live, and the stream reads.

    Raises:
        FolderTaken: another studio runs in the folder.
        OSError: the address cannot be had, or the folder cannot be written.
        StoreUnusable: what is named as the database can be none. One that is away is waited for.
        StudioLost: nobody listens any more, unasked.
    """
    keep_freed_memory()
    allow_connections()
    stops = stop_requests()
    config.places.make()
    with alone(config.places.lock), listening_at(config.access.host, config.port) as listening:
        identity = studio_id(config.places.identity)
        with Corrections.open(config.database, at_once=False, studio=identity) as corrections:
            studio = assembled(config, listening.getsockname()[1], corrections, say)
            say(_told_to_publishers(config))
            try:
                await _serve_on(listening, studio, config, stops, say)
            finally:
                studio.stop_unpacking()


async def _serve_on(
    listening: socket.socket,
    studio: Studio,
    config: StudioConfig,
    stops: asyncio.Queue[int],
    say: Callable[[str], None],
) -> None:
    where = f"{own_url(config.access, listening)}/"
    http = http_server(studio.http, config.access, _HTTP_SECONDS)
    http_task = asyncio.create_task(http.serve(sockets=[listening]))
    say(f"page: {where} (it answers; a model and the stream are still awaited)")
    announcer = _Announcer(studio, where, say)
    tasks = [
        asyncio.create_task(studio.standing.keep_counting()),
        asyncio.create_task(studio.standing.keep_telling(announcer.tell)),
        asyncio.create_task(studio.trial.keep_looking()),
        asyncio.create_task(_every_second(studio)),
    ]
    studio.start()
    try:
        await _asked_to_end(stops, [http_task, *tasks])
        _LOGGER.info("ending")
        announcer.is_over = True
        studio.end_waiting()
        http.should_exit = True
        if not await unless_asked_again(stops, _all_ended(http_task, studio, config.finish)):
            # Else what still reads says that Pub/Sub has gone.
            await _ended(studio, _AT_ONCE_SECONDS)
    finally:
        studio.end_waiting()
        http.should_exit = http.force_exit = True
        for each in tasks:
            each.cancel()
        await asyncio.gather(http_task, *tasks, return_exceptions=True)


async def _asked_to_end(stops: asyncio.Queue[int], tasks: list[asyncio.Task[None]]) -> None:
    """Waits until somebody asks.

    Raises:
        StudioLost: before that, something ended that is to go on: whoever started this program must hear of it.
    """
    asked = asyncio.create_task(stops.get())
    await asyncio.wait({asked, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        return
    asked.cancel()
    why = next((each.exception() for each in tasks if each.done()), None)
    raise StudioLost(f"pages are not answered any more: {one_line(why) if why else 'the listener ended'}") from why


async def _all_ended(http_task: asyncio.Task[None], studio: Studio, seconds: float) -> None:
    await asyncio.wait({http_task, asyncio.create_task(_ended(studio, seconds))})


async def _ended(studio: Studio, seconds: float) -> None:
    """Ends the parts that go on by themselves, as far as that can be done in time; processes end with this one."""
    parts: dict[str, Callable[[], None]] = {
        "retraining": partial(studio.retraining.stop, seconds),
        "rereading": studio.rereading.stop,
        "stream": partial(studio.stream.stop, seconds),
        "shelf": studio.shelf.close,
    }
    ending = [apart(stop, f"ending {name}") for name, stop in parts.items()]
    done, late = await asyncio.wait(ending, timeout=seconds + _LATE_SECONDS)
    for each in done:
        if why := each.exception():
            _LOGGER.error("something did not end well: %s", one_line(why))
    for name in [name for name, each in zip(parts, ending, strict=True) if each in late]:
        _LOGGER.warning("%s did not end within %g s, and is left", name, seconds)


async def _every_second(studio: Studio) -> None:
    """Tells pages the figures of each second, for ever."""
    told = 0
    while True:
        await asyncio.sleep(1 - time.time() % 1)
        second = studio.figures.second()
        if second["time"] != told:
            told = second["time"]
            studio.listeners.tell(SECOND, second)


class _Announcer:
    """Tells pages how things stand, and whoever started the program until it is ready.

    Attributes:
        is_over: it is ready, or ends.
    """

    def __init__(self, studio: Studio, where: str, say: Callable[[str], None]) -> None:
        self._studio = studio
        self._where = where
        self._say = say
        self.is_over = False
        self._said = ""
        self._said_at = 0.0

    def tell(self, state: Mapping[str, object]) -> None:
        """They stand so."""
        self._studio.listeners.tell_state(state)
        if self.is_over:
            return
        stream = self._studio.stream.state
        if stream.word == "running" and stream.live is not None:
            self.is_over = True
            self._say(f"ready: {self._where}")
        elif (line := self._awaited()) != self._said and time.monotonic() - self._said_at >= _SAY_SECONDS:
            self._said, self._said_at = line, time.monotonic()
            self._say(f"awaited: {line}")

    def _awaited(self) -> str:
        retraining = self._studio.retraining.state
        if retraining.state == "running":
            return f"a first model is trained: {retraining.line or retraining.stage} ({retraining.percent} %)"
        # What an earlier studio's end cut off says nothing of this one.
        if retraining.state == "failed" and retraining.reason not in _OF_AN_EARLIER_STUDIO:
            return f"a model, as the first could not be trained: {retraining.line}"
        stream = self._studio.stream.state
        return f"the stream is {stream.word}{': ' if stream.detail else ''}{stream.detail}"


def _told_to_publishers(config: StudioConfig) -> str:
    """Where others may publish images, and how."""
    emulator = os.environ.get(EMULATOR_VARIABLE)
    where = f"{EMULATOR_VARIABLE}={emulator} " if emulator else ""
    return f"images: below {config.places.images}, by {where}topic={config.topics.images}"
