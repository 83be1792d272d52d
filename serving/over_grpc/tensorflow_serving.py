"""TensorFlow Serving's predict API: `PredictionService` and `ModelService`."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc

from models.reference import ModelReference
from serving.asking import IMAGES, Asked, Code, Refused, Tensor, not_one_input, version_of
from serving.core import Core
from serving.messages import tensor_protos
from serving.messages.pool import message
from serving.outputs import described
from serving.over_grpc.calls import Reception, handler
from serving.tensorflow_versions import METHOD, SIGNATURE, error_code, require_signature, statuses_of

PREDICTION = "tensorflow.serving.PredictionService"
MODEL = "tensorflow.serving.ModelService"
_PROTOCOL = "tensorflow"
_METADATA = "signature_def"
_PredictRequest = message("tensorflow.serving.PredictRequest")
_PredictResponse = message("tensorflow.serving.PredictResponse")
_GetModelMetadataRequest = message("tensorflow.serving.GetModelMetadataRequest")
_GetModelMetadataResponse = message("tensorflow.serving.GetModelMetadataResponse")
_GetModelStatusRequest = message("tensorflow.serving.GetModelStatusRequest")
_GetModelStatusResponse = message("tensorflow.serving.GetModelStatusResponse")
_SignatureDefMap = message("tensorflow.serving.SignatureDefMap")


def services(core: Core, reception: Reception) -> list[grpc.GenericRpcHandler[Any, Any]]:
    """Both services, on a core."""
    api = _Api(core)
    tell = partial(core.refused, protocol=_PROTOCOL)
    predict = {
        "Predict": handler(reception, _PredictRequest, api.predict, tell),
        "GetModelMetadata": handler(reception, _GetModelMetadataRequest, api.metadata, tell),
    }
    model = {"GetModelStatus": handler(reception, _GetModelStatusRequest, api.status, tell)}
    return [
        grpc.method_handlers_generic_handler(PREDICTION, predict),
        grpc.method_handlers_generic_handler(MODEL, model),
    ]


class _Api:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def predict(self, request: Any, deadline: float) -> Any:
        version, label = self._meant(request.model_spec)
        require_signature(request.model_spec.signature_name)
        images, tensor = _input_of(request.inputs)
        asked = Asked(images, tensor, version, label, tuple(dict.fromkeys(request.output_filter)), deadline)
        answer = await self._core.answer(asked, _PROTOCOL)
        response = _PredictResponse()
        self._name(response.model_spec, answer.reference)
        for name, values in answer.outputs.items():
            tensor_protos.fill(response.outputs[name], values)
        return response

    async def metadata(self, request: Any, deadline: float) -> Any:
        version, label = self._meant(request.model_spec)
        for field in request.metadata_field:
            if field != _METADATA:
                raise Refused(Code.INVALID_ARGUMENT, f"there is no metadata {field[:60]!r}; there is {_METADATA!r}")
        if not request.metadata_field:
            raise Refused(Code.INVALID_ARGUMENT, f"name the metadata_field {_METADATA!r}")
        live = self._core.require_model(request.model_spec.name, version, label)
        response = _GetModelMetadataResponse()
        self._name(response.model_spec, live.reference)
        signatures = _SignatureDefMap()
        signature = signatures.signature_def[SIGNATURE]
        signature.method_name = METHOD
        manifest = live.manifest
        _describe(signature.inputs, IMAGES, "text", ())
        _describe(signature.inputs, manifest.input_name, manifest.input_dtype, manifest.input_shape)
        for output in described(manifest):
            _describe(signature.outputs, output.name, output.kind, output.shape)
        packed = response.metadata[_METADATA]
        packed.type_url = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
        packed.value = signatures.SerializeToString()
        return response

    async def status(self, request: Any, deadline: float) -> Any:
        spec = request.model_spec
        if spec.name and spec.name != self._core.name:
            self._core.require_model(spec.name)
        response = _GetModelStatusResponse()
        wanted = spec.version.value if spec.HasField("version") else None
        for each in statuses_of(self._core, wanted):
            told = response.model_version_status.add(version=each.version, state=each.state.value)
            told.status.error_message = each.reason
            told.status.error_code = error_code(each)[1]
        return response

    def _meant(self, spec: Any) -> tuple[int | None, str]:
        version = spec.version.value if spec.HasField("version") else None
        self._core.require_model(spec.name, version, spec.version_label)
        return version, spec.version_label

    def _name(self, spec: Any, reference: ModelReference) -> None:
        spec.name = self._core.name
        spec.version.value = version_of(reference)
        spec.signature_name = SIGNATURE


def _input_of(inputs: Any) -> tuple[Any, Tensor | None]:
    if len(inputs) != 1:
        raise not_one_input(len(inputs))
    [name] = inputs
    proto = inputs[name]
    if proto.dtype == tensor_protos.STRING:
        if name != IMAGES:
            raise Refused(Code.INVALID_ARGUMENT, f"strings are encoded images, the input {IMAGES!r}, not {name[:60]!r}")
        return tensor_protos.strings_of(proto, name), None
    values = tensor_protos.array_of(proto, name[:60])
    if not values.ndim:
        raise Refused(Code.INVALID_ARGUMENT, f"{name[:60]!r} has no rows")
    return (), Tensor(name, values)


def _describe(fields: Any, name: str, kind: str, shape: tuple[int, ...]) -> None:
    field = fields[name]
    field.name = name
    field.dtype = tensor_protos.dtype_number(kind)
    for side in (-1, *shape):
        field.tensor_shape.dim.add(size=side)
