"""Imports every module of `models`, or those named, as if other packages were not installed: prints what it imported.

`import_models.py ABSENT,… [MODULE …]`
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from typing import Any


class _NotInstalled(MetaPathFinder):
    """Knows nothing below some packages; `google.cloud` may be absent where `google.protobuf` is there."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if any(name == absent or name.startswith(f"{absent}.") for absent in self._names):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _modules() -> Iterator[str]:
    import models

    yield from (module.name for module in pkgutil.walk_packages(models.__path__, "models."))


if __name__ == "__main__":
    sys.meta_path.insert(0, _NotInstalled(sys.argv[1].split(",")))
    for name in sys.argv[2:] or _modules():
        importlib.import_module(name)
        print(name)
