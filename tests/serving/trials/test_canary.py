"""In a canary a share of the requests is answered by the new model, and every answer says by which."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image

from models.trials.sides import is_tried
from serving.asking import Asked, Code, Refused, Tensor
from serving.statuses import State
from tests.model_files import tiny_classifier
from tests.sample_images import encoded, plain
from tests.serving.over_http.asking import INFER, PREDICT, b64, good, images_input
from tests.serving.running_core import PROTOCOL, http_server
from tests.serving.trials.trying import NEW, OLD, Trying, fails_to_prepare, trying
from tests.treacherous_models import speechless

IMAGES = [plain(grey) for grey in range(200)]
TENSOR = np.full((1, 8, 8, 3), 0.5, np.float32)


class Served(NamedTuple):
    """A trial, and a client of its server.

    Attributes:
        trying: the trial.
        http: the client.
    """

    trying: Trying
    http: httpx.Client

    def answered_by(self, *images: bytes) -> str:
        """The id of the model that answers TensorFlow Serving's request; its answers are its own."""
        found = good(self.http.post(PREDICT, json={"instances": [b64(each) for each in images]}))["predictions"]
        [model_id] = {each["model_id"] for each in found}
        assert {each["classes"] for each in found} == {NEW if model_id == self.trying.new else OLD}
        return str(model_id)

    def inferred_by(self, image: bytes, **more: Any) -> str:
        """The same of the Open Inference Protocol."""
        found = good(self.http.post(INFER, json={"inputs": [images_input(image)], **more}))
        outputs = {each["name"]: each["data"] for each in found["outputs"]}
        model_id = found["parameters"]["model_id"]
        assert int(found["model_version"]) == version(model_id)
        assert outputs["model_id"] == [model_id]
        assert outputs["classes"] == [NEW if model_id == self.trying.new else OLD]
        return str(model_id)

    def expected(self, key: str) -> str:
        """The id of the model that is to answer."""
        return self.trying.new if is_tried(self.trying.trial, key) else self.trying.old


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A canary of 30 % that goes on."""
    with (
        trying(tmp_path_factory.mktemp("canary"), "canary:30%/600,30%/600") as tried,
        http_server(tried.running) as url,
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield Served(tried, http)


def version(model_id: str) -> int:
    return int(model_id.rpartition(":")[2], 16)


def sha256(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


def named(request_id: str, image: bytes) -> str:
    """The key of a request with an id of its own."""
    return f"{request_id} {sha256(image)}"


def test_a_share_of_the_images_is_answered_by_the_new_model_and_every_answer_says_by_which(served: Served) -> None:
    answers = [served.answered_by(image) for image in IMAGES]
    assert answers == [served.expected(sha256(image)) for image in IMAGES]
    assert 30 < answers.count(served.trying.new) < 90


def test_the_same_bytes_fall_on_the_same_side_whatever_their_client_speaks(served: Served) -> None:
    for image in IMAGES[:40]:
        raw = served.http.post(INFER, content=image, headers={"Inference-Header-Content-Length": "0"})
        binary = good(raw)["parameters"]["model_id"]
        assert {served.answered_by(image), served.inferred_by(image), binary} == {served.expected(sha256(image))}


def test_a_request_that_has_an_id_falls_on_the_side_of_that_and_its_content(served: Served) -> None:
    for _ in range(2):  # a retry has both
        answers = [served.inferred_by(IMAGES[0], id=f"request {number}") for number in range(60)]
        assert answers == [served.expected(named(f"request {number}", IMAGES[0])) for number in range(60)]
        assert len(set(answers)) == 2


def test_a_client_that_always_says_the_same_id_has_no_side_of_its_own(served: Served) -> None:
    answers = [served.inferred_by(image, id="1") for image in IMAGES[:60]]
    assert answers == [served.expected(named("1", image)) for image in IMAGES[:60]]
    assert len(set(answers)) == 2


def test_all_images_of_a_request_are_answered_by_one_model(served: Served) -> None:
    for start in range(0, 60, 3):
        images = IMAGES[start : start + 3]
        assert served.answered_by(*images) == served.expected(sha256(images[0]))


def test_a_large_image_is_known_by_all_its_bytes(served: Served) -> None:
    noise = np.random.default_rng(1)
    for _ in range(6):
        image = encoded(Image.fromarray(noise.integers(0, 255, (300, 300, 3), np.uint8)), "PNG")
        assert len(image) > 200_000
        assert served.answered_by(image) == served.expected(sha256(image))


def test_tensors_have_their_sides_too(served: Served) -> None:
    core = served.trying.running.core
    for grey in range(20):
        values = np.full((2, 8, 8, 3), grey / 20, np.float32)
        answer = served.trying.running.run(core.answer(Asked(tensor=Tensor("image", values)), PROTOCOL))
        assert answer.reference.model_id == served.expected(hashlib.sha256(values.tobytes()).hexdigest())


def test_a_version_or_a_label_that_is_named_is_answered_by_that_one_live_or_tried(served: Served) -> None:
    for model_id, label in ((served.trying.old, "one"), (served.trying.new, "two")):
        for place in (f"versions/{version(model_id)}", f"labels/{label}"):
            found = good(served.http.post(f"/v1/models/default/{place}:predict", json={"instances": [b64(IMAGES[0])]}))
            assert found["predictions"][0]["model_id"] == model_id
            described = good(served.http.get(f"/v1/models/default/{place}/metadata"))
            assert described["model_spec"]["version"] == str(version(model_id))
        assert good(served.http.get(f"/v2/models/default/versions/{version(model_id)}/ready"))["ready"] is True
    assert served.http.post("/v1/models/default/versions/7:predict", json={"instances": [1]}).status_code == 404


def test_both_versions_are_available_to_whoever_asks(served: Served) -> None:
    statuses = good(served.http.get("/v1/models/default"))["model_version_status"]
    states = {int(each["version"]): (each["state"], each["status"]["error_message"]) for each in statuses}
    both = [version(served.trying.old), version(served.trying.new)]
    assert states == dict.fromkeys(both, (State.AVAILABLE.name, ""))
    assert list(map(int, good(served.http.get("/v2/models/default"))["versions"])) == both


def test_what_the_new_model_is_told_of_is_counted_by_side_and_what_names_its_version_is_not(tmp_path: Path) -> None:
    with trying(tmp_path, "canary:50%/600,50%/600") as tried:
        for image in IMAGES[:50]:
            tried.running.ask(image)
        named = Asked(IMAGES[:1], version=version(tried.new))
        assert tried.running.run(tried.running.core.answer(named, PROTOCOL)).reference.model_id == tried.new
        with pytest.raises(Refused):
            tried.running.ask(b"no image")

        evidence = tried.await_evidence(lambda found: found.old.images + found.new.images >= 50, "50 images")
        fell = [is_tried(tried.trial, sha256(image)) for image in IMAGES[:50]]
        assert (evidence.old.answered, evidence.new.answered) == (fell.count(False), fell.count(True))
        assert (evidence.old.failed, evidence.new.failed) == (0, 0)
        for side, seen in (("old", evidence.old), ("new", evidence.new)):
            metric = f'hotswap_trial_images_total{{mode="canary",side="{side}"}}'
            assert tried.running.metric(metric) == seen.answered
        assert tried.running.metric(f'hotswap_tried_model{{model_id="{tried.new}"}}') == 1


def test_a_request_of_many_images_is_one_of_evidence_and_one_failure(tmp_path: Path) -> None:
    with trying(tmp_path, "canary:100%/600,100%/600", partial(speechless, grey=150)) as tried:
        for grey in range(4):
            tried.running.ask(*[plain(grey)] * 8)
        with pytest.raises(Refused):
            tried.running.ask(*IMAGES[148:152])  # one of which the new model has no number for

        evidence = tried.await_evidence(lambda found: found.new.failed > 0, "the failure")
        assert (evidence.new.answered, evidence.new.failed) == (4, 1)
        assert evidence.new.labels.total == 4
        metric = 'hotswap_trial_images_total{mode="canary",side="new"}'
        assert tried.running.metric(metric) == 4 * 8 + 4


def test_what_does_not_fit_the_new_model_is_answered_by_the_old_one_and_is_no_failure(tmp_path: Path) -> None:
    larger = partial(tiny_classifier, favours=NEW, side=16)
    with trying(tmp_path, "canary:100%/600,100%/600", larger) as tried:
        core = tried.running.core
        for name in ("image", ""):
            answer = tried.running.run(core.answer(Asked(tensor=Tensor(name, TENSOR)), PROTOCOL))
            assert answer.reference.model_id == tried.old
        assert tried.running.ask(IMAGES[0]).reference.model_id == tried.new

        evidence = tried.await_evidence(lambda found: found.new.images > 0, "an image")
        assert (evidence.new.answered, evidence.new.failed, evidence.old.images) == (1, 0, 0)


def test_an_image_that_the_old_model_alone_could_be_given_is_a_failure_of_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger = partial(tiny_classifier, favours=NEW, side=16)
    fails_to_prepare(monkeypatch, IMAGES[0], 16)
    with trying(tmp_path, "canary:100%/600,100%/600", larger) as tried:
        for image in (b"no image", IMAGES[0]):
            with pytest.raises(Refused) as refused:
                tried.running.ask(image)
            assert refused.value.fault is not None
        evidence = tried.await_evidence(lambda found: found.new.failed > 0, "the failure")
        assert (evidence.new.answered, evidence.new.failed) == (0, 1)


def test_numbers_that_are_none_tell_nothing_of_the_new_model(tmp_path: Path) -> None:
    with trying(tmp_path, "canary:100%/600,100%/600") as tried:
        core = tried.running.core
        with pytest.raises(Refused) as refused:
            tried.running.run(core.answer(Asked(tensor=Tensor("image", TENSOR * np.nan)), PROTOCOL))
        assert refused.value.code is Code.INVALID_ARGUMENT
        assert tried.running.ask(IMAGES[0]).reference.model_id == tried.new

        evidence = tried.await_evidence(lambda found: found.new.images > 0, "an image")
        assert (evidence.new.answered, evidence.new.failed) == (1, 0)


def test_an_output_that_the_old_model_alone_has_is_its_to_give(tmp_path: Path) -> None:
    other = partial(tiny_classifier, favours=NEW, card={"task": "raw"})
    with trying(tmp_path, "canary:100%/600,100%/600", other) as tried:
        core = tried.running.core
        answer = tried.running.run(core.answer(Asked(IMAGES[:1], outputs=["labels"]), PROTOCOL))
        assert answer.reference.model_id == tried.old
        with pytest.raises(Refused) as refused:
            tried.running.run(core.answer(Asked(IMAGES[:1], outputs=["nothing"]), PROTOCOL))
        assert refused.value.code is Code.INVALID_ARGUMENT
