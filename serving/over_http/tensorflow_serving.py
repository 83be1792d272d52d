"""TensorFlow Serving's REST API: `predict` in rows and in columns, a model's status, its metadata."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pybase64
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route

from models.artefacts import Manifest
from serving.access import Access
from serving.asking import IMAGES, Answer, Asked, Code, Refused, Tensor, not_one_input, version_of
from serving.core import Core
from serving.flat_numbers import array_of
from serving.messages import tensor_protos
from serving.outputs import described
from serving.over_http.bodies import Bodies
from serving.over_http.calls import Call, Request, Response, json_response
from serving.over_http.json_bodies import bytes_in, flattened, is_bytes, made_from, made_of, require_fields
from serving.tensorflow_versions import METHOD, SIGNATURE, error_code, require_signature, statuses_of

_PROTOCOL = "tensorflow_rest"
_TYPES = {number: name for name, number in tensor_protos.DTYPES.items()}
_FIELDS = frozenset({"signature_name", "instances", "inputs"})


class _BeforeItsMethod(Convertor[str]):
    """A part of a path without the `:predict` behind it, which is a method of it and never the end of a name."""

    regex = "[^/]+(?<!:predict)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("before_its_method", _BeforeItsMethod())


def routes(core: Core, access: Access, bodies: Bodies) -> list[Route]:
    """Every method, on a core."""
    api = _Api(core, bodies)
    refused = partial(core.refused, protocol=_PROTOCOL)
    found = []
    for meant in ("", "/versions/{version:before_its_method}", "/labels/{label:before_its_method}"):
        place = f"/v1/models/{{name{'' if meant else ':before_its_method'}}}{meant}"
        found += [
            Route(f"{place}:predict", Call(api.predict, access, bodies, refused=refused), methods=["POST"]),
            Route(f"{place}/metadata", Call(api.metadata, access, refused=refused), methods=["GET"]),
            Route(place, Call(api.status, access, refused=refused), methods=["GET"]),
        ]
    return found


class _Api:
    def __init__(self, core: Core, bodies: Bodies) -> None:
        self._core = core
        self._threads = bodies.threads

    async def predict(self, request: Request) -> Response:
        version, label = request.version, request.label
        manifest = self._core.require_model(request.name, version, label).manifest
        images, tensor, in_rows = await made_of(request.body, lambda body: _input_of(body, manifest), self._threads)
        asked = Asked(images, tensor, version, label, deadline=request.deadline)
        answer = await self._core.answer(asked, _PROTOCOL)

        def respond() -> Response:
            if in_rows:
                return json_response({"predictions": _rows(answer, asked.rows)})
            return json_response({"outputs": {name: _plain(values) for name, values in answer.outputs.items()}})

        return await made_from(answer, respond, self._threads)

    async def metadata(self, request: Request) -> Response:
        live = self._core.require_model(request.name, request.version, request.label)
        manifest = live.manifest
        inputs = {
            IMAGES: _described(IMAGES, "text", ()),
            manifest.input_name: _described(manifest.input_name, manifest.input_dtype, manifest.input_shape),
        }
        outputs = {field.name: _described(field.name, field.kind, field.shape) for field in described(manifest)}
        signature = {"inputs": inputs, "outputs": outputs, "method_name": METHOD}
        return json_response(
            {
                "model_spec": {
                    "name": self._core.name,
                    "signature_name": "",
                    "version": str(version_of(live.reference)),
                },
                "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
            }
        )

    async def status(self, request: Request) -> Response:
        version = request.version
        if request.label:
            version = version_of(self._core.require_model(request.name, label=request.label).reference)
        elif request.name != self._core.name:
            self._core.require_model(request.name)
        return json_response(
            {
                "model_version_status": [
                    {
                        "version": str(each.version),
                        "state": each.state.name,
                        "status": {
                            "error_code": error_code(each)[0],
                            "error_message": each.reason,
                        },
                    }
                    for each in statuses_of(self._core, version)
                ]
            }
        )


def _input_of(body: Any, manifest: Manifest) -> tuple[list[bytes], Tensor | None, bool]:
    """Images or a tensor, and whether they came in rows."""
    fields = require_fields(body, _FIELDS, "the body")
    require_signature(fields.get("signature_name", ""))
    in_rows = "instances" in fields
    if in_rows == ("inputs" in fields):
        raise Refused(Code.INVALID_ARGUMENT, "the body needs either 'instances' or 'inputs'")
    name, values = _rows_given(fields["instances"]) if in_rows else _columns_given(fields["inputs"])
    if any(map(_holds_bytes, values)):
        if name not in ("", IMAGES):
            raise Refused(Code.INVALID_ARGUMENT, f"bytes are encoded images, the input {IMAGES!r}, not {name[:60]!r}")
        flat = [each[0] if isinstance(each, list) and each else each for each in values]
        return [bytes_in(each, f"image {i + 1} of {len(flat)}") for i, each in enumerate(flat)], None, in_rows
    if name == IMAGES != manifest.input_name:
        raise Refused(Code.INVALID_ARGUMENT, 'an image is {"b64": "..."}')
    shown = name or manifest.input_name
    shape, numbers = flattened(values, shown)
    array = array_of(numbers, np.dtype(manifest.input_dtype), shown[:60])
    return [], Tensor(name, array.reshape(shape)), in_rows


def _rows_given(instances: Any) -> tuple[str, list[Any]]:
    if not isinstance(instances, list):
        raise Refused(Code.INVALID_ARGUMENT, "'instances' must be a list")
    if not instances or not isinstance(instances[0], dict) or is_bytes(instances[0]):
        return "", instances
    name = _only_name(instances[0])
    for each in instances:
        if not isinstance(each, dict) or each.keys() != {name}:
            raise Refused(
                Code.INVALID_ARGUMENT, f"all instances must have {name[:60]!r} and nothing else, as the first"
            )
    return name, [each[name] for each in instances]


def _columns_given(inputs: Any) -> tuple[str, list[Any]]:
    name = ""
    if isinstance(inputs, dict) and not is_bytes(inputs):
        name = _only_name(inputs)
        inputs = inputs[name]
    if is_bytes(inputs):
        inputs = [inputs]
    if not isinstance(inputs, list):
        raise Refused(Code.INVALID_ARGUMENT, "'inputs' must be a list, or an object with one")
    return name, inputs


def _only_name(inputs: dict[str, Any]) -> str:
    if len(inputs) != 1:
        raise not_one_input(len(inputs))
    [name] = inputs
    return name


def _holds_bytes(value: Any) -> bool:
    return is_bytes(value) or (isinstance(value, list) and len(value) == 1 and is_bytes(value[0]))


def _rows(answer: Answer, rows: int) -> list[dict[str, Any]]:
    """An object for each row; what fills ragged outputs up is left out."""
    counts = (answer.outputs["classes"] >= 0).sum(axis=1).tolist() if answer.ragged else []
    predictions: list[dict[str, Any]] = []
    for row in range(rows):
        found = {}
        for name, values in answer.outputs.items():
            value = values[row]
            found[name] = _plain(value[: counts[row]] if name in answer.ragged else value)
        predictions.append(found)
    return predictions


def _plain(value: Any) -> Any:
    """What JSON has for a value of an output: numbers as they are, bytes in base64."""
    if isinstance(value, bytes):
        return _b64(value)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return _texts(value.tolist())
    return value


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return _b64(value) if isinstance(value, bytes) else value


def _b64(value: bytes) -> dict[str, str]:
    return {"b64": pybase64.b64encode_as_string(value)}


def _described(name: str, kind: str, shape: tuple[int, ...]) -> dict[str, Any]:
    sides = [{"size": str(side), "name": ""} for side in (-1, *shape)]
    return {
        "dtype": _TYPES[tensor_protos.dtype_number(kind)],
        "tensor_shape": {"dim": sides, "unknown_rank": False},
        "name": name,
    }
