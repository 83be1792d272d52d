"""Prints what a process that only answers makes of two images, and whether it has the converter: `… FORM`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from models.engines.openvino_engine import answering, compiled
from models.engines.quiet_openvino import leave_out_converter

if __name__ == "__main__":
    leave_out_converter()
    (scores,) = answering(compiled(Path(sys.argv[1]), 1))(np.zeros((2, 8, 8, 3), np.float32))
    print(scores.shape, any(sys.modules[name] for name in sys.modules if name.startswith("openvino.tools.ovc")))
