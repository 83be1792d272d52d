"""The client, on a real server: answers of every task, many at once, and around swaps."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.client import (
    Classified,
    Client,
    Detected,
    ImageRefused,
    Measured,
    MultiLabelled,
    NoSuchModel,
    Predicted,
    Segmented,
    ServerError,
    SettingsUnusable,
    Unreachable,
)
from tests.end_to_end.telling_models import drop
from tests.sample_images import encoded, small
from tests.serving.running_server import RunningServer, running_server
from tests.serving.task_models import drop_task
from tests.serving.told_metrics import metric
from tests.waiting import eventually

JPEG = encoded(small(), "JPEG")
_PREDICTION = "tensorflow.serving.PredictionService"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One whose messages are small, and whose first model is `ant`."""
    root = tmp_path_factory.mktemp("server")
    (root / "models").mkdir()
    drop(root / "models", "ant")
    with running_server(root, "--max-message-bytes", "100000", "--poll-seconds", "0.1") as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.grpc) as client:
        yield client


def answered_by(client: Client, model_id: str, **options: Any) -> Predicted:
    """The first answer of a model, waited for."""

    def of_it() -> Predicted | None:
        [answer] = client.predict([JPEG], **options)
        return answer if answer.model_id == model_id else None

    answer = eventually(of_it, f"an answer by {model_id}")
    assert answer is not None
    return answer


def test_a_classification_has_the_best_classes_with_their_labels(server: RunningServer, client: Client) -> None:
    answer = answered_by(client, drop_task(server.models, "classification"))
    assert isinstance(answer, Classified)
    assert [each.label for each in answer.top] == [f"class {n}" for n in (6, 5, 4, 3, 2)]
    assert (answer.label, answer.class_index) == ("class 6", 6)
    assert answer.score == pytest.approx(np.exp(6) / np.exp(np.arange(7)).sum(), rel=1e-5)
    assert answer.to_json()["top"][4]["label"] == "class 2"


def test_more_classes_than_there_are_give_all_of_them(server: RunningServer, client: Client) -> None:
    answer = answered_by(client, drop_task(server.models, "classification"), top=100)
    assert isinstance(answer, Classified)
    assert [each.class_index for each in answer.top] == [6, 5, 4, 3, 2, 1, 0]
    assert [len(each.top) for each in client.predict([JPEG], top=1) if isinstance(each, Classified)] == [1]


def test_of_two_classes_the_first_is_the_one_that_the_threshold_chooses(server: RunningServer, client: Client) -> None:
    answer = answered_by(client, drop_task(server.models, "binary"))
    assert isinstance(answer, Classified)
    assert [(each.label, each.score) for each in answer.top] == [("no", 0.25), ("yes", 0.75)]


def test_labels_that_do_not_exclude_each_other_come_best_first(server: RunningServer, client: Client) -> None:
    answer = answered_by(client, drop_task(server.models, "multilabel"))
    assert isinstance(answer, MultiLabelled)
    assert [(each.label, each.class_index, each.score) for each in answer.labels] == [
        ("grass", 2, 0.75),
        ("cat", 0, 0.625),
    ]


def test_a_segmentation_has_a_mask_and_the_share_of_each_class(server: RunningServer, client: Client) -> None:
    answer = answered_by(client, drop_task(server.models, "segmentation"))
    assert isinstance(answer, Segmented)
    assert (answer.height, answer.width) == (8, 8)
    assert [(each.label, each.share) for each in answer.shares] == [("sky", 0.75), ("sea", 0.25)]
    with Image.open(io.BytesIO(answer.png)) as mask:
        assert (np.asarray(mask)[:2] == 1).all() and (np.asarray(mask)[2:] == 0).all()


def test_a_detection_has_boxes_on_the_image(server: RunningServer, client: Client) -> None:
    answer = answered_by(client, drop_task(server.models, "detection"))
    assert isinstance(answer, Detected)
    [found] = answer.detections
    assert (found.found.label, found.found.score, found.box) == ("dog", 0.75, (0.125, 0.25, 0.5, 0.75))


@pytest.mark.parametrize(
    ("task", "told"), [("regression", {"values": [2.5]}), ("raw", {"outputs": {"first": [1, 2, 3, 4], "second": [5]}})]
)
def test_numbers_are_told_by_name(server: RunningServer, client: Client, task: str, told: dict[str, Any]) -> None:
    answer = answered_by(client, drop_task(server.models, task))
    assert isinstance(answer, Measured)
    assert answer.to_json() == told


