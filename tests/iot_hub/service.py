"""What a hub answers to services, over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.iot_hub.tokens import TokenRefused, check_token
from tests.iot_hub.twins import HubTwin, PatchRefused

POLICY = "service"
_VERSION = "2021-04-12"
_ALL = "select * from devices"
_DEFINED = f"{_ALL} where is_defined(properties.reported."


def service_side(
    host: str,
    key: str,
    twins: dict[str, HubTwin],
    told: Callable[[str, dict[str, Any], int], None],
    asked: Callable[[str], None],
    queried: Callable[[], list[dict[str, Any]]],
) -> Starlette:
    """The application.

    Args:
        host: `HOST:PORT` at which it is asked.
        key: of the policy `service`.
        twins: by device.
        told: called with device, patch and new version once something else is desired.
        asked: called with each request before it is answered, `METHOD PATH`.
        queried: answers the documents that a query looks through.
    """

    def twin_of(request: Request) -> HubTwin | None:
        return twins.get(request.path_params["device"])

    async def read(request: Request) -> Response:
        twin = twin_of(request)
        return _refused(404, "DeviceNotFound") if twin is None else JSONResponse(twin.document())

    async def patch(request: Request) -> Response:
        if (twin := twin_of(request)) is None:
            return _refused(404, "DeviceNotFound")
        if request.headers.get("if-match", "*") not in ("*", '"*"', f'"{twin.etag}"'):
            return _refused(412, "PreconditionFailed")
        desired = (await request.json())["properties"]["desired"]
        try:
            twin.desire(desired)
        except PatchRefused as error:
            return _refused(400, f"ArgumentInvalid; {error}")
        told(twin.device, desired, twin.desired_version)
        return JSONResponse(twin.document())

    async def query(request: Request) -> Response:
        text = (await request.json())["query"].lower()
        matching = queried()
        if text.startswith(_DEFINED) and text.endswith(")"):
            name = text.removeprefix(_DEFINED).removesuffix(")")
            matching = [each for each in matching if name in each["properties"]["reported"]]
        elif text != _ALL:
            return _refused(400, "ArgumentInvalid; this stand-in knows no such query")
        first = int(request.headers.get("x-ms-continuation", "0"))
        after = first + int(request.headers.get("x-ms-max-item-count", "100"))
        headers = {"x-ms-item-type": "Twin"} | ({"x-ms-continuation": str(after)} if after < len(matching) else {})
        return JSONResponse(matching[first:after], headers=headers)

    def guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guard(request: Request) -> Response:
            asked(f"{request.method} {request.url.path}")
            if request.query_params.get("api-version") != _VERSION:
                return _refused(400, "InvalidProtocolVersion")
            try:
                check_token(request.headers.get("authorization", ""), host, key, POLICY)
            except TokenRefused as error:
                return _refused(401, f"IotHubUnauthorizedAccess; {error}")
            return await answer(request)

        return guard

    return Starlette(
        routes=[
            Route("/twins/{device}", guarded(read), methods=["GET"]),
            Route("/twins/{device}", guarded(patch), methods=["PATCH"]),
            Route("/devices/query", guarded(query), methods=["POST"]),
        ]
    )


def _refused(status: int, words: str) -> Response:
    return Response(json.dumps({"Message": f"ErrorCode:{words}", "ExceptionMessage": ""}), status)
