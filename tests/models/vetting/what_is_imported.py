"""Prints the packages that a vetting child for Keras files imports before it has a job."""

from __future__ import annotations

import os
import sys

from models.vetting.child import _import_frameworks
from models.vetting.job import WITH_KERAS

if __name__ == "__main__":
    os.environ[WITH_KERAS] = "1"
    _import_frameworks()
    print(*sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None}))
