"""Why a database says no."""

from __future__ import annotations


class StoreUnusable(Exception):  # noqa: N818 - named for the state it reports
    """A database that cannot be opened, or that stopped answering. One line for people; no password is in it."""
