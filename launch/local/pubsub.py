"""The Pub/Sub that a local run reads from: an embedded emulator, or the one that the user already runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Protocol

from launch.pubsub_emulator import PubSubEmulator
from transforms.pubsub import EMULATOR_VARIABLE
from transforms.pubsub.access import make_topic, subscription_for_one_run
from transforms.pubsub.gate import PubSubGate
from transforms.pubsub.publisher import OneTry

TOPIC = "projects/hotswap-local/topics/images"
FEEDBACK_TOPIC = "projects/hotswap-local/topics/feedback"
_SUBSCRIPTION = "projects/hotswap-local/subscriptions/images"
_FEEDBACK_SUBSCRIPTION = "projects/hotswap-local/subscriptions/feedback"


class LocalPubSub(Protocol):
    """Where a local run's messages come from.

    Attributes:
        subscription: that the job reads.
        feedback: subscription to `FEEDBACK_TOPIC`, of true labels; None where nothing is tried.
        ready: what a user needs in order to publish, in one line.
    """

    subscription: str
    feedback: str | None
    ready: str

    def publish(self, image: str) -> None:
        """Publishes one path; raises OSError where that fails for now."""

    def hold(self) -> None:
        """Delivers nothing from now on."""

    def resume(self) -> None:
        """Delivers again."""

    def all_delivered(self, counted: int) -> bool:
        """Whether nothing waits to be read, `counted` messages having been read."""

    def all_counted(self, counted: int) -> bool:
        """Whether `counted` messages are all that the job has read."""


@contextlib.contextmanager
def local_pubsub(feedback: bool = False) -> Iterator[LocalPubSub]:
    """The Pub/Sub of one local run, held until it is resumed; `PUBSUB_EMULATOR_HOST` names another than its own.

    Args:
        feedback: whether there is a topic of true labels too.

    Raises:
        PubSubRefused: the one it names does not answer.
    """
    if address := os.environ.get(EMULATOR_VARIABLE):
        with _external(address, feedback) as external:
            yield external
        return
    beside = (_FEEDBACK_SUBSCRIPTION,) if feedback else ()
    with PubSubEmulator() as emulator, PubSubGate(emulator.address, beside=beside):
        yield _Embedded(emulator, feedback)


class _Embedded:
    def __init__(self, emulator: PubSubEmulator, feedback: bool) -> None:
        emulator.create_topic(TOPIC)
        emulator.create_subscription(_SUBSCRIPTION, TOPIC)
        if feedback:
            emulator.create_topic(FEEDBACK_TOPIC)
            emulator.create_subscription(_FEEDBACK_SUBSCRIPTION, FEEDBACK_TOPIC)
        emulator.hold_deliveries()
        self._emulator = emulator
        self.subscription = _SUBSCRIPTION
        self.feedback = _FEEDBACK_SUBSCRIPTION if feedback else None
        self.ready = f"{EMULATOR_VARIABLE}={emulator.address} topic={TOPIC}"

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
    """Another process' emulator, behind a gate that can be held."""

    def __init__(self, address: str, subscription: str, gate: PubSubGate, feedback: str | None) -> None:
        self._publisher = OneTry(TOPIC)
        self._published = 0
        self._gate = gate
        self.subscription = subscription
        self.feedback = feedback
        self.ready = f"{EMULATOR_VARIABLE}={address} topic={TOPIC}"

    def publish(self, image: str) -> None:
        self._publisher.publish(os.fsencode(image))
        self._published += 1

    def hold(self) -> None:
        self._gate.hold()

    def resume(self) -> None:
        self._gate.resume()

    def all_delivered(self, counted: int) -> bool:
        # Others publish here too: how much, only an empty pull can tell.
        return self._gate.empty and self._gate.delivered == counted >= self._published

    def all_counted(self, counted: int) -> bool:
        return self._gate.delivered == counted


@contextlib.contextmanager
def _external(address: str, feedback: bool) -> Iterator[_External]:
    make_topic(TOPIC)
    with contextlib.ExitStack() as stack:
        subscription = stack.enter_context(subscription_for_one_run(TOPIC))
        labels = None
        if feedback:
            make_topic(FEEDBACK_TOPIC)
            labels = stack.enter_context(subscription_for_one_run(FEEDBACK_TOPIC))
        gate = stack.enter_context(PubSubGate(address, beside=filter(None, (labels,))))
        gate.hold()
        yield _External(address, subscription, gate, labels)
