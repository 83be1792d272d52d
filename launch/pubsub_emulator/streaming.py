"""The streaming pull: messages go down the stream, acknowledgements and deadlines come up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
from google.pubsub_v1 import types

from launch.pubsub_emulator.broker import Broker
from launch.pubsub_emulator.errors import BusyError, EmulatorError, InvalidArgumentError
from launch.pubsub_emulator.queue import Stream
from launch.pubsub_emulator.service import abort, received_messages, serialized

_StreamingPullResponse = types.StreamingPullResponse.pb()
_PROPERTIES = types.StreamingPullResponse.SubscriptionProperties.pb()(
    exactly_once_delivery_enabled=False, message_ordering_enabled=False
)


FIRST_REQUEST_SECONDS = 10.0
"""How long an open stream may say nothing: it has a place that others wait for."""


class StreamingPull:
    """Answers `google.pubsub.v1.Subscriber/StreamingPull`.

    A stream occupies one thread of the server for as long as it lives, and one more of its own that reads
    what the client sends.

    Args:
        broker: the state.
        max_streams: how many may be open at once; one more is refused with RESOURCE_EXHAUSTED.
    """

    def __init__(self, broker: Broker, max_streams: int) -> None:
        self._broker = broker
        self._max_streams = max_streams
        self._places = threading.BoundedSemaphore(max_streams)

    def handler(self) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.stream_stream_rpc_method_handler(
            self._answer,
            request_deserializer=types.StreamingPullRequest.pb().FromString,
            response_serializer=serialized,
        )

    def _answer(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        if not self._places.acquire(blocking=False):
            abort(context, BusyError(f"{self._max_streams} streams are open, and this emulator serves no more"))
        try:
            yield from self._stream(requests, context)
        except EmulatorError as error:
            abort(context, error)
        except grpc.RpcError:
            return  # the client hung up before it had asked for anything
        finally:
            self._places.release()

    def _stream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        silence = threading.Timer(FIRST_REQUEST_SECONDS, context.cancel)
        silence.daemon = True
        silence.start()
        first = next(requests, None)
        silence.cancel()
        if first is None:
            return
        stream = self._broker.open_stream(
            first.subscription,
            first.stream_ack_deadline_seconds,
            first.max_outstanding_messages,
            first.max_outstanding_bytes,
        )
        uplink = _Uplink(self._broker, stream, requests)
        try:
            uplink.apply(first)
            if not context.add_callback(lambda: self._broker.close_stream(stream)):
                return  # the client has gone already
            uplink.start()
            while received := self._broker.pull_stream(stream):
                yield _StreamingPullResponse(
                    received_messages=received_messages(received), subscription_properties=_PROPERTIES
                )
            if uplink.error:
                raise uplink.error
        finally:
            self._broker.close_stream(stream)


class _Uplink:
    """Applies what the client sends on one stream; closes the stream at its end or first error."""

    def __init__(self, broker: Broker, stream: Stream, requests: Iterator[Any]) -> None:
        self.error: EmulatorError | None = None
        self._broker = broker
        self._stream = stream
        self._requests = requests

    def start(self) -> None:
        threading.Thread(target=self._read, name="pubsub-emulator-uplink", daemon=True).start()

    def apply(self, request: Any) -> None:
        """Acknowledge and extend as one request asks; raises InvalidArgumentError where it is malformed."""
        seconds, ids = request.modify_deadline_seconds, request.modify_deadline_ack_ids
        if len(seconds) != len(ids):
            raise InvalidArgumentError(
                f"modify_deadline_seconds has {len(seconds)} entries and modify_deadline_ack_ids {len(ids)}"
            )
        if request.ack_ids:
            self._broker.acknowledge(self._stream.subscription, request.ack_ids)
        for ack_id, each in zip(ids, seconds, strict=True):
            self._broker.modify_ack_deadline(self._stream.subscription, [ack_id], each)

    def _read(self) -> None:
        try:
            for request in self._requests:
                self._apply_later(request)
        except EmulatorError as error:
            self.error = error
        except grpc.RpcError:
            pass  # the client hung up: the usual end of a stream
        finally:
            self._broker.close_stream(self._stream)

    def _apply_later(self, request: Any) -> None:
        if request.subscription:
            raise InvalidArgumentError("only the first request of a stream names a subscription")
        if request.stream_ack_deadline_seconds:
            self._broker.set_stream_deadline(self._stream, request.stream_ack_deadline_seconds)
        self.apply(request)
