"""The package `openvino`, which without this reports its mere import, and each conversion, to its maker."""

from __future__ import annotations

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it has a stand-in that reports nothing

import openvino  # noqa: E402

__all__ = ["openvino"]
