"""The emulator as a thing to start and stop: a broker behind a gRPC server on this machine."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc

from launch.pubsub_emulator.broker import Broker, Subscription, Topic
from launch.pubsub_emulator.errors import EmulatorError
from launch.pubsub_emulator.messages import MAX_PUBLISH_BYTES, Content
from launch.pubsub_emulator.queue import Statistics
from launch.pubsub_emulator.service import PublisherService, SubscriberService, UnsupportedMethods
from launch.pubsub_emulator.streaming import StreamingPull

# A stream keeps its thread for life and a waiting pull keeps one while it waits, so each kind has an
# allowance of its own; what is left is always free for publishing and acknowledging, which never wait.
# Threads start only when needed.
MAX_STREAMS = 32
MAX_WAITING_PULLS = 16
THREADS_THAT_NEVER_WAIT = 8

STOP_GRACE_SECONDS = 1.0

_SERVER_OPTIONS = (
    # Otherwise a second emulator would share the port without a word, and each would get half of the calls.
    ("grpc.so_reuseport", 0),
    # Above Pub/Sub's own limit, so that a publish that breaks it is told so by name.
    ("grpc.max_receive_message_length", 2 * MAX_PUBLISH_BYTES),
    ("grpc.max_send_message_length", -1),
)


class PubSubEmulator:
    """An in-memory Pub/Sub for this machine; a context manager that starts and stops it.

    Every method is safe to call from any thread, and reaches the same topics and subscriptions as the clients
    that connect to `address`. Raises EmulatorError, and its kinds in `errors.py`, for what it refuses.

    Args:
        port: where to listen; 0 takes a free one, see `address`.
        host: the address to bind. There is no access control: any but the loopback is open to the network.
        pull_wait_seconds: how long a pull waits for its first message before it answers empty. Short, because
            Beam's DirectRunner pulls on the one thread that also runs the pipeline.
    """

    def __init__(self, port: int = 0, *, host: str = "127.0.0.1", pull_wait_seconds: float = 0.05) -> None:
        self._host = host
        self._port = port
        self._broker = Broker()
        self._pull_wait_seconds = pull_wait_seconds
        self._server: grpc.Server | None = None
        self._threads = ThreadPoolExecutor(
            max_workers=MAX_STREAMS + MAX_WAITING_PULLS + THREADS_THAT_NEVER_WAIT,
            thread_name_prefix="pubsub-emulator",
        )

    @property
    def address(self) -> str:
        """`HOST:PORT`, what `PUBSUB_EMULATOR_HOST` must say; the port is 0 until the emulator has started."""
        return f"{self._host}:{self._port}"

    def start(self) -> None:
        """Listen, and return once clients can connect.

        Raises EmulatorError where the port is taken or the emulator was started before.
        """
        if self._server is not None:
            raise EmulatorError("an emulator starts once; make a new one to start again")
        _check_free(self._host, self._port)
        self._server = self._build_server()
        try:
            self._port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise EmulatorError(f"cannot listen on {self.address}") from error
        self._server.start()

    def stop(self) -> None:
        """End open streams and waiting pulls with UNAVAILABLE, and free the port; harmless when repeated."""
        self._broker.stop()
        if self._server is not None:
            self._server.stop(STOP_GRACE_SECONDS).wait()
        self._threads.shutdown(wait=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def create_topic(self, name: str) -> None:
        """Add the topic `projects/P/topics/T`."""
        self._broker.create_topic(Topic(name))

    def create_subscription(self, name: str, topic: str) -> None:
        """Add the subscription `projects/P/subscriptions/S` to `topic`, with deadlines of 10 seconds."""
        self._broker.create_subscription(Subscription(name, topic))

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None) -> str:
        """Publish one message, and answer its message id."""
        [message_id] = self._broker.publish(topic, [Content(data, dict(attributes or {}))])
        return message_id

    def hold_deliveries(self) -> None:
        """Hand out no message from now on: pulls answer empty, so that a job can finish what it has read."""
        self._broker.hold_deliveries()

    def resume_deliveries(self) -> None:
        """Hand out messages again."""
        self._broker.resume_deliveries()

    def statistics(self, subscription: str) -> Statistics:
        """What became of the messages of `subscription` so far."""
        return self._broker.statistics(subscription)

    def _build_server(self) -> grpc.Server:
        streaming_pull = StreamingPull(self._broker, MAX_STREAMS).handler()
        subscriber = SubscriberService(self._broker, streaming_pull, self._pull_wait_seconds, MAX_WAITING_PULLS)
        handlers = [PublisherService(self._broker).handler(), subscriber.handler(), UnsupportedMethods()]
        return grpc.server(self._threads, handlers=handlers, options=_SERVER_OPTIONS)


def _check_free(host: str, port: int) -> None:
    """Raise EmulatorError where nothing can listen: gRPC would not say why, and logs lines of its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), port), family=family).close()
    except OSError as error:
        raise EmulatorError(f"cannot listen on {host}:{port}: {error.strerror}") from error
