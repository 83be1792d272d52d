"""Speaks with a server over gRPC in the published messages, without the packages that publish them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.messages.pool import message
from serving.messages.tensor_protos import STRING, fill

SECONDS = 60.0
"""That a call may take, so that nothing waits for ever."""
METHODS = {
    "/tensorflow.serving.PredictionService/Predict": "tensorflow.serving.PredictRequest",
    "/tensorflow.serving.PredictionService/GetModelMetadata": "tensorflow.serving.GetModelMetadataRequest",
    "/tensorflow.serving.ModelService/GetModelStatus": "tensorflow.serving.GetModelStatusRequest",
    "/inference.GRPCInferenceService/ServerLive": "inference.ServerLiveRequest",
    "/inference.GRPCInferenceService/ServerReady": "inference.ServerReadyRequest",
    "/inference.GRPCInferenceService/ModelReady": "inference.ModelReadyRequest",
    "/inference.GRPCInferenceService/ServerMetadata": "inference.ServerMetadataRequest",
    "/inference.GRPCInferenceService/ModelMetadata": "inference.ModelMetadataRequest",
    "/inference.GRPCInferenceService/ModelInfer": "inference.ModelInferRequest",
}
"""Every method, and the full name of the message that asks it."""
PREDICT, METADATA, STATUS, *_, INFER = METHODS


class Speaker:
    """A client's connection.

    Args:
        address: `HOST:PORT`.
        options: of the channel.
    """

    def __init__(self, address: str, *options: tuple[str, Any]) -> None:
        alone = ("grpc.use_local_subchannel_pool", 1)
        sends_anything = ("grpc.max_send_message_length", -1)
        self.channel = grpc.insecure_channel(address, [alone, sends_anything, *options])

    def ask(self, method: str, request: Any, seconds: float = SECONDS) -> Any:
        """The response to a request, a message or its bytes.

        Raises:
            grpc.RpcError: there is none.
        """
        return self.asked(method, request, seconds).result()

    def asked(self, method: str, request: Any, seconds: float = SECONDS) -> Any:
        """The same, not waited for: a future, which is a call too."""
        response = message(METHODS[method].removesuffix("Request") + "Response")
        data = request if isinstance(request, bytes) else request.SerializeToString()
        call: Any = self.channel.unary_unary(method, None, response.FromString)
        return call.future(data, timeout=seconds)

    def refusal(self, method: str, request: Any, seconds: float = SECONDS) -> tuple[grpc.StatusCode, str]:
        """The status of a request that has no response, and what it says.

        Raises:
            AssertionError: it has one.
        """
        call = self.asked(method, request, seconds)
        assert call.exception() is not None, f"answered: {str(call.result())[:200]}"
        return call.code(), call.details() or ""


@contextmanager
def speaking(address: str, *options: tuple[str, Any]) -> Iterator[Speaker]:
    """A `Speaker`, closed at the end."""
    speaker = Speaker(address, *options)
    with speaker.channel:
        yield speaker


def images_request(images: Sequence[bytes], version: int | None = None, name: str = "") -> Any:
    """TensorFlow Serving's request for answers to encoded images."""
    request = message("tensorflow.serving.PredictRequest")()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    proto = request.inputs["images"]
    proto.dtype = STRING
    proto.tensor_shape.dim.add(size=len(images))
    proto.string_val.extend(images)
    return request


def tensor_request(values: NDArray[Any], name: str) -> Any:
    """The same to a batch of the model's own input."""
    request = message("tensorflow.serving.PredictRequest")()
    fill(request.inputs[name], values)
    return request


def infer_request(values: NDArray[Any], name: str, datatype: str = "FP32", raw: bool = True) -> Any:
    """The Open Inference Protocol's request for answers to a batch of the model's own input."""
    request = message("inference.ModelInferRequest")(model_name="default")
    given = request.inputs.add(name=name, datatype=datatype, shape=values.shape)
    if raw:
        request.raw_input_contents.append(values.tobytes())
    else:
        given.contents.fp32_contents.extend(values.reshape(-1).tolist())
    return request


def infer_images_request(images: Sequence[bytes]) -> Any:
    """The same to encoded images."""
    request = message("inference.ModelInferRequest")(model_name="default")
    given = request.inputs.add(name="images", datatype="BYTES", shape=[len(images)])
    given.contents.bytes_contents.extend(images)
    return request


def texts_of(response: Any, output: str) -> list[str]:
    """An output of texts, of either protocol's response."""
    if hasattr(response, "raw_output_contents"):
        [found] = [each for each in response.outputs if each.name == output]
        return [each.decode() for each in found.contents.bytes_contents]
    return [each.decode() for each in response.outputs[output].string_val]


def numbers_of(response: Any, output: str) -> NDArray[np.float64]:
    """An output of numbers of TensorFlow Serving's response, in its shape."""
    proto = response.outputs[output]
    shape = [side.size for side in proto.tensor_shape.dim]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, np.float32).astype(np.float64).reshape(shape)
    return np.array(proto.float_val or proto.int64_val, np.float64).reshape(shape)
