"""How Pub/Sub says no."""

from __future__ import annotations


class PubSubRefused(Exception):  # noqa: N818 - named for what the service said
    """Pub/Sub does not answer, or has not what is asked of it; its text is one line."""


class PublishingRefused(PubSubRefused):
    """Pub/Sub says that these messages can never be published."""


class PublishingStopped(Exception):  # noqa: N818 - the program is ending, nothing failed
    """The program is ending, and the topic still refuses."""
