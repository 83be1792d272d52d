"""A container's health check tells a server that is well from one that is not, whatever it speaks."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from launch.health import is_well
from tests.models.signatures.makers import Maker
from tests.waiting import eventually


def application() -> Starlette:
    """What lives, and is not ready."""

    async def live(_: object) -> PlainTextResponse:
        return PlainTextResponse("live")

    async def ready(_: object) -> PlainTextResponse:
        return PlainTextResponse("not ready", 503)

    return Starlette(routes=[Route("/v2/health/live", live), Route("/v2/health/ready", ready)])


@contextmanager
def listening(**settings: Any) -> Iterator[int]:
    """The port at which the application is served, as the server serves its own."""
    server = uvicorn.Server(uvicorn.Config(application(), port=0, log_config=None, **settings))
    with socket.create_server(("127.0.0.1", 0)) as here:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [here]})
        thread.start()
        try:
            eventually(lambda: server.started, "the server")
            yield here.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    """A certificate by which a server is known elsewhere, and which nobody here trusts."""
    maker = Maker(tmp_path, "server")
    return {"ssl_certfile": maker.certified("images.example"), "ssl_keyfile": maker.private}


def test_what_lives_and_what_is_ready_are_two_questions() -> None:
    with listening() as port:
        assert (is_well("live", port), is_well("ready", port)) == (True, False)


def test_behind_tls_the_answers_are_the_same(tls: dict[str, Any]) -> None:
    with listening(**tls) as port:
        assert (is_well("live", port), is_well("ready", port)) == (True, False)


def test_a_server_that_wants_a_certificate_lives(tls: dict[str, Any]) -> None:
    authority = {"ssl_ca_certs": tls["ssl_certfile"], "ssl_cert_reqs": ssl.CERT_REQUIRED}
    with listening(**tls, **authority) as port:
        assert is_well("live", port)


def test_where_nobody_listens_nobody_is_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not is_well("live", port)


def test_one_that_hangs_up_is_not_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            for _ in range(2):
                rude.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert not is_well("live", rude.getsockname()[1])
        thread.join()
