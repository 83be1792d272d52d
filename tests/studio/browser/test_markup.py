"""What a model's card or file name contains is shown as it is written, and is never markup."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.other_images import ask_for
from benchmarks.studio.studio_page import StudioPage
from tests.model_files import tiny_classifier
from tests.studio.browser.conftest import Begin
from tests.studio.browser.watching import watched_page

pytestmark = pytest.mark.end_to_end

MARKUP = "<img src=x onerror=\"document.title='owned'\"><b id=bold>bold<b>"
CARD = {
    "name": f"name {MARKUP}",
    "description": f"description {MARKUP}",
    "version": f"version {MARKUP}",
    "labels": [f"label {MARKUP} {number}" for number in range(3)],
    "tags": [f"key=value {MARKUP}"],
}


def land(folder: Path, model: Path) -> None:
    """Puts it where the stream looks, in one step."""
    model.rename(folder / "models" / model.name)


def test_a_cards_name_labels_and_tags_are_text(browser: Browser, begin: Begin) -> None:
    studio = begin()
    with watched_page(browser, studio) as page:
        land(studio.folder, tiny_classifier(studio.folder / f"file {MARKUP}.onnx", card=CARD))
        page.until("swaps", "1", 120)
        drawn = page.put(Handwriting(4).strokes(0))
        told = page.page.request.get(f"{studio.address}/api/drawings/{drawn}/answer?wait=60").json()
        assert told["label"] in CARD["labels"]
        expect(page.part("answer")).to_have_text(told["label"])
        expect(page.part("model-id")).to_contain_text(MARKUP)
        expect(page.part("live-model")).to_contain_text(MARKUP)
        page.correct(4)
        holds_no_markup(page)
        page.open("models")
        for text in (CARD["name"], CARD["tags"][0].removeprefix("key=")):
            expect(page.part("models")).to_contain_text(text)
        expect(page.part("history")).to_contain_text(MARKUP)
        holds_no_markup(page)
        page.open("stream")
        expect(page.part("model-events")).to_contain_text(MARKUP)
        holds_no_markup(page)


def test_why_a_file_was_refused_is_text(browser: Browser, begin: Begin) -> None:
    studio = begin()
    with watched_page(browser, studio) as page:
        refused = tiny_classifier(studio.folder / "refused.onnx", card={"name": "a name", MARKUP: 1})
        land(studio.folder, refused)
        page.open("stream")
        expect(page.part("model-events")).to_contain_text("onerror", timeout=120_000)
        holds_no_markup(page)
        page.open("models")
        expect(page.part("models")).to_contain_text("onerror")
        holds_no_markup(page)


def test_an_uploaded_file_is_vetted_and_its_name_is_text(browser: Browser, begin: Begin, tmp_path: Path) -> None:
    studio = begin()
    with watched_page(browser, studio, "models") as page:
        page.part("upload-file").set_input_files(tiny_classifier(tmp_path / f"upload {MARKUP}.onnx", card=CARD))
        expect(page.page.locator("#upload")).to_contain_text(MARKUP, timeout=120_000)
        holds_no_markup(page)


def test_the_name_of_a_file_that_is_no_image_is_text(browser: Browser, begin: Begin) -> None:
    studio = begin()
    with watched_page(browser, studio, "stream") as page:
        ask_for(studio, {f"{MARKUP}.png": b"no image"})
        expect(page.part("dead-letters")).to_contain_text(MARKUP)
        holds_no_markup(page)


def holds_no_markup(page: StudioPage) -> None:
    """Nothing of it has become an element, and none of it has run."""
    expect(page.page.locator("img[src='x'], #bold")).to_have_count(0)
    assert page.page.title() != "owned"
