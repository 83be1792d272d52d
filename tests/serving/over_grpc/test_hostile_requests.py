"""Requests that are none, or lie, are refused in a line that says why, cost nothing, and disturb nobody."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from serving.messages.pool import message
from serving.messages.tensor_protos import DTYPES
from tests.sample_images import encoded, png_bomb, small
from tests.serving.memory import memory_within
from tests.serving.over_grpc.conftest import Served
from tests.serving.over_grpc.good_neighbour import good_neighbour
from tests.serving.over_grpc.speaking import (
    INFER,
    METADATA,
    METHODS,
    PREDICT,
    STATUS,
    images_request,
    infer_images_request,
    infer_request,
    speaking,
    tensor_request,
    texts_of,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
LARGEST_MESSAGE = 64 << 20
IMAGE = encoded(small(), "PNG")
ROWS = np.zeros((2, 8, 8, 3), np.float32)


def tensor(
    shape: Sequence[int], dtype: str = "DT_FLOAT", content: bytes = b"", name: str = "image", **values: Sequence[Any]
) -> Any:
    """A request with whatever tensor."""
    request = message("tensorflow.serving.PredictRequest")()
    proto = request.inputs[name]
    proto.dtype = DTYPES[dtype]
    for side in shape:
        proto.tensor_shape.dim.add(size=side)
    proto.tensor_content = content
    for field, given in values.items():
        getattr(proto, field).extend(given)
    return request


def nested(levels: int) -> bytes:
    """A tensor in a variant in a tensor in a variant, and so on."""

    def within(tag: bytes, data: bytes) -> bytes:
        size = len(data)
        return tag + bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]) + data

    tensor = b""
    for _ in range(levels):
        tensor = within(b"\x7a", within(b"\x1a", tensor))
    return within(b"\x12", within(b"\x12", tensor))


def of_unknown_rank() -> Any:
    request = tensor([], float_val=[1.0])
    request.inputs["image"].tensor_shape.unknown_rank = True
    return request


def of_two_inputs() -> Any:
    request = tensor_request(ROWS, "image")
    request.inputs["images"].CopyFrom(images_request([IMAGE]).inputs["images"])
    return request


def infer(shape: Sequence[int], datatype: str, raw: Sequence[bytes] = (), name: str = "image", **contents: Any) -> Any:
    """A request of the other protocol with whatever tensor."""
    request = message("inference.ModelInferRequest")(model_name="default", raw_input_contents=raw)
    request.inputs.add(name=name, datatype=datatype, shape=shape, contents=contents)
    return request


LIES: dict[str, tuple[str, Callable[[], Any]]] = {
    "names that are no text": (PREDICT, lambda: b"\x0a\x04\x0a\x02\xff\xff"),
    "a name that is no text": (INFER, lambda: b"\x0a\x02\xff\xff"),
    "nested without end": (PREDICT, lambda: nested(1000)),
    "no input": (PREDICT, message("tensorflow.serving.PredictRequest")),
    "two inputs": (PREDICT, of_two_inputs),
    "no image": (PREDICT, lambda: images_request([])),
    "an empty image": (PREDICT, lambda: images_request([b""])),
    "no image file": (PREDICT, lambda: images_request([b"not an image"])),
    "a bomb": (PREDICT, lambda: images_request([png_bomb()])),
    "strings that are no images": (PREDICT, lambda: tensor([1], "DT_STRING", name="image", string_val=[IMAGE])),
    "fewer strings than said": (PREDICT, lambda: tensor([2], "DT_STRING", name="images", string_val=[IMAGE])),
    "strings in a table": (PREDICT, lambda: tensor([1, 2], "DT_STRING", name="images", string_val=[IMAGE] * 2)),
    "another input": (PREDICT, lambda: tensor_request(ROWS, "picture")),
    "another dtype": (PREDICT, lambda: tensor_request(ROWS.astype(np.float64), "image")),
    "another shape": (PREDICT, lambda: tensor_request(ROWS[:, :7], "image")),
    "another rank": (PREDICT, lambda: tensor_request(ROWS[0], "image")),
    "no rank": (PREDICT, lambda: tensor([], float_val=[1.0])),
    "an unknown rank": (PREDICT, of_unknown_rank),
    "a side below 0": (PREDICT, lambda: tensor([-1, 8, 8, 3], float_val=[0.0] * 192)),
    "a side of 0": (PREDICT, lambda: tensor([0, 8, 8, 3])),
    "sides past all memory": (PREDICT, lambda: tensor([2**40, 8, 8, 3], float_val=[1.0])),
    "sides past all numbers": (PREDICT, lambda: tensor([2**62] * 4, float_val=[1.0])),
    "nothing of sides past all numbers": (PREDICT, lambda: tensor([2**62, 0, 2**62])),
    "more sides than NumPy has": (PREDICT, lambda: tensor([1] * 100, float_val=[1.0])),
    "sides that do not fit on a line": (PREDICT, lambda: tensor([2**62] * 30_000, float_val=[1.0])),
    "half a number": (PREDICT, lambda: tensor([1, 8, 8, 3], content=bytes(767))),
    "a number that is no byte": (PREDICT, lambda: tensor([1, 1], "DT_UINT8", int_val=[-1])),
    "a number past its kind": (PREDICT, lambda: tensor([1, 1], "DT_INT16", int_val=[40_000])),
    "half floats past theirs": (PREDICT, lambda: tensor([1, 1], "DT_HALF", half_val=[-1])),
    "no dtype": (PREDICT, lambda: tensor([1], "DT_INVALID")),
    "complex numbers": (PREDICT, lambda: tensor([1], "DT_COMPLEX64", scomplex_val=[1.0, 1.0])),
    "numbers that are none": (PREDICT, lambda: tensor_request(ROWS * np.nan, "image")),
    "infinite numbers": (PREDICT, lambda: tensor_request(ROWS + np.inf, "image")),
    "more rows than there is room": (PREDICT, lambda: tensor_request(np.zeros((257, 8, 8, 3), np.float32), "image")),
    "no inputs of Open Inference": (INFER, lambda: message("inference.ModelInferRequest")(model_name="default")),
    "no such datatype": (INFER, lambda: infer([1, 8, 8, 3], "FP31", [bytes(768)])),
    "another datatype": (INFER, lambda: infer([1, 8, 8, 3], "INT32", [bytes(768)])),
    "half precision one by one": (INFER, lambda: infer([1], "FP16", fp32_contents=[1.0])),
    "raw bytes twice": (INFER, lambda: infer([1, 8, 8, 3], "FP32", [bytes(768)] * 2)),
    "raw bytes of another size": (INFER, lambda: infer([1, 8, 8, 3], "FP32", [bytes(767)])),
    "fewer values than said": (INFER, lambda: infer([1, 8, 8, 3], "FP32", fp32_contents=[1.0])),
    "values of another kind": (INFER, lambda: infer([1, 8, 8, 3], "FP32", int_contents=[1] * 192)),
    "a side below 0, raw": (INFER, lambda: infer([-1, 8, 8, 3], "FP32", [bytes(768)])),
    "sides past all memory, raw": (INFER, lambda: infer([2**40, 8, 8, 3], "FP32", [bytes(4)])),
    "sides past all numbers, raw": (INFER, lambda: infer([2**62] * 32, "FP32", [bytes(4)])),
    "strings without lengths": (INFER, lambda: infer([1], "BYTES", [b"\xff\xff\xff\xff"], name="images")),
    "strings longer than they are": (INFER, lambda: infer([1], "BYTES", [b"\x09\0\0\0abc"], name="images")),
    "more strings than bytes": (INFER, lambda: infer([60_000], "BYTES", [bytes(4)], name="images")),
    "no strings": (INFER, lambda: infer([1], "BYTES", name="images")),
    "strings that are no images, raw": (INFER, lambda: infer([1], "BYTES", [b"\0\0\0\0"])),
    "metadata of no kind": (METADATA, message("tensorflow.serving.GetModelMetadataRequest")),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be_true_is_refused_in_a_line(served: Served, lie: str) -> None:
    method, make = LIES[lie]
    code, detail = served.speaker.refusal(method, make())
    assert code is INVALID, (code, detail)
    assert detail.isprintable() and 0 < len(detail) <= 500


def test_a_bad_image_is_named_in_the_words_of_dead_letters_and_its_neighbours_are_answered(served: Served) -> None:
    with good_neighbour(served.address, served.label):
        code, detail = served.speaker.refusal(PREDICT, images_request([IMAGE, b"not an image", IMAGE]))
        cut = served.speaker.refusal(INFER, infer_images_request([IMAGE[: len(IMAGE) // 2]]))
    assert code is INVALID
    assert detail.startswith("image 2 of 3: not_an_image: ")
    assert cut[0] is INVALID and cut[1].startswith("truncated: ")


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_message_are_invalid(served: Served, method: str) -> None:
    for data in (b"\xff" * 8, b"\x0a\x7f", b"\x0b", b"\x0f", bytes(8)):
        code, detail = served.speaker.refusal(method, data)
        assert code is INVALID, (code, detail)
        assert METHODS[method] in detail


def test_a_message_that_is_cut_off_is_invalid(served: Served) -> None:
    whole = images_request([IMAGE]).SerializeToString()
    for end in (len(whole) // 2, len(whole) - 1):
        code, detail = served.speaker.refusal(PREDICT, whole[:end])
        assert code is INVALID, (code, detail)


def test_names_versions_labels_signatures_and_outputs_that_there_are_not(served: Served) -> None:
    ask = served.speaker.refusal

    def meant(version: int | None = None, **spec: str) -> Any:
        request = images_request([IMAGE], version)
        for name, value in spec.items():
            setattr(request.model_spec, name, value)
        return request

    assert ask(PREDICT, meant(name="another"))[0] is NOT_FOUND
    assert ask(PREDICT, meant(name="x" * 100_000))[0] is NOT_FOUND
    for version in (served.version + 1, 0, -1, 2**63 - 1):
        assert ask(PREDICT, meant(version=version))[0] is NOT_FOUND
    assert ask(PREDICT, meant(version_label="stable"))[0] is NOT_FOUND
    assert ask(PREDICT, meant(signature_name="classify"))[0] is INVALID
    for text in ("another", "-1", "1" * 30, str(served.version + 1), "١"):
        request = infer_images_request([IMAGE])
        request.model_version = text
        assert ask(INFER, request)[0] is NOT_FOUND
    status = message("tensorflow.serving.GetModelStatusRequest")()
    status.model_spec.name = "another"
    assert ask(STATUS, status)[0] is NOT_FOUND
    filtered = images_request([IMAGE])
    filtered.output_filter.append("logits" * 1000)
    assert ask(PREDICT, filtered)[0] is INVALID


def test_the_version_that_is_live_is_answered_by_name(served: Served) -> None:
    response = served.speaker.ask(PREDICT, images_request([IMAGE], served.version, "default"))
    assert response.model_spec.version.value == served.version
    assert texts_of(response, "model_id") == [served.model_id]


def test_an_output_that_is_asked_for_thousands_of_times_is_made_once(served: Served) -> None:
    request = images_request([IMAGE] * 16)
    request.output_filter.extend(["scores"] * 1000)
    assert set(served.speaker.ask(PREDICT, request).outputs) == {"scores", "model_id"}


@pytest.mark.parametrize("method", [PREDICT, INFER])
def test_a_message_above_the_limit_is_refused_and_takes_no_memory(served: Served, method: str) -> None:
    with good_neighbour(served.address, served.label), memory_within(served.pid, 3 * LARGEST_MESSAGE):
        code, _ = served.speaker.refusal(method, bytes(LARGEST_MESSAGE + 1))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_message_that_unpacks_to_more_than_the_limit_is_refused_and_takes_no_memory(served: Served) -> None:
    request = images_request([bytes(1 << 28)]).SerializeToString()
    assert len(gzip.compress(request, 1)) < LARGEST_MESSAGE
    with good_neighbour(served.address, served.label), memory_within(served.pid, 3 * LARGEST_MESSAGE):
        call: Any = served.speaker.channel.unary_unary(PREDICT, None, None)
        error = call.future(request, timeout=60, compression=grpc.Compression.Gzip).exception()
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("method", "part"), [(PREDICT, b"\x12\x00"), (PREDICT, b"\x12\x04\x12\x02\x12\x00"), (INFER, b"\x2a\x00")]
)
def test_millions_of_empty_parts_are_never_made(served: Served, method: str, part: bytes) -> None:
    request = part * (LARGEST_MESSAGE // len(part) - 1)
    with good_neighbour(served.address, served.label), memory_within(served.pid, 4 * LARGEST_MESSAGE):
        code, detail = served.speaker.refusal(method, request)
    assert code is INVALID and "fields" in detail


@pytest.mark.parametrize("raw", [True, False])
def test_a_large_tensor_too_many_costs_little_more_than_its_bytes(served: Served, raw: bool) -> None:
    rows = np.zeros((LARGEST_MESSAGE // 768 - 1, 8, 8, 3), np.float32)
    with speaking(served.address) as speaker, memory_within(served.pid, 7 * LARGEST_MESSAGE):
        code, detail = speaker.refusal(INFER, infer_request(rows, "image", raw=raw))
    assert code is INVALID and "send several" in detail
