"""Triton with the same model behind PyTriton: `python triton_server.py TOLD GRPC_PORT HTTP_PORT`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from classifier import Classifier
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

_LARGEST_BATCH = 8


def serve(told: Path, grpc_port: int, http_port: int) -> None:
    """Serves the models `images` and `tensor`, each named after its one input, until it is ended.

    Two calls of each run at a time. Triton gathers what comes in while both are busy; its batcher waits for nobody.

    Args:
        told: as `Classifier` takes it.
        grpc_port: of 127.0.0.1.
        http_port: of 127.0.0.1.
    """
    classifier = Classifier(told)
    side = classifier.side
    given = {
        "images": Tensor(name="images", dtype=bytes, shape=(1,)),
        "tensor": Tensor(name="tensor", dtype=np.float32, shape=(side, side, 3)),
    }
    outputs = [
        Tensor(name="scores", dtype=np.float32, shape=(classifier.classes,)),
        Tensor(name="classes", dtype=np.int64, shape=(1,)),
    ]

    @batch  # type: ignore[untyped-decorator]  # of another environment
    def classify(**inputs: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
        [(name, rows)] = inputs.items()
        scores = classifier.scores([row[0] for row in rows] if name == "images" else rows)
        return {"scores": scores, "classes": scores.argmax(axis=1)[:, None]}

    batching = ModelConfig(max_batch_size=_LARGEST_BATCH, batcher=DynamicBatcher())
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http_port,
        grpc_address="127.0.0.1",
        grpc_port=grpc_port,
        allow_metrics=False,
        exit_timeout_secs=2,
    )
    with tempfile.TemporaryDirectory() as folder, Triton(config=config, workspace=f"{folder}/workspace") as triton:
        for name, tensor in given.items():
            triton.bind(name, [classify, classify], inputs=[tensor], outputs=outputs, config=batching)
        triton.serve()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
