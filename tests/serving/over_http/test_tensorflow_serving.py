"""TensorFlow Serving's REST API, as its clients know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.end_to_end.telling_models import SIDE, drop
from tests.model_files import tiny_classifier
from tests.serving.over_http.asking import PREDICT, b64, good, png, refused
from tests.serving.over_http.conftest import Served
from tests.serving.running_core import http_server, running_core
from tests.waiting import eventually

ROW = np.full((SIDE, SIDE, 3), 0.5).tolist()


def predicted(served: Served, body: Any, path: str = PREDICT) -> Any:
    return good(served.http.post(path, json=body))


def test_rows_of_images_get_a_prediction_each_that_names_its_model(served: Served) -> None:
    body = {"instances": [{"images": b64(png(grey))} for grey in (0, 255)], "signature_name": "serving_default"}
    predictions = predicted(served, body)["predictions"]
    assert [each["labels"] for each in predictions] == ["first", "first"]
    assert [each["classes"] for each in predictions] == [0, 0]
    assert [each["model_id"] for each in predictions] == [served.model_id] * 2
    assert all(np.isclose(sum(each["scores"]), 1) for each in predictions)


def test_columns_get_columns(served: Served) -> None:
    outputs = predicted(served, {"inputs": {"images": [b64(png()), b64(png())]}})["outputs"]
    assert outputs["labels"] == ["first", "first"]
    assert np.shape(outputs["scores"]) == (2, 2)
    assert outputs["model_id"] == [served.model_id] * 2


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [b64(png())]},
        {"inputs": [b64(png())]},
        {"inputs": b64(png())},
        {"inputs": {"images": b64(png())}},
        {"instances": [{"images": [b64(png())]}]},
        {"instances": [ROW]},
        {"instances": [{"image": ROW}]},
        {"inputs": [ROW]},
        {"inputs": {"image": [ROW]}},
    ],
)
def test_the_name_of_the_only_input_may_be_left_out(served: Served, body: Any) -> None:
    [(kind, found)] = predicted(served, body).items()
    assert (found[0]["labels"] if kind == "predictions" else found["labels"][0]) == "first"


def test_a_large_body_is_answered_as_a_small_one(served: Served) -> None:
    rows = np.random.default_rng(1).random((100, SIDE, SIDE, 3)).tolist()
    assert len(predicted(served, {"instances": rows})["predictions"]) == 100


def test_a_version_and_a_label_are_that_or_none(served: Served, tmp_path: Path) -> None:
    body = {"instances": [b64(png())]}
    assert predicted(served, body, f"/v1/models/default/versions/{served.version}:predict")
    for path in ("versions/7", "versions/x", "versions/" + "9" * 5000, "versions/٣", "labels/other"):
        refused(served.http.post(f"/v1/models/default/{path}:predict", json=body), 404)
    refused(served.http.post("/v1/models/another:predict", json=body), 404)
    refused(served.http.get("/v1/models/another"), 404)
    refused(served.http.get("/v1/models/default/versions/7"), 404)


def test_a_label_is_the_version_that_the_card_says(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    tiny_classifier(tmp_path / "models/m.onnx", card={"version": "3", "task": "classification"})
    with running_core(tmp_path / "models", tmp_path / "cache") as running, http_server(running) as url:
        running.await_model()
        body = {"instances": [b64(png())]}
        assert good(httpx.post(f"{url}/v1/models/default/labels/3:predict", json=body))
        assert good(httpx.get(f"{url}/v1/models/default/labels/3"))["model_version_status"]
        refused(httpx.post(f"{url}/v1/models/default/labels/4:predict", json=body), 404)


def test_the_status_of_every_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    first = drop(tmp_path / "models", "first")
    with running_core(tmp_path / "models", tmp_path / "cache") as running, http_server(running) as url:

        def states() -> dict[str, str]:
            told = good(httpx.get(f"{url}/v1/models/default"))["model_version_status"]
            return {each["version"]: each["state"] for each in told}

        def version(model_id: str) -> str:
            return str(int(model_id.rpartition(":")[2], 16))

        running.await_model()
        eventually(lambda: states() == {version(first): "AVAILABLE"}, "the first model to be told")
        second = drop(tmp_path / "models", "second")
        eventually(lambda: states() == {version(first): "END", version(second): "AVAILABLE"}, "the swap to be told")
        [told] = good(httpx.get(f"{url}/v1/models/default/versions/{version(second)}"))["model_version_status"]
        assert told == {
            "version": version(second),
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }


def test_metadata_are_as_tensorflow_serving_writes_them(served: Served) -> None:
    found = good(served.http.get("/v1/models/default/metadata"))
    assert found["model_spec"] == {"name": "default", "signature_name": "", "version": str(served.version)}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["image"]["dtype"] == "DT_FLOAT"
    assert [side["size"] for side in signature["inputs"]["image"]["tensor_shape"]["dim"]] == ["-1", "8", "8", "3"]
    assert signature["inputs"]["images"]["dtype"] == "DT_STRING"
    assert list(signature["outputs"]) == ["scores", "classes", "labels", "model_id"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "must be a JSON object"),
        ({}, "either 'instances' or 'inputs'"),
        ({"instances": [b64(png())], "inputs": [b64(png())]}, "either"),
        ({"instances": [b64(png())], "more": 1}, "has no 'more'"),
        ({"instances": [b64(png())], "signature_name": "other"}, "serving_default"),
        ({"instances": [b64(png())], "signature_name": ["serving_default"]}, "serving_default"),
        ({"instances": []}, "no image"),
        ({"instances": {}}, "must be a list"),
        ({"instances": "x"}, "must be a list"),
        ({"inputs": 3}, "must be a list"),
        ({"inputs": {}}, "one input is expected"),
        ({"instances": [{"images": b64(png()), "image": ROW}]}, "one input is expected"),
        ({"instances": [{"images": b64(png())}, {"image": ROW}]}, "all instances must have 'images'"),
        ({"instances": [b64(png()), ROW]}, "image 2 of 2 is no base64"),
        ({"instances": [[], b64(png())]}, "image 1 of 2 is no base64"),
        ({"instances": [ROW, b64(png())]}, "image 1 of 2 is no base64"),
        ({"instances": [{"images": "plain"}]}, '{"b64": "..."}'),
        ({"instances": [{"image": b64(png())}]}, "bytes are encoded images"),
        ({"instances": [{"b64": "a"}]}, "no base64"),
        ({"instances": [{"b64": "é==="}]}, "no base64"),
        ({"instances": [{"b64": 7}]}, "no base64"),
        ({"instances": [{"b64": ""}]}, "empty_file"),
        ({"instances": [b64(b"not an image")]}, "not_an_image"),
        ({"instances": [b64(png()), b64(b"not an image")]}, "image 2 of 2"),
        ({"instances": [{"wrong": ROW}]}, "no input 'wrong'"),
        ({"instances": [[1, 2, 3]]}, "float32 [-1, 8, 8, 3]"),
        ({"instances": [[1, [2]]]}, "lists where others have values"),
        ({"instances": [[1, 2], [3]]}, "different lengths"),
        ({"instances": [["1"]]}, "numbers alone"),
        ({"instances": [[None]]}, "numbers alone"),
        ({"instances": [[True]]}, "numbers alone"),
        ({"instances": [[1e300]]}, "none of float32"),
        ({"instances": [1, 2]}, "float32 [-1, 8, 8, 3]"),
        ({"instances": [[], []]}, "float32 [-1, 8, 8, 3]"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(served: Served, body: Any, why: str) -> None:
    assert why in refused(served.http.post(PREDICT, json=body))
