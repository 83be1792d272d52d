"""What docs/studio.md lists is what there is: options, folders, requests and words; its commands run as they stand."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path

import typer
from starlette.applications import Starlette
from starlette.routing import Route

from benchmarks.studio.running import RunningStudio
from launch.commands.studio import app
from studio.assembly import assembled
from studio.errors import Trouble
from studio.places import Places
from studio.settings import StudioConfig
from studio.store.corrections import Corrections
from studio.stream.config import Topics
from tests.docs.tables import first_words, table
from tests.model_files import tiny_classifier
from tests.studio.drawing.canvases import png_of, seven

PAGE = (Path(__file__).parents[2] / "docs/studio.md").read_text(encoding="utf-8")

MADE_BY_OTHERS = {"stream.log", "session.key"}
"""Of the folder: what no `Places` names, since one part of the studio alone knows it."""


def test_each_option_is_in_its_table() -> None:
    told = {option for row in table(PAGE, "option") for option in re.findall(r"--[a-z-]+", row[0])}
    command = typer.main.get_command(app)
    known = {option for each in command.params for option in each.opts}

    assert told == known - {"--help"}


def test_each_word_has_its_status() -> None:
    told = {word.strip("`"): int(status) for word, status, _ in table(PAGE, "refused by")}

    assert told == {str(trouble): trouble.status for trouble in Trouble}


def test_each_place_is_in_its_table(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "models")
    told = {
        name.strip("/`") for name in re.findall(r"`[^`]+`", " ".join(row[0] for row in table(PAGE, "in the folder")))
    }
    made = {
        path.name
        for name in dir(Places)
        if not name.startswith("_") and isinstance(path := getattr(places, name), Path) and path != tmp_path
    }

    assert told == made | MADE_BY_OTHERS


def test_each_request_is_in_its_table(tmp_path: Path) -> None:
    async def requests() -> set[str]:
        places = Places(tmp_path, tmp_path / "models")
        places.make()
        config = StudioConfig(places, Topics("i", "s", "r", "d", "e", "l", "ls"), str(places.database))
        with Corrections.open(config.database) as corrections:
            studio = assembled(config, 8700, corrections, print)
            studio.shelf.close()
            studio.stop_unpacking()
        answering = studio.http.inner
        assert isinstance(answering, Starlette)
        return {
            f"{method} {re.sub('{[a-z:]+}', 'ID', route.path)}"
            for route in answering.routes
            if isinstance(route, Route)
            for method in (route.methods or set()) - {"HEAD"}
        }

    of_the_page = {"GET /", "GET /page/ID", "GET /login", "POST /login"}
    assert set(first_words(PAGE, "asked")) | of_the_page == asyncio.run(requests())


def test_its_commands_draw(tmp_path: Path) -> None:
    (tmp_path / "studio/models").mkdir(parents=True)
    tiny_classifier(tmp_path / "studio/models/only.onnx", favours=2)
    (tmp_path / "seven.png").write_bytes(png_of(seven()))
    [commands] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    with RunningStudio(tmp_path / "studio") as studio:
        studio.start()
        run = ["bash", "-eo", "pipefail", "-c", commands.replace("http://127.0.0.1:8700", studio.address)]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert re.fullmatch("[0-9a-f]{32}", json.loads(done.stdout)["drawing"])
