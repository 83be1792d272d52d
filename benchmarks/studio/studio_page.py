"""The studio's page as a person uses it, by what stands on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, Request, expect

from benchmarks.studio.hand import Stroke
from benchmarks.studio.pointer import by_mouse

_PATIENCE_MS = 60_000.0

Draw = Callable[[Locator, Sequence[Stroke]], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page says of a drawing.

    Attributes:
        drawing: its id.
        digit: that was read.
        model_id: of the model that read it.
    """

    drawing: str
    digit: int
    model_id: str


class StudioPage:
    """One open page.

    Args:
        page: of a browser.
        address: of the studio.

    Attributes:
        page: the same.
        address: likewise.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def part(self, name: str) -> Locator:
        """The element of a `data-testid`."""
        return self.page.get_by_test_id(name)

    def open(self, view: str = "draw") -> None:
        """Opens the page, or shows another view of it: `draw`, `models` or `stream`."""
        self.page.goto(f"{self.address}/#{view}")
        expect(self.part("live-model")).to_be_visible(timeout=_PATIENCE_MS)

    def put(self, strokes: Sequence[Stroke], draw: Draw = by_mouse) -> str:
        """Clears the canvas, draws, and returns the id that the whole drawing got."""
        self.part("clear").click()
        sent: Request | None = None
        for stroke in strokes:
            with self.page.expect_request(_sends_a_drawing) as asked:
                draw(self.part("canvas"), [stroke])
            sent = asked.value
        response = sent.response() if sent else None
        if response is None or not response.ok:
            raise RuntimeError(f"the drawing was not taken: {response.text() if response else 'no answer'}")
        return str(response.json()["drawing"])

    def scribble(self, strokes: Sequence[Stroke], draw: Draw = by_mouse) -> None:
        """Draws on what is there already, and waits for nothing."""
        draw(self.part("canvas"), strokes)

    def draw(self, strokes: Sequence[Stroke], draw: Draw = by_mouse) -> Answer:
        """Draws, and waits for what the page says of it."""
        return self.answer(self.put(strokes, draw))

    def answer(self, drawing: str) -> Answer:
        """Waits until the page says what this drawing, its newest, was read as.

        Raises:
            AssertionError: it does not come to say so.
            ValueError: it was read as something that is no digit.
        """
        answer = self.part("answer")
        expect(answer).to_have_attribute("data-drawing", drawing, timeout=_PATIENCE_MS)
        return Answer(drawing, int(answer.inner_text()), self.part("model-id").inner_text())

    def correct(self, digit: int) -> None:
        """Taps on the right digit, and waits until that is kept."""
        with self.page.expect_response(lambda response: response.url.endswith("/correction")) as kept:
            self.part(f"correct-{digit}").click()
        assert kept.value.ok, kept.value.text()

    def number(self, name: str) -> int:
        """What stands in an element that holds a number: `swaps`, `results`."""
        return int(self.part(name).inner_text().replace(",", "").replace("\u2009", "").replace("\u202f", ""))

    def until(self, name: str, text: str, seconds: float = 60.0) -> None:
        """Waits until an element says exactly this."""
        expect(self.part(name)).to_have_text(text, timeout=seconds * 1000)


def _sends_a_drawing(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/api/drawings")
