"""Retraining, models and uploads, as the page asks for them."""

from __future__ import annotations

import pytest

from tests.studio.web.whole_page import WholePage
from tests.waiting import eventually


@pytest.mark.parametrize("pipeline", ["de", "", 7, None, "tuning; rm -rf /"])
def test_another_pipeline_is_not_run(whole: WholePage, pipeline: object) -> None:
    answer = whole.web.browser().post("/api/retraining", json={"pipeline": pipeline})
    assert answer.status_code == 400 and answer.json()["error"]["word"] == "bad_request"
    assert whole.web.browser().get("/api/retraining/runs").json() == {"runs": []}


def test_where_there_are_no_models_none_are_told(whole: WholePage) -> None:
    assert whole.web.browser().get("/api/models").json()["models"] == []


@pytest.mark.parametrize("named", [None, "", 7, "x" * 3000])
def test_what_is_no_model_id_is_refused(whole: WholePage, named: object) -> None:
    answer = whole.web.browser().post("/api/models/rollback", json={"model_id": named})
    assert answer.status_code == 400


def test_a_model_that_is_not_there_cannot_be_live(whole: WholePage) -> None:
    answer = whole.web.browser().post("/api/models/rollback", json={"model_id": "x@sha256:" + "0" * 64})
    assert answer.status_code in (404, 409) and answer.json()["error"]["line"]


def test_a_file_that_is_no_model_is_vetted_rejected_and_dropped(whole: WholePage) -> None:
    browser = whole.web.browser()
    answer = browser.post("/api/uploads", params={"name": "digits.onnx"}, content=b"no model")
    assert answer.status_code == 202
    at = f"/api/uploads/{answer.json()['upload']}"
    told = eventually(lambda: (got := browser.get(at).json())["state"] != "vetting" and got, "vetting", 120)
    assert told["state"] == "rejected" and told["reason"] and told["name"] == "digits.onnx" and told["model"] is None
    assert browser.post(f"{at}/publish").status_code == 409
    assert browser.delete(at).status_code == 200
    assert browser.get(at).status_code == 404


@pytest.mark.parametrize("name", ["", "../x.h5", "a/b.h5", "a\\b.h5", ".hidden.h5", "a\nb.h5", "x" * 200, "a\0.h5"])
def test_names_that_are_no_files_are_refused(whole: WholePage, name: str) -> None:
    answer = whole.web.browser().post("/api/uploads", params={"name": name}, content=b"x")
    assert answer.status_code == 400 and answer.json()["error"]["word"] == "bad_request"


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(whole: WholePage) -> None:
    answer = whole.web.browser().post("/api/uploads", params={"name": "x.h5"}, content=bytes(2 << 20))
    assert answer.status_code == 413 and answer.json()["error"]["word"] == "too_large"
    assert not list(whole.places.uploads.iterdir())


def test_pictures_that_are_not_there_are_not_found(whole: WholePage) -> None:
    browser = whole.web.browser()
    for letter in ("0" * 32, "x", "..%2f"):
        assert browser.get(f"/api/dead-letters/{letter}.png").status_code == 404
