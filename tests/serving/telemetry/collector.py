"""A collector of traces as OpenTelemetry defines it: OTLP over gRPC."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.waiting import eventually


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent.

    Attributes:
        resource: attributes of whoever sent the last spans.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        self.resource: dict[str, Any] = {}

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - its name in the protocol
        with self._lock:
            for each in request.resource_spans:
                self.resource = attributes(each.resource)
                for scope in each.scope_spans:
                    self._spans += scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self, trace_id: str = "") -> dict[str, Span]:
        """Those of a trace, or all, by their names."""
        with self._lock:
            return {span.name: span for span in self._spans if trace_id in ("", span.trace_id.hex())}

    def await_spans(self, count: int, trace_id: str = "") -> dict[str, Span]:
        """The same, once there are so many names."""
        eventually(lambda: len(self.spans(trace_id)) >= count, f"{count} spans of {trace_id or 'any trace'}")
        return self.spans(trace_id)


def attributes(of: Any) -> dict[str, Any]:
    """Of a span or a resource, by their names."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@contextmanager
def listening(collector: Collector, port: int = 0) -> Iterator[str]:
    """Has a collector listen; yields its endpoint."""
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"http://127.0.0.1:{bound}"
    finally:
        server.stop(0).wait()
