"""What a message is made of is counted before any of it is made."""

from __future__ import annotations

from typing import Any

import pytest

from serving.asking import Code, Refused
from serving.messages.pool import message
from serving.over_grpc import wire
from serving.over_grpc.wire import FIELDS_BESIDE_IMAGES
from tests.serving.over_grpc.speaking import images_request

Request = message("tensorflow.serving.PredictRequest")


def of_outputs(count: int) -> Any:
    return Request(output_filter=["scores"] * count)


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        wire.read(Request, data)
    assert refused.value.code is Code.INVALID_ARGUMENT
    return refused.value.detail


def test_a_message_is_read_as_it_was_written() -> None:
    request = images_request([b"one", b"two"], version=3, name="default")
    request.inputs["images"].tensor_shape.unknown_rank = True
    assert wire.read(Request, request.SerializeToString()) == request
    assert wire.read(Request, b"") == Request()


def test_as_many_fields_as_may_be_and_no_more() -> None:
    whole = of_outputs(FIELDS_BESIDE_IMAGES)
    assert wire.read(Request, whole.SerializeToString()) == whole
    assert "fields" in refusal(of_outputs(FIELDS_BESIDE_IMAGES + 1).SerializeToString())


def test_a_request_for_many_images_may_have_as_many_fields_more() -> None:
    request = images_request([b"an image"] * 5000)
    assert wire.read(Request, request.SerializeToString(), FIELDS_BESIDE_IMAGES + 5000) == request
    assert "more than 1,024 fields; send several" in refusal(request.SerializeToString())


class Described:
    """A description of a message, which counts how often it is asked for the message's fields."""

    def __init__(self, described: Any, asked: list[str]) -> None:
        self._described = described
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        if name == "fields":
            self._asked.append(self._described.full_name)
        return getattr(self._described, name)


def test_a_description_is_looked_into_once_however_often_its_message_comes() -> None:
    asked: list[str] = []

    class Told:
        DESCRIPTOR = Described(Request.DESCRIPTOR, asked)
        FromString = Request.FromString

    for _ in range(3):
        wire.read(Told, images_request([b"one"]).SerializeToString())
    assert asked == ["tensorflow.serving.PredictRequest"]


def test_fields_in_fields_count_too() -> None:
    request = Request()
    for _ in range(FIELDS_BESIDE_IMAGES // 2):
        request.inputs["image"].tensor_shape.dim.add(size=1)  # a field, and one in it
    assert "fields" in refusal(request.SerializeToString())


def test_packed_numbers_are_one_field() -> None:
    request = Request()
    request.inputs["image"].float_val.extend([1.0] * (2 * FIELDS_BESIDE_IMAGES))
    assert wire.read(Request, request.SerializeToString()) == request


def test_what_a_later_version_may_add_is_passed_over() -> None:
    later = b"\xf8\x3f\x01" + b"\xf9\x3f" + bytes(8) + b"\xfa\x3f\x02ab" + b"\xfd\x3f" + bytes(4)
    request = of_outputs(1)
    assert list(wire.read(Request, later + request.SerializeToString()).output_filter) == ["scores"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0b\x0c",
        b"\x80" * 11,
        b"\xf9\x3f\x00",
        b"\xfd\x3f\x00",
        b"\x12\x02\x0a\x09",
        b"\x0a\xff",
    ],
)
def test_bytes_that_are_no_fields(data: bytes) -> None:
    assert refusal(data) == "the request is no tensorflow.serving.PredictRequest"
