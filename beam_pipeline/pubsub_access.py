"""What a job on the DirectRunner needs of Pub/Sub before it starts: topics that are there, and a subscription."""

from __future__ import annotations

import contextlib
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, NotFound, PermissionDenied
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1

from beam_pipeline.options import JobOptions
from beam_pipeline.pubsub_gate import VARIABLE

_LOGGER = logging.getLogger(__name__)

_CALL_SECONDS = 5.0


class PubSubRefused(Exception):  # noqa: N818 - named for what the service said
    """Pub/Sub does not answer, or has not what the job names; its text is one line."""


@contextlib.contextmanager
def readable(job: JobOptions, project: str | None = None) -> Iterator[JobOptions]:
    """The job with a subscription that can be read; an `--input_topic` gets one that is gone afterwards.

    Beam's DirectRunner would make one for a topic too, and delete it as the program ends: that waits a minute where
    Pub/Sub does not answer any more.

    Args:
        job: the job's options.
        project: where a subscription is made; the topic's own where None.

    Raises:
        PubSubRefused: see there.
    """
    with _told():
        check_topics(job)
        subscriber = pubsub_v1.SubscriberClient()
    try:
        if job.input_subscription is not None:
            with _told(), contextlib.suppress(PermissionDenied):
                ask(subscriber.get_subscription, subscription=job.input_subscription)
            yield job
            return
        topic = job.input_topic or ""
        owner = f"projects/{project}" if project else "/".join(topic.split("/")[:2])
        subscription = f"{owner}/subscriptions/hotswap-{uuid.uuid4().hex[:12]}"
        with _told():
            ask(subscriber.create_subscription, name=subscription, topic=topic)
        try:
            yield replace(job, input_topic=None, input_subscription=subscription)
        finally:
            delete(subscriber, subscription)
    finally:
        subscriber.close()


def check_topics(job: JobOptions) -> None:
    """Looks for every topic that the job publishes to.

    Raises:
        GoogleAPICallError, GoogleAuthError: the first that is not there. Who may publish to a topic but not look at it
            is believed.
    """
    topics = [name for name in (job.output_topic, job.dead_letter_topic, job.model_events_topic) if name]
    if not topics:
        return
    publisher = pubsub_v1.PublisherClient()
    for topic in topics:
        with contextlib.suppress(PermissionDenied):
            ask(publisher.get_topic, topic=topic)
    publisher.stop()


def ask(call: Callable[..., Any], **request: Any) -> Any:
    """One call of a Pub/Sub client, once, and five seconds at most."""
    return call(request=request, retry=None, timeout=_CALL_SECONDS)


def delete(subscriber: Any, subscription: str) -> None:
    """Deletes a subscription of ours; one line where that cannot be done."""
    try:
        ask(subscriber.delete_subscription, subscription=subscription)
    except NotFound:
        pass
    except (GoogleAPICallError, ValueError) as error:
        _LOGGER.warning("%s could not be deleted: %s", subscription, " ".join(str(error).split()))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tells a refusal in one line."""
    try:
        yield
    except (GoogleAPICallError, GoogleAuthError) as error:
        where = f"{VARIABLE}={os.environ[VARIABLE]}" if VARIABLE in os.environ else "Pub/Sub"
        raise PubSubRefused(f"{where} refuses: {' '.join(str(error).split())}") from error
