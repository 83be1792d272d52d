"""A gRPC server that says what a test has it say: what the real one says seldom, or never."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

Say = Callable[[bytes, Any], bytes]
"""From a request and its context to the response."""


@contextmanager
def scripted_server(service: str, method: str, say: Say) -> Iterator[str]:
    """Serves one method of one service, and yields `HOST:PORT`."""
    server = grpc.server(ThreadPoolExecutor(4))
    handlers = {method: grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
