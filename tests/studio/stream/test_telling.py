"""What the job never answers is told to whoever asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from studio.drawing.drawings import Drawings
from studio.places import Places
from studio.stream.asked import Asked
from studio.stream.figures import Figures
from studio.stream.standing import Standing
from studio.stream.telling import Telling
from tests.studio.drawing.canvases import png_of, seven
from tests.studio.stream.one_studio import TOPICS, Heard


def put(asked: Asked, image: Path, attributes: Mapping[str, str]) -> None:
    assert asked.add(str(image), attributes) is not None


def test_a_drawing_that_is_never_answered_has_failed(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "models")
    places.make()
    asked, heard, figures = Asked(), Heard(), Figures(places)
    drawings = Drawings(places, lambda image, attributes: put(asked, image, attributes))
    standing = Standing(heard.changed)
    drawing = drawings.begin("a", png_of(seven()))
    asked.job_ended()
    [question] = asked.due()

    Telling(TOPICS, asked, standing, heard).no_answer(question)

    [letter] = heard.dead_letters
    drawings.failed(letter)
    found = drawings.find("a", drawing)
    assert (found.state, found.error, "never answered" in found.detail) == ("failed", "no_answer", True)
    assert (standing.state.dead_letters, letter["attributes"].keys()) == (1, {"drawing", "purpose"})
    assert figures.take_dead_letter(letter)["error"] == "no_answer"
