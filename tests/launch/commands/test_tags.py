"""`hotswap publish --tag` and `hotswap models --tag`: what a model was released with, and those that have it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from models.releasing.card_in_file import embedded_card
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.vetting import Vetter
from tests.launch.commands.hotswap_command import Command, Outcome, drop, error_line
from tests.waiting import eventually

PATTERN = "m/*.onnx"


def card_of(outcome: Outcome) -> dict[str, object]:
    assert outcome.code == 0, outcome.err
    return embedded_card(Path(outcome.last_line.partition("@")[0]))


def told(outcome: Outcome) -> dict[str, tuple[str, str, list[str]]]:
    """State, version and tags of each file that is listed."""
    return {Path(each["uri"]).stem: (each["state"], each["version"], each["tags"]) for each in json.loads(outcome.out)}


def test_a_release_bears_its_tags_and_its_version_in_its_card(hotswap: Command) -> None:
    drop("cats.onnx")
    outcome = hotswap("publish", "cats.onnx", "m/", "--tag", "stage=test", "--tag", "run=a=b", "--version", "3")
    assert card_of(outcome) == {"name": "cats", "version": "3", "tags": ["stage=test", "run=a=b"]}
    assert "stage=test, run=a=b" in outcome.out


def test_a_tag_replaces_that_of_its_key_and_leaves_the_others(hotswap: Command) -> None:
    drop("cats.onnx", tags=["stage=test", "demo", "team=cats"])
    of_file = hotswap("publish", "cats.onnx", "m/", "--tag", "stage=live", "--tag", "owner=ann")
    assert card_of(of_file)["tags"] == ["demo", "team=cats", "stage=live", "owner=ann"]
    Path("card.json").write_text('{"tags": ["stage=shadow", "stages=2", "stage"]}')
    of_card = hotswap("publish", "cats.onnx", "m/", "--card", "card.json", "--tag", "stage=live")
    assert card_of(of_card)["tags"] == ["stages=2", "stage", "stage=live"]


@pytest.mark.parametrize(
    "tag", ["stage", "=live", "stage=", "two words=live", " stage=live", "stage= live", "stage=a\nb", "stage=\x1b[31m"]
)
@pytest.mark.parametrize("command", [["publish", "cats.onnx", "m/"], ["models", "*.onnx"]], ids=lambda each: each[0])
def test_a_malformed_tag_is_one_line_before_anything_is_done(hotswap: Command, command: list[str], tag: str) -> None:
    drop("cats.onnx")
    outcome = hotswap(*command, "--tag", tag)
    assert (outcome.code, outcome.out) == (2, "")
    assert "--tag" in error_line(outcome)
    assert len(outcome.err.splitlines()) == 1
    assert not Path("m").exists()


def test_a_key_has_one_value(hotswap: Command) -> None:
    drop("cats.onnx")
    refused = hotswap("publish", "cats.onnx", "m/", "--tag", "stage=a", "--tag", "stage=b")
    assert refused.code == 2
    assert "two values" in error_line(refused)
    repeated = hotswap("publish", "cats.onnx", "m/", "--tag", "stage=a", "--tag", "stage=a")
    assert card_of(repeated)["tags"] == ["stage=a"]


def test_a_card_whose_tags_are_none_is_rejected_and_not_mended(hotswap: Command) -> None:
    drop("cats.onnx")
    Path("card.json").write_text('{"tags": "stage=live"}')
    outcome = hotswap("publish", "cats.onnx", "m/", "--card", "card.json", "--tag", "stage=live")
    assert outcome.code == 1
    assert "`tags` must be a list of texts" in error_line(outcome)


@pytest.fixture
def tagged(hotswap: Command) -> Command:
    """`b` is live, `a` is older, `bad` is newer and no good."""
    drop("m/a.onnx", 0, age=300, version="1", tags=["stage=live", "team=cats"])
    drop("m/b.onnx", 1, age=200, version="2", tags=["stage=test", "team=cats"])
    drop("m/bad.onnx", 2, finite=False, age=100, tags=["team=cats"])
    return hotswap


def test_models_shows_those_that_have_all_tags(tagged: Command) -> None:
    a, b = ("valid", "1", ["stage=live", "team=cats"]), ("live", "2", ["stage=test", "team=cats"])
    assert told(tagged("models", PATTERN, "--json")) == {"a": a, "b": b, "bad": ("rejected", "", [])}
    assert told(tagged("models", PATTERN, "--json", "--tag", "team=cats")) == {"a": a, "b": b}
    assert told(tagged("models", PATTERN, "--json", "--tag", "team=cats", "--tag", "stage=live")) == {"a": a}

    [line, note] = tagged("models", PATTERN, "--tag", "stage=live").out.splitlines()
    assert line.startswith("valid\tm/a.onnx\t")
    assert line.endswith("\tstage=live, team=cats")
    assert note == "none of them is live"


def test_a_tag_that_no_model_has_is_told_and_answers_1(tagged: Command) -> None:
    outcome = tagged("models", PATTERN, "--json", "--tag", "stage=live", "--tag", "team=dogs")
    assert (outcome.code, json.loads(outcome.out)) == (1, [])
    assert error_line(outcome).endswith(f"no model of {PATTERN} is known to have stage=live and team=dogs")


def test_a_registry_tells_tags_without_vetting(tagged: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(Serving(ServingConfig(PATTERN, 0.05, registry="registry"), AnyStorage())) as serving:
        eventually(lambda: serving.watch.statement, "a model is live")
        eventually(lambda: serving.events.counts()["accepted"] == 2, "both are vetted")
    monkeypatch.setattr(Vetter, "vet", None)
    Path("m/new.onnx").write_bytes(b"nobody has looked yet")
    outcome = tagged("models", PATTERN, "--registry", "registry", "--json", "--tag", "stage=test")
    assert told(outcome) == {"b": ("live", "2", ["stage=test", "team=cats"])}
    assert "nothing is known yet of 1 file, tags included" in outcome.err


def test_a_history_has_no_tags(tagged: Command) -> None:
    outcome = tagged("models", PATTERN, "--registry", "registry", "--history", "--tag", "stage=test")
    assert outcome.code == 2
    assert "--tag does not go with --history" in error_line(outcome)
