"""What requests ask with: their JSON, their ids and numbers. Strangers write all of it."""

from __future__ import annotations

import re

import orjson
from starlette.requests import Request

from serving.over_http.bodies import Bodies
from studio.errors import StudioRefused, Trouble
from studio.web.sessions import Session

_ID = re.compile(r"[0-9a-zA-Z_-]{1,64}")
_DRAWING = re.compile(r"[0-9a-f]{32}")
_LONGEST_MODEL_ID = 2000
_LONGEST_NAME = 120
_NUMBER = re.compile(r"[0-9]{1,18}")


def browser_of(request: Request) -> str:
    """Who asks."""
    session: Session = request.state.session
    return session.browser


async def json_object(request: Request, bodies: Bodies, may_be_empty: bool = False) -> dict[str, object]:
    """The body of a request; an object without fields for one without bytes, where that `may_be_empty`.

    Raises:
        StudioRefused: `BAD_REQUEST`: it is no object of JSON.
        Refused, HungUp: as of `Bodies`.
    """
    with bodies.reading() as reading:
        body = await reading.body(request.receive, dict(request.scope["headers"]))
        try:
            found = orjson.loads(body or b"{}") if may_be_empty else orjson.loads(body)
        except orjson.JSONDecodeError:
            found = None
    if not isinstance(found, dict):
        raise StudioRefused(Trouble.BAD_REQUEST, "the body must be an object of JSON")
    return found


def digit(given: dict[str, object]) -> int:
    """The field `label`, 0 to 9.

    Raises:
        StudioRefused: `BAD_REQUEST`.
    """
    label = given.get("label")
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 9:
        raise StudioRefused(Trouble.BAD_REQUEST, "label must be a digit, 0 to 9")
    return label


def model_id(given: dict[str, object]) -> str:
    """The field `model_id`.

    Raises:
        StudioRefused: `BAD_REQUEST`.
    """
    named = given.get("model_id")
    if not isinstance(named, str) or not 0 < len(named) <= _LONGEST_MODEL_ID:
        raise StudioRefused(Trouble.BAD_REQUEST, "model_id must be that of a model of /api/models")
    return named


def trial_number(given: dict[str, object]) -> int | None:
    """The field `number`, which need not be there.

    Raises:
        StudioRefused: `BAD_REQUEST`.
    """
    named = given.get("number")
    if named is None or (isinstance(named, int) and not isinstance(named, bool)):
        return named
    raise StudioRefused(Trouble.BAD_REQUEST, "number must be that of a trial, as /api/trial tells it")


def drawing_id(request: Request) -> str:
    """The drawing that is asked for.

    Raises:
        StudioRefused: `NOT_FOUND`: nothing is called so.
    """
    return _shaped(request.path_params["drawing"], _DRAWING, "drawing")


def other_id(request: Request, what: str) -> str:
    """Another id of a path.

    Args:
        what: name of the parameter, and of what is asked for.

    Raises:
        StudioRefused: `NOT_FOUND`: nothing is called so.
    """
    return _shaped(request.path_params[what], _ID, what)


def number(request: Request, name: str, otherwise: int, most: int) -> int:
    """A whole number of the query, no more than may be.

    Raises:
        StudioRefused: `BAD_REQUEST`: it is none.
    """
    given = request.query_params.get(name)
    if given is None:
        return otherwise
    if not _NUMBER.fullmatch(given):
        raise StudioRefused(Trouble.BAD_REQUEST, f"{name} must be a whole number")
    return min(int(given), most)


def file_name(request: Request) -> str:
    """The name of the query: of a file, without a folder.

    Raises:
        StudioRefused: `BAD_REQUEST`: no file may be called so.
    """
    name = request.query_params.get("name", "")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or set(name) & set("/\\") or name[0] == ".":
        raise StudioRefused(Trouble.BAD_REQUEST, f"name must be a file's, of 1 to {_LONGEST_NAME} printable characters")
    return name


def _shaped(given: str, shape: re.Pattern[str], what: str) -> str:
    if not shape.fullmatch(given):
        raise StudioRefused(Trouble.NOT_FOUND, f"there is no such {what}")
    return given
