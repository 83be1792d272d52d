"""A drawing is saved, asked for and answered, for the browser alone that drew it; what is kept is bounded."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.errors import ImageFault
from models.records import Answer, DeadLetter, ImageRequest, Origin, result_record
from models.tasks.prediction import ClassScore, Numbers, Ranked
from studio.drawing.drawings import Drawings
from studio.drawing.rates import Rate
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from tests.studio.drawing.canvases import empty, one, pixels, png_of, seven
from tests.waiting import eventually

SEVEN, ONE = png_of(seven()), png_of(one())


class Asked:
    """Keeps what the stream was asked for, and makes the records that it would tell."""

    def __init__(self) -> None:
        self.images: dict[str, tuple[Path, Mapping[str, str]]] = {}
        self.away = False

    def __call__(self, image: Path, attributes: Mapping[str, str]) -> None:
        if self.away:
            raise StudioRefused(Trouble.STREAM_UNAVAILABLE, "the stream is not there; it is started again")
        self.images[attributes["drawing"]] = (image, attributes)

    def request(self, drawing: str) -> ImageRequest:
        image, attributes = self.images[drawing]
        return ImageRequest(str(image), Origin("1", "2030-01-01T00:00:00Z", attributes))

    def result(self, drawing: str, label: str = "7") -> dict[str, Any]:
        outcome = Ranked((ClassScore(label, int(label), 0.75), ClassScore("1", 1, 0.25)))
        answer = Answer(outcome, "digits", "2030-01-01T00:00:01Z")
        return result_record(self.request(drawing), answer, "m/digits.keras@sha256:12")

    def dead_letter(self, drawing: str) -> dict[str, Any]:
        request = self.request(drawing)
        detail = "it is\n<b>gone</b>"
        return DeadLetter(request.image, None, "read", ImageFault.NOT_FOUND, detail, request.origin).to_json()


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path, tmp_path / "models")


@pytest.fixture
def drawings(places: Places, asked: Asked) -> Drawings:
    return Drawings(places, asked)


def refused(act: Any, *arguments: Any) -> StudioRefused:
    with pytest.raises(StudioRefused) as caught:
        act(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_drawing_is_saved_whole_and_asked_for(drawings: Drawings, asked: Asked, places: Places) -> None:
    drawing = drawings.begin("a", SEVEN)

    path, attributes = asked.images[drawing]
    assert attributes == {"drawing": drawing, "purpose": "answer"}
    assert path == places.drawings / f"{drawing}.png"
    assert list(places.drawings.iterdir()) == [path]
    found = drawings.find("a", drawing)
    assert (found.state, found.label, found.png) == ("pending", "", path.read_bytes())
    assert pixels(found.png).shape == (28, 28)


def test_the_answer_says_what_the_model_said(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)
    drawings.answered(asked.result(drawing))

    found = drawings.find("a", drawing)
    assert (found.state, found.label, found.score) == ("answered", "7", 0.75)
    assert found.scores == (("7", 0.75), ("1", 0.25))
    assert (found.model_id, found.model_name) == ("m/digits.keras@sha256:12", "digits")
    assert 0 < found.milliseconds < 60_000


def test_the_first_answer_counts(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)
    drawings.answered(asked.result(drawing))
    once = drawings.find("a", drawing)
    drawings.answered(asked.result(drawing, "3"))
    drawings.failed(asked.dead_letter(drawing))

    assert drawings.find("a", drawing) == once


def test_a_dead_letter_is_a_failure_in_one_line(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)
    drawings.failed(asked.dead_letter(drawing))

    found = drawings.find("a", drawing)
    assert (found.state, found.error, found.detail) == ("failed", "not_found", "it is <b>gone</b>")


def test_a_model_that_names_no_class_is_a_failure(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)
    answer = Answer(Numbers({"x": (1.0, 2.0)}), "other", "2030-01-01T00:00:01Z")
    drawings.answered(result_record(asked.request(drawing), answer, "m/other.onnx@sha256:34"))

    found = drawings.find("a", drawing)
    assert (found.state, found.error, found.model_name) == ("failed", "other_task", "other")


def test_nobody_sees_what_another_draws(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)
    drawings.answered(asked.result(drawing))

    assert refused(drawings.find, "b", drawing).trouble is Trouble.NOT_FOUND
    assert refused(drawings.find, "a", "f" * 32).trouble is Trouble.NOT_FOUND
    with pytest.raises(StudioRefused):
        asyncio.run(drawings.answer("b", drawing, 0))


def test_who_waits_is_woken_by_another_thread(drawings: Drawings, asked: Asked) -> None:
    async def wait_for_both() -> list[str]:
        first, second = drawings.begin("a", SEVEN), drawings.begin("b", ONE)
        waiting = [asyncio.ensure_future(drawings.answer(*each, 60)) for each in (("a", first), ("b", second))]
        await asyncio.sleep(0)
        for drawing, label in ((second, "1"), (first, "7")):
            threading.Thread(target=drawings.answered, args=(asked.result(drawing, label),)).start()
        return [each.label for each in await asyncio.gather(*waiting)]

    assert asyncio.run(wait_for_both()) == ["7", "1"]


def test_who_waited_long_enough_has_it_as_it_is(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)

    assert asyncio.run(drawings.answer("a", drawing, 0.01)).state == "pending"
    # Whoever waited is gone with the loop; the answer is told to the next.
    drawings.answered(asked.result(drawing))
    assert asyncio.run(drawings.answer("a", drawing, 60)).label == "7"


def test_an_answer_after_the_waiters_loop_has_ended_is_kept(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(drawings.answer("a", drawing, 60))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    drawings.answered(asked.result(drawing))

    assert not waiting.done()
    assert drawings.find("a", drawing).state == "answered"


def test_a_stranger_answer_changes_nothing(drawings: Drawings, asked: Asked) -> None:
    drawing = drawings.begin("a", SEVEN)
    result = asked.result(drawing)
    drawings.answered(result | {"attributes": {"drawing": "f" * 32}})
    drawings.answered(result | {"attributes": {}})

    assert drawings.find("a", drawing).state == "pending"


def test_without_a_stream_nothing_is_kept(drawings: Drawings, asked: Asked, places: Places) -> None:
    asked.away = True

    assert refused(drawings.begin, "a", SEVEN).trouble is Trouble.STREAM_UNAVAILABLE
    assert list(places.drawings.iterdir()) == []
    assert not drawings.somebody_waits


def test_what_is_no_drawing_is_not_asked_for(drawings: Drawings, asked: Asked) -> None:
    assert refused(drawings.begin, "a", png_of(empty())).trouble is Trouble.BAD_DRAWING
    assert asked.images == {}


def test_a_browser_that_draws_without_end_is_held_back_and_no_other(places: Places, asked: Asked) -> None:
    drawings = Drawings(places, asked, each=Rate(sustained=0, burst=2))
    for _ in range(2):
        drawings.begin("a", SEVEN)

    assert refused(drawings.begin, "a", SEVEN).trouble is Trouble.TOO_OFTEN
    assert drawings.begin("b", SEVEN)


def test_fifty_pages_of_one_browser_draw_at_once(drawings: Drawings, asked: Asked) -> None:
    with ThreadPoolExecutor(8) as threads:
        begun = list(threads.map(lambda _: drawings.begin("a", SEVEN), range(50)))
        list(threads.map(lambda drawing: drawings.answered(asked.result(drawing)), begun))

    assert {drawings.find("a", drawing).state for drawing in begun} == {"answered"}
    assert not drawings.somebody_waits


def test_the_oldest_drawings_are_forgotten(places: Places, asked: Asked) -> None:
    drawings = Drawings(places, asked, most=4, most_of_one=2)
    first, *others = [drawings.begin("a", SEVEN) for _ in range(3)]
    left = {others[1]}

    assert refused(drawings.find, "a", first).trouble is Trouble.NOT_FOUND
    left |= {drawings.begin(browser, SEVEN) for browser in ("b", "c", "d")}
    assert refused(drawings.find, "a", others[0]).trouble is Trouble.NOT_FOUND
    assert drawings.find("a", others[1]).state == "pending"
    for each in left:
        drawings.answered(asked.result(each))
    assert not drawings.somebody_waits, "for what is forgotten, nobody does"


def test_who_waits_for_what_is_forgotten_is_told(places: Places, asked: Asked) -> None:
    drawings = Drawings(places, asked, most=1)

    async def wait() -> None:
        waiting = asyncio.ensure_future(drawings.answer("a", drawings.begin("a", SEVEN), 60))
        await asyncio.sleep(0)
        drawings.begin("b", SEVEN)
        await waiting

    with pytest.raises(StudioRefused):
        asyncio.run(wait())


def test_answers_race_with_browsers_and_none_is_lost(drawings: Drawings, asked: Asked) -> None:
    async def draw(browser: str) -> str:
        drawing = await asyncio.to_thread(drawings.begin, browser, SEVEN)
        return (await drawings.answer(browser, drawing, 60)).state

    async def draw_all() -> list[str]:
        return await asyncio.gather(*(draw(f"browser {number}") for number in range(100)))

    ended = threading.Event()

    def answer_all() -> None:
        while not ended.is_set():
            for drawing in list(asked.images):
                drawings.answered(asked.result(drawing))

    answering = threading.Thread(target=answer_all)
    answering.start()
    try:
        assert asyncio.run(draw_all()) == ["answered"] * 100
    finally:
        ended.set()
        answering.join()
    eventually(lambda: not drawings.somebody_waits, "all answers")


def test_a_file_stays_while_the_stream_has_to_read_it_and_goes_then(places: Places, asked: Asked) -> None:
    path = Drawings(places, asked).save_again(png_of(seven()))
    os.utime(path, (0, 0))

    Drawings(places, asked, waiting=lambda: {str(path)}).begin("a", png_of(seven()))
    assert path.exists()

    Drawings(places, asked).begin("a", png_of(seven()))
    assert not path.exists()
