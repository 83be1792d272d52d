"""Traces, as a real collector receives them."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from models.version import VERSION
from serving.telemetry.tracing import Tracing
from tests.serving.telemetry.calls import MODEL, PREDICT, answered, refused
from tests.serving.telemetry.collector import Collector, attributes, listening
from tests.waiting import eventually

PARENT_TRACE, PARENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = (f"00-{PARENT_TRACE}-{PARENT_SPAN}-{flags}" for flags in ("01", "00"))


class Traced:
    """Tracing to a collector.

    Attributes:
        collector: it.
        lost: spans that it will never have.
    """

    def __init__(self, collector: Collector, endpoint: str, share: float = 1.0) -> None:
        self.collector = collector
        self.lost = 0
        self.tracing = Tracing(endpoint, share, self._lose)

    def _lose(self, count: int) -> None:
        self.lost += count


@pytest.fixture
def traced() -> Iterator[Traced]:
    collector = Collector()
    with listening(collector) as endpoint:
        traced = Traced(collector, endpoint)
        yield traced
        traced.tracing.close()


def seconds(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


def test_a_request_is_a_span_and_its_steps_lie_below_it_with_their_times(traced: Traced) -> None:
    call = answered(**{"x-request-id": "r-1"})
    traced.tracing.tell(call)
    spans = traced.collector.await_spans(4, call.trace_id)

    root = spans[PREDICT]
    assert root.kind == Span.SPAN_KIND_SERVER
    assert root.parent_span_id == b""
    assert root.start_time_unix_nano == call.time_ns
    assert seconds(root) == pytest.approx(0.235, abs=1e-6)
    assert attributes(root) == {
        "rpc.system": "grpc",
        "rpc.service": "tensorflow.serving.PredictionService",
        "rpc.method": "Predict",
        "rpc.grpc.status_code": 0,
        "client.address": "127.0.0.1",
        "hotswap.protocol": "tensorflow",
        "hotswap.model_id": MODEL.model_id,
        "hotswap.rows": 2,
        "hotswap.batch": 5,
        "hotswap.request_id": "r-1",
    }
    steps = [spans[name] for name in ("decode", "queue", "compute")]
    assert {step.parent_span_id for step in steps} == {root.span_id}
    assert [seconds(step) for step in steps] == pytest.approx([0.002, 0.03, 0.2], abs=1e-6)
    assert (steps[0].start_time_unix_nano - call.time_ns) / 1e9 == pytest.approx(0.001, abs=1e-6)
    for one, after in itertools.pairwise(steps):
        assert one.end_time_unix_nano == pytest.approx(after.start_time_unix_nano, abs=2)
    assert attributes(steps[2]) == {"hotswap.model_id": MODEL.model_id, "hotswap.batch": 5}


def test_a_refusal_over_http_is_told_as_such_and_is_no_error_of_the_servers(traced: Traced) -> None:
    call = refused()
    traced.tracing.tell(call)
    span = traced.collector.await_spans(1, call.trace_id)["POST /v1/models/{name}:predict"]
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.response.status_code": 404,
        "http.request.body.size": 0,
        "http.route": "/v1/models/{name}:predict",
        "url.path": "/v1/models/other:predict",
        "client.address": "10.0.0.7",
        "error.type": "not_found",
    }
    assert span.status.code == Status.STATUS_CODE_UNSET


def test_what_the_server_cannot_do_is_its_error(traced: Traced) -> None:
    over_http, over_grpc = refused(503), answered()
    over_grpc.status, over_grpc.error, over_grpc.spent = "UNAVAILABLE", "unavailable", None
    for call in (over_http, over_grpc):
        traced.tracing.tell(call)
        [span] = traced.collector.await_spans(1, call.trace_id).values()
        assert span.status.code == Status.STATUS_CODE_ERROR


def test_the_client_says_whose_child_a_span_is(traced: Traced) -> None:
    call = answered(traceparent=SAMPLED, tracestate="vendor=1")
    traced.tracing.tell(call)
    root = traced.collector.await_spans(4, PARENT_TRACE)[PREDICT]
    assert root.parent_span_id.hex() == PARENT_SPAN
    assert root.trace_state == "vendor=1"
    assert call.trace_id == PARENT_TRACE


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_client_that_traces_is_traced_and_one_that_does_not_is_not(share: float) -> None:
    collector = Collector()
    with listening(collector) as endpoint:
        traced = Traced(collector, endpoint, share)
        kept, left, own = answered(traceparent=SAMPLED), answered(traceparent=UNSAMPLED), answered()
        for call in (kept, left, own):
            traced.tracing.tell(call)
        traced.tracing.close()
    assert (kept.trace_id, left.trace_id, bool(own.trace_id)) == (PARENT_TRACE, "", share == 1)
    assert len(collector.spans(PARENT_TRACE)) == 4


@pytest.mark.parametrize(
    "parent", ["", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff" + SAMPLED[2:], "é" * 999]
)
def test_a_parent_that_is_none_begins_a_trace(parent: str, traced: Traced) -> None:
    call = answered(traceparent=parent, tracestate="\x00=,,,")
    traced.tracing.tell(call)
    assert traced.collector.await_spans(4, call.trace_id)[PREDICT].parent_span_id == b""


def test_what_strangers_write_is_shown_and_a_method_that_there_is_not_makes_no_name(traced: Traced) -> None:
    call = refused()
    call.method, call.route, call.path = "X" * 5000, "", "/\x1b[2J"
    traced.tracing.tell(call)
    [(name, span)] = traced.collector.await_spans(1, call.trace_id).items()
    assert name == "_OTHER"
    assert attributes(span)["url.path"] == "/\\x1b[2J"


def test_the_server_says_who_it_is_and_its_environment_may_say_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: list[Any] = []
    for environment in ("", "cats-in-production"):
        monkeypatch.setenv("OTEL_SERVICE_NAME", environment)
        collector = Collector()
        with listening(collector) as endpoint:
            traced = Traced(collector, endpoint)
            traced.tracing.tell(answered())
            traced.tracing.close()
        assert collector.resource["service.version"] == VERSION
        names.append(collector.resource["service.name"])
    assert names == ["hotswap", "cats-in-production"]


def test_a_collector_that_is_down_costs_nothing_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    collector = Collector()
    with listening(collector) as endpoint:
        pass
    traced = Traced(collector, endpoint)
    for batch in (1, 2):
        traced.tracing.tell(answered())
        eventually(lambda batch=batch: traced.lost == 4 * batch, "spans to be lost")  # type: ignore[misc]
    assert caplog.text.count("traces are lost") == 1
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []

    with listening(collector, int(endpoint.rpartition(":")[2])):

        def comes_through() -> bool:
            traced.tracing.tell(answered())
            return bool(collector.spans())

        eventually(comes_through, "a span to come through")
        traced.tracing.close()
    assert f"traces go to {endpoint} again" in caplog.text


def test_a_collector_that_is_down_does_not_hold_up_the_end() -> None:
    with listening(Collector()) as endpoint:
        pass
    traced = Traced(Collector(), endpoint)
    for _ in range(5000):
        traced.tracing.tell(answered())
    began = time.monotonic()
    traced.tracing.close()
    assert time.monotonic() - began < 30  # its own patience would be minutes


def test_more_spans_than_there_is_room_for_are_counted() -> None:
    with listening(Collector()) as endpoint:
        pass
    traced = Traced(Collector(), endpoint)
    for _ in range(5000):
        traced.tracing.tell(answered())
    assert traced.lost >= 20_000 - 8192 - 2 * 512
    traced.tracing.close()
