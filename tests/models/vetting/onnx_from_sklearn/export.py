"""Makes the files of this folder, with skl2onnx: run by hand, from the root of the repository.

    python3 -m venv /tmp/sklearn && /tmp/sklearn/bin/pip install scikit-learn skl2onnx
    /tmp/sklearn/bin/python -m tests.models.vetting.onnx_from_sklearn.export

Each classifies the digits of scikit-learn, 8x8 grey pixels of 0..16 in one row, and answers as its name says.
`answers.npz` has the probabilities that scikit-learn itself gives to `images`, uint8, shape (n, 8, 8), 0..16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

FOLDER = Path(__file__).parent


def main() -> None:
    pixels, digits = load_digits(return_X_y=True)
    pixels = pixels.astype(np.float32)
    models: dict[str, Any] = {
        "regression": LogisticRegression(max_iter=300),
        "perceptron": MLPClassifier((16,), max_iter=100, random_state=0),
        "forest": RandomForestClassifier(8, max_depth=5, random_state=0),
    }
    answers = {"images": pixels[1000:1010].reshape(-1, 8, 8).astype(np.uint8)}
    for name, model in models.items():
        model.fit(pixels[:600], digits[:600])
        answers[name] = model.predict_proba(pixels[1000:1010]).astype(np.float32)
        _write(f"{name}_label_and_probabilities", _exported(model, {"zipmap": False}))
    one_output = select_model_inputs_outputs(_exported(models["regression"], {"zipmap": False}), "probabilities")
    _write("regression_probabilities", one_output)
    _write("regression_label_and_maps", _exported(models["regression"], {}))
    np.savez_compressed(FOLDER / "answers.npz", allow_pickle=False, **answers)


def _exported(model: Any, options: dict[str, Any]) -> Any:
    return to_onnx(model, np.zeros((1, 64), np.float32), options={id(model): options}, target_opset=18)


def _write(name: str, model: Any) -> None:
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
