"""The client itself: what it asks, tries again, and has under way."""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from models.errors import one_line
from serving.asking import EVERYTHING, IMAGES
from serving.client.errors import (
    Asking,
    Busy,
    Failed,
    NoSuchModel,
    NotReady,
    ServerError,
    SettingsUnusable,
    Unreachable,
    error_of,
)
from serving.client.predicted import (
    Outputs,
    Predicted,
    Unreadable,
)
from serving.messages.pool import message
from serving.messages.tensor_protos import STRING
from serving.statuses import State

IN_FLIGHT = 16
"""Requests under way at once, an image each."""
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before each next try while the server is busy."""
_LARGEST_RESPONSE = 256 << 20
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_PredictRequest = message("tensorflow.serving.PredictRequest")
_GetModelStatusRequest = message("tensorflow.serving.GetModelStatusRequest")
Outcomes = Generator[Predicted | ServerError, None, None]
"""Answers, and the reasons where there are none."""


class VersionStatus(NamedTuple):
    """What became of one model.

    Attributes:
        version: the integer of the first 12 hexadecimal digits of its file's SHA-256.
        state: `loading`, `available`, `unloading` or `end`.
        reason: why it failed or was rejected; "" where it was not.
    """

    version: int
    state: str
    reason: str


class Client:
    """Asks one server; threads may share it.

    Args:
        address: `HOST:PORT` of its gRPC side.
        name: of the model, as the server was told it.
        tls_ca: file with the authority that signed the server's certificate, in PEM; None to speak plain text.
        certificate: file with the client's certificate, in PEM, where the server asks for one; with `key`.
        key: file with its private key, in PEM.
        token: that the server knows; it travels as it is where there is no TLS.

    Raises:
        SettingsUnusable: an address without a port, files that are no certificates, a token of other characters.
    """

    def __init__(
        self,
        address: str,
        name: str = "default",
        *,
        tls_ca: Path | str | None = None,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        token: str | None = None,
    ) -> None:
        _require_address(address)
        self._name = name
        self._asking = Asking(address, tls_ca is not None, certificate is not None, token is not None)
        self._metadata = _metadata(token)
        self._closing = threading.Event()
        credentials = _credentials(tls_ca, certificate, key)
        options = [("grpc.max_receive_message_length", _LARGEST_RESPONSE), ("grpc.max_send_message_length", -1)]
        self._channel = (
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        self._predict = self._method(_PREDICT, message("tensorflow.serving.PredictResponse"))
        self._status = self._method(_STATUS, message("tensorflow.serving.GetModelStatusResponse"))
        self._health = health_pb2_grpc.HealthStub(self._channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up; what is under way ends with `Unreachable`."""
        self._closing.set()
        self._channel.close()

    def predict(self, images: Sequence[bytes], seconds: float = 60.0, top: int = 5) -> list[Predicted]:
        """The answers to encoded images, in their order; many are asked at once.

        Each image is a request of its own: where a swap falls between them, their `model_id` tell.

        Args:
            images: encoded files.
            seconds: that each may take, with all tries.
            top: classes of a classification; all where it has fewer.

        Raises:
            ServerError: the first that has no answer, and why; see `predict_each` to go on.
            ValueError: `top` or `seconds` is not above 0.
        """
        answers: list[Predicted] = []
        with closing(self.predict_each(images, seconds, top)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, ServerError):
                    raise outcome
                answers.append(outcome)
        return answers

    def predict_each(self, images: Iterable[bytes], seconds: float = 60.0, top: int = 5) -> Outcomes:
        """For each encoded image, in order, its answer, or why there is none.

        Images are taken as they are needed, at most 16 ahead of the answers. Answers are given after an image is taken
        and before the next: one that is known meanwhile waits for as long as `images` takes over it. Close the iterator
        to end early.

        Args:
            images: encoded files.
            seconds: that each may take, with all tries.
            top: classes of a classification; all where it has fewer.

        Raises:
            ValueError: `top` or `seconds` is not above 0.
        """
        if top < 1 or not seconds > 0:
            raise ValueError(f"top and seconds must be above 0, not {top} and {seconds}")
        return self._each(images, seconds, top)

    def status(self, seconds: float = 10.0) -> list[VersionStatus]:
        """What became of each model that the server knows, the newest last.

        Raises:
            ServerError: it does not say.
        """
        request = _GetModelStatusRequest()
        request.model_spec.name = self._name
        response = self._call(self._status, request, time.monotonic() + seconds)
        states = {state.value: state.name.lower() for state in State}
        return [
            VersionStatus(each.version, states.get(each.state, "unknown"), each.status.error_message)
            for each in response.model_version_status
        ]

    def is_ready(self, seconds: float = 10.0) -> bool:
        """Whether a model is live and requests are welcome; not so while nobody answers at the address.

        Raises:
            ServerError: it cannot be told: another name, TLS that does not match, no answer in time.
        """
        request = health_pb2.HealthCheckRequest(service=self._name)
        try:
            response = self._call(self._health.Check, request, time.monotonic() + seconds)
        except NoSuchModel as error:
            raise NoSuchModel(f"{self._asking.address} serves no model {self._name!r}") from error
        except Unreachable:
            return False
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)

    def _method(self, path: str, response: Any) -> Callable[..., Any]:
        call: Callable[..., Any] = self._channel.unary_unary(
            path, request_serializer=lambda asked: asked.SerializeToString(), response_deserializer=response.FromString
        )
        return call

    def _each(self, images: Iterable[bytes], seconds: float, top: int) -> Outcomes:
        waiting: deque[Future[Predicted | ServerError]] = deque()
        pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="predict")
        try:
            for image in images:
                waiting.append(pool.submit(self._outcome, image, seconds, top))
                while waiting and (len(waiting) >= IN_FLIGHT or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _outcome(self, image: bytes, seconds: float, top: int) -> Predicted | ServerError:
        try:
            response = self._call(self._predict, self._request(image), time.monotonic() + seconds)
            return Outputs(response.outputs).predicted(top)
        except ServerError as error:
            return error
        except Unreadable as error:
            return Failed(f"{self._asking.address} sent {error}")

    def _request(self, image: bytes) -> Any:
        """Asks for all that there is of an image, so that its model's name and labels cost no second inference."""
        request = _PredictRequest()
        request.model_spec.name = self._name
        request.output_filter.append(EVERYTHING)
        tensor = request.inputs[IMAGES]
        tensor.dtype = STRING
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.append(image)
        return request

    def _call(self, method: Callable[..., Any], request: Any, deadline: float) -> Any:
        """What the server says; it is asked again a few times while it is busy, once where it is lost."""
        lost = False
        pauses = iter(_PAUSES)
        while True:
            try:
                return method(request, timeout=max(0.0, deadline - time.monotonic()), metadata=self._metadata)
            except grpc.RpcError as rpc:
                error = error_of(rpc, self._asking)
                again_may_help = isinstance(error, Busy) or (isinstance(error, NotReady | Unreachable) and not lost)
                pause = next(pauses, None)
                if not again_may_help or pause is None or time.monotonic() + pause >= deadline:
                    raise error from rpc
                lost = not isinstance(error, Busy)
            except ValueError as closed:  # what gRPC says of a channel that is closed
                raise Unreachable("the client was closed") from closed
            if self._closing.wait(pause):
                raise Unreachable("the client was closed")


def _require_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not (port.isascii() and port.isdigit()) or (":" in host and host[0] != "["):
        raise SettingsUnusable(f"{address!r} is no address: HOST:PORT is expected, such as 127.0.0.1:8500")


def _metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    if token is None:
        return ()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsUnusable("the token is empty, or holds other characters than those of a token")
    return (("authorization", f"Bearer {token}"),)


def _credentials(
    tls_ca: Path | str | None, certificate: Path | str | None, key: Path | str | None
) -> grpc.ChannelCredentials | None:
    if (certificate is None) != (key is None):
        raise SettingsUnusable("`certificate` and `key` go together")
    if tls_ca is None:
        if certificate is not None:
            raise SettingsUnusable("`certificate` goes with `tls_ca`, the authority of the server's certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(tls_ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsUnusable(f"{tls_ca} holds no certificate: {one_line(error)}") from error
    if certificate is None or key is None:
        return grpc.ssl_channel_credentials(Path(tls_ca).read_bytes())
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise SettingsUnusable(f"{certificate} and {key} are no certificate and its key: {one_line(error)}") from error
    return grpc.ssl_channel_credentials(*(Path(each).read_bytes() for each in (tls_ca, key, certificate)))


def _no_password() -> str:
    raise ssl.SSLError("the key is encrypted; give one that is not")
