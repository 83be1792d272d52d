"""The Open Inference Protocol, version 2, over gRPC: `inference.GRPCInferenceService`."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc

from models.version import VERSION
from serving import open_inference_tensors as tensors
from serving.asking import IMAGES, MODEL_ID, Asked, Code, Refused, Tensor, not_one_input, version_of
from serving.core import Core
from serving.messages.packed import numbers_in, put
from serving.messages.pool import message
from serving.over_grpc.calls import Reception, handler
from serving.telemetry.call import name_request

SERVICE = "inference.GRPCInferenceService"
_PROTOCOL = "open_inference"
_METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
_REQUESTS = {name: message(f"inference.{name}Request") for name in _METHODS}
_RESPONSES = {name: message(f"inference.{name}Response") for name in _METHODS}
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    tensors.BYTES: "bytes_contents",
}
"""The field that holds the values of a datatype one by one; 16-bit floats travel as bytes alone."""


def services(core: Core, reception: Reception) -> list[grpc.GenericRpcHandler[Any, Any]]:
    """The service, on a core."""
    api = _Api(core)
    methods = {
        "ServerLive": api.server_live,
        "ServerReady": api.server_ready,
        "ModelReady": api.model_ready,
        "ServerMetadata": api.server_metadata,
        "ModelMetadata": api.model_metadata,
        "ModelInfer": api.infer,
    }
    tell = partial(core.refused, protocol=_PROTOCOL)
    handlers = {name: handler(reception, _REQUESTS[name], method, tell) for name, method in methods.items()}
    return [grpc.method_handlers_generic_handler(SERVICE, handlers)]


class _Api:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def server_live(self, request: Any, deadline: float) -> Any:
        return _RESPONSES["ServerLive"](live=True)

    async def server_ready(self, request: Any, deadline: float) -> Any:
        return _RESPONSES["ServerReady"](ready=self._core.is_ready)

    async def model_ready(self, request: Any, deadline: float) -> Any:
        try:
            self._core.require_model(request.name, tensors.version_in(request.version))
        except Refused as refused:
            if refused.code is Code.UNAVAILABLE:
                return _RESPONSES["ModelReady"](ready=False)
            raise
        return _RESPONSES["ModelReady"](ready=self._core.is_ready)

    async def server_metadata(self, request: Any, deadline: float) -> Any:
        return _RESPONSES["ServerMetadata"](name=tensors.SERVER, version=VERSION)

    async def model_metadata(self, request: Any, deadline: float) -> Any:
        live = self._core.require_model(request.name, tensors.version_in(request.version))
        response = _RESPONSES["ModelMetadata"](
            name=self._core.name,
            versions=list(map(str, self._core.versions())),
            platform=tensors.platform_of(live.manifest),
        )
        for fields, described in (
            (response.inputs, tensors.inputs_of(live.manifest)),
            (response.outputs, tensors.outputs_of(live.manifest)),
        ):
            for each in described:
                fields.add(name=each.name, datatype=each.datatype, shape=each.shape)
        return response

    async def infer(self, request: Any, deadline: float) -> Any:
        name_request(request.id)
        version = tensors.version_in(request.model_version)
        self._core.require_model(request.model_name, version)
        images, tensor = _input_of(request)
        wanted = tuple(dict.fromkeys(output.name for output in request.outputs))
        answer = await self._core.answer(Asked(images, tensor, version, "", wanted, deadline, request.id), _PROTOCOL)
        response = _RESPONSES["ModelInfer"](
            model_name=self._core.name, model_version=str(version_of(answer.reference)), id=request.id
        )
        response.parameters[MODEL_ID].string_param = answer.reference.model_id
        for name, values in answer.outputs.items():
            datatype = tensors.datatype_of(values.dtype.name)
            output = response.outputs.add(name=name, datatype=datatype, shape=values.shape)
            if request.raw_input_contents:
                response.raw_output_contents.append(tensors.raw_bytes(values))
            elif datatype == tensors.BYTES:
                output.contents.bytes_contents.extend(tensors.strings_in(values))
            else:
                put(output.contents, _CONTENTS[datatype], values)
        return response


def _input_of(request: Any) -> tuple[Any, Tensor | None]:
    if len(request.inputs) != 1:
        raise not_one_input(len(request.inputs))
    [given] = request.inputs
    name, datatype = given.name, given.datatype
    shape = tensors.shape_of(list(given.shape), name)
    raw = request.raw_input_contents
    if len(raw) > 1:
        raise Refused(Code.INVALID_ARGUMENT, f"{len(raw)} raw contents for one input")
    if datatype == tensors.BYTES:
        if name != IMAGES:
            raise Refused(Code.INVALID_ARGUMENT, f"{name[:60]!r} is BYTES; encoded images are the input {IMAGES!r}")
        if raw:
            return tensors.strings_of_bytes(raw[0], shape, name), None
        tensors.require_strings(len(given.contents.bytes_contents), shape, name)
        return list(given.contents.bytes_contents), None
    if raw:
        return (), Tensor(name, tensors.numbers_of_bytes(raw[0], datatype, shape, name))
    dtype = tensors.dtype_of(datatype, name)
    if datatype not in _CONTENTS:
        raise Refused(Code.INVALID_ARGUMENT, f"{name[:60]!r} is {datatype}, which travels in raw_input_contents alone")
    field = _CONTENTS[datatype]
    tensors.require_count(len(getattr(given.contents, field)), shape, name)
    return (), Tensor(name, numbers_in(given.contents, field, dtype, name[:60]).reshape(shape))
