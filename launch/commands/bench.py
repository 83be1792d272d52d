"""`hotswap bench`: measures the job against Beam's stock handler and against the bare machine."""

from __future__ import annotations

import os
import sys

from launch.code_version import ROOT
from launch.command_line import CommandRefused

if not (ROOT / "benchmarks" / "__main__.py").is_file():
    raise CommandRefused("hotswap bench runs from a checkout of the project: `git clone` it, then `make bench`")
# The installed command does not look for modules in the checkout; neither would the processes that it starts.
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

from benchmarks.__main__ import app

__all__ = ["app"]
