"""A new model is tried while the page is open: it stays or goes by what people correct, or by a button."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from benchmarks.studio.hand import Handwriting
from benchmarks.studio.running import RunningStudio
from benchmarks.studio.studio_page import StudioPage
from tests.model_files import tiny_classifier
from tests.studio.browser.accessibility import look
from tests.studio.browser.watching import watched_page
from tests.studio.drawing.canvases import png_of, seven
from tests.waiting import eventually

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]

OPTIONS = (
    *("--trial", "canary:50%/60", "--trial-max-failures", "20%", "--trial-max-slowdown", "100"),
    *("--trial-max-accuracy-loss", "20%", "--retrain-after", "10000"),
)
SEVEN = png_of(seven())


class Hand:
    """Draws the same seven again and again, corrects what is wrong, and leaves what is right."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        http.get("/")
        http.headers["x-csrf-token"] = http.get("/api/state").json()["csrf"]

    def draw(self) -> str:
        """The model_id of whoever answered."""
        drawing = self._http.post("/api/drawings", content=SEVEN).raise_for_status().json()["drawing"]
        answer = self._http.get(f"/api/drawings/{drawing}/answer?wait=20").json()
        if answer["label"] == "7":
            self._http.post(f"/api/drawings/{drawing}/left").raise_for_status()
        else:
            self._http.put(f"/api/drawings/{drawing}/correction", json={"label": 7}).raise_for_status()
        return str(answer["model_id"])


@contextmanager
def a_hand(studio: RunningStudio) -> Iterator[Hand]:
    """In a browser of its own."""
    with httpx.Client(base_url=studio.address, timeout=60, headers={"sec-fetch-site": "same-origin"}) as http:
        yield Hand(http)


def model(studio: RunningStudio, name: str, favours: int) -> None:
    """Lets a model land that reads every drawing as one digit."""
    hidden = studio.folder / "models" / f".{name}"
    tiny_classifier(hidden, classes=10, favours=favours).rename(hidden.with_name(name))


def tried(browser: Browser, folder: Path, old: int, new: int) -> Iterator[tuple[RunningStudio, StudioPage]]:
    """A page on which one model is tried against another; each reads every drawing as one digit."""
    (folder / "models").mkdir(parents=True)
    with RunningStudio(folder, OPTIONS) as studio:
        model(studio, "old.onnx", old)
        studio.start()
        with watched_page(browser, studio) as page:
            expect(page.part("trial-state")).to_have_text("none")
            model(studio, "new.onnx", new)
            expect(page.part("trial-state")).to_have_text("running", timeout=120_000)
            yield studio, page


@pytest.fixture
def worse(browser: Browser, tmp_path: Path) -> Iterator[tuple[RunningStudio, StudioPage]]:
    yield from tried(browser, tmp_path / "studio", old=7, new=2)


@pytest.fixture
def better(browser: Browser, tmp_path: Path) -> Iterator[tuple[RunningStudio, StudioPage]]:
    yield from tried(browser, tmp_path / "studio", old=2, new=7)


def until_ended(studio: RunningStudio, page: StudioPage) -> set[str]:
    """Draws until there is a verdict; who answered."""
    answered: set[str] = set()
    with a_hand(studio) as hand:

        def draw() -> bool:
            answered.update(hand.draw() for _ in range(20))
            return page.part("trial-state").inner_text() != "running"

        eventually(draw, "a verdict", 600)
    return answered


def test_a_worse_model_goes_by_what_people_correct_and_no_swap_is_counted(
    worse: tuple[RunningStudio, StudioPage],
) -> None:
    studio, page = worse
    expect(page.part("trial-share")).to_have_text("50 %")
    expect(page.part("trial-new")).to_contain_text("new.onnx@sha256:")
    expect(page.part("trial-old")).to_contain_text("old.onnx@sha256:")

    answered = until_ended(studio, page)

    expect(page.part("trial-state")).to_have_text("rolled_back")
    assert sorted(each.split("/")[-1].split("@")[0] for each in answered) == ["new.onnx", "old.onnx"]
    page.part("trial").locator("summary").click()
    expect(page.part("trial-accuracy")).to_have_attribute("data-decision", "worse")
    expect(page.part("live-model")).to_contain_text("old.onnx")
    assert page.number("swaps") == 0


def test_a_better_model_takes_over_once_it_has_proved_itself(better: tuple[RunningStudio, StudioPage]) -> None:
    studio, page = better

    until_ended(studio, page)

    expect(page.part("trial-state")).to_have_text("promoted")
    expect(page.part("live-model")).to_contain_text("new.onnx")
    expect(page.part("swaps")).to_have_text("1")
    with a_hand(studio) as hand:
        assert "new.onnx" in hand.draw()


def test_a_drawing_that_is_cleared_after_its_answer_is_confirmed_and_a_corrected_one_is_not(
    worse: tuple[RunningStudio, StudioPage],
) -> None:
    _, page = worse
    left: list[str] = []
    page.page.on("request", lambda request: left.append(request.url) if request.url.endswith("/left") else None)
    page.draw(Handwriting(0).strokes(1))
    page.correct(7)
    page.part("clear").click()
    answer = page.draw(Handwriting(0).strokes(1))
    with page.page.expect_response(lambda response: response.url.endswith("/left")) as told:
        page.part("clear").click()

    assert told.value.json() == {"confirmed": True}
    assert len(left) == 1 and answer.drawing in left[0]


@pytest.mark.parametrize(
    ("button", "state", "live"), [("promote", "promoted", "new.onnx"), ("abort", "rolled_back", "old.onnx")]
)
def test_a_button_ends_a_trial_once_that_is_confirmed(
    worse: tuple[RunningStudio, StudioPage], button: str, state: str, live: str
) -> None:
    _, page = worse
    page.part(f"trial-{button}").click()
    page.page.keyboard.press("Escape")
    expect(page.part("trial-state")).to_have_text("running")

    page.part(f"trial-{button}").click()
    page.part("confirm").click()

    expect(page.part("trial-state")).to_have_text(state)
    expect(page.part("trial-why")).to_contain_text("by the studio's page")
    expect(page.part(f"trial-{button}")).to_be_hidden()
    expect(page.part("live-model")).to_contain_text(live)


def test_the_card_has_no_violations_and_stands_among_the_models_too(
    worse: tuple[RunningStudio, StudioPage],
) -> None:
    studio, page = worse
    with a_hand(studio) as hand:
        for _ in range(5):
            hand.draw()
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for view in ("draw", "models"):
            page.part(f"nav-{view}").click()
            expect(page.part("trial")).to_be_visible()
            look(page.page)
