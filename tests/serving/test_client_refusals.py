"""The client where there is no answer: what is tried again, what is told, and responses that are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.client import (
    Busy,
    Client,
    Failed,
    ImageRefused,
    Measured,
    NotReady,
    ServerError,
    SettingsUnusable,
    TooLate,
    Unreachable,
)
from serving.messages.pool import message
from tests.serving.scripted_server import scripted_server

JPEG = b"what it is does not matter here"
MODEL_ID = "m@sha256:0123456789ab"
_PREDICTION = "tensorflow.serving.PredictionService"


def test_a_server_of_something_else_is_said_to_be_one() -> None:
    with (
        scripted_server("other.Service", "Other", lambda request, context: b"") as address,
        Client(address) as client,
        pytest.raises(SettingsUnusable, match="another server"),
    ):
        client.predict([JPEG])


def _of_a_model(response: Any) -> None:
    response.outputs["model_id"].string_val.append(MODEL_ID.encode())
    response.outputs["model_name"].string_val.append(b"m")


class Refusing:
    """Says no so many times with one status, then answers with nothing."""

    def __init__(self, code: grpc.StatusCode, details: str, times: int) -> None:
        self.calls = 0
        self._code, self._details, self._times = code, details, times

    def __call__(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        if self.calls <= self._times:
            context.abort(self._code, self._details)
        response = message("tensorflow.serving.PredictResponse")()
        response.outputs["y"].dtype = 1
        response.outputs["y"].float_val.append(0.5)
        response.outputs["y"].tensor_shape.dim.add(size=1)
        _of_a_model(response)
        return bytes(response.SerializeToString())


@pytest.mark.parametrize(("code", "times"), [(grpc.StatusCode.RESOURCE_EXHAUSTED, 3), (grpc.StatusCode.UNAVAILABLE, 1)])
def test_what_may_pass_is_asked_again(code: grpc.StatusCode, times: int) -> None:
    refusing = Refusing(code, "try again in a moment", times)
    with scripted_server(_PREDICTION, "Predict", refusing) as address, Client(address) as client:
        assert client.predict([JPEG]) == [Measured({"y": (0.5,)}, model_id=MODEL_ID, model_name="m")]
    assert refusing.calls == times + 1


@pytest.mark.parametrize(
    ("code", "details", "calls", "kind"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "9 images are waiting", 6, Busy),
        (grpc.StatusCode.UNAVAILABLE, "no model is live yet", 2, NotReady),
        (grpc.StatusCode.UNAVAILABLE, "model_crashed: it ended", 1, ImageRefused),
        (grpc.StatusCode.INTERNAL, "prediction_failed: ‮ \x1b[2J", 1, Failed),
    ],
)
def test_what_does_not_pass_is_told_after_as_many_tries_as_may_help(
    code: grpc.StatusCode, details: str, calls: int, kind: type[ServerError]
) -> None:
    refusing = Refusing(code, details, 1000)
    with (
        scripted_server(_PREDICTION, "Predict", refusing) as address,
        Client(address) as client,
        pytest.raises(kind) as told,
    ):
        client.predict([JPEG])
    assert refusing.calls == calls
    assert str(told.value).isprintable()


def test_no_try_is_begun_after_the_deadline() -> None:
    refusing = Refusing(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", 1000)
    with (
        scripted_server(_PREDICTION, "Predict", refusing) as address,
        Client(address) as client,
        pytest.raises((Busy, TooLate)),
    ):
        client.predict([JPEG], seconds=0.25)
    assert refusing.calls <= 2


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes requests and does not answer."""
    ending = threading.Event()

    def wait(request: bytes, context: Any) -> bytes:
        ending.wait()
        return b""

    with scripted_server(_PREDICTION, "Predict", wait) as address:
        yield address
        ending.set()


def test_a_server_that_does_not_answer_is_told_at_the_deadline(silent: str) -> None:
    with Client(silent) as client, pytest.raises(TooLate):
        client.predict([JPEG], seconds=0.2)


def test_closing_ends_what_is_under_way(silent: str) -> None:
    client = Client(silent)
    told: list[ServerError] = []

    def ask() -> None:
        try:
            client.predict([JPEG])
        except ServerError as error:
            told.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    client.close()
    asking.join(30)
    assert [type(error) for error in told] == [Unreachable]


def _labels_without_scores(response: Any) -> None:
    _of_a_model(response)
    response.outputs["labels"].dtype = 7
    response.outputs["labels"].string_val.append(b"ant")
    response.outputs["classes"].tensor_shape.dim.add(size=1)


def _a_mask_that_is_none(response: Any) -> None:
    _labels_without_scores(response)
    response.outputs["classes"].tensor_shape.dim.add(size=1)
    response.outputs["classes"].dtype = 9
    response.outputs["classes"].int64_val.append(0)
    response.outputs["mask_bytes"].string_val.append(b"GIF")


def _a_shape_of_more_than_there_is(response: Any) -> None:
    _of_a_model(response)
    response.outputs["y"].dtype = 1
    for size in (1, 1 << 40):
        response.outputs["y"].tensor_shape.dim.add(size=size)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda response: None,
        _of_a_model,
        _labels_without_scores,
        _a_mask_that_is_none,
        _a_shape_of_more_than_there_is,
    ],
)
def test_a_response_that_is_none_is_one_line(spoil: Any) -> None:
    response = message("tensorflow.serving.PredictResponse")()
    spoil(response)
    data = response.SerializeToString()
    with (
        scripted_server(_PREDICTION, "Predict", lambda request, context: data) as address,
        Client(address) as client,
        pytest.raises(Failed) as told,
    ):
        client.predict([JPEG])
    assert str(told.value).isprintable()


def test_bytes_that_are_no_response_are_one_line() -> None:
    with (
        scripted_server(_PREDICTION, "Predict", lambda request, context: b"\xff" * 40) as address,
        Client(address) as client,
        pytest.raises(Failed),
    ):
        client.predict([JPEG])


def test_files_that_are_no_certificates_are_said_at_once(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(SettingsUnusable, match=r"nonsense\.pem holds no certificate"):
        Client("localhost:1", tls_ca=nonsense)
    with pytest.raises(SettingsUnusable, match="No such file"):
        Client("localhost:1", tls_ca=tmp_path / "missing.pem")
    with pytest.raises(SettingsUnusable, match="go together"):
        Client("localhost:1", certificate=nonsense)
    with pytest.raises(SettingsUnusable, match="goes with `tls_ca`"):
        Client("localhost:1", certificate=nonsense, key=nonsense)
