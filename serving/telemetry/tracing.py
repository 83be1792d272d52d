"""Traces: a span for each request, its steps below it, sent to a collector by OTLP over gRPC.

Importing it imports OpenTelemetry: only where traces are asked for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from models.errors import typed_line
from models.printable import logger, printable
from models.version import VERSION
from serving.telemetry.call import Call

_LOGGER = logger(__name__)

_EXPORT_SECONDS = 5.0
_QUEUE = 8192
_BATCH = 512
_LAST_SECONDS = 2.0
_NUMBERS = {code.name: code.value[0] for code in grpc.StatusCode}
_ITS_OWN_DOING = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
"""Codes of gRPC that are errors of the server, by OpenTelemetry's conventions."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")


class Tracing:
    """Makes spans of requests that are over. One thread uses it.

    Args:
        endpoint: of the collector, `http://HOST:PORT` or `https://HOST:PORT`.
        share: of requests that are traced, 0 to 1, where their client does not decide: one that sends a `traceparent`
            says itself whether its trace is kept.
        lost: is told how many spans the collector will never have.
    """

    def __init__(self, endpoint: str, share: float, lost: Callable[[int], object]) -> None:
        # What it has to say is said here, once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)
        # What the environment says comes last: it knows how this server is called among others.
        resource = Resource({SERVICE_NAME: "hotswap", SERVICE_VERSION: VERSION})
        resource = Resource.create().merge(resource).merge(OTELResourceDetector().detect())
        sampler = ParentBased(TraceIdRatioBased(share))
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(_Queue(_Collector(self._exporter, endpoint, lost), lost))
        self._tracer = self._provider.get_tracer("hotswap", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    def tell(self, call: Call) -> None:
        """Makes the spans of a request, and notes its trace's id, where it is traced."""
        context = self._propagator.extract(call.parent)
        is_grpc = call.transport == "grpc"
        name = call.method if is_grpc else f"{_http_method(call)} {call.route}".strip()
        span = self._tracer.start_span(name, context, SpanKind.SERVER, start_time=call.time_ns)
        if not span.is_recording():
            return
        call.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        span.set_attributes({**(_grpc_attributes(call) if is_grpc else _http_attributes(call)), **_own(call)})
        if call.error:
            span.set_attribute("error.type", call.error)
        if call.status in _ITS_OWN_DOING if is_grpc else int(call.status) >= 500:
            span.set_status(Status(StatusCode.ERROR, printable(call.detail)))
        self._tell_steps(call, trace.set_span_in_context(span))
        span.end(_nanoseconds(call, call.began + call.seconds))

    def close(self) -> None:
        """Sends what is left, where the collector takes it soon."""
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(_LAST_SECONDS)
        self._exporter.shutdown()

    def _tell_steps(self, call: Call, context: Any) -> None:
        spent = call.spent
        if spent is None:
            return
        at = spent.began
        for name, seconds in (("decode", spent.decoding), ("queue", spent.waiting), ("compute", spent.computing)):
            step = self._tracer.start_span(name, context, start_time=_nanoseconds(call, at))
            at += seconds
            if name == "compute":
                step.set_attributes({"hotswap.model_id": call.model_id, "hotswap.batch": spent.batch})
            step.end(_nanoseconds(call, at))


def _nanoseconds(call: Call, moment: float) -> int:
    """A moment by the monotonic clock, since 1970."""
    return call.time_ns + round((moment - call.began) * 1e9)


def _grpc_attributes(call: Call) -> dict[str, str | int]:
    service, _, method = call.method.rpartition("/")
    return {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "rpc.grpc.status_code": _NUMBERS.get(str(call.status), 2),
        "client.address": call.client,
    }


def _http_method(call: Call) -> str:
    return call.method if call.method in _METHODS else "_OTHER"


def _http_attributes(call: Call) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "http.request.method": _http_method(call),
        "http.response.status_code": int(call.status),
        "http.request.body.size": call.size,
        "url.path": printable(call.path),
        "client.address": call.client,
    }
    return attributes | ({"http.route": call.route} if call.route else {})


def _own(call: Call) -> dict[str, str | int]:
    told: dict[str, str | int] = {
        "hotswap.protocol": call.protocol,
        "hotswap.model_id": call.model_id,
        "hotswap.rows": call.rows,
        "hotswap.batch": call.spent.batch if call.spent else 0,
        "hotswap.request_id": printable(call.request_id),
    }
    return {name: value for name, value in told.items() if value}


class _Collector(SpanExporter):
    """Sends spans; says once that the collector does not take them, and once that it does again."""

    def __init__(self, exporter: SpanExporter, endpoint: str, lost: Callable[[int], object]) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._lost = lost
        self._is_failing = False
        self.handed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.handed += len(spans)
        why = "it cannot be reached, or refuses them"
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            result, why = SpanExportResult.FAILURE, typed_line(error)
        if result is SpanExportResult.SUCCESS:
            if self._is_failing:
                _LOGGER.info("traces go to %s again", self._endpoint)
            self._is_failing = False
            return result
        self._lost(len(spans))
        if not self._is_failing:
            _LOGGER.warning("traces are lost, requests are answered: %s: %s", self._endpoint, why)
        self._is_failing = True
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Queue(BatchSpanProcessor):
    """The SDK's own queue, which tells what it has no room for."""

    def __init__(self, collector: _Collector, lost: Callable[[int], object]) -> None:
        super().__init__(collector, max_queue_size=_QUEUE, max_export_batch_size=_BATCH, schedule_delay_millis=1000)
        self._collector = collector
        self._lost = lost
        self._taken = 0

    def on_end(self, span: ReadableSpan) -> None:
        if self._taken - self._collector.handed >= _QUEUE:
            self._lost(1)
            return
        self._taken += 1
        super().on_end(span)
