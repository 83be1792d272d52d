"""What a model's vetting assumed is told with its acceptance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launch.cli import app
from launch.command_line import run
from models.releasing.card_in_file import embed_card
from tests.launch.tiny_models import tiny_onnx
from tests.model_files import tiny_classifier

ASSUMED = "nothing in it says how it wants its pixels, and it gets them as 0..1; "


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))


def test_how_pixels_are_scaled_is_told_where_it_was_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    tiny_onnx(Path("cats.onnx"))
    assert run(app, ["vet", "cats.onnx"]) == 0
    assert f"\nnote      {ASSUMED}" in capsys.readouterr().out
    assert run(app, ["vet", "cats.onnx", "--json"]) == 0
    assert [note.startswith(ASSUMED) for note in json.loads(capsys.readouterr().out)["notes"]] == [True, False, False]


def test_the_order_of_the_channels_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for color in ("RGB", "BGR"):
        tiny_classifier(Path("cats.onnx"), card={"input": {"color": color}})
        assert run(app, ["vet", "cats.onnx"]) == 0
        assert f"8 × 8 pixels, {color}, NHWC" in capsys.readouterr().out


def test_what_the_card_says_is_not_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    tiny_onnx(Path("cats.onnx"))
    embed_card(Path("cats.onnx"), {"input": {"scale": 1.0}, "task": "classification", "activation": "softmax"})
    assert run(app, ["vet", "cats.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []


def test_the_task_is_told_with_what_was_assumed_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    tiny_onnx(Path("cats.onnx"))
    assert run(app, ["vet", "cats.onnx"]) == 0
    told = capsys.readouterr().out
    assert "\n  task      classification, softmax makes probabilities of its scores\n" in told
    assert "\n  outputs   3 numbers: y (3,)\n" in told
    assert "\nnote      its scores are logits, of which softmax makes probabilities" in told
    assert run(app, ["vet", "cats.onnx", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["task"], answer["activation"]) == ("classification", "softmax")
