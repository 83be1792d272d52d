"""The steps of the agent, by name. The power may fail before and after each, and the disk be full."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What has just been done, in the order in which a release comes in."""

    STARTED = "started"
    """The folder is the agent's, and whatever was half done is mended."""
    POLLED = "polled"
    """What is desired was heard."""
    VERIFIED = "verified"
    """Its signature names the archive that is desired."""
    FETCHING = "fetching"
    """Some of the archive lies on the disk; many times."""
    FETCHED = "fetched"
    """All of it does, and has the digest that is desired."""
    UNPACKED = "unpacked"
    """Its files lie there, each with the digest that its manifest says."""
    PROBED = "probed"
    """Its model has answered, in a confined process."""
    SYNCED = "synced"
    """Its files are on the disk, whatever happens to the power."""
    PLACED = "placed"
    """They lie where they stay."""
    RECORDED = "recorded"
    """The state names them."""
    LINKED = "linked"
    """The link lies beside the one that it replaces."""
    SWAPPED = "swapped"
    """It has replaced it."""
    REPORTED = "reported"
    """The server was told."""
    CLEANED = "cleaned"
    """What nobody needs any more is gone."""


At = Callable[[Step], None]
"""Is told of each step as it is done."""
