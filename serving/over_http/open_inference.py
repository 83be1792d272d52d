"""The Open Inference Protocol, version 2, over HTTP, with its extension for binary tensors."""

from __future__ import annotations

import re
import time
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

import numpy as np
import orjson
import pybase64
from numpy.typing import NDArray
from starlette.routing import Route

from models.version import VERSION
from serving.access import Access
from serving.asking import IMAGES, MODEL_ID, Answer, Asked, Code, Refused, Tensor, version_of
from serving.core import Core
from serving.open_inference_tensors import (
    BYTES,
    SERVER,
    Described,
    datatype_of,
    inputs_of,
    numbers_of_bytes,
    numbers_of_values,
    outputs_of,
    platform_of,
    raw_bytes,
    require_strings,
    shape_of,
    strings_of_bytes,
)
from serving.over_http.bodies import Bodies
from serving.over_http.calls import Call, Request, Response, json_response
from serving.over_http.json_bodies import bytes_in, flattened, made_from, made_of, require_fields
from serving.telemetry.call import name_request

_PROTOCOL = "open_inference_rest"
EXTENSIONS = ("binary_tensor_data",)
HEADER_LENGTH = b"inference-header-content-length"
_PARAMETERS = "parameters"
_REQUEST = frozenset({"id", _PARAMETERS, "inputs", "outputs"})
_INPUT = frozenset({"name", "shape", "datatype", _PARAMETERS, "data"})
_OUTPUT = frozenset({"name", _PARAMETERS})
_UNSERVED = ("shared_memory_region", "classification")
_LONGEST_NUMBER = 20
_OBJECT = re.compile(rb"\s*\{")


def routes(core: Core, access: Access, bodies: Bodies) -> list[Route]:
    """Every method, on a core."""
    api = _Api(core, bodies)
    refused = partial(core.refused, protocol=_PROTOCOL)
    found = []
    for meant in ("", "/versions/{version}"):
        place = f"/v2/models/{{name}}{meant}"
        found += [
            Route(f"{place}/infer", Call(api.infer, access, bodies, refused=refused), methods=["POST"]),
            Route(f"{place}/ready", Call(api.model_ready, access, refused=refused), methods=["GET"]),
            Route(place, Call(api.model, access, refused=refused), methods=["GET"]),
        ]
    found += [
        Route("/v2/health/live", Call(api.live, None, refused=refused), methods=["GET"]),
        Route("/v2/health/ready", Call(api.ready, None, refused=refused), methods=["GET"]),
        Route("/v2", Call(api.server, access, refused=refused), methods=["GET"]),
    ]
    return found


class _Given(NamedTuple):
    """What a body asks for.

    Attributes:
        id: that the response repeats; None for none.
        images: encoded.
        tensor: None where there are images.
        outputs: those that are wanted, and whether as binary data; empty for all.
        is_binary: whether outputs of which nothing is said are wanted as binary data.
        seconds: that the client waits.
    """

    id: str | None
    images: list[bytes]
    tensor: Tensor | None
    outputs: dict[str, bool]
    is_binary: bool
    seconds: float


class _Api:
    def __init__(self, core: Core, bodies: Bodies) -> None:
        self._core = core
        self._threads = bodies.threads

    async def server(self, request: Request) -> Response:
        return json_response({"name": SERVER, "version": VERSION, "extensions": EXTENSIONS})

    async def live(self, request: Request) -> Response:
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        if self._core.is_ready:
            return json_response({"ready": True})
        reason = "no model is live yet" if self._core.live is None else "the server is ending"
        return json_response({"ready": False, "error": reason}, HTTPStatus.SERVICE_UNAVAILABLE)

    async def model_ready(self, request: Request) -> Response:
        self._core.require_model(request.name, request.version)
        return json_response({"name": self._core.name, "ready": True})

    async def model(self, request: Request) -> Response:
        live = self._core.require_model(request.name, request.version)
        return json_response(
            {
                "name": self._core.name,
                "versions": list(map(str, self._core.versions())),
                "platform": platform_of(live.manifest),
                "inputs": list(map(_told, inputs_of(live.manifest))),
                "outputs": list(map(_told, outputs_of(live.manifest))),
            }
        )

    async def infer(self, request: Request) -> Response:
        version = request.version
        self._core.require_model(request.name, version)
        text, binary = _parts(request)
        if text is not None:
            given = await made_of(text, lambda body: _given(body, binary), self._threads)
        else:
            given = _Given(None, [binary], None, {}, False, float("inf"))
        deadline = min(request.deadline, time.monotonic() + given.seconds)
        name_request(given.id or "")
        wanted = tuple(given.outputs)
        asked = Asked(given.images, given.tensor, version, outputs=wanted, deadline=deadline, key=given.id or "")
        answer = await self._core.answer(asked, _PROTOCOL)
        return await made_from(answer, lambda: self._response(given, answer), self._threads)

    def _response(self, given: _Given, answer: Answer) -> Response:
        outputs: list[dict[str, Any]] = []
        parts: list[bytes] = []
        for name, values in answer.outputs.items():
            told: dict[str, Any] = {"name": name, "datatype": datatype_of(values.dtype.name), "shape": values.shape}
            if given.outputs.get(name, given.is_binary):
                raw = raw_bytes(values)
                parts.append(raw)
                told[_PARAMETERS] = {"binary_data_size": len(raw)}
            else:
                told["data"] = _data(values)
            outputs.append(told)
        response: dict[str, Any] = {
            "model_name": self._core.name,
            "model_version": str(version_of(answer.reference)),
            _PARAMETERS: {MODEL_ID: answer.reference.model_id},
            "outputs": outputs,
        }
        if given.id is not None:
            response["id"] = given.id
        if not parts:
            return json_response(response)
        text = orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
        headers = ((HEADER_LENGTH, b"%d" % len(text)),)
        return Response(b"".join((text, *parts)), kind=b"application/octet-stream", headers=headers)


