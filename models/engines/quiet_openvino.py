"""The package `openvino`, which left alone reports its mere import, and each conversion, to its maker."""

from __future__ import annotations

import sys
from typing import Any


def load_openvino() -> Any:
    """The package, imported when it is first asked for; devices may be without it.

    Raises:
        ImportError: it is not installed, or broken.
    """
    # Without this one, which reports, it uses a stand-in of its own that does not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
