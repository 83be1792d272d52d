"""What the page is told where something cannot be done: a word that stays, and a line that says what to do."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus


class Trouble(StrEnum):
    """The words, each with its status over HTTP."""

    BAD_DRAWING = "bad_drawing"
    BAD_REQUEST = "bad_request"
    BUSY = "busy"
    DATABASE_UNAVAILABLE = "database_unavailable"
    DISK_FULL = "disk_full"
    NOT_FOUND = "not_found"
    NOT_POSSIBLE = "not_possible"
    STREAM_UNAVAILABLE = "stream_unavailable"
    TOO_LARGE = "too_large"
    TOO_OFTEN = "too_often"

    @property
    def status(self) -> HTTPStatus:
        """What HTTP calls it."""
        return _STATUS[self]


_STATUS = {
    Trouble.BAD_DRAWING: HTTPStatus.UNPROCESSABLE_ENTITY,
    Trouble.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Trouble.BUSY: HTTPStatus.CONFLICT,
    Trouble.DATABASE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Trouble.DISK_FULL: HTTPStatus.INSUFFICIENT_STORAGE,
    Trouble.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Trouble.NOT_POSSIBLE: HTTPStatus.CONFLICT,
    Trouble.STREAM_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Trouble.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Trouble.TOO_OFTEN: HTTPStatus.TOO_MANY_REQUESTS,
}


class StudioRefused(Exception):  # noqa: N818 - named for what it says
    """Something that was asked for cannot be done; its text is one line that says what to do.

    Attributes:
        trouble: the word for it.
    """

    def __init__(self, trouble: Trouble, line: str) -> None:
        super().__init__(line)
        self.trouble = trouble