def _parts(request: Request) -> tuple[bytes | None, bytes]:
    """A body's JSON and its binary data. Without any JSON the data is one image, as Triton's raw requests are."""
    length = request.headers.get(HEADER_LENGTH)
    if length is None:
        if not _OBJECT.match(request.body):
            raise Refused(
                Code.INVALID_ARGUMENT,
                "the body must be a JSON object; one encoded image, as it is, has the header "
                "Inference-Header-Content-Length: 0",
            )
        return request.body, b""
    if not length.isdigit() or len(length) > _LONGEST_NUMBER or int(length) > len(request.body):
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"Inference-Header-Content-Length says how many of the body's {len(request.body)} bytes are JSON",
        )
    size = int(length)
    return request.body[:size] if size else None, request.body[size:]


def _given(body: Any, binary: bytes) -> _Given:
    fields = require_fields(body, _REQUEST, "the body")
    id_ = fields.get("id")
    if id_ is not None and not isinstance(id_, str):
        raise Refused(Code.INVALID_ARGUMENT, "'id' must be a string")
    inputs = fields.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise Refused(Code.INVALID_ARGUMENT, f"'inputs' must be a list of one input, {IMAGES!r} or the model's own")
    parameters = _parameters(fields, "the body")
    is_binary = _flag(parameters, "binary_data_output", False)
    images, tensor = _input_of(require_fields(inputs[0], _INPUT, "an input"), binary)
    return _Given(id_, images, tensor, _wanted(fields.get("outputs"), is_binary), is_binary, _seconds(parameters))


def _input_of(given: dict[str, Any], binary: bytes) -> tuple[list[bytes], Tensor | None]:
    name, datatype = given.get("name"), given.get("datatype")
    if not isinstance(name, str) or not isinstance(datatype, str) or not isinstance(given.get("shape"), list):
        raise Refused(Code.INVALID_ARGUMENT, "an input needs 'name' and 'datatype', strings, and 'shape', a list")
    shape = shape_of(given["shape"], name)
    if datatype == BYTES and name != IMAGES:
        raise Refused(Code.INVALID_ARGUMENT, f"{BYTES} are encoded images, the input {IMAGES!r}, not {name[:60]!r}")
    parameters = _parameters(given, "an input")
    if "binary_data_size" in parameters:
        size = parameters["binary_data_size"]
        if "data" in given or type(size) is not int or size != len(binary):
            raise Refused(
                Code.INVALID_ARGUMENT,
                f"{len(binary)} bytes follow the JSON; 'binary_data_size' must say so, without any 'data'",
            )
        if datatype == BYTES:
            return strings_of_bytes(binary, shape, name), None
        return [], Tensor(name, numbers_of_bytes(binary, datatype, shape, name))
    data = given.get("data")
    if not isinstance(data, list) or binary:
        raise Refused(Code.INVALID_ARGUMENT, "an input needs 'data', a list, or its 'binary_data_size' and binary data")
    _, values = flattened(data, name)
    if datatype != BYTES:
        return [], Tensor(name, numbers_of_values(values, datatype, shape, name))
    require_strings(len(values), shape, name)
    return [bytes_in(each, f"image {i + 1} of {len(values)}") for i, each in enumerate(values)], None


def _wanted(outputs: Any, is_binary: bool) -> dict[str, bool]:
    if outputs is None:
        return {}
    if not isinstance(outputs, list):
        raise Refused(Code.INVALID_ARGUMENT, "'outputs' must be a list")
    wanted: dict[str, bool] = {}
    for each in outputs:
        name = require_fields(each, _OUTPUT, "an output").get("name")
        if not isinstance(name, str):
            raise Refused(Code.INVALID_ARGUMENT, "an output needs 'name', a string")
        wanted[name] = _flag(_parameters(each, "an output"), "binary_data", is_binary)
    return wanted


def _parameters(fields: dict[str, Any], what: str) -> dict[str, Any]:
    parameters = fields.get(_PARAMETERS)
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise Refused(Code.INVALID_ARGUMENT, f"the '{_PARAMETERS}' of {what} must be a JSON object")
    for name in _UNSERVED:
        if parameters.get(name):
            raise Refused(Code.INVALID_ARGUMENT, f"there is no {name!r} here")
    return parameters


def _flag(parameters: dict[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Refused(Code.INVALID_ARGUMENT, f"{name!r} must be true or false")
    return value


def _seconds(parameters: dict[str, Any]) -> float:
    """How long the client waits; it says that in microseconds, and 0 where it does not say."""
    value = parameters.get("timeout", 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused(Code.INVALID_ARGUMENT, "'timeout' must be a whole number of microseconds")
    return value / 1e6 if value else float("inf")


def _data(values: NDArray[Any]) -> Any:
    flat = values.reshape(-1)
    if values.dtype != object:
        return np.ascontiguousarray(flat)
    return [pybase64.b64encode_as_string(each) if isinstance(each, bytes) else each for each in flat]


def _told(described: Described) -> dict[str, Any]:
    return {"name": described.name, "datatype": described.datatype, "shape": described.shape}
