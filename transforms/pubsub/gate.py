"""A gate before a Pub/Sub emulator: it lets many messages through at once, and none while it is held."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc

from models.printable import logger
from transforms.pubsub import EMULATOR_VARIABLE

_LOGGER = logger(__name__)

_PULL = "/google.pubsub.v1.Subscriber/Pull"
_ACKNOWLEDGE = "/google.pubsub.v1.Subscriber/Acknowledge"
LONGEST_DATA = 65 << 10
"""Bytes of a message's data that are passed on: more than a path has, and than a dead letter keeps."""
_LARGEST_ANSWER = 3 << 20
_OVERHEAD_BYTES = 16
_THREADS = 8
_CALL_SECONDS = 30.0
_PULL_SECONDS = 5.0
_EMPTY_PULL_SECONDS = 0.05
_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class PubSubGate:
    """Passes calls on to the emulator at `upstream`, and is the emulator that this process sees meanwhile.

    Beam's DirectRunner pulls for as long as it runs, on the one thread that also runs the pipeline, and fails for good
    on the first pull that does. So a held or unreachable emulator looks like one without messages, and an empty pull is
    answered at once. An acknowledgement that cannot be passed on is dropped: its messages come again.

    That runner asks for ten messages, makes a bundle of them, and spends a millisecond or two on each step of each
    bundle. So an answer holds all that wait, however few were asked for; and what arrives shortly after an answer waits
    for the next: the longer, the fuller that answer was and the sooner it followed the one before. So whoever asks now
    and then is answered soon, and what trickles costs a bundle for several messages and not for each.

    That runner's client takes no answer above 4 MiB from an emulator, where Pub/Sub takes messages of 10 MB: what is
    beyond that waits for the next answer, and of data that is longer than any path only the beginning is passed on.

    Args:
        upstream: `HOST:PORT` of an emulator.
        most_messages: in one answer; a local run holds the images of as many.
        gather_seconds: the longest from an answer to the next.
        quiet_seconds: between two answers, after which the second is followed by the next as soon as its size allows;
            after half of that, in half of `gather_seconds`.
        beside: subscriptions that somebody else in this process reads; their messages pass as they are, and are not
            counted.
    """

    def __init__(
        self,
        upstream: str,
        most_messages: int = 128,
        gather_seconds: float = 0.2,
        quiet_seconds: float = 1.0,
        beside: Iterable[str] = (),
    ) -> None:
        self._upstream = upstream
        self._most_messages = most_messages
        self._gather_seconds = gather_seconds
        self._quiet_seconds = quiet_seconds
        self._beside = frozenset(beside)
        self._channel = grpc.insecure_channel(upstream, [("grpc.max_receive_message_length", -1)])
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="pubsub-gate"),
            handlers=[_Forward(self._answer)],
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )
        self._address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._pulling = threading.Lock()
        self._held = False
        self._unreachable = False
        self._gathering_until = 0.0
        self._delivered_at = float("-inf")
        self._just_delivered = False
        self._named_before: str | None = None
        self._kept_back: deque[Any] = deque()
        self.delivered = 0
        self.empty = False

    def __enter__(self) -> Self:
        self._server.start()
        self._named_before = os.environ.get(EMULATOR_VARIABLE)
        os.environ[EMULATOR_VARIABLE] = self._address
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._named_before is None:
            del os.environ[EMULATOR_VARIABLE]
        else:
            os.environ[EMULATOR_VARIABLE] = self._named_before
        self._server.stop(0.5)
        self._channel.close()

    def hold(self) -> None:
        """Delivers nothing from now on; a pull under way is waited for, so that `delivered` is final."""
        self._held = True
        with self._pulling:
            pass

    def resume(self) -> None:
        """Delivers again."""
        self._held = False

    def _answer(self, method: str, request: bytes, context: Any) -> bytes:
        if method == _PULL and not self._is_beside(request):
            with self._pulling:
                return self._pull(request, context)
        try:
            return self._pass_on(method, request, context)
        except grpc.RpcError as error:
            if method == _ACKNOWLEDGE and error.code() in _PASSING:
                self._tell_unreachable(error)
                return b""
            context.abort(error.code(), error.details())
            raise

    def _is_beside(self, request: bytes) -> bool:
        from google.pubsub_v1 import types

        return bool(self._beside) and types.PullRequest.deserialize(request).subscription in self._beside

    def _pull(self, request: bytes, context: Any) -> bytes:
        if self._just_delivered:  # the runner first goes on with what it was given
            self._just_delivered = False
            return b""
        _wait(self._gathering_until - time.monotonic())
        response = b"" if self._held else self._waiting_messages(request, context)
        if not response:
            _wait(_EMPTY_PULL_SECONDS)
        return response

    def _waiting_messages(self, request: bytes, context: Any) -> bytes:
        from google.pubsub_v1 import types

        asked = types.PullRequest.pb(types.PullRequest.deserialize(request))
        asked.return_immediately = True
        asked.max_messages = self._most_messages
        response = b""
        try:
            if not self._kept_back:
                response = self._pass_on(_PULL, asked.SerializeToString(), context, _PULL_SECONDS)
            self._unreachable = False
        except grpc.RpcError as error:
            if error.code() not in _PASSING:
                context.abort(error.code(), error.details())
            self._tell_unreachable(error)
        self._kept_back.extend(types.PullResponse.pb(types.PullResponse.deserialize(response)).received_messages)
        response, messages = self._answer_within_limit()
        self.delivered += messages
        self.empty = not messages
        if messages:
            self._just_delivered = True
            now = time.monotonic()
            quiet, self._delivered_at = now - self._delivered_at, now
            share = min(1.0, max(messages / self._most_messages, 1 - quiet / self._quiet_seconds))
            self._gathering_until = now + share * self._gather_seconds
        return response

    def _answer_within_limit(self) -> tuple[bytes, int]:
        """As many of those that are kept back as one answer may hold, at least one; and how many they are."""
        from google.pubsub_v1 import types

        answer = types.PullResponse.pb(types.PullResponse())
        size = 0
        while self._kept_back:
            received = self._kept_back[0]
            if len(received.message.data) > LONGEST_DATA:
                received.message.data = received.message.data[:LONGEST_DATA]
            size += received.ByteSize() + _OVERHEAD_BYTES
            if answer.received_messages and size > _LARGEST_ANSWER:
                break
            answer.received_messages.append(self._kept_back.popleft())
        return answer.SerializeToString(), len(answer.received_messages)

    def _pass_on(self, method: str, request: bytes, context: Any, seconds: float = _CALL_SECONDS) -> bytes:
        remaining = context.time_remaining()
        timeout = seconds if remaining is None else min(seconds, remaining)
        answer: bytes = self._channel.unary_unary(method, None, None)(request, timeout=timeout)
        return answer

    def _tell_unreachable(self, error: grpc.RpcError) -> None:
        if not self._unreachable:
            self._unreachable = True
            _LOGGER.warning(
                "%s=%s does not answer, trying until it does: %s", EMULATOR_VARIABLE, self._upstream, error.details()
            )


def _wait(seconds: float) -> None:
    if seconds > 0:
        threading.Event().wait(seconds)


class _Forward(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs only
    """Hands every call that has one request and one answer to `answer`, as bytes."""

    def __init__(self, answer: Callable[[str, bytes, Any], bytes]) -> None:
        self._answer = answer

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method
        if method.endswith("/StreamingPull"):
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer(method, request, context))
