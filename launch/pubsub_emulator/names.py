"""Which names Pub/Sub accepts (https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names)."""

from __future__ import annotations

import re

from launch.pubsub_emulator.errors import InvalidArgumentError

# What the real service names as the topic of a subscription whose topic is gone.
DELETED_TOPIC = "_deleted-topic_"

# Any project will do: an emulator has none to look up.
_PROJECT = re.compile(r"projects/[^/\s]+")
_RESOURCE = re.compile(r"projects/[^/\s]+/(?P<kind>topics|subscriptions)/(?P<id>[A-Za-z][\w.~+%-]{2,254})", re.ASCII)


def check_topic_name(name: str) -> None:
    """Raise InvalidArgumentError unless `name` is `projects/P/topics/T` with a valid T."""
    _check(name, "topics")


def check_subscription_name(name: str) -> None:
    """Raise InvalidArgumentError unless `name` is `projects/P/subscriptions/S` with a valid S."""
    _check(name, "subscriptions")


def check_project_name(name: str) -> None:
    """Raise InvalidArgumentError unless `name` is `projects/P`."""
    if not _PROJECT.fullmatch(name):
        raise InvalidArgumentError(f"{name!r} is not a project: it must read projects/PROJECT")


def _check(name: str, kind: str) -> None:
    match = _RESOURCE.fullmatch(name)
    if match is None or match["kind"] != kind or match["id"].startswith("goog"):
        raise InvalidArgumentError(
            f"{name!r} is not a valid name: it must read projects/PROJECT/{kind}/ID, where ID has 3 to 255 "
            "of the characters A-Z a-z 0-9 - _ . ~ + %, begins with a letter, and does not begin with 'goog'"
        )
