"""The Pub/Sub that a local run reads from: an embedded emulator, or the one that the user already runs."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from typing import Protocol

from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, NotFound
from google.cloud import pubsub_v1

from launch.command_line import LaunchError
from launch.pubsub_emulator import PubSubEmulator

VARIABLE = "PUBSUB_EMULATOR_HOST"
TOPIC = "projects/hotswap-local/topics/images"
_SUBSCRIPTION = "projects/hotswap-local/subscriptions/images"


class LocalPubSub(Protocol):
    """Where a local run's messages come from.

    Attributes:
        subscription: that the job reads.
        ready: what a user needs in order to publish, in one line.
    """

    subscription: str
    ready: str

    def publish(self, image: str) -> None:
        """Publishes one path."""

    def hold(self) -> None:
        """Delivers nothing from now on, where that is in this run's power."""

    def resume(self) -> None:
        """Delivers again."""

    def all_delivered(self, counted: int) -> bool:
        """Whether nothing waits to be read, `counted` messages having been read."""

    def all_counted(self, counted: int) -> bool:
        """Whether `counted` messages are all that the job has read."""


@contextlib.contextmanager
def local_pubsub() -> Iterator[LocalPubSub]:
    """The Pub/Sub of one local run; `PUBSUB_EMULATOR_HOST` names another one than its own.

    Raises:
        LaunchError: the one it names does not answer.
    """
    if address := os.environ.get(VARIABLE):
        with _external(address) as external:
            yield external
        return
    with PubSubEmulator() as emulator:
        os.environ[VARIABLE] = emulator.address
        try:
            yield _Embedded(emulator)
        finally:
            del os.environ[VARIABLE]


class _Embedded:
    def __init__(self, emulator: PubSubEmulator) -> None:
        emulator.create_topic(TOPIC)
        emulator.create_subscription(_SUBSCRIPTION, TOPIC)
        self._emulator = emulator
        self.subscription = _SUBSCRIPTION
        self.ready = f"{VARIABLE}={emulator.address} topic={TOPIC}"

    def publish(self, image: str) -> None:
        self._emulator.publish(TOPIC, os.fsencode(image))

    def hold(self) -> None:
        self._emulator.hold_deliveries()

    def resume(self) -> None:
        self._emulator.resume_deliveries()

    def all_delivered(self, counted: int) -> bool:
        return self._emulator.statistics(self.subscription).published == counted

    def all_counted(self, counted: int) -> bool:
        return self._emulator.statistics(self.subscription).acknowledged == counted


class _External:
    """Another emulator: it cannot be told to hold, so a run ends once its own images have their outcome."""

    def __init__(self, address: str, subscription: str) -> None:
        self._publisher = pubsub_v1.PublisherClient()
        self._published = 0
        self.subscription = subscription
        self.ready = f"{VARIABLE}={address} topic={TOPIC}"

    def publish(self, image: str) -> None:
        self._publisher.publish(TOPIC, os.fsencode(image)).result()
        self._published += 1

    def hold(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def all_delivered(self, counted: int) -> bool:
        return counted >= self._published

    def all_counted(self, counted: int) -> bool:
        return True


@contextlib.contextmanager
def _external(address: str) -> Iterator[_External]:
    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    subscription = f"{_SUBSCRIPTION}-{uuid.uuid4().hex[:12]}"
    try:
        with contextlib.suppress(AlreadyExists):
            publisher.create_topic(name=TOPIC, timeout=10)
        subscriber.create_subscription(name=subscription, topic=TOPIC, timeout=10)
    except GoogleAPICallError as error:
        raise LaunchError(f"{VARIABLE}={address} does not answer as Pub/Sub: {error.message}") from error
    try:
        yield _External(address, subscription)
    finally:
        with contextlib.suppress(NotFound, GoogleAPICallError):
            subscriber.delete_subscription(subscription=subscription, timeout=10)
        subscriber.close()
