"""What is told of models is what the stream's own watching wrote down, and nothing is vetted for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models.artefacts import DEFAULT_MAX_VALUES
from models.json_lines import whole_records
from models.registry.registry import Registry, Terms
from models.storage.local_objects import LocalObjects
from models.storage.schemes import AnyStorage
from models.vetting import Vetter
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.shelf.shelf import ModelShelf
from studio.store.corrections import Corrections
from tests.model_files import nan_output
from tests.own_process import run_module
from tests.studio.shelf.studio_models import drop, goes_live, standings, stream
from tests.studio.store.drawn import new
from tests.waiting import eventually

MARKUP = "<img src=x onerror=alert(1)>"


def watch_until_vetted(places: Places, live: str, accepted: int) -> None:
    with stream(places) as serving:
        goes_live(serving, live)
        eventually(lambda: serving.events.counts()["accepted"] == accepted, "all to be vetted")


def refuse_to_vet(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Vetter, uri: str) -> None:
        raise AssertionError(f"{uri} is vetted")

    monkeypatch.setattr(Vetter, "vet", refuse)


def test_a_new_studio_has_no_models(shelf: ModelShelf) -> None:
    assert shelf.models() == {"models": [], "history": []}


def test_models_are_told_as_the_stream_knows_them(
    places: Places, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = drop(places, "a.onnx", 0, age=300, name="Alpha", version="1", tags=["parent=x", "stage=one", "fast"])
    live = drop(places, "b.onnx", 1, age=200)
    nan_output(places.models / "bad.onnx")
    watch_until_vetted(places, live, 2)
    (places.models / "new.h5").write_bytes(b"nobody has looked yet")
    refuse_to_vet(monkeypatch)

    told = {each["file"]: each for each in shelf.models()["models"]}

    assert {name: each["standing"] for name, each in told.items()} == {
        "new.h5": "undecided",
        "bad.onnx": "rejected",
        "b.onnx": "live",
        "a.onnx": "valid",
    }
    assert told["b.onnx"]["model_id"] == live
    alpha = told["a.onnx"]
    assert (alpha["model_id"], alpha["name"], alpha["version"]) == (old, "Alpha", "1")
    assert alpha["tags"] == {"parent": "x", "stage": "one", "fast": ""}
    assert alpha["card"]["task"] == "classification"
    assert alpha["card"]["input"]["height"] == 8
    assert alpha["engine"]
    assert alpha["size"] == (places.models / "a.onnx").stat().st_size
    assert alpha["modified"].endswith("Z")
    assert told["bad.onnx"]["reason"].startswith("non_finite_output: ")
    assert told["bad.onnx"]["card"] is None
    assert told["new.h5"]["reason"] == "not vetted yet"


def test_what_a_real_run_of_the_job_found_out_is_told(places: Places, shelf: ModelShelf) -> None:
    live = drop(places, "digits.onnx", 2, name="Digits")
    Image.new("L", (28, 28)).save(places.images / "black.png")
    results = places.root / "results.jsonl"
    run_module(
        "launch.cli",
        *("local", "--models", f"{places.models}/*", "--registry", places.registry, "--images", places.images),
        *("--output", results, "--exit-when-idle", "0.5"),
    )
    [result] = whole_records(results)
    told = shelf.models()
    [row] = told["models"]
    assert (row["model_id"], row["standing"], row["name"]) == (live, "live", "Digits")
    assert result["model_id"] == row["model_id"]
    assert row["card"]["name"] == "Digits"
    assert told["history"][0]["model_id"] == live


def test_the_history_tells_what_was_live_the_latest_first(places: Places, shelf: ModelShelf) -> None:
    first = drop(places, "a.onnx", 0, age=300, name="Alpha")
    watch_until_vetted(places, first, 1)
    second = drop(places, "b.onnx", 1)
    with stream(places) as serving:
        goes_live(serving, second)

    latest, before = shelf.models()["history"]

    assert (latest["epoch"], latest["model_id"], latest["name"], latest["until"]) == (2, second, "b", None)
    assert (before["epoch"], before["model_id"], before["name"]) == (1, first, "Alpha")
    assert before["until"] == latest["since"]
    assert latest["why"] == "the newest valid file"
    assert latest["by"]


def test_a_live_model_whose_file_is_gone_is_told_still(places: Places, shelf: ModelShelf) -> None:
    live = drop(places, "a.onnx", 0)
    watch_until_vetted(places, live, 1)
    (places.models / "a.onnx").unlink()

    told = shelf.models()

    [row] = told["models"]
    assert (row["model_id"], row["standing"], row["modified"], row["size"]) == (live, "live", None, None)
    assert row["reason"].startswith("its file is gone")
    assert shelf.roll_back(live) == live  # it is live already
    assert told["history"][0]["name"] == "a"


def test_what_a_card_says_is_data(places: Places, shelf: ModelShelf) -> None:
    live = drop(places, "a.onnx", name=MARKUP, labels=[MARKUP, "__proto__", "constructor"], tags=[f"{MARKUP}={MARKUP}"])
    watch_until_vetted(places, live, 1)
    [row] = json.loads(json.dumps(shelf.models()))["models"]
    assert row["name"] == MARKUP
    assert row["card"]["labels"] == [MARKUP, "__proto__", "constructor"]
    assert MARKUP.split("=")[0] in row["tags"]


def test_file_names_with_control_characters_are_told_printable(places: Places, shelf: ModelShelf) -> None:
    (places.models / "a\x1b[31m\n.onnx").write_bytes(b"x")
    [row] = shelf.models()["models"]
    assert row["file"] == "a\\x1b[31m\\n.onnx"
    assert row["name"].isprintable()


def test_accuracy_goes_with_the_model_that_answered(places: Places, shelf: ModelShelf) -> None:
    a, b = drop(places, "a.onnx", 0), drop(places, "b.onnx", 1)
    watch_until_vetted(places, b, 2)
    with Corrections.open(str(places.database)) as corrections:
        for number in range(4):  # seen, unseen; and of those that were misread the same
            corrections.correct(new(number, 7, answer="7" if number < 2 else "1", model_id=a))
            corrections.keep_reading(number + 1, "another", "7", 0.9)
        told = {each["model_id"]: each["accuracy"] for each in shelf.models(corrections.accuracy())["models"]}
    assert told == {a: {"seen_right": 1, "seen": 2, "unseen_right": 1, "unseen": 2}, b: None}
    assert [each["accuracy"] for each in shelf.models()["models"]] == [None, None]


def test_a_registry_that_is_damaged_is_no_reason_to_tell_nothing(places: Places, shelf: ModelShelf) -> None:
    live = drop(places, "a.onnx")
    watch_until_vetted(places, live, 1)
    for path in places.registry.rglob("*.json"):
        path.write_bytes(b"\xff not JSON")
    assert standings(shelf) == {"a.onnx": "undecided"}


def test_a_folder_that_cannot_be_listed_is_told_in_a_line(places: Places, shelf: ModelShelf) -> None:
    places.registry.rmdir()
    places.registry.symlink_to(places.registry)  # a loop, which no one can follow
    with pytest.raises(StudioRefused, match="the models cannot be listed: ") as refused:
        shelf.models()
    assert refused.value.trouble is Trouble.NOT_POSSIBLE
    assert "\n" not in str(refused.value)


def test_going_back_to_a_model_is_followed_and_told(places: Places, shelf: ModelShelf) -> None:
    a = drop(places, "a.onnx", 0, age=300)
    b = drop(places, "b.onnx", 1, age=200)
    with stream(places) as serving:
        goes_live(serving, b)
        eventually(lambda: standings(shelf) == {"b.onnx": "live", "a.onnx": "valid"}, "both to be known")

        assert shelf.roll_back(a) == a

        goes_live(serving, a)
        assert standings(shelf) == {"a.onnx": "live", "b.onnx": "valid"}
        latest = shelf.models()["history"][0]
        assert (latest["model_id"], latest["epoch"]) == (a, 2)
        assert latest["why"].startswith("rolled back by ")
        assert latest["by"]
        assert shelf.roll_back(a) == a
        assert len(shelf.models()["history"]) == 2


def test_only_what_is_valid_and_there_goes_live(places: Places, shelf: ModelShelf) -> None:
    live = drop(places, "a.onnx", age=100)
    nan_output(places.models / "bad.onnx")
    watch_until_vetted(places, live, 1)
    new = drop(places, "new.onnx", 2)
    bad = next(each["model_id"] for each in shelf.models()["models"] if each["standing"] == "rejected")
    undecided = str(places.models / "new.onnx")

    def refusal(model_id: str) -> str:
        with pytest.raises(StudioRefused) as refused:
            shelf.roll_back(model_id)
        assert refused.value.trouble is Trouble.NOT_POSSIBLE
        return str(refused.value)

    assert "is rejected: non_finite_output" in refusal(bad)
    assert "wait until the stream has vetted it" in refusal(undecided)
    for nobody in (new, "../../etc/passwd", "", "x" * 100_000, "a\nb\x00", live[:-1]):
        line = refusal(nobody)
        assert "look at the models again" in line
        assert line.isprintable()
        assert len(line) < 500
    assert shelf.models()["history"][0]["model_id"] == live


def test_each_of_two_hundred_models_and_three_hundred_changes_is_read_once(
    places: Places, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = drop(places, "a.onnx", 0)
    watch_until_vetted(places, live, 1)
    refuse_to_vet(monkeypatch)
    registry = Registry(
        AnyStorage().objects(str(places.registry)), f"{places.models}/*", Terms("auto", DEFAULT_MAX_VALUES)
    )
    registry.live.look()
    stated = registry.live.statement
    assert stated is not None
    for number in range(300):
        assert registry.live.move(stated.reference, f"change {number}")
    for number in range(200):
        (places.models / f"m{number}.h5").write_bytes(b"nobody looks")
    asked: list[str] = []
    for name in ("read", "names"):
        monkeypatch.setattr(LocalObjects, name, _noted(getattr(LocalObjects, name), asked))

    told = shelf.models()

    assert len(told["models"]) == 201
    assert 0 < len(told["history"]) <= 200
    assert told["history"][0]["why"] == "change 299"
    assert len(asked) == len(set(asked)) == 203  # a verdict each, the pointer, and one listing


def _noted(method: Callable[[LocalObjects, str], Any], asked: list[str]) -> Callable[[LocalObjects, str], Any]:
    def ask(self: LocalObjects, name: str) -> Any:
        asked.append(name)
        return method(self, name)

    return ask


def test_nothing_is_written_by_looking(places: Places, shelf: ModelShelf) -> None:
    live = drop(places, "a.onnx")
    watch_until_vetted(places, live, 1)

    def seen() -> dict[Path, float]:
        return {path: path.stat().st_mtime for folder in (places.registry, places.models) for path in folder.rglob("*")}

    before = seen()
    shelf.models()
    assert seen() == before
