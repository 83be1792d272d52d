"""The package `openvino`, which left alone reports its mere import, and each conversion, to its maker."""

from __future__ import annotations

import sys
from typing import Any

_CONVERTER = "openvino.tools.ovc"
"""What makes models of other formats' files: a third of the processor time that importing the package takes."""


def load_openvino() -> Any:
    """The package, imported when it is first asked for; devices may be without it.

    Raises:
        ImportError: it is not installed, or broken.
    """
    # Without this one, which reports, it uses a stand-in of its own that does not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def leave_out_converter() -> None:
    """Has the package be imported without its converter, in a process that does nothing but answer."""
    sys.modules.setdefault(_CONVERTER, None)  # type: ignore[arg-type]  # as if it were not installed
