"""A client that knows HTTP and JSON, and images to send."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.end_to_end.telling_models import SIDE

PREDICT = "/v1/models/default:predict"
INFER = "/v2/models/default/infer"


def png(grey: int = 100, side: int = SIDE) -> bytes:
    """A grey image."""
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), grey, np.uint8)).save(file, "PNG")
    return file.getvalue()


def b64(data: bytes) -> dict[str, str]:
    """Bytes as TensorFlow Serving has them in JSON."""
    return {"b64": text(data)}


def text(data: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(data).decode()


def images_input(*images: bytes) -> dict[str, Any]:
    """An input of the Open Inference Protocol, in JSON."""
    return {"name": "images", "datatype": "BYTES", "shape": [len(images)], "data": list(map(text, images))}


def good(response: httpx.Response) -> Any:
    """What an answer says."""
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: httpx.Response, status: int = 400) -> str:
    """Why there is no answer: one line, and nothing else."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()
    assert list(error) == ["error"]
    assert "\n" not in error["error"]
    return str(error["error"])
