"""The real stream reads what was corrected, and goes on with it after its job was killed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from launch.pubsub_emulator import PubSubEmulator
from studio.drawing.drawings import Drawings
from studio.drawing.framing import encoded, framed
from studio.rereading import Rereading
from studio.store.corrections import Corrections, NewCorrection
from tests.studio.drawing.canvases import png_of, seven
from tests.studio.stream.one_studio import PATIENCE_SECONDS, STOP_SECONDS, Heard, OneStudio, jobs_of
from tests.waiting import eventually


class Rereads(Heard):
    """Passes on what was read."""

    rereading: Rereading | None = None

    def result(self, record: Mapping[str, Any]) -> None:
        super().result(record)
        if self.rereading is not None:
            self.rereading.result(record)


@pytest.fixture
def heard() -> Rereads:
    return Rereads()


@pytest.fixture
def studio(
    emulator: PubSubEmulator, heard: Rereads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OneStudio]:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    studio = OneStudio(tmp_path, heard=heard)
    studio.publish_model("only.onnx", 0)
    studio.stream.start()
    try:
        yield studio
    finally:
        studio.stream.stop(STOP_SECONDS)


def correct(corrections: Corrections, number: int) -> None:
    png = encoded(framed(png_of(seven(left=10 + 10 * number, pen=8 + number))))
    corrections.correct(NewCorrection(f"drawing {number}", png, 7, "1", 0.5, "before", "a browser"))


def test_the_stream_reads_what_was_corrected_before_and_after_its_job_is_killed(
    studio: OneStudio, heard: Rereads
) -> None:
    with Corrections.open(str(studio.places.database)) as corrections:
        drawings = Drawings(studio.places, studio.stream.ask, waiting=lambda: studio.stream.waiting)
        heard.rereading = rereading = Rereading(corrections, studio.stream, drawings)

        def read() -> int:
            live = studio.stream.state.live
            found = [each for each in corrections.accuracy() if live is not None and each.model_id == live.model_id]
            return sum(each.seen + each.unseen for each in found)

        for number in range(3):
            correct(corrections, number)
        rereading.start()
        try:
            eventually(lambda: read() == 3, "three readings", PATIENCE_SECONDS)
            [job] = jobs_of(os.getpid())
            job.suspend()
            correct(corrections, 3)
            rereading.wake()
            eventually(lambda: studio.stream.waiting, "the stream to be asked")
            job.kill()
            eventually(lambda: read() == 4, "the fourth reading", PATIENCE_SECONDS)
        finally:
            rereading.stop()
