"""`python -m launch.demo.devices`: a fleet of two devices whose model is replaced, and one that comes and must go."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from launch.demo.broken_component import make_broken
from launch.demo.device_report import Recorded, Traffic, judge, print_report
from launch.demo.landing import land, train, write_png
from launch.demo.programs import DemoFailed, Programs, run_verb
from launch.demo.signing_keys import make_keys
from launch.demo.workplace import Workplace
from launch.printing import PlainConsole
from models.json_lines import whole_records
from studio.retraining.digits import Digits, load_digits

COMPONENT = "model"
DEVICES = ("camera-1", "camera-2")
IMAGES_PER_SECOND = 20
BETTER_AT, BROKEN_AT = 200, 400
"""Of the digits: how many have landed when the better model, and the broken component, come."""
_POLLED = re.compile(rb'^hotswap_fleet_polls_total\{outcome="(\w+)"\} ([\d.]+)', re.M)
_SENT = re.compile(rb"^hotswap_fleet_component_bytes_total ([\d.e+]+)", re.M)


@dataclass(frozen=True, slots=True)
class Devices(Workplace):
    """The folders and files of this one."""

    def __post_init__(self) -> None:
        for folder in (self.models, self.trained, *map(self.images, DEVICES)):
            folder.mkdir(parents=True)

    @property
    def database(self) -> Path:
        return self.root / "fleet.db"

    def images(self, device: str) -> Path:
        return self.root / device / "images"

    def folder(self, device: str) -> Path:
        return self.root / device / "models"

    def token(self, device: str) -> Path:
        return self.root / f"{device}.token"

    def results(self, device: str) -> list[dict[str, Any]]:
        """What a device answered, as far as it is written."""
        return whole_records(self.root / device / "results.jsonl")


class Demonstration:
    """The fleet's server, its devices, and what they are sent.

    Args:
        place: where all of it lies.
        programs: runs what there is to run.
        console: shows what happens.
    """

    def __init__(self, place: Devices, programs: Programs, console: Console) -> None:
        self._place = place
        self._programs = programs
        self._console = console
        self._server = ""
        self._halted: dict[str, Any] = {}

    def begin(self) -> None:
        """The server on a folder with the first model, and two devices that follow it."""
        place, say = self._place, self._console.print
        private, public = make_keys(place.root)
        land(place.trained / "few.h5", place.models / "few.h5")
        say("== the fleet's server begins, and packages the model in the folder, signed")
        self._programs.start(
            "fleet", "launch.cli", "fleet", "serve",
            "--models", place.models / "*.h5", "--database", place.database, "--port", 0, "--poll-seconds", 1,
            "--sign", private, "--rollout", "50,100", "--pause", 2,
        )  # fmt: skip
        self._programs.until(lambda: bool(self._address()), "the server")
        self._server = self._address()
        say(f"== two devices begin, each with an agent and a runner: {' and '.join(DEVICES)}")
        for device in DEVICES:
            token, folder = place.token(device), place.folder(device)
            run_verb("fleet", "add", device, "--database", place.database, "--token-file", token)
            self._programs.start(
                f"{device} agent", "edge.cli", "agent", "--server", self._server, "--device", device,
                "--token-file", token, "--folder", folder, "--every", 1, "--trusted-key", public, "--trial", 5,
            )  # fmt: skip
            self._programs.start(
                f"{device} run", "edge.cli", "run", "--component", folder / "current",
                "--images", place.images(device), "--interval", 0.5, "--output", place.root / device / "results.jsonl",
            )  # fmt: skip
        self._programs.until(lambda: self._all_run("few"), "the first model on both devices")

    def stream(self, digits: Digits) -> None:
        """Has the digits land at a steady rate, in turns, and models come under them."""
        say, place = self._console.print, self._place
        say(f"== {len(digits.labels)} held-out digits land on the devices in turns, {IMAGES_PER_SECOND} a second")
        begin = time.monotonic()
        for number, pixels in enumerate(digits.pixels):
            if number == BETTER_AT:
                say("== a better model lands in the folder")
                land(place.trained / "all.h5", place.models / "all.h5")
                self._programs.until(lambda: self._all_run("all"), "the better model on both devices")
                begin = time.monotonic() - number / IMAGES_PER_SECOND
            if number == BROKEN_AT:
                self._push_broken()
                begin = time.monotonic() - number / IMAGES_PER_SECOND
            time.sleep(max(0.0, begin + number / IMAGES_PER_SECOND - time.monotonic()))
            write_png(pixels, place.images(DEVICES[number % len(DEVICES)]) / f"{number:04d}.png")
        self._programs.until(lambda: self._answers() >= len(digits.labels), "the last results")

    def recorded(self) -> Recorded:
        """What is known at the end; the server must still be there."""
        rollout = self._halted["rollouts"][-1]
        told = f"{rollout['state']} after {rollout['reached']} of {rollout['followers']} devices, then taken back"
        refused = {each["device"]: f"{each['error']}: {each['detail']}" for each in self._halted["failures"]}
        results = {device: self._place.results(device) for device in DEVICES}
        return Recorded(results, refused, told, self._traffic())

    def _status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(run_verb("fleet", "status", "--database", self._place.database, "--json"))
        return told

    def _traffic(self) -> Traffic:
        connection = http.client.HTTPConnection(self._server.rpartition("/")[2])
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read()
        polls = {outcome.decode(): int(float(count)) for outcome, count in _POLLED.findall(text)}
        sent = _SENT.search(text)
        return Traffic(sum(polls.values()), polls.get("unchanged", 0), int(float(sent[1])) if sent else 0)

    def _push_broken(self) -> None:
        say, place = self._console.print, self._place
        say("== a component comes that was packed and signed elsewhere, and answers with no numbers")
        broken = make_broken(place.folder(DEVICES[0]) / "current", place.root, place.root / "demo.key", "3.0.0")
        run_verb("fleet", "push", broken, "--database", place.database, "--rollout", "50,100", "--pause", 2)
        self._programs.until(self._has_halted, "the rollout to halt")
        say("== it is taken back")
        run_verb("fleet", "push", COMPONENT, "--back", "--database", place.database)

    def _address(self) -> str:
        found = (re.search(r"ready: (http://\S+)", line) for line in self._programs.lines("fleet"))
        return next((match[1] for match in found if match), "")

    def _all_run(self, model: str) -> bool:
        return all(f"/{model}.h5@" in self._model_of(device) for device in DEVICES)

    def _model_of(self, device: str) -> str:
        try:
            return str(json.loads((self._place.folder(device) / "current/manifest.json").read_bytes())["model_id"])
        except FileNotFoundError:
            return ""

    def _has_halted(self) -> bool:
        self._halted = self._status()
        return self._halted["rollouts"][-1]["state"] == "halted"

    def _answers(self) -> int:
        return sum(len(self._place.results(device)) for device in DEVICES)


def main() -> int:
    """Runs the demonstration; 0 when nothing was lost and the broken component came to no use."""
    console = PlainConsole(highlight=False)
    with tempfile.TemporaryDirectory(prefix="hotswap-devices-") as folder:
        place = Devices(Path(folder))
        try:
            console.print("== training two classifiers on handwritten digits: some ten seconds")
            train(place.trained)
            _, held_out = load_digits()
            with Programs(console, lambda name, line: f"{name}: {line.replace(f'{place.root}/', '')}") as programs:
                demonstration = Demonstration(place, programs, console)
                demonstration.begin()
                demonstration.stream(held_out)
                recorded = demonstration.recorded()
        except DemoFailed as error:
            console.print(f"error: {error}", style="red")
            return 1
        except KeyboardInterrupt:
            return 130
    judgement = judge(recorded, held_out.labels.tolist())
    print_report(judgement, console)
    return 0 if judgement.good else 1


if __name__ == "__main__":
    sys.exit(main())
