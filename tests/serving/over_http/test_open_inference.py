"""The Open Inference Protocol over HTTP, with tensors in JSON and as binary data."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import helper

from models.version import VERSION
from tests.end_to_end.telling_models import SIDE, drop
from tests.model_files import IMAGE, save_onnx
from tests.serving.over_http.asking import INFER, good, images_input, png, refused
from tests.serving.over_http.conftest import Served
from tests.serving.running_core import http_server, running_core

ROW = np.full((1, SIDE, SIDE, 3), 0.5, np.float32)
HEADER = "Inference-Header-Content-Length"


def inferred(served: Served, **body: Any) -> dict[str, Any]:
    """The outputs by name, and beside them all else that a response says."""
    response = good(served.http.post(INFER, json=body))
    return {each["name"]: each for each in response.pop("outputs")} | {"": response}


def tensor_input(values: np.ndarray, datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    return {"name": "image", "datatype": datatype, "shape": list(values.shape), "data": values.tolist()} | more


def binary(header: Any, data: bytes, length: int | str | None = None) -> dict[str, Any]:
    """A request of JSON with binary data behind it."""
    text = json.dumps(header).encode()
    return {"content": text + data, "headers": {HEADER: str(len(text) if length is None else length)}}


def binary_input(data: bytes, /, **fields: Any) -> dict[str, Any]:
    given = {"name": "images", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(data)}}
    return {"inputs": [given | fields]}


def framed(*strings: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each for each in strings)


def test_images_in_base64_are_answered_by_a_model_that_is_named(served: Served) -> None:
    found = inferred(served, id="request 7", inputs=[images_input(png(), png(200))])
    assert found["labels"] == {"name": "labels", "datatype": "BYTES", "shape": [2], "data": ["first", "first"]}
    assert found["scores"]["shape"] == [2, 2]
    assert found["scores"]["datatype"] == "FP32"
    assert len(found["scores"]["data"]) == 4
    assert found["classes"] == {"name": "classes", "datatype": "INT64", "shape": [2], "data": [0, 0]}
    assert found["model_id"]["data"] == [served.model_id] * 2
    assert found[""] == {
        "id": "request 7",
        "model_name": "default",
        "model_version": str(served.version),
        "parameters": {"model_id": served.model_id},
    }


def test_a_tensor_may_be_nested_or_flat(served: Served) -> None:
    nested = inferred(served, inputs=[tensor_input(ROW)])
    flat = inferred(served, inputs=[tensor_input(ROW, data=ROW.reshape(-1).tolist())])
    assert nested == flat
    assert nested["labels"]["data"] == ["first"]


def test_only_outputs_that_are_wanted_come_and_always_the_name_of_the_model(served: Served) -> None:
    found = inferred(served, inputs=[tensor_input(ROW)], outputs=[{"name": "labels"}])
    assert set(found) == {"", "labels", "model_id"}


def test_binary_tensors_are_answered_as_those_in_json(served: Served) -> None:
    body = binary_input(framed(png(), png()), shape=[2], parameters={"binary_data_size": len(framed(png(), png()))})
    found = good(served.http.post(INFER, **binary(body, framed(png(), png()))))
    assert found["outputs"][2]["data"] == ["first", "first"]
    raw = ROW.tobytes()
    own = binary_input(raw, name="image", datatype="FP32", shape=list(ROW.shape))
    found = good(served.http.post(INFER, **binary(own, raw)))
    assert found["outputs"][2]["data"] == ["first"]


def test_outputs_come_as_binary_data_where_that_is_asked(served: Served) -> None:
    wanted = [{"name": "labels"}, {"name": "scores", "parameters": {"binary_data": False}}]
    body = {"inputs": [images_input(png(), png())], "outputs": wanted, "parameters": {"binary_data_output": True}}
    response = served.http.post(INFER, json=body)
    assert response.status_code == 200
    length = int(response.headers[HEADER])
    outputs = {each["name"]: each for each in json.loads(response.content[:length])["outputs"]}
    assert "data" in outputs["scores"]
    data = response.content[length:]
    size = outputs["labels"]["parameters"]["binary_data_size"]
    assert data[:size] == framed(b"first", b"first")
    assert data[size:] == framed(served.model_id.encode(), served.model_id.encode())


def test_numbers_come_as_little_endian_bytes(served: Served) -> None:
    body = {
        "inputs": [tensor_input(ROW)],
        "outputs": [{"name": "scores", "parameters": {"binary_data": True}}, {"name": "model_id"}],
    }
    response = served.http.post(INFER, json=body)
    data = response.content[int(response.headers[HEADER]) :]
    assert np.isclose(np.frombuffer(data, "<f4").sum(), 1)
    assert len(data) == 8


def test_a_body_without_json_is_one_image(served: Served) -> None:
    found = good(served.http.post(INFER, content=png(), headers={HEADER: "0"}))
    assert found["outputs"][2]["data"] == ["first"]
    assert "not_an_image" in refused(served.http.post(INFER, content=b"what", headers={HEADER: "0"}))


@pytest.mark.parametrize(("datatype", "onnx_type"), [("UINT8", 2), ("INT64", 7), ("FP16", 10), ("FP64", 11)])
def test_a_model_is_given_its_own_datatype(datatype: str, onnx_type: int, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["scores"], axes=[1, 2], keepdims=0),
    ]
    save_onnx(tmp_path / "models/m.onnx", nodes, IMAGE, ["n", 3], dtype=onnx_type, card={"task": "raw"})
    values = np.full((2, 8, 8, 3), 3, helper.tensor_dtype_to_np_dtype(onnx_type))
    with running_core(tmp_path / "models", tmp_path / "cache") as running, http_server(running) as url:
        running.await_model()
        [_, own] = good(httpx.get(f"{url}/v2/models/default"))["inputs"]
        assert own == {"name": "image", "datatype": datatype, "shape": [-1, 8, 8, 3]}
        raw = values.tobytes()
        sent = binary(binary_input(raw, name="image", datatype=datatype, shape=[2, 8, 8, 3]), raw)
        for request in (sent, {"json": {"inputs": [tensor_input(values, datatype)]}}):
            found = good(httpx.post(url + INFER, **request))
            assert found["outputs"][0]["data"] == [3.0] * 6
        wrong = tensor_input(values, "INT8")
        assert datatype_refused(httpx.post(url + INFER, json={"inputs": [wrong]}))


def datatype_refused(response: httpx.Response) -> bool:
    return "int8 [2, 8, 8, 3] was given" in refused(response)


def test_the_server_and_its_model_are_told(served: Served) -> None:
    assert good(served.http.get("/v2")) == {
        "name": "hotswap",
        "version": VERSION,
        "extensions": ["binary_tensor_data"],
    }
    found = good(served.http.get("/v2/models/default"))
    assert found["name"] == "default"
    assert found["versions"] == [str(served.version)]
    assert found["inputs"] == [
        {"name": "images", "datatype": "BYTES", "shape": [-1]},
        {"name": "image", "datatype": "FP32", "shape": [-1, SIDE, SIDE, 3]},
    ]
    assert [each["name"] for each in found["outputs"]] == ["scores", "classes", "labels", "model_id"]
    assert good(served.http.get(f"/v2/models/default/versions/{served.version}")) == found
    for path in ("/v2/models/another", "/v2/models/default/versions/7", "/v2/models/default/versions/-1"):
        refused(served.http.get(path), 404)
        refused(served.http.get(path + "/ready"), 404)
        refused(served.http.post(path + "/infer", json={"inputs": [images_input(png())]}), 404)


def test_it_is_ready_once_a_model_is_live_until_it_ends(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with running_core(tmp_path / "models", tmp_path / "cache") as running, http_server(running) as url:
        assert good(httpx.get(f"{url}/v2/health/live")) == {"live": True}
        not_ready = httpx.get(f"{url}/v2/health/ready")
        assert not_ready.status_code == 503
        assert not_ready.json() == {"ready": False, "error": "no model is live yet"}
        assert "no model" in refused(httpx.get(f"{url}/v2/models/default/ready"), 503)
        body = {"inputs": [images_input(png())]}
        assert "no model" in refused(httpx.post(url + INFER, json=body), 503)
        drop(tmp_path / "models", "first")
        running.await_model()
        assert good(httpx.get(f"{url}/v2/health/ready")) == {"ready": True}
        assert good(httpx.get(f"{url}/v2/models/default/ready")) == {"name": "default", "ready": True}
        running.core.drain()
        assert httpx.get(f"{url}/v2/health/ready").json() == {"ready": False, "error": "the server is ending"}
        assert good(httpx.post(url + INFER, json=body))


GOOD = images_input(png())
OUTPUT = {"name": "labels"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (7, "must be a JSON object"),
        ({}, "list of one input"),
        ({"inputs": {}}, "list of one input"),
        ({"inputs": [GOOD, GOOD]}, "list of one input"),
        ({"inputs": [3]}, "an input must be a JSON object"),
        ({"inputs": [GOOD | {"more": 1}]}, "an input has no 'more'"),
        ({"inputs": [GOOD], "more": 1}, "the body has no 'more'"),
        ({"inputs": [GOOD], "id": 7}, "'id' must be a string"),
        ({"inputs": [GOOD], "parameters": []}, "must be a JSON object"),
        ({"inputs": [GOOD], "parameters": {"timeout": -1}}, "microseconds"),
        ({"inputs": [GOOD], "parameters": {"timeout": True}}, "microseconds"),
        ({"inputs": [GOOD], "parameters": {"binary_data_output": 1}}, "true or false"),
        ({"inputs": [GOOD], "outputs": {}}, "'outputs' must be a list"),
        ({"inputs": [GOOD], "outputs": [{}]}, "an output needs 'name'"),
        ({"inputs": [GOOD], "outputs": [{"name": "nothing"}]}, "there is no output 'nothing'"),
        ({"inputs": [GOOD], "outputs": [OUTPUT | {"data": []}]}, "an output has no 'data'"),
        ({"inputs": [GOOD], "outputs": [OUTPUT | {"parameters": {"classification": 3}}]}, "no 'classification'"),
        ({"inputs": [GOOD | {"parameters": {"shared_memory_region": "x"}}]}, "no 'shared_memory_region'"),
        ({"inputs": [GOOD | {"name": 7}]}, "strings"),
        ({"inputs": [GOOD | {"name": "image"}]}, "BYTES are encoded images"),
        ({"inputs": [GOOD | {"shape": 1}]}, "'shape', a list"),
        ({"inputs": [GOOD | {"shape": [2]}]}, "holds 1 values"),
        ({"inputs": [GOOD | {"shape": [1, 2]}]}, "a string an image"),
        ({"inputs": [GOOD | {"shape": [10**12]}]}, "a string an image"),
        ({"inputs": [GOOD | {"shape": [-1]}]}, "above 0"),
        ({"inputs": [GOOD | {"shape": [True]}]}, "above 0"),
        ({"inputs": [GOOD | {"shape": [10**30]}]}, "above 0"),
        ({"inputs": [GOOD | {"shape": [1.0]}]}, "above 0"),
        ({"inputs": [GOOD | {"shape": []}]}, "above 0"),
        ({"inputs": [GOOD | {"shape": [1] * 33}]}, "above 0"),
        ({"inputs": [GOOD | {"data": ["plain text"]}]}, "no base64"),
        ({"inputs": [GOOD | {"data": [7]}]}, "no base64"),
        ({"inputs": [GOOD | {"data": "text"}]}, "'data', a list"),
        ({"inputs": [tensor_input(ROW, "FP128")]}, "'FP128'"),
        ({"inputs": [tensor_input(ROW, "FP64")]}, "float64"),
        ({"inputs": [tensor_input(ROW, shape=[1, 8, 8, 4])]}, "holds 192 values"),
        ({"inputs": [tensor_input(ROW, shape=[10**18])]}, "holds 192 values"),
        ({"inputs": [tensor_input(ROW, data=["1"] * 192)]}, "numbers alone"),
        ({"inputs": [tensor_input(ROW, data=[1e39] * 192)]}, "none of float32"),
        ({"inputs": [tensor_input(ROW, "INT8", data=[300] * 192)]}, "none of int8"),
        ({"inputs": [tensor_input(ROW, "INT8", data=[1.5] * 192)]}, "none of int8"),
        ({"inputs": [tensor_input(ROW, "UINT8", data=[-1] * 192)]}, "none of uint8"),
        ({"inputs": [tensor_input(ROW, "INT64", data=[10**30] * 192)]}, "none of int64"),
        ({"inputs": [tensor_input(ROW, "BOOL", data=[2] * 192)]}, "true and false"),
        ({"inputs": [tensor_input(ROW, "FP32", data=[True] * 192)]}, "numbers alone"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(served: Served, body: Any, why: str) -> None:
    assert why in refused(served.http.post(INFER, json=body))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (binary({}, b"", length=3), "of the body's 2 bytes"),
        (binary({}, b"", length="x"), "of the body's 2 bytes"),
        (binary({}, b"", length=-1), "of the body's 2 bytes"),
        (binary({}, b"", length="9" * 5000), "of the body's 2 bytes"),
        (binary({}, b"", length=1), "no JSON"),
        (binary(binary_input(framed(png())), framed(png()) + b"x"), "bytes follow the JSON"),
        (binary(binary_input(framed(png())), framed(png())[:-1]), "bytes follow the JSON"),
        (binary(binary_input(b"", parameters={"binary_data_size": "7"}), b""), "bytes follow the JSON"),
        (binary(binary_input(b"", parameters={"binary_data_size": -7}), b""), "bytes follow the JSON"),
        (binary(binary_input(b"", data=[]), b""), "bytes follow the JSON"),
        (binary(binary_input(png()), png()), "a length of 4 bytes"),
        (binary(binary_input(b"\xff\xff\xff\xff"), b"\xff\xff\xff\xff"), "a length of 4 bytes"),
        (binary(binary_input(framed(b"", b"")), framed(b"", b"")), "a length of 4 bytes"),
        (binary(binary_input(b"\0" * 40, shape=[10**10]), b"\0" * 40), "a string an image"),
        (binary(binary_input(b"1", name="image", datatype="FP32"), b"1"), "has 1 bytes"),
        (binary({"inputs": [GOOD]}, b"more"), "binary data"),
    ],
)
def test_binary_data_that_lies_is_refused(served: Served, request_: dict[str, Any], why: str) -> None:
    assert why in refused(served.http.post(INFER, **request_))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_of_which_a_model_makes_none_are_the_client_s_doing(served: Served, number: float) -> None:
    raw = np.full_like(ROW, number).tobytes()
    request = binary(binary_input(raw, name="image", datatype="FP32", shape=list(ROW.shape)), raw)
    assert "non_finite_output" in refused(served.http.post(INFER, **request))
    assert inferred(served, inputs=[images_input(png())])["labels"]["data"] == ["first"]


def test_an_image_as_it_is_without_its_header_is_told_of_it(served: Served) -> None:
    response = served.http.post(INFER, content=png())
    assert f"{HEADER}: 0" in refused(response)
    assert good(served.http.post(INFER, content=png(), headers={HEADER: "0"}))
