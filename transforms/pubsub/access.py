"""Topics and subscriptions: whether they are there, and such as are made for one run."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, NotFound, PermissionDenied
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1

from models.errors import one_line
from models.printable import logger
from transforms.pubsub import EMULATOR_VARIABLE
from transforms.pubsub.errors import PubSubRefused

_LOGGER = logger(__name__)

_CALL_SECONDS = 5.0


def check_topics(topics: Iterable[str]) -> None:
    """Looks for every one of `topics`. Who may publish to a topic but not look at it is believed.

    Raises:
        PubSubRefused: the first that is not there.
    """
    names = list(topics)
    if not names:
        return
    with _publisher() as publisher:
        for topic in names:
            with contextlib.suppress(PermissionDenied):
                _ask(publisher.get_topic, topic=topic)


def check_subscription(subscription: str) -> None:
    """Looks for a subscription; the same holds.

    Raises:
        PubSubRefused: it is not there.
    """
    with _subscriber() as subscriber, contextlib.suppress(PermissionDenied):
        _ask(subscriber.get_subscription, subscription=subscription)


def make_topic(topic: str) -> None:
    """Makes a topic, unless it is there.

    Raises:
        PubSubRefused: it cannot be made.
    """
    with _publisher() as publisher, contextlib.suppress(AlreadyExists):
        _ask(publisher.create_topic, name=topic)


def make_subscription(subscription: str, topic: str) -> None:
    """Makes a subscription to a topic, and the topic before; neither where it is there.

    Args:
        subscription: `projects/P/subscriptions/S`.
        topic: `projects/P/topics/T`.

    Raises:
        PubSubRefused: one of them cannot be made.
    """
    make_topic(topic)
    with _subscriber() as subscriber, contextlib.suppress(AlreadyExists):
        _ask(subscriber.create_subscription, name=subscription, topic=topic)


@contextlib.contextmanager
def subscription_for_one_run(topic: str, project: str | None = None) -> Iterator[str]:
    """The name of a new subscription to a topic, which is gone afterwards.

    Beam's DirectRunner would make one for a topic too, and delete it as the program ends: that waits a minute where
    Pub/Sub does not answer any more.

    Args:
        topic: `projects/P/topics/T`.
        project: where the subscription is made; the topic's own where None.

    Raises:
        PubSubRefused: it cannot be made.
    """
    owner = f"projects/{project}" if project else "/".join(topic.split("/")[:2])
    subscription = f"{owner}/subscriptions/hotswap-{uuid.uuid4().hex[:12]}"
    with _subscriber() as subscriber:
        _ask(subscriber.create_subscription, name=subscription, topic=topic)
    try:
        yield subscription
    finally:
        delete_subscription(subscription)


def delete_subscription(subscription: str) -> None:
    """Deletes a subscription, where it is there; logs one line where that cannot be done."""
    try:
        with pubsub_v1.SubscriberClient() as subscriber, contextlib.suppress(NotFound):
            _ask(subscriber.delete_subscription, subscription=subscription)
    except (GoogleAPICallError, GoogleAuthError, ValueError) as error:
        _LOGGER.warning("%s could not be deleted: %s", subscription, one_line(error))


def _ask(call: Any, **request: Any) -> Any:
    """One call of a Pub/Sub client, once, and five seconds at most."""
    return call(request=request, retry=None, timeout=_CALL_SECONDS)


@contextlib.contextmanager
def _publisher() -> Iterator[Any]:
    with _told():
        client = pubsub_v1.PublisherClient()
        try:
            yield client
        finally:
            client.stop()
            client.transport.close()


@contextlib.contextmanager
def _subscriber() -> Iterator[Any]:
    with _told(), pubsub_v1.SubscriberClient() as client:
        yield client


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tells a refusal in one line."""
    try:
        yield
    except (GoogleAPICallError, GoogleAuthError) as error:
        emulator = os.environ.get(EMULATOR_VARIABLE)
        where = f"{EMULATOR_VARIABLE}={emulator}" if emulator else "Pub/Sub"
        raise PubSubRefused(f"{where} refuses: {one_line(error)}") from error
