"""`python -m launch.demo`: two models, one corrupt file and a running stream, on this machine alone."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from launch.demo.landing import land, train, write_png
from launch.demo.programs import DemoFailed, Programs
from launch.demo.report import Recorded, judge, print_report
from launch.demo.workplace import StreamPlace
from launch.printing import PlainConsole
from studio.retraining.digits import Digits, load_digits

IMAGES_PER_SECOND = 20
SECOND_MODEL_AT = 120
CORRUPT_MODEL_AT = 360
LEFT_FOR_THE_SECOND = 150
"""Digits that land only once the second model answers, which on a busy machine may take minutes."""
_LEFT_OUT = ("ready: ", "finishing what was read")
"""Lines for people who publish to the run, or interrupt it; here nobody does."""
_RUN = "the local run"


def main() -> int:
    """Runs the demonstration; 0 when nothing was lost, mis-tagged or wrongly accepted."""
    console = PlainConsole(highlight=False)
    with tempfile.TemporaryDirectory(prefix="hotswap-demo-") as folder:
        place = StreamPlace(Path(folder))
        try:
            console.print("== training two classifiers on handwritten digits: some ten seconds")
            train(place.trained)
            _, held_out = load_digits()
            with Programs(console, lambda name, line: _shown(place, line)) as programs:
                _begin(place, programs)
                landed = _stream(place, held_out, programs, console)
                _finish(programs)
        except DemoFailed as error:
            console.print(f"error: {error}", style="red")
            return 1
        except KeyboardInterrupt:
            return 130
        recorded = Recorded(place.records("results"), place.records("dead"), place.records("events"), landed)
        answers = json.loads((place.trained / "answers.json").read_text())
        judgement = judge(recorded, held_out.labels.tolist(), answers)
    print_report(judgement, console)
    return 0 if judgement.good else 1


def _begin(place: StreamPlace, programs: Programs) -> None:
    """Begins the local run on this workplace, its first model in place.

    Without a terminal of its own it shows no panel, which our headings would tear.
    """
    shutil.copy(place.trained / "few.h5", place.models / "few.h5")
    programs.start(
        _RUN, "launch.local", "--models", place.models / "*.h5", "--images", place.images,
        "--output", place.root / "results.jsonl", "--dead-letters", place.root / "dead.jsonl",
        "--model-events", place.root / "events.jsonl", "--image-prefix", place.images,
    )  # fmt: skip


def _shown(place: StreamPlace, line: str) -> str:
    """A line of the run, its files by their names in the workplace; it comes under our headings."""
    text = line.replace(f"{place.root}/", "")
    if text.startswith(_LEFT_OUT):
        return ""
    return re.sub(r"@sha256:\w+", "", text) if re.match(r" *\d", text) else text


def _stream(place: StreamPlace, held_out: Digits, programs: Programs, console: Console) -> dict[str, float]:
    """Lets the digits land at a steady rate, and the models at their moments; when each model landed."""
    landed = {"few": time.time()}
    programs.until(lambda: _events(place, "live") >= 1, "the first model to go live")
    console.print(f"== {len(held_out.labels)} held-out digits land, {IMAGES_PER_SECOND} a second")
    begin = time.monotonic()
    for number, pixels in enumerate(held_out.pixels):
        if number == SECOND_MODEL_AT:
            console.print("== a better model lands under the running stream")
            land(place.trained / "all.h5", place.models / "all.h5")
            landed["all"] = time.time()
        if number == CORRUPT_MODEL_AT:
            console.print("== a corrupt .h5 lands")
            (place.models / "corrupt.h5").write_bytes(b"this is no model\n" * 1000)
        if number == len(held_out.labels) - LEFT_FOR_THE_SECOND and _events(place, "live") < 2:
            console.print(f"== the last {LEFT_FOR_THE_SECOND} wait for the better model: this machine is busy")
            programs.until(lambda: _events(place, "live") >= 2, "the better model to go live")
            begin = time.monotonic() - number / IMAGES_PER_SECOND
        time.sleep(max(0.0, begin + number / IMAGES_PER_SECOND - time.monotonic()))
        write_png(pixels, place.images / f"{number:04d}.png")
    programs.until(lambda: _events(place, "rejected") >= 1, "the corrupt file to be rejected")
    programs.until(lambda: _outcomes(place) >= len(held_out.labels), "the last results")
    return landed


def _finish(programs: Programs) -> None:
    if (code := programs.end(_RUN)) != 0:
        raise DemoFailed(f"{_RUN} ended with exit code {code}")


def _events(place: StreamPlace, kind: str) -> int:
    return sum(event["event"] == kind for event in place.records("events"))


def _outcomes(place: StreamPlace) -> int:
    return len(place.records("results")) + len(place.records("dead"))


if __name__ == "__main__":
    sys.exit(main())
