"""Whatever a gRPC call holds, it is answered truly or refused for a reason, and the server goes on as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from serving.messages.pool import message
from serving.messages.tensor_protos import DTYPES
from tests.end_to_end.telling_models import drop
from tests.sample_images import encoded, small
from tests.serving.memory import memory_within
from tests.serving.over_grpc.good_neighbour import good_neighbour
from tests.serving.over_grpc.speaking import (
    METHODS,
    PREDICT,
    Speaker,
    images_request,
    infer_images_request,
    infer_request,
    speaking,
    tensor_request,
    texts_of,
)
from tests.serving.running_server import running_server

LABEL = "first"
IMAGE = encoded(small().resize((9, 7)), "PNG")
ROWS = np.linspace(0, 1, 2 * 8 * 8 * 3, dtype=np.float32).reshape(2, 8, 8, 3)
REASONS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED)
A_MODELS_DOING = ("non_finite_output: ", "prediction_failed: ", "wrong_answer_shape: ")
MOST_MEMORY = 300 << 20

NUMBERS = st.one_of(
    st.integers(-4, 300), st.sampled_from([2**7, 2**15, 2**31 - 1, 2**40, 2**53, 2**62, 2**63 - 1, -(2**31), -(2**63)])
)
FLOATS = st.one_of(st.floats(width=32), st.sampled_from([0.0, 0.5, 1.0]))
TEXTS = st.one_of(
    st.sampled_from(
        ["", "default", "image", "images", "scores", "model_id", "serving_default", "FP32", "BYTES", "UINT8"]
    ),
    st.sampled_from(["signature_def", "INT64", "FP16", "BOOL", "labels", "1", "x" * 3000, "\0", "\u2028", "../.."]),
    st.text(max_size=9),
)
BYTES = st.one_of(st.sampled_from([b"", IMAGE, IMAGE[:40], bytes(768), ROWS.tobytes()]), st.binary(max_size=40))
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64),
    FieldDescriptor.CPPTYPE_ENUM: (0, 2**31),
}
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


def valid_requests() -> list[tuple[str, Any]]:
    """One of each method, and of each way to ask it."""
    plain = [(method, message(name)()) for method, name in METHODS.items()]
    for _, request in plain:
        if "metadata_field" in request.DESCRIPTOR.fields_by_name:
            request.metadata_field.append("signature_def")
        if "name" in request.DESCRIPTOR.fields_by_name:
            request.name = "default"
    infer = next(method for method in METHODS if method.endswith("ModelInfer"))
    return [
        *plain,
        (PREDICT, images_request([IMAGE, IMAGE])),
        (PREDICT, tensor_request(ROWS, "image")),
        (infer, infer_request(ROWS, "image")),
        (infer, infer_request(ROWS, "image", raw=False)),
        (infer, infer_images_request([IMAGE])),
    ]


VALID = valid_requests()


def values_of(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values of a field that is no message."""
    kind = field.cpp_type
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return NUMBERS.filter(lambda value: low <= value < high)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind in _FLOATS:
        return FLOATS
    return BYTES if field.type == FieldDescriptor.TYPE_BYTES else TEXTS


def change(draw: st.DrawFn, given: Any, depth: int = 4) -> None:
    """Gives some of a message's fields other values, and some of those that it holds."""
    fields = list(given.DESCRIPTOR.fields)
    for field in (
        draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda each: each.number)) if fields else ()
    ):
        if draw(st.integers(0, 5)) == 0:
            given.ClearField(field.name)
            continue
        held = getattr(given, field.name)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            key = draw(values_of(entry.fields_by_name["key"]))
            if entry.fields_by_name["value"].message_type is None:
                held[key] = draw(values_of(entry.fields_by_name["value"]))
            elif depth:
                change(draw, held[draw(st.sampled_from(sorted(held) or [key]))], depth - 1)
        elif entry is not None:
            if not depth:
                continue
            if not field.is_repeated:
                change(draw, held, depth - 1)
                held.SetInParent()
            else:
                change(
                    draw, draw(st.sampled_from(list(held))) if held and draw(st.booleans()) else held.add(), depth - 1
                )
        elif field.is_repeated:
            held.extend(draw(st.lists(values_of(field), max_size=4)))
        elif field.name == "dtype":
            given.dtype = draw(st.one_of(st.sampled_from(sorted(DTYPES.values())), values_of(field)))
        else:
            setattr(given, field.name, draw(values_of(field)))


@st.composite
def changed_requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """A valid request with other values in it."""
    method, valid = draw(st.sampled_from(VALID))
    request = type(valid)()
    request.CopyFrom(valid)
    for _ in range(draw(st.integers(0, 3))):
        change(draw, request)
    return method, request.SerializeToString()


@st.composite
def changed_bytes(draw: st.DrawFn) -> tuple[str, bytes]:
    """The bytes of a valid request, some of them others, or gone, or twice there."""
    method, valid = draw(st.sampled_from(VALID))
    data = bytearray(valid.SerializeToString())
    for at, kind, byte in draw(
        st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 3), st.integers(0, 255)), max_size=6)
    ):
        if not data:
            break
        at %= len(data)
        if kind == 0:
            data[at] = byte
        elif kind == 1:
            del data[at : at + byte % 9 + 1]
        elif kind == 2:
            data[at:at] = data[at : at + byte]
        else:
            data[at] ^= 1 << byte % 8
    return method, bytes(data)


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speaker]:
    """A connection to a server whose other client is answered all the time, and which stays as large as it is."""
    with running_server(tmp_path_factory.mktemp("fuzzed")) as server:
        drop(server.models, LABEL)
        within = memory_within(server.process.pid, MOST_MEMORY)
        with speaking(server.grpc) as speaker, good_neighbour(server.grpc, LABEL), within:
            yield speaker


def check(speaker: Speaker, method: str, data: bytes) -> None:
    call = speaker.asked(method, data)
    if call.exception() is None:
        response = call.result()
        if "outputs" in response.DESCRIPTOR.fields_by_name and response.DESCRIPTOR.name != "ModelMetadataResponse":
            check_answer(response)
        return
    code, detail = call.code(), call.details()
    assert code in REASONS or (code is grpc.StatusCode.INTERNAL and detail.startswith(A_MODELS_DOING)), (code, detail)
    assert detail.isprintable() and 0 < len(detail) <= 500


def check_answer(response: Any) -> None:
    names = [each if isinstance(each, str) else each.name for each in response.outputs]
    assert "model_id" in names
    if "labels" in names and not getattr(response, "raw_output_contents", ()):
        assert set(texts_of(response, "labels")) == {LABEL}


@given(st.sampled_from(sorted(METHODS)), st.binary(max_size=200))
def test_any_bytes(speaker: Speaker, method: str, data: bytes) -> None:
    check(speaker, method, data)


@given(changed_bytes())
def test_valid_requests_of_changed_bytes(speaker: Speaker, call: tuple[str, bytes]) -> None:
    check(speaker, *call)


@given(changed_requests())
def test_valid_requests_of_changed_values(speaker: Speaker, call: tuple[str, bytes]) -> None:
    check(speaker, *call)


def test_the_requests_that_are_changed_are_valid(speaker: Speaker) -> None:
    for method, request in VALID:
        if (method != PREDICT or request.inputs) and ("ModelInfer" not in method or request.inputs):
            speaker.ask(method, request)
