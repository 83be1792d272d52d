"""One request as it is told of: what is known when it comes, and what is learnt on its way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from serving.asking import Answer, Refused, Spent

LONGEST_ID = 128
"""Characters of a client's own name for a request that are told."""
LONGEST_TEXT = 300
"""Characters of whatever else a client has a say in: many requests may wait to be told of."""
_LONGEST_PARENT = 512
"""Characters of a header that says whose child a span is; a longer one is none."""
CLIENT_GONE = 499
"""The status of a request over HTTP whose client hung up."""
_PARENT = ("traceparent", "tracestate")
REQUEST_ID = "x-request-id"
"""The header, or key of metadata, by which a client names its request."""


@dataclass(eq=False, slots=True)
class Call:
    """One request, whatever it speaks. It belongs to the event loop until it is over.

    Attributes:
        transport: that it came by.
        method: `package.Service/Method`, or the method of HTTP.
        path: of the URL, without its query; "" over gRPC.
        client: its address.
        is_probe: whether it asks after the server itself; told of where it goes wrong alone.
        parent: `traceparent` and `tracestate`, as they came.
        request_id: by which its client names it; "" where it does not.
        time_ns: when it came, in nanoseconds since 1970.
        began: the same by the monotonic clock, in seconds.
        seconds: that it took, once it is over.
        size: bytes of its message or body.
        route: the pattern that its path matched; "" where it is known of none.
        protocol: that it speaks, in the words of metrics; "" where it asked no model.
        rows: answers that were asked for.
        model_id: of the model that answered; "" where none did.
        spent: where its time went; None where no model answered.
        error: why it has no answer, in one word; "" where it has one.
        detail: the same for a person.
        status: the code of gRPC by its name, or the status of HTTP.
        trace_id: in hexadecimal digits, where it is traced.
    """

    transport: Literal["grpc", "http"]
    method: str
    path: str
    client: str
    is_probe: bool
    parent: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    time_ns: int = field(default_factory=time.time_ns)
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    size: int = 0
    route: str = ""
    protocol: str = ""
    rows: int = 0
    model_id: str = ""
    spent: Spent | None = None
    error: str = ""
    detail: str = ""
    status: str | int = ""
    trace_id: str = ""

    def take_headers(self, headers: Mapping[str, str]) -> None:
        """Takes in what its headers or metadata, names in lower case, say of it."""
        self.parent = {name: headers[name] for name in _PARENT if 0 < len(headers.get(name, "")) <= _LONGEST_PARENT}
        self.request_id = headers.get(REQUEST_ID, "")[:LONGEST_ID]

    def took(self, answer: Answer) -> None:
        """It has an answer."""
        self.model_id = answer.reference.model_id
        self.spent = answer.spent

    def was_refused(self, refused: Refused) -> None:
        """It has none."""
        # The refusal itself would hold on to the frames that it went through, and those to images.
        self.error = refused.word
        self.detail = refused.detail[:LONGEST_TEXT]


_CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call | None:
    """The request that is answered here, where requests are told of."""
    return _CURRENT.get()


def answering(call: Call) -> None:
    """From now on, in this task, that request is answered."""
    _CURRENT.set(call)


def name_request(request_id: str) -> None:
    """Takes in by which name a client knows its request."""
    call = _CURRENT.get()
    if call is not None and request_id:
        call.request_id = request_id[:LONGEST_ID]
