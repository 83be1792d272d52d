"""Each model that goes live is asked for all corrected drawings, gently, and what it says is kept."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from databases.errors import StoreUnusable
from models.records import Answer, ImageRequest, Origin, result_record
from models.tasks.prediction import ClassScore, Numbers, Ranked
from studio.drawing.drawings import Drawings
from studio.drawing.framing import encoded, framed
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.rereading import Rereading
from studio.store.corrections import Accuracy, Corrections, NewCorrection
from studio.stream.state import LiveModel, StreamState
from tests.studio.drawing.canvases import png_of, seven
from tests.waiting import eventually

SEVEN = png_of(seven())


class OneModel:
    """Stands where the stream does: the live model answers at once, from a thread of its own, or not at all."""

    def __init__(self) -> None:
        self.live = ""
        self.says: str | None = "7"
        self.is_away = False
        self.asked: list[tuple[Path, Mapping[str, str]]] = []
        self.told: Callable[[Mapping[str, Any]], None] = lambda record: None

    @property
    def state(self) -> StreamState:
        live = LiveModel(self.live, "digits", "2030-01-01T00:00:00Z") if self.live else None
        return StreamState("running" if self.live else "starting", "", live, 0, 0, 0)

    def ask(self, image: Path, attributes: Mapping[str, str]) -> None:
        if self.is_away:
            raise StudioRefused(Trouble.STREAM_UNAVAILABLE, "the stream is away")
        self.asked.append((image, attributes))
        if attributes["purpose"] == "reading" and self.says != "":
            threading.Thread(target=self.told, args=(self.record(image, attributes),)).start()

    def record(self, image: Path, attributes: Mapping[str, str]) -> dict[str, Any]:
        said = Numbers({"x": (1.0,)}) if self.says is None else Ranked((ClassScore(self.says, int(self.says), 0.9),))
        request = ImageRequest(str(image), Origin("1", "2030-01-01T00:00:00Z", attributes))
        return result_record(request, Answer(said, "digits", "2030-01-01T00:00:01Z"), self.live)

    def numbers(self) -> list[int]:
        """The corrections that it was asked for."""
        return [int(each["correction"]) for _, each in self.asked if "correction" in each]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path, tmp_path / "models")
    places.make()
    return places


@pytest.fixture
def corrections(places: Places) -> Iterator[Corrections]:
    with Corrections.open(str(places.database)) as opened:
        yield opened


@pytest.fixture
def model() -> OneModel:
    return OneModel()


@pytest.fixture
def drawings(places: Places, model: OneModel) -> Drawings:
    return Drawings(places, model.ask)


@pytest.fixture
def rereading(corrections: Corrections, model: OneModel, drawings: Drawings) -> Iterator[Rereading]:
    rereading = Rereading(corrections, model, drawings)
    model.told = rereading.result
    yield rereading
    rereading.stop()


def correct(corrections: Corrections, count: int, label: int = 7) -> list[int]:
    """The numbers of so many corrections, each on a drawing of its own."""
    made = []
    for _, number in zip(range(count), itertools.count(), strict=False):
        drawn = seven(left=10 + 10 * number, pen=8 + number)
        png = encoded(framed(png_of(drawn)))
        made.append(corrections.correct(NewCorrection(f"{label}-{number}", png, label, "1", 0.5, "old", "a")).number)
    return made


def read_by(corrections: Corrections, model_id: str) -> Accuracy | None:
    return next((each for each in corrections.accuracy() if each.model_id == model_id), None)


def all_read(corrections: Corrections, model_id: str, count: int) -> Callable[[], bool]:
    def look() -> bool:
        found = read_by(corrections, model_id)
        return found is not None and found.seen + found.unseen == count

    return look


def test_the_live_model_reads_all_that_was_corrected(
    corrections: Corrections, model: OneModel, rereading: Rereading
) -> None:
    numbers = correct(corrections, 4) + correct(corrections, 1, label=3)
    model.live = "new"
    rereading.start()

    eventually(all_read(corrections, "new", 5), "all to be read")
    assert sorted(model.numbers()) == sorted(numbers)
    image, attributes = model.asked[0]
    assert attributes["purpose"] == "reading"
    assert Image.open(image).size == (28, 28)
    found = read_by(corrections, "new")
    assert found is not None
    assert found.seen_right + found.unseen_right == 4


def test_the_next_model_reads_them_too(corrections: Corrections, model: OneModel, rereading: Rereading) -> None:
    correct(corrections, 3)
    model.live = "first"
    rereading.start()
    eventually(all_read(corrections, "first", 3), "all to be read")
    model.live = "second"
    rereading.wake()

    eventually(all_read(corrections, "second", 3), "the second to read them")


def test_a_new_correction_is_read_when_it_is_told_of(
    corrections: Corrections, model: OneModel, rereading: Rereading
) -> None:
    model.live = "new"
    rereading.start()
    correct(corrections, 1)
    rereading.wake()

    eventually(all_read(corrections, "new", 1), "it to be read")


def test_nothing_is_asked_while_no_model_is_live(
    corrections: Corrections, model: OneModel, rereading: Rereading
) -> None:
    correct(corrections, 1)
    rereading.start()
    rereading.wake()
    model.live = "new"

    eventually(all_read(corrections, "new", 1), "it to be read")
    assert len(model.asked) == 1


class WatchedDrawings(Drawings):
    """Says how often it was looked whether somebody waits."""

    looked = 0

    @property
    def somebody_waits(self) -> bool:
        self.looked += 1
        return super().somebody_waits


def test_a_drawing_that_somebody_waits_for_goes_first(
    places: Places, corrections: Corrections, model: OneModel
) -> None:
    correct(corrections, 2)
    drawings = WatchedDrawings(places, model.ask)
    rereading = Rereading(corrections, model, drawings)
    model.told = rereading.result
    drawings.begin("a", SEVEN)
    model.live = "new"
    rereading.start()
    eventually(lambda: drawings.looked > 1, "it to look twice whether somebody waits")
    assert model.numbers() == []
    image, attributes = model.asked[0]
    drawings.answered(model.record(image, attributes))

    eventually(all_read(corrections, "new", 2), "both to be read")
    rereading.stop()


def test_what_a_model_does_not_answer_is_asked_once(
    corrections: Corrections, model: OneModel, rereading: Rereading
) -> None:
    first = correct(corrections, 1)
    model.live, model.says = "new", ""
    rereading.start()
    eventually(lambda: model.numbers() == first, "it to be asked for")
    model.says = "7"
    second = correct(corrections, 1, label=3)
    rereading.wake()

    eventually(all_read(corrections, "new", 1), "the other to be read")
    assert model.numbers() == first + second


def test_a_model_that_names_no_class_is_not_asked_for_all(
    corrections: Corrections, model: OneModel, rereading: Rereading
) -> None:
    correct(corrections, 1)
    model.live, model.says = "numbers", None
    rereading.start()
    eventually(lambda: model.asked, "it to be asked once")
    model.live, model.says = "digits", "7"
    correct(corrections, 2, label=3)
    rereading.wake()

    eventually(all_read(corrections, "digits", 3), "the next model to read all")
    assert read_by(corrections, "numbers") is None


def test_a_stream_that_is_away_is_waited_for(corrections: Corrections, model: OneModel, rereading: Rereading) -> None:
    correct(corrections, 2)
    model.live, model.is_away = "new", True
    rereading.start()
    rereading.wake()
    model.is_away = False

    eventually(all_read(corrections, "new", 2), "both to be read")


def test_a_database_that_is_away_is_waited_for_and_no_reading_is_lost(
    places: Places, corrections: Corrections, model: OneModel, rereading: Rereading
) -> None:
    numbers = correct(corrections, 2)
    model.live, model.says = "new", ""
    rereading.start()
    eventually(lambda: len(model.numbers()) == 2, "both to be asked for")
    hidden = places.root / "elsewhere.db"
    places.database.rename(hidden)
    with pytest.raises(StoreUnusable):
        corrections.counts()
    model.says = "7"
    for image, attributes in model.asked:
        rereading.result(model.record(image, attributes))
    hidden.rename(places.database)

    eventually(all_read(corrections, "new", 2), "both readings to be kept")
    assert sorted(model.numbers()) == numbers


def test_it_ends_while_it_has_much_to_do(corrections: Corrections, model: OneModel, rereading: Rereading) -> None:
    correct(corrections, 15)
    model.live = "new"
    rereading.start()
    eventually(lambda: model.asked, "it to be under way")
    rereading.stop()
    asked = len(model.asked)
    rereading.stop()

    assert len(model.asked) == asked


@pytest.mark.parametrize("number", ["", "x", "-1", "9" * 5000, "٣"])
def test_an_answer_to_what_was_never_asked_changes_nothing(
    corrections: Corrections, model: OneModel, rereading: Rereading, number: str
) -> None:
    model.live = "new"
    rereading.start()
    rereading.result(model.record(Path("a.png"), {"correction": number, "purpose": "reading"}))
    correct(corrections, 1)
    rereading.wake()

    eventually(all_read(corrections, "new", 1), "what was corrected to be read")


def test_while_a_model_is_tried_no_corrected_drawing_is_asked_for(
    places: Places, corrections: Corrections, model: OneModel
) -> None:
    correct(corrections, 3)
    looked: list[int] = []
    under_way = [7]

    def trial() -> int:
        looked.append(under_way[0])
        return under_way[0]

    rereading = Rereading(corrections, model, Drawings(places, model.ask), trial)
    model.told = rereading.result
    model.live = "live"
    rereading.start()
    rereading.wake()
    eventually(lambda: len(looked) > 2, "it to look for a trial again")
    assert model.asked == []

    under_way[0] = 0
    rereading.wake()
    eventually(all_read(corrections, "live", 3), "all to be read once the trial is over")
    rereading.stop()
