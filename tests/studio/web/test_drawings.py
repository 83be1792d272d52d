"""A drawing is answered, to the browser that drew it and to no other."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image

from tests.studio.web.whole_page import MODEL_ID, WholePage, picture


def drawn(browser: httpx.Client) -> str:
    answer = browser.post("/api/drawings", content=picture(), headers={"content-type": "image/png"})
    assert answer.status_code == 201, answer.text
    drawing: str = answer.json()["drawing"]
    return drawing


def test_a_drawing_is_answered(whole: WholePage) -> None:
    browser = whole.web.browser()
    drawing = drawn(browser)
    told = browser.get(f"/api/drawings/{drawing}/answer?wait=20").json()
    assert (told["drawing"], told["state"], told["label"], told["model_id"]) == (drawing, "answered", "7", MODEL_ID)
    assert told["scores"] == [{"label": "7", "score": 0.9}, {"label": "1", "score": 0.1}]
    assert told["milliseconds"] > 0 and told["error"] == told["detail"] == ""
    png = browser.get(f"/api/drawings/{drawing}.png")
    assert png.headers["content-type"] == "image/png" and Image.open(io.BytesIO(png.content)).size == (28, 28)


@pytest.mark.parametrize("path", ["{}.png", "{}/answer?wait=1"])
def test_another_browsers_drawing_is_not_there(whole: WholePage, path: str) -> None:
    drawing = drawn(whole.web.browser())
    answer = whole.web.browser().get(f"/api/drawings/{path.format(drawing)}")
    assert answer.status_code == 404 and answer.json()["error"]["word"] == "not_found"


def test_another_browsers_drawing_is_not_corrected(whole: WholePage) -> None:
    drawing = drawn(whole.web.browser())
    other = whole.web.browser()
    assert other.put(f"/api/drawings/{drawing}/correction", json={"label": 3}).status_code == 404
    assert not other.get("/api/corrections").json()["corrections"]


def test_one_that_is_not_answered_yet_is_pending(whole: WholePage) -> None:
    whole.answering.is_slow = True
    browser = whole.web.browser()
    told = browser.get(f"/api/drawings/{drawn(browser)}/answer").json()
    assert told["state"] == "pending" and told["label"] == ""


def test_without_a_stream_it_is_told(whole: WholePage) -> None:
    whole.answering.is_down = True
    answer = whole.web.browser().post("/api/drawings", content=picture())
    assert answer.status_code == 503 and answer.json()["error"]["word"] == "stream_unavailable"


@pytest.mark.parametrize("body", [b"", b"GIF89a", b"<svg onload=alert(1)>", picture()[:-100]])
def test_what_is_no_drawing_is_refused(whole: WholePage, body: bytes) -> None:
    answer = whole.web.browser().post("/api/drawings", content=body)
    assert answer.status_code == 422 and answer.json()["error"]["word"] == "bad_drawing"


def test_one_that_is_too_large_is_refused(whole: WholePage) -> None:
    answer = whole.web.browser().post("/api/drawings", content=b"\x89PNG" + bytes(256 << 10))
    assert answer.status_code == 413 and answer.json()["error"]["word"] == "too_large"


@pytest.mark.parametrize("drawing", ["x", "0" * 31, "0" * 33, "G" * 32, "%2e%2e", "0" * 32])
def test_ids_that_are_none_are_not_found(whole: WholePage, drawing: str) -> None:
    browser = whole.web.browser()
    for path in (f"{drawing}.png", f"{drawing}/answer"):
        assert browser.get(f"/api/drawings/{path}").status_code == 404
    assert browser.put(f"/api/drawings/{drawing}/correction", json={"label": 1}).status_code == 404


@pytest.mark.parametrize("wait", ["-1", "x", "1.5", "9" * 30, ""])
def test_a_time_that_is_none_is_refused(whole: WholePage, wait: str) -> None:
    answer = whole.web.browser().get(f"/api/drawings/{'0' * 32}/answer", params={"wait": wait})
    assert answer.status_code == 400 and answer.json()["error"]["word"] == "bad_request"
