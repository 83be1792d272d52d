"""A correction is kept, changed, taken back and exported; without its database, drawing goes on."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import httpx
import pyarrow.parquet
import pytest

from tests.studio.web.test_drawings import drawn
from tests.studio.web.whole_page import MODEL_ID, WholePage
from tests.waiting import eventually


def corrected(browser: httpx.Client, label: int) -> str:
    drawing = drawn(browser)
    browser.get(f"/api/drawings/{drawing}/answer?wait=20")
    answer = browser.put(f"/api/drawings/{drawing}/correction", json={"label": label})
    assert answer.status_code == 200, answer.text
    return drawing


def listed(browser: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.get("/api/corrections", params=query).json()["corrections"]
    return found


def test_a_correction_is_kept_with_its_answer(whole: WholePage) -> None:
    browser = whole.web.browser()
    drawing = corrected(browser, 3)
    [told] = listed(browser)
    assert (told["drawing"], told["label"], told["answer"], told["model_id"]) == (drawing, 3, "7", MODEL_ID)
    assert told["mine"] is True and told["score"] == 0.9 and "browser" not in told
    assert base64.b64decode(told["png"]) == browser.get(f"/api/drawings/{drawing}.png").content
    assert whole.corrected == ["one"]


def test_while_a_model_is_tried_the_stream_is_told_once_what_each_answered_drawing_shows(whole: WholePage) -> None:
    browser = whole.web.browser()
    before = corrected(browser, 3)
    assert whole.labels == []
    whole.answering.trial = 4
    wrong, right = corrected(browser, 3), corrected(browser, 7)
    browser.put(f"/api/drawings/{wrong}/correction", json={"label": 4})
    whole.answering.is_slow = True
    browser.put(f"/api/drawings/{drawn(browser)}/correction", json={"label": 1})

    browser.put(f"/api/drawings/{before}/correction", json={"label": 3})

    assert whole.labels == [(f"message-of-{each}", said) for each, said in ((wrong, "3"), (right, "7"), (before, "3"))]


def test_a_drawing_that_is_left_uncorrected_counts_as_what_it_was_answered(whole: WholePage) -> None:
    browser = whole.web.browser()
    whole.answering.trial = 4
    confirmed, wrong = drawn(browser), corrected(browser, 3)
    browser.get(f"/api/drawings/{confirmed}/answer?wait=20")
    browser.delete(f"/api/drawings/{wrong}/correction")

    for drawing, expected in ((confirmed, True), (confirmed, False), (wrong, False)):
        answer = browser.post(f"/api/drawings/{drawing}/left")
        assert (answer.status_code, answer.json()) == (200, {"confirmed": expected})
    browser.put(f"/api/drawings/{confirmed}/correction", json={"label": 1})

    assert whole.labels == [(f"message-of-{wrong}", "3"), (f"message-of-{confirmed}", "7")]


def test_what_is_left_without_an_answer_or_without_a_trial_counts_as_nothing(whole: WholePage) -> None:
    browser = whole.web.browser()
    untried = drawn(browser)
    browser.get(f"/api/drawings/{untried}/answer?wait=20")
    assert browser.post(f"/api/drawings/{untried}/left").json() == {"confirmed": False}
    whole.answering.trial, whole.answering.is_slow = 4, True
    assert browser.post(f"/api/drawings/{drawn(browser)}/left").json() == {"confirmed": False}
    other = whole.web.browser()
    assert other.post(f"/api/drawings/{untried}/left").status_code == 404

    assert whole.labels == []


def test_all_see_it_and_only_one_has_made_it(whole: WholePage) -> None:
    corrected(whole.web.browser(), 3)
    [told] = listed(whole.web.browser())
    assert told["mine"] is False


def test_the_last_word_counts_and_can_be_taken_back(whole: WholePage) -> None:
    browser = whole.web.browser()
    drawing = corrected(browser, 3)
    counts = browser.put(f"/api/drawings/{drawing}/correction", json={"label": 4}).json()["corrections"]
    assert counts["total"] == counts["since_run"] == 1 and counts["by_label"][4] == 1 and counts["retrain_after"] == 10
    for _ in range(2):
        counts = browser.delete(f"/api/drawings/{drawing}/correction").json()["corrections"]
        assert counts["total"] == 0
    assert not listed(browser)


def test_they_are_told_page_by_page(whole: WholePage) -> None:
    browser = whole.web.browser()
    for label in (1, 2, 3):
        corrected(browser, label)
    first = listed(browser, most=2)
    assert [each["label"] for each in first] == [3, 2]
    assert [each["label"] for each in listed(browser, most=2, before=first[-1]["number"])] == [1]


@pytest.mark.parametrize("label", [-1, 10, "7", 7.0, True, None, [7]])
def test_what_is_no_digit_is_refused(whole: WholePage, label: object) -> None:
    browser = whole.web.browser()
    answer = browser.put(f"/api/drawings/{drawn(browser)}/correction", json={"label": label})
    assert answer.status_code == 400 and answer.json()["error"]["word"] == "bad_request"
    assert not listed(browser)


def test_they_are_files_to_take_away(whole: WholePage) -> None:
    browser = whole.web.browser()
    corrected(browser, 3)
    packed = browser.get("/api/corrections.zip")
    assert packed.headers["content-disposition"] == 'attachment; filename="corrections.zip"'
    assert "corrections.jsonl" in {
        name.rpartition("/")[2] for name in zipfile.ZipFile(io.BytesIO(packed.content)).namelist()
    }
    table = pyarrow.parquet.read_table(io.BytesIO(browser.get("/api/corrections.parquet").content))
    assert table.column("label").to_pylist() == [3] and "browser" not in table.column_names


def test_without_the_database_drawing_goes_on_and_it_is_told(whole: WholePage) -> None:
    browser = whole.web.browser()
    drawing = corrected(browser, 3)
    away = whole.places.root / "away"
    whole.places.database.rename(away)
    answer = browser.put(f"/api/drawings/{drawing}/correction", json={"label": 4})
    assert answer.status_code == 503 and answer.json()["error"]["word"] == "database_unavailable"
    assert browser.get("/api/corrections").status_code == browser.get("/api/corrections.zip").status_code == 503
    [trouble] = eventually(lambda: browser.get("/api/state").json()["troubles"], "the trouble")
    assert trouble["what"] == "database" and browser.get("/api/state").json()["corrections"] is None
    again = drawn(browser)
    assert browser.get(f"/api/drawings/{again}/answer?wait=20").json()["label"] == "7"
    away.rename(whole.places.database)
    assert browser.put(f"/api/drawings/{drawing}/correction", json={"label": 4}).status_code == 200
    state = browser.get("/api/state").json()
    assert state["corrections"]["total"] == 1 and not state["troubles"]
