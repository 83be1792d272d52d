"""What devices ask over HTTP: their twins, the components in them; and what people ask: health and metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleet import metrics
from fleet.addresses import AddressRefused, NotMinted
from fleet.addressing import Addressing
from fleet.allowance import Allowance, AtOnce
from fleet.archives import Archive, Shelf
from fleet.errors import FleetError, StoreUnusable
from fleet.fleet import Fleet
from fleet.metrics import Metrics
from fleet.polls import Polls
from fleet.refusals import HANDLERS, TooOften, refusal
from models.components.twin import DesiredModel, Reported, Twin, TwinMalformed
from models.errors import one_line
from models.loopback import is_loopback
from models.troubles import Troubles
from serving.access import Access
from serving.asking import Code, Refused
from serving.over_http.bodies import Bodies

MOST_BODY_BYTES = 64 << 10
_DESCRIPTION = Path(__file__).with_name("openapi.json")
_ALL_BODIES = 32 << 20
_BODY_SECONDS = 20.0
_REPORTS = "reports"
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Calls:
    """What is asked, and who answers.

    Attributes:
        fleet: what devices are to run.
        polls: knows who asks.
        shelf: where archives are.
        addressing: where devices find them.
        access: of it the operators' tokens, which open the metrics; without any they are for this machine alone.
        counted: what is counted.
        threads: that ask the database.
        writers: that write into it: one that waits for another writer holds up nobody who asks.
        allowance: how often a device may ask what is more than whether something changed.
        at_once: how many reports of a device are under way.
        troubles: is told where reports cannot be kept.
        bodies: reads what devices report.
    """

    fleet: Fleet
    polls: Polls
    shelf: Shelf
    addressing: Addressing
    access: Access
    counted: Metrics
    threads: ThreadPoolExecutor
    writers: ThreadPoolExecutor
    allowance: Allowance
    at_once: AtOnce
    troubles: Troubles
    bodies: Bodies

    async def twin(self, request: Request) -> Response:
        """What a device is to run; 304 where it knows."""
        with _counting(self.counted.polls) as count:
            device, etag = await self._admitted(request)
            if _knows(request.headers.get("if-none-match"), etag):
                count(metrics.UNCHANGED)
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_of_twin(etag))
            self._take_turn(device)
            base_url = self.addressing.base_url(request.scope["scheme"], request.scope["headers"])
            twin = await self._addressed(device, base_url)
            count(metrics.TOLD)
            return Response(twin.encode(), headers=_of_twin(twin.etag), media_type="application/json")

    async def report(self, request: Request) -> Response:
        """What a device says of itself."""
        with _counting(self.counted.reports) as count:
            device, _ = await self._admitted(request)
            self._take_turn(device)
            with self.at_once.one(device) as may, self.bodies.reading() as reading:
                if not may:
                    raise TooOften(1.0)
                reported = _reported(await reading.body(request.receive, dict(request.scope["headers"])))
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self.writers, self._keep, device, reported)
            count(metrics.TOLD)
            return Response(status_code=HTTPStatus.NO_CONTENT)

    async def component(self, request: Request) -> Response:
        """An archive of the shelf, for whoever has an address of it that this server signed."""
        given = request.query_params
        try:
            self.addressing.verify(request.scope["path"], given.get("expires", ""), given.get("signature", ""))
        except AddressRefused as error:
            return refusal(HTTPStatus.FORBIDDEN, str(error))
        name, version, file = (request.path_params[part] for part in ("name", "version", "file"))
        found = await self._in_thread(self.shelf.archive, name, version, file)
        return Archive(found, self.counted.sent.inc)

    async def health(self, request: Request) -> Response:
        """That this server lives."""
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """What Prometheus reads."""
        if self.access.tokens:
            if not self.access.admits(request.headers.get("authorization")):
                raise Refused(Code.UNAUTHENTICATED, "an operator's token is needed: Authorization: Bearer TOKEN")
        elif not _is_of_this_machine(request):
            return refusal(
                HTTPStatus.FORBIDDEN, "metrics are told to this machine alone; give the server a --token-file"
            )
        return Response(await self._in_thread(self.counted.text), media_type=metrics.CONTENT_TYPE)

    async def _admitted(self, request: Request) -> tuple[str, str]:
        """The device that asks, and the etag of what it is to run.

        Raises:
            Refused, FleetError: as of `Polls.known`.
        """
        device = request.path_params["device"]
        head = await self.polls.known(device, request.headers.get("authorization"))
        return device, head.etag

    def _take_turn(self, device: str) -> None:
        """Of what costs something; to say that nothing changed costs no more than to refuse it.

        Raises:
            TooOften: it is not its turn.
        """
        if waits := self.allowance.take(device):
            raise TooOften(waits)

    def _keep(self, device: str, reported: Reported) -> None:
        """Writes what a device reports."""
        try:
            self.fleet.twins.write_reported(device, reported)
        except StoreUnusable as error:
            self.troubles.begin(_REPORTS, f"what devices report is not kept: {error}")
            raise
        self.troubles.end(_REPORTS, "what devices report is kept again")

    async def _addressed(self, device: str, base_url: str) -> Twin:
        """A twin with an address for each model."""
        twin, places = await self._in_thread(self._desired, device)

        async def told(model: DesiredModel, uri: str | None) -> DesiredModel:
            return model if uri is None else replace(model, url=await self.addressing.url(uri, base_url))

        return replace(twin, models=tuple(await asyncio.gather(*map(told, twin.models, places))))

    def _desired(self, device: str) -> tuple[Twin, list[str | None]]:
        """A twin, and where on the shelf each of its models is."""
        twin = self.fleet.twins.read(device)
        return twin, [self.shelf.uri(model) for model in twin.models]

    async def _in_thread(self, work: Callable[..., _Answer], *given: object) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *given)


def application(calls: Calls) -> Starlette:
    """All that is answered; to be run on one event loop."""

    description = _DESCRIPTION.read_bytes()

    async def described(request: Request) -> Response:
        return Response(description, media_type="application/json")

    answering = Starlette(
        routes=[
            Route("/twins/{device}", calls.twin, methods=["GET"]),
            Route("/twins/{device}/properties/reported", calls.report, methods=["PATCH"]),
            Route("/components/{name}/{version}/{file}", calls.component, methods=["GET"]),
            Route("/healthz", calls.health, methods=["GET"]),
            Route("/metrics", calls.metrics, methods=["GET"]),
            Route("/openapi.json", described, methods=["GET"]),
        ],
        exception_handlers=dict(HANDLERS),
    )
    # To an address made of whatever `Host` says.
    answering.router.redirect_slashes = False
    return answering


def report_bodies(threads: Executor) -> Bodies:
    """Reads what devices report, within limits.

    Args:
        threads: that unpack what comes packed.
    """
    return Bodies(MOST_BODY_BYTES, _ALL_BODIES, _BODY_SECONDS, threads)


@contextmanager
def _counting(counters: Mapping[str, Counter]) -> Iterator[Callable[[str], None]]:
    """Counts one call by its outcome; what it yields is told of one that went well."""
    try:
        yield lambda outcome: counters[outcome].inc()
    except Refused:
        counters[metrics.REFUSED].inc()
        raise
    except TooOften:
        counters[metrics.SLOWED].inc()
        raise
    except (FleetError, StoreUnusable, NotMinted):
        counters[metrics.FAILED].inc()
        raise


def _knows(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return f'"{etag}"' in known or "*" in known


def _of_twin(etag: str) -> dict[str, str]:
    return {"etag": f'"{etag}"', "cache-control": "private, no-cache"}


def _reported(body: bytes) -> Reported:
    """What a device reports; its number is counted here.

    Raises:
        Refused: `INVALID_ARGUMENT`.
    """
    try:
        return replace(Reported.from_json(json.loads(body)), version=0)
    except TwinMalformed as error:
        raise Refused(Code.INVALID_ARGUMENT, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise Refused(Code.INVALID_ARGUMENT, f"the body is no JSON: {one_line(error)}") from error


def _is_of_this_machine(request: Request) -> bool:
    """Whether nobody else asks: through a proxy on this machine anybody might."""
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    return request.client is not None and is_loopback(request.client.host) and not forwarded
