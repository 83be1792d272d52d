"""The package `tensorflow`, imported without what it and Keras import only where it happens to be installed."""

from __future__ import annotations

import sys
from typing import Any

_NEEDLESS = ("matplotlib", "pandas", "sklearn")
"""For pictures and wrappers: a third of the time that importing Keras takes; one wants a folder to write in."""


def load_tensorflow() -> Any:
    """The package, for a process that does nothing but execute or vet models.

    Raises:
        ImportError: it is not installed, or broken.
    """
    for name in _NEEDLESS:
        sys.modules[name] = None  # type: ignore[assignment]  # as if it were not installed
    import tensorflow

    return tensorflow
