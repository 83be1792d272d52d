"""What the other servers answer with: Pillow, and the model as this project compiled it, on equal settings."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from PIL import Image


class Classifier:
    """A compiled model and what makes its input of an encoded image.

    A batch is dealt out to as many threads as there are cores, each of which decodes and classifies its part in runs of
    a few images, as this project's engine does.

    Args:
        told: a JSON file: `model` (an OpenVINO file), `side` (pixels), `scale` (factor for pixels 0..255), `threads`
            and `run` (images).
    """

    def __init__(self, told: Path) -> None:
        settings: dict[str, Any] = json.loads(told.read_text())
        self.side, self._scale = int(settings["side"]), np.float32(settings["scale"])
        self._count, self._run = int(settings["threads"]), int(settings["run"])
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": self._count,
            "INFERENCE_NUM_THREADS": self._count,
            "ENABLE_CPU_PINNING": False,
        }
        model = openvino.Core().compile_model(settings["model"], "CPU", options)
        self.classes = int(model.outputs[0].partial_shape[-1].get_length())
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self._count):
            self._idle.put(model.create_infer_request())
        self._threads = ThreadPoolExecutor(self._count)

    def scores(self, images: Sequence[bytes] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (n, classes) of encoded images, or of a batch as the model takes it: float32 (n, height, width, 3)."""
        size = min(self._run, -(-len(images) // self._count))
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        return np.concatenate(list(self._threads.map(self._part, parts)))

    def _part(self, images: Sequence[bytes] | NDArray[np.float32]) -> NDArray[np.float32]:
        batch = images if isinstance(images, np.ndarray) else np.stack([self._pixels(each) for each in images])
        request = self._idle.get()
        try:
            return np.array(request.infer([batch], share_inputs=True)[0])
        finally:
            self._idle.put(request)

    def _pixels(self, encoded: bytes) -> NDArray[np.float32]:
        image = Image.open(io.BytesIO(encoded))
        image.draft("RGB", (2 * self.side, 2 * self.side))  # as ours: then it is made smaller once, from enough pixels
        fitted = image.convert("RGB").resize((self.side, self.side))
        return np.asarray(fitted, np.float32) * self._scale
