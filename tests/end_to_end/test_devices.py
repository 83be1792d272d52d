"""A fleet as its users run it: the server, agents and runners are the programs that people start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from launch.demo.broken_component import make_broken
from launch.demo.programs import Programs, run_verb
from launch.demo.signing_keys import make_keys
from models.json_lines import whole_records
from tests.launch.tiny_models import tiny_onnx
from tests.sample_images import plain

pytestmark = pytest.mark.end_to_end


class House:
    """A fleet's server with its folder of models, and devices."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "fleet.db"
        self.programs = Programs(Console(), lambda name, line: f"{name}: {line}")
        self.private, self.public = make_keys(folder)
        self._landed = 0

    def serve(self, port: int = 0) -> None:
        """Begins the server, and waits until it is there."""
        self.programs.start(
            "fleet", "launch.cli", "fleet", "serve", "--models", self.folder / "models/*.onnx",
            "--database", self.database, "--port", port, "--poll-seconds", 0.3, "--sign", self.private,
        )  # fmt: skip
        self.programs.until(lambda: self.address != "", "the server")

    @property
    def address(self) -> str:
        """Where the server is; "" before it is there."""
        lines = (line for line in self.programs.lines("fleet") if line.startswith("ready: "))
        return next(lines, "ready: ").removeprefix("ready: ")

    def device(self, name: str) -> Path:
        """Adds a device and begins its agent; the agent's folder."""
        token, folder = self.folder / f"{name}.token", self.folder / name
        run_verb("fleet", "add", name, "--database", self.database, "--token-file", token)
        self.programs.start(
            f"agent of {name}", "edge.cli", "agent", "--server", self.address, "--device", name, "--token-file", token,
            "--folder", folder, "--every", 0.3, "--trial", 1, "--trusted-key", self.public,
        )  # fmt: skip
        return folder

    def run(self, name: str) -> None:
        """Begins a runner on a device's folder."""
        images = self.folder / f"{name}-images"
        images.mkdir()
        self.programs.start(
            f"runner of {name}", "edge.cli", "run", "--component", self.folder / name / "current", "--images", images,
            "--interval", 0.1, "--output", self.folder / f"{name}.jsonl",
        )  # fmt: skip

    def land(self, favours: int) -> None:
        """A new model, which answers the same to all."""
        self._landed += 1
        hidden = tiny_onnx(self.folder / f"models/.{self._landed}.onnx", favours=favours)
        hidden.rename(self.folder / f"models/{self._landed}.onnx")

    def answer(self, name: str, number: int) -> dict[str, Any]:
        """What a device's runner answers to a new image."""
        image = self.folder / f"{name}-images/{number}.png"
        hidden = image.with_name(f".{image.name}")
        hidden.write_bytes(plain())
        hidden.rename(image)
        self.programs.until(lambda: bool(self._answers(name, image)), f"an answer of {name}")
        return self._answers(name, image)[0]

    def _answers(self, name: str, image: Path) -> list[dict[str, Any]]:
        return [each for each in whole_records(self.folder / f"{name}.jsonl") if each["image"] == str(image)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    with house.programs:
        yield house


def model_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "current/manifest.json").read_bytes())["model_id"])
    except FileNotFoundError:
        return ""


def status(house: House) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run_verb("fleet", "status", "--database", house.database, "--json"))
    return told


def test_a_model_that_lands_in_the_folder_answers_on_the_device_and_a_better_one_takes_over(house: House):
    house.land(1)
    house.serve()
    folder = house.device("robot")
    house.run("robot")
    house.programs.until(lambda: "/1.onnx@" in model_of(folder), "the first model")
    first = house.answer("robot", 1)
    assert (first["class_index"], first["model_id"]) == (1, model_of(folder))
    house.land(2)
    house.programs.until(lambda: "/2.onnx@" in model_of(folder), "the second model")
    house.programs.until(lambda: "live: model 2.0.0" in " ".join(house.programs.lines("runner of robot")), "the swap")
    second = house.answer("robot", 2)
    assert (second["class_index"], second["model_id"]) == (2, model_of(folder))
    house.programs.until(lambda: status(house)["states"]["running"] == 1, "the device's report")


def test_a_component_whose_probe_fails_changes_nothing_and_halts_its_rollout(house: House):
    house.land(1)
    house.serve()
    folders = [house.device("robot"), house.device("drone")]
    house.programs.until(lambda: status(house)["states"]["running"] == 2, "both devices")
    good = [model_of(folder) for folder in folders]
    broken = make_broken(folders[0] / "current", house.folder, house.private, "2.0.0")
    run_verb("fleet", "push", broken, "--database", house.database, "--rollout", "50,100")
    house.programs.until(lambda: status(house)["rollouts"][-1]["state"] == "halted", "the halt")
    assert [model_of(folder) for folder in folders] == good
    told = status(house)
    assert [(each["version"], each["error"]) for each in told["failures"]] == [("2.0.0", "non_finite_output")]
    assert told["rollouts"][-1]["reached"] == 1


def test_a_component_signed_by_a_stranger_is_not_even_downloaded(house: House):
    house.land(1)
    house.serve()
    folder = house.device("robot")
    house.programs.until(lambda: status(house)["states"]["running"] == 1, "the device")
    good = model_of(folder)
    (house.folder / "stranger").mkdir()
    private, _ = make_keys(house.folder / "stranger")
    forged = make_broken(folder / "current", house.folder, private, "2.0.0")
    run_verb("fleet", "push", forged, "--database", house.database)
    house.programs.until(lambda: bool(status(house)["failures"]), "the refusal")
    assert [each["error"] for each in status(house)["failures"]] == ["bad_signature"]
    assert not any("fetching model 2.0.0" in line for line in house.programs.lines("agent of robot"))
    assert model_of(folder) == good


def test_a_device_goes_on_while_the_server_is_gone_and_hears_of_what_came_meanwhile(house: House):
    house.land(1)
    house.serve()
    port = int(house.address.rpartition(":")[2])
    folder = house.device("robot")
    house.run("robot")
    house.programs.until(lambda: "/1.onnx@" in model_of(folder), "the first model")
    assert house.programs.end("fleet") == 0
    assert house.answer("robot", 1)["class_index"] == 1
    house.land(2)
    house.serve(port)
    house.programs.until(lambda: "/2.onnx@" in model_of(folder), "the second model")


def test_the_programs_end_cleanly_when_they_are_told_to(house: House):
    house.land(1)
    house.serve()
    folder = house.device("robot")
    house.run("robot")
    house.programs.until(lambda: model_of(folder) != "", "the first model")
    house.answer("robot", 1)
    assert [house.programs.end(name) for name in ("runner of robot", "agent of robot", "fleet")] == [0, 0, 0]
