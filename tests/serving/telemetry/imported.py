"""Prints which modules of OpenTelemetry the server imports before it is asked for traces."""

from __future__ import annotations

import sys

import serving.server
from serving.telemetry.observing import Observing

if __name__ == "__main__":
    assert Observing("-").begin(lambda what, count: None) is not None
    assert serving.server
    print(*(name for name in sys.modules if name.partition(".")[0] == "opentelemetry"))
