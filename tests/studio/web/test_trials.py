"""The trial is told to programs, and ended by those that have the word against forged requests."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from models.reference import ModelReference
from models.registry.registry import Registry
from models.storage.schemes import AnyStorage
from models.trials.policy import Policy
from studio.shelf.known_models import stream_registry
from tests.studio.web.whole_page import WholePage

OLD = ModelReference("models/old.onnx", "a" * 64)
NEW = ModelReference("models/new.onnx", "b" * 64)


@pytest.fixture
def registry(whole: WholePage) -> Registry:
    """With a trial under way."""
    registry, policy = stream_registry(whole.places, AnyStorage()), Policy.parse("shadow:20%/5")
    registry.live.look()
    assert registry.live.move(OLD, "the first")
    assert policy is not None and registry.live.begin(NEW, policy)
    return registry


def told(browser: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = browser.get("/api/trial").json()
    return answer


def test_no_trial_is_told_as_none(whole: WholePage) -> None:
    assert told(whole.web.browser()) == {"state": "none", "terms": ""}


def test_a_trial_is_told_and_aborted(whole: WholePage, registry: Registry) -> None:
    browser = whole.web.browser()
    running = told(browser)
    assert (running["state"], running["new"]["name"], running["share"]) == ("running", "new", 0.2)

    answer = browser.post("/api/trial/abort", json={"number": running["number"]})

    assert answer.status_code == 200 and answer.json()["state"] == "rolled_back"
    assert told(browser) == answer.json() and whole.ended == ["one"]
    again = browser.post("/api/trial/abort", json={"number": running["number"]})
    assert (again.status_code, again.json()["error"]["word"]) == (409, "not_possible")


def test_a_program_needs_not_say_which(whole: WholePage, registry: Registry) -> None:
    answer = whole.web.browser().post("/api/trial/promote")

    assert answer.status_code == 200 and answer.json()["state"] == "promoted"
    registry.live.look()
    assert registry.live.statement is not None and registry.live.statement.reference == NEW


@pytest.mark.parametrize("body", [b"[]", b"no", json.dumps({"number": "7"}).encode(), b'{"number": true}'])
def test_what_is_no_number_ends_nothing(whole: WholePage, registry: Registry, body: bytes) -> None:
    browser = whole.web.browser()
    answer = browser.post("/api/trial/promote", content=body)

    assert (answer.status_code, answer.json()["error"]["word"]) == (400, "bad_request")
    assert told(browser)["state"] == "running"


def test_a_forged_request_ends_nothing(whole: WholePage, registry: Registry) -> None:
    browser = whole.web.browser()
    del browser.headers["x-csrf-token"]

    assert browser.post("/api/trial/promote").status_code == 403
    assert told(browser)["state"] == "running"