def test_every_label_is_that_of_the_model_that_answered_while_models_are_swapped(
    server: RunningServer, client: Client
) -> None:
    ids = {drop(server.models, "bee"): "bee"}
    answered_by(client, next(iter(ids)))
    seen: list[Classified] = []

    def images() -> Iterator[bytes]:
        for name in ("cow", "dog", "elk"):
            ids[drop(server.models, name)] = name
            while not seen or ids[seen[-1].model_id] != name:
                yield JPEG

    for outcome in client.predict_each(images()):
        assert isinstance(outcome, Classified)
        seen.append(outcome)
    assert {ids[each.model_id] for each in seen} == {"bee", "cow", "dog", "elk"}
    assert all(each.top[0].label == ids[each.model_id] for each in seen)
    assert all(each.top[1].label == "something else" for each in seen)


def test_an_image_is_computed_once_though_its_model_is_new(server: RunningServer) -> None:
    model_id = drop(server.models, "gnu")
    with Client(server.grpc) as waiting:
        eventually(lambda: waiting.status()[-1].version == int(model_id.rpartition(":")[2], 16), "the model to be live")
    with Client(server.grpc) as first:
        answers = first.predict([JPEG] * 40)
    assert {(each.model_id, each.model_name) for each in answers} == {(model_id, "gnu")}
    assert metric(server.http, "hotswap_images_total", model_id=model_id) == 40


def test_one_bad_image_is_its_own_trouble_and_answers_keep_their_order(client: Client) -> None:
    outcomes = list(client.predict_each([JPEG, b"no image", JPEG, b"", JPEG] * 20))
    faults = [outcome.word if isinstance(outcome, ImageRefused) else "" for outcome in outcomes]
    assert faults == ["", "not_an_image", "", "empty_file", ""] * 20
    with pytest.raises(ImageRefused, match=r"^not_an_image: "):
        client.predict([JPEG, b"no image"])
    assert client.predict([]) == []


def test_no_more_images_are_taken_than_are_under_way(client: Client) -> None:
    taken = 0

    def images() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield JPEG

    outcomes = client.predict_each(images())
    for _ in range(50):
        assert not isinstance(next(outcomes), ServerError)
    outcomes.close()
    assert taken < 50 + 32


def test_an_image_is_taken_up_to_the_limit_of_messages_and_is_too_large_over_it(client: Client) -> None:
    assert client.predict([JPEG + bytes(99_000 - len(JPEG))])
    with pytest.raises(ImageRefused) as refused:
        client.predict([bytes(200_000)])
    assert refused.value.word == "too_large"


def test_what_became_of_models_is_told(server: RunningServer, client: Client) -> None:
    model_id = drop(server.models, "fox")
    answered_by(client, model_id)
    version = int(model_id.rpartition(":")[2], 16)
    eventually(lambda: [each.version for each in client.status() if each.state == "available"] == [version], "fox")
    (server.models / "bad.onnx").write_bytes(b"no model at all")
    reasons = eventually(lambda: [each.reason for each in client.status() if each.reason], "a rejection")
    assert reasons[-1].startswith("not_a_model")


def test_it_is_ready_where_a_model_is_live_and_not_where_nobody_listens(client: Client) -> None:
    assert client.is_ready()
    with Client("127.0.0.1:1") as nobody:
        assert not nobody.is_ready()


def test_a_wrong_name_says_the_right_one(server: RunningServer) -> None:
    with Client(server.grpc, name="birds") as client:
        with pytest.raises(NoSuchModel, match="'default'"):
            client.predict([JPEG])
        with pytest.raises(NoSuchModel, match="'birds'"):
            client.is_ready()
        with pytest.raises(NoSuchModel):
            client.status()


def test_the_port_of_http_is_told_from_that_of_grpc(server: RunningServer) -> None:
    with Client(server.http) as client, pytest.raises(SettingsUnusable, match="speaks HTTP"):
        client.predict([JPEG])


@pytest.mark.parametrize(
    ("address", "says"), [("127.0.0.1:1", "refuses connections"), ("nowhere.invalid:8500", "nowhere.invalid")]
)
def test_nobody_at_an_address_is_unreachable_in_one_line(address: str, says: str) -> None:
    with Client(address) as client, pytest.raises(Unreachable, match=says) as unreachable:
        client.predict([JPEG])
    assert str(unreachable.value).isprintable()


@pytest.mark.parametrize("address", ["localhost", "http://localhost:8500", ":8500", "localhost:", "::1:8500", ""])
def test_what_is_no_address_is_said_at_once(address: str) -> None:
    with pytest.raises(SettingsUnusable, match="HOST:PORT"):
        Client(address)


@pytest.mark.parametrize("token", ["", "two words", "täken", "line\nbreak"])
def test_a_token_that_cannot_be_sent_is_said_at_once(token: str) -> None:
    with pytest.raises(SettingsUnusable, match="token"):
        Client("localhost:1", token=token)


@pytest.mark.parametrize(("top", "seconds"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_nothing_cannot_be_asked_for(client: Client, top: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        client.predict([JPEG], seconds, top)
