"""Models are tried, promoted and rolled back under the eyes of clients who check every answer: they lose nothing."""

from __future__ import annotations

from pathlib import Path

from serving.statuses import State
from tests.serving.over_grpc.speaking import INFER, PREDICT, Speaker, images_request, infer_images_request, speaking
from tests.serving.over_grpc.trial import IMAGE, Shelf, await_answers_of, on_trial, statuses
from tests.serving.running_server import running_server
from tests.serving.trials.trying import end_trial, registry
from tests.waiting import eventually

AVAILABLE = State.AVAILABLE.value
ANYTHING_GOES = (
    "--trial-max-failures", "100%", "--trial-max-slowdown", "1000", "--trial-min-agreement", "0%",
    "--trial-max-drift", "1000",
)  # fmt: skip


def answered(speaker: Speaker, request_id: str) -> str:
    """The digest of the model that answers a request of that id; what names it in the response agrees."""
    request = infer_images_request([IMAGE])
    request.id = request_id
    response = speaker.ask(INFER, request)
    digest = f"{int(response.model_version):012x}"
    assert response.parameters["model_id"].string_param.endswith(digest)
    return digest


def test_a_trial_is_promoted_and_one_rolled_back_under_load_and_nothing_is_lost(tmp_path: Path) -> None:
    places = str(tmp_path / "registry")
    options = ("--registry", places, "--poll-seconds", "0.1", "--trial", "canary:50%/600,50%/600", *ANYTHING_GOES)
    with running_server(tmp_path, *options) as server:
        shelf = Shelf(server.models)
        first = shelf.put("first.onnx", shelf.model())
        known = registry(places, str(server.models / "*"))
        with on_trial(server, shelf) as seen, speaking(server.grpc) as speaker:
            second = shelf.put("second.onnx", shelf.model())
            await_answers_of(seen, second)
            await_answers_of(seen, first)
            assert {each: statuses(speaker)[each] for each in (first, second)} == {
                first: (AVAILABLE, ""),
                second: (AVAILABLE, ""),
            }
            sides = [answered(speaker, f"request {number}") for number in range(30)]
            assert set(sides) == {first, second}
            assert sides == [answered(speaker, f"request {number}") for number in range(30)]
            for digest in (first, second):
                named = speaker.ask(PREDICT, images_request([IMAGE], int(digest, 16)))
                assert named.model_spec.version.value == int(digest, 16)

            end_trial(known, "promoted")
            eventually(lambda: AVAILABLE not in statuses(speaker)[first], "the first model to go")
            assert {answered(speaker, f"request {number}") for number in range(30)} == {second}

            third = shelf.put("third.onnx", shelf.model())
            await_answers_of(seen, third)
            end_trial(known, "rolled_back")
            eventually(lambda: AVAILABLE not in statuses(speaker)[third], "the third model to go")
            assert {answered(speaker, f"request {number}") for number in range(30)} == {second}
        assert seen.wrong == []
        assert set(seen.answers) == {first, second, third}
