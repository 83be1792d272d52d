"""Prints what converting and answering ask the network for: `listening_openvino ONNX FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from models.artefacts import OPENVINO_FILE
from models.vetting.openvino_form import openvino_answer, write_onnx_model


def tell(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(("socket.connect", "socket.getaddrinfo", "urllib.", "http.client.")):
        print(event)


if __name__ == "__main__":
    sys.addaudithook(tell)
    path = Path(sys.argv[2]) / OPENVINO_FILE
    write_onnx_model(Path(sys.argv[1]), ["scores"], path)
    (scores,) = openvino_answer(path)(np.zeros((2, 8, 8, 3), np.float32))
    print(scores.shape, "openvino_telemetry.main" in sys.modules)
