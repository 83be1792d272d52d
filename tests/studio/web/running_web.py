"""What a studio answers over HTTP, on a port of its own, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from serving.access import Access
from serving.listening import HttpServer, http_server, listening_at
from studio.web.application import Routes, application
from studio.web.guesses import Guesses
from studio.web.sessions import Sessions
from tests.waiting import eventually

KEY = b"k" * 32


@dataclass
class Web:
    """A studio's HTTP.

    Attributes:
        url: where it is, without a slash at its end.
        port: that it listens at.
        loop: on which it runs.
        http: a client without a browser's manners.
    """

    url: str
    port: int
    loop: asyncio.AbstractEventLoop
    http: httpx.Client

    def browser(self) -> httpx.Client:
        """A client that has opened the page, and sends along what the page does."""
        client = httpx.Client(base_url=self.url, timeout=30, headers={"sec-fetch-site": "same-origin"})
        client.get("/")
        state = client.get("/api/state")
        client.headers["x-csrf-token"] = state.json()["csrf"]
        return client


Parts = Callable[[Access, Sessions, Guesses], Sequence[Routes]]


@contextmanager
def running_web(parts: Parts, access: Access | None = None, guesses: Guesses | None = None) -> Iterator[Web]:
    """Answers within it.

    Args:
        parts: makes what is answered, on the event loop.
        access: who may come in; everybody on this machine where it is not given.
        guesses: how often tokens may be tried.
    """
    access = access or Access()
    with listening_at("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        begun: list[tuple[HttpServer, asyncio.AbstractEventLoop]] = []
        ready = threading.Event()

        async def serve() -> None:
            sessions, counted = Sessions(KEY, access, port), guesses or Guesses()
            http = application(parts(access, sessions, counted), access, sessions, counted)
            server = http_server(http, access, finish=1)
            begun.append((server, asyncio.get_running_loop()))
            ready.set()
            await server.serve(sockets=[listening])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        assert ready.wait(30)
        [(server, loop)] = begun
        try:
            eventually(lambda: server.started, "the server")
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=30) as http:
                yield Web(url, port, loop, http)
        finally:
            server.should_exit = True
            thread.join()
