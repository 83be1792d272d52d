"""The fleet's server as a program: from its address to its end, with what it follows and takes on meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from databases.sqlite import file_identity
from fleet.addresses import BucketAddresses, OwnAddresses
from fleet.addressing import Addressing
from fleet.allowance import Allowance, AtOnce
from fleet.application import Calls, application, report_bodies
from fleet.archives import Shelf
from fleet.bringing import Bringing
from fleet.polls import Polls
from fleet.rounds import Rounds
from models.errors import one_line
from models.printable import logger
from serving.access import Access
from serving.listening import (
    allow_connections,
    http_server,
    listening_at,
    own_url,
    stop_requests,
    unless_asked_again,
    until_asked,
)

_LOGGER = logger(__name__)

_THREADS = 8
"""That ask the database at once; more wait for their turn."""
_WRITERS = 3
"""That write into it: they wait for each other anyway, and for whoever else writes."""
_MINTING_THREADS = 8
_ROUND_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a fleet's server is reached, and how it ends.

    Attributes:
        access: where it listens, its TLS, and the operators' tokens.
        port: 0 for one that is free.
        public_url: where devices reach it, as `read_public_url` gives it; None for where each says that it did.
        shelf: the folder of archives; None where they lie in a bucket.
        database: its file, which must stay the same; None where it is on a server.
        finish: seconds that it waits for what is under way, once it is to end.
    """

    access: Access = field(default_factory=Access)
    port: int = 8600
    public_url: str | None = None
    shelf: Path | None = None
    database: Path | None = None
    finish: float = 5.0


class ServerLost(RuntimeError):  # noqa: N818 - named for what it says
    """What is served is lost, though nobody asked for that; its text is one line."""


async def serve(begin: Callable[[], Bringing], config: ServerConfig, say: Callable[[str], None]) -> None:
    """Answers until SIGTERM or SIGINT, then finishes what is under way; a second signal ends at once.

    Args:
        begin: opens the fleet and what brings models to it, once the address is there; both are closed at the end.
        config: how it is reached.
        say: is told, in a line, that it is ready.

    Raises:
        OSError: the address cannot be had.
        ServerLost: nobody listens any more, unasked, or the file of the database is another one.
        What `begin` raises.
    """
    allow_connections()
    stops = stop_requests()
    with listening_at(config.access.host, config.port) as listening:
        bringing = await asyncio.to_thread(begin)
        try:
            await _serve_on(listening, bringing, config, stops, say)
        finally:
            await asyncio.to_thread(bringing.close)


async def _serve_on(
    listening: socket.socket,
    bringing: Bringing,
    config: ServerConfig,
    stops: asyncio.Queue[int],
    say: Callable[[str], None],
) -> None:
    fleet = bringing.fleet
    with (
        ThreadPoolExecutor(_THREADS, thread_name_prefix="fleet") as threads,
        ThreadPoolExecutor(_WRITERS, thread_name_prefix="writing") as writers,
        _minting_threads() as minting,
    ):
        polls = Polls(fleet.devices.heads, threads)
        own = OwnAddresses(await asyncio.to_thread(fleet.settings.url_key))
        addressing = Addressing(own, BucketAddresses(bringing.storage), minting, bringing.troubles, config.public_url)
        calls = Calls(
            fleet,
            polls,
            Shelf(fleet.releases, config.shelf, bringing.troubles),
            addressing,
            config.access,
            bringing.counted,
            threads,
            writers,
            Allowance(),
            AtOnce(),
            bringing.troubles,
            report_bodies(threads),
        )
        http = http_server(application(calls), config.access, config.finish)
        rounds = Rounds(fleet, bringing.say, bringing.troubles)
        http_task = asyncio.create_task(http.serve(sockets=[listening]))
        watch_task = asyncio.create_task(_lost(config.database))
        rounds_task = asyncio.create_task(rounds.forever(polls.seen, _ROUND_SECONDS, writers))
        bringing.start()
        say(f"ready: {own_url(config.access, listening)}")
        try:
            await _asked_to_end(stops, http_task, watch_task)
            _LOGGER.info("ending")
            bringing.stop()
            http.should_exit = True
            await unless_asked_again(stops, http_task)
        finally:
            rounds_task.cancel()
            watch_task.cancel()
            http.should_exit = http.force_exit = True
            await asyncio.gather(http_task, rounds_task, watch_task, return_exceptions=True)
            await asyncio.to_thread(rounds.seen_at_last, polls.seen())


async def _asked_to_end(
    stops: asyncio.Queue[int], http_task: asyncio.Task[None], watch_task: asyncio.Task[str]
) -> None:
    """Waits until somebody asks.

    Raises:
        ServerLost: before that, nobody listens any more, or the database is another one: whoever started this program
            must hear of it, and may start it again.
    """
    if await until_asked(stops, [watch_task, http_task]) is None:
        return
    if watch_task.done():
        raise ServerLost(watch_task.result())
    why = http_task.exception()
    raise ServerLost(f"devices are not answered any more: {one_line(why) if why else 'the listener ended'}") from why


async def _lost(database: Path | None) -> str:
    """Waits until a file of a database is another one, or none: what is open is a file without a name by then.

    Returns:
        what happened, in a line.
    """
    first = file_identity(database) if database else None
    while database is None or (now := file_identity(database)) == first:
        await asyncio.sleep(_ROUND_SECONDS)
    what = "removed" if now is None else "replaced"
    return f"{database} was {what} while it was served; begin again, on the one that is to be served"


@contextmanager
def _minting_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that wait for buckets' services; nobody waits for them at the end."""
    threads = ThreadPoolExecutor(_MINTING_THREADS, thread_name_prefix="minting")
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
