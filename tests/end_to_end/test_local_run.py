"""The promises of the whole job, on the real DirectRunner, with real Keras files, in one long run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.cloud import pubsub_v1

from tests.end_to_end.local_run import Feed, Run, land, local_run
from tests.own_process import run_module

pytestmark = pytest.mark.end_to_end

CLASSES = 6


@pytest.fixture(scope="module")
def favourites(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Keras models that answer every image with the class of their number in this list."""
    folder = tmp_path_factory.mktemp("favourites")
    run_module("tests.end_to_end.favourites", folder, str(CLASSES))
    return [folder / f"favours{number}.h5" for number in range(CLASSES)]


@pytest.fixture(scope="module")
def stream(favourites: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    """One run through which all kinds of model events go, finished; the tests below read what it wrote."""
    root = tmp_path_factory.mktemp("stream")
    environment = pytest.MonkeyPatch()
    environment.setenv("HOTSWAP_CACHE", str(root / "cache"))
    with local_run(root, "--poll-seconds", "0.5") as run:
        told = Stream(run, favourites)
        told.go_through_everything()
        yield told
    environment.undo()


class Stream:
    """A run, the images that landed, and the moments worth checking."""

    def __init__(self, run: Run, favourites: list[Path]) -> None:
        self.run = run
        self.favourites = favourites
        self.feed = Feed(run.images)
        self.answers: dict[str, int] = {}
        self.exit_code: int | None = None

    def go_through_everything(self) -> None:
        """Bad newest and good older at start, drop, overwrite, corrupt, delete, and an emptied folder."""
        models, run = self.run.models, self.run
        self._publish_before_any_model()
        (models / "z_bad.h5").write_bytes(b"no model at all")
        land(self.favourites[0], models / "first.h5")
        self._answered_by(0, "start")
        land(self.favourites[1], models / "second.h5")
        self._answered_by(1, "drop")
        land(self.favourites[2], models / "second.h5")
        self._answered_by(2, "overwrite")
        truncated = self.favourites[3].read_bytes()
        (models / "truncated.h5").write_bytes(truncated[: len(truncated) // 2])
        run.until(lambda: len(run.events("rejected")) == 2, "the truncated file to be rejected")
        self._answered_by(2, "corrupt")
        (models / "second.h5").unlink()
        self._answered_by(0, "delete")
        for path in models.iterdir():
            path.unlink()
        run.until(lambda: "the live model stays" in run.log(), "the emptied folder to be told")
        self.feed.land(20)
        self._answered_by(0, "emptied")
        run.until(lambda: len(run.records("results")) > len(self.feed.landed), "the last results")
        self.exit_code = run.finish()

    def _publish_before_any_model(self) -> None:
        self.run.until(lambda: "ready:" in self.run.log(), "the ready line")
        words = dict(word.split("=", 1) for word in self.run.log().partition("ready: ")[2].split()[:2])
        Path(self.run.root / "by_hand.png").write_bytes((self._one_image()).read_bytes())
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PUBSUB_EMULATOR_HOST", words["PUBSUB_EMULATOR_HOST"])
            publisher = pubsub_v1.PublisherClient()
            path = str(self.run.root / "by_hand.png").encode()
            publisher.publish(words["topic"], path, customer="42", empty="").result(30)

    def _one_image(self) -> Path:
        self.feed.land(1)
        return Path(self.feed.landed[0])

    def _answered_by(self, favourite: int, moment: str) -> None:
        def answered() -> bool:
            self.feed.land(1)
            results = self.run.records("results")
            return bool(results) and results[-1]["class_index"] == favourite

        self.run.until(answered, f"{moment}: answers of model {favourite}")
        self.answers[moment] = favourite


def test_a_run_that_is_asked_to_end_ends_well(stream: Stream) -> None:
    assert stream.exit_code == 0
    assert "UNFINISHED" not in stream.run.log()


def test_no_image_is_lost_and_none_answered_twice(stream: Stream) -> None:
    images = [result["image"] for result in stream.run.records("results")]

    assert stream.run.records("dead") == []
    assert sorted(images) == sorted([*stream.feed.landed, str(stream.run.root / "by_hand.png")])


def test_every_tag_names_the_bytes_that_answered(stream: Stream) -> None:
    digests = [hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in stream.favourites]

    for result in stream.run.records("results"):
        assert result["model_id"].endswith(f"@sha256:{digests[result['class_index']]}")


def test_the_newest_valid_file_answered_at_every_moment(stream: Stream) -> None:
    assert stream.answers == {"start": 0, "drop": 1, "overwrite": 2, "corrupt": 2, "delete": 0, "emptied": 0}


def test_each_bad_file_is_rejected_once_with_a_reason(stream: Stream) -> None:
    rejected = {Path(event["model_id"]).name.split("@")[0]: event["reason"] for event in stream.run.events("rejected")}

    assert len(stream.run.events("rejected")) == 2
    assert rejected["z_bad.h5"].startswith("not_a_model: ")
    assert rejected["truncated.h5"].startswith("truncated: ")


def test_attributes_of_any_publisher_come_back_on_the_result(stream: Stream) -> None:
    (result,) = [r for r in stream.run.records("results") if r["image"].endswith("by_hand.png")]

    assert result["attributes"] == {"customer": "42", "empty": ""}
    assert result["message_id"]
    assert result["publish_time"] < result["predict_time"]


def test_each_model_that_went_live_was_accepted_and_each_but_the_last_retired(stream: Stream) -> None:
    accepted = {event["model_id"] for event in stream.run.events("accepted")}
    live = [event["model_id"] for event in stream.run.events("live")]

    assert set(live) <= accepted
    assert [Path(model).name.split("@")[0] for model in live] == ["first.h5", "second.h5", "second.h5", "first.h5"]
    assert [event["model_id"] for event in stream.run.events("retired")] == live[:-1]


def _lines(text: str, wanted: Callable[[str], bool]) -> list[str]:
    return [line for line in text.splitlines() if wanted(line)]


def test_an_emptied_folder_is_told_once(stream: Stream) -> None:
    assert len(_lines(stream.run.log(), lambda line: "the live model stays" in line)) == 1
