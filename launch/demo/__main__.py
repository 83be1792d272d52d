"""`python -m launch.demo`: two models, one corrupt file and a running stream, on this machine alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from launch.demo.landing import land, train, write_png
from launch.demo.programs import PATIENCE_SECONDS, DemoFailed
from launch.demo.report import Recorded, judge, print_report
from launch.printing import PlainConsole
from models.json_lines import whole_records
from studio.retraining.digits import Digits, load_digits

IMAGES_PER_SECOND = 20
SECOND_MODEL_AT = 120
CORRUPT_MODEL_AT = 360
LEFT_FOR_THE_SECOND = 150
"""Digits that land only once the second model answers, which on a busy machine may take minutes."""
_LAST_LINES_SECONDS = 5.0
_LEFT_OUT = ("ready: ", "finishing what was read")
"""Lines for people who publish to the run, or interrupt it; here nobody does."""
_FORCE_A_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folders and files of one demonstration."""

    root: Path

    def __post_init__(self) -> None:
        for folder in (self.images, self.models, self.trained):
            folder.mkdir()

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def trained(self) -> Path:
        return self.root / "trained"

    def records(self, name: str) -> list[dict[str, object]]:
        """The JSON Lines of one of the run's outputs, as far as they are written."""
        return whole_records(self.root / f"{name}.jsonl")


def main() -> int:
    """Runs the demonstration; 0 when nothing was lost, mis-tagged or wrongly accepted."""
    console = PlainConsole(highlight=False)
    with tempfile.TemporaryDirectory(prefix="hotswap-demo-") as folder:
        place = Workplace(Path(folder))
        try:
            console.print("== training two classifiers on handwritten digits: some ten seconds")
            train(place.trained)
            _, held_out = load_digits()
            with _local_run(place, console) as run:
                landed = _stream(place, held_out, run, console)
                _finish(run)
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


@contextmanager
def _local_run(place: Workplace, console: Console) -> Iterator[subprocess.Popen[bytes]]:
    """The local run on this workplace, its first model in place; ended in any case. Its lines come under our headings.

    Without a terminal of its own it shows no panel, which our headings would tear.
    """
    shutil.copy(place.trained / "few.h5", place.models / "few.h5")
    command = [sys.executable, "-m", "launch.local", "--models", str(place.models / "*.h5")]
    command += ["--images", str(place.images), "--output", str(place.root / "results.jsonl")]
    command += ["--dead-letters", str(place.root / "dead.jsonl"), "--model-events", str(place.root / "events.jsonl")]
    command += ["--image-prefix", str(place.images)]
    environment = {name: value for name, value in os.environ.items() if name not in _FORCE_A_TERMINAL}
    run = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    relay = threading.Thread(target=_relay, args=(run, place, console), name="relay", daemon=True)
    relay.start()
    try:
        yield run
    finally:
        if run.poll() is None:
            run.send_signal(signal.SIGTERM)
            try:
                run.wait(20)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
        relay.join(_LAST_LINES_SECONDS)


def _relay(run: subprocess.Popen[bytes], place: Workplace, console: Console) -> None:
    """Prints the run's lines, its files by their names in the workplace."""
    assert run.stderr is not None
    for line in run.stderr:
        text = line.decode(errors="replace").rstrip().replace(f"{place.root}/", "")
        if re.match(r" *\d", text):
            text = re.sub(r"@sha256:\w+", "", text)
        if not text.startswith(_LEFT_OUT):
            console.print(f"   {text}", markup=False, soft_wrap=True)


def _stream(place: Workplace, held_out: Digits, run: subprocess.Popen[bytes], console: Console) -> dict[str, float]:
    """Lets the digits land at a steady rate, and the models at their moments; when each model landed."""
    landed = {"few": time.time()}
    _await(lambda: _events(place, "live") >= 1, run, "the first model to go live")
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
            _await(lambda: _events(place, "live") >= 2, run, "the better model to go live")
            begin = time.monotonic() - number / IMAGES_PER_SECOND
        time.sleep(max(0.0, begin + number / IMAGES_PER_SECOND - time.monotonic()))
        write_png(pixels, place.images / f"{number:04d}.png")
    _await(lambda: _events(place, "rejected") >= 1, run, "the corrupt file to be rejected")
    _await(lambda: _outcomes(place) >= len(held_out.labels), run, "the last results")
    return landed


def _finish(run: subprocess.Popen[bytes]) -> None:
    run.send_signal(signal.SIGTERM)
    if run.wait(60) != 0:
        raise DemoFailed(f"the local run ended with exit code {run.returncode}")


def _events(place: Workplace, kind: str) -> int:
    return sum(event["event"] == kind for event in place.records("events"))


def _outcomes(place: Workplace) -> int:
    return len(place.records("results")) + len(place.records("dead"))


def _await(condition: Callable[[], bool], run: subprocess.Popen[bytes], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if run.poll() is not None:
            raise DemoFailed(f"the local run ended early with exit code {run.returncode}")
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {PATIENCE_SECONDS:.0f} s for {what}")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
