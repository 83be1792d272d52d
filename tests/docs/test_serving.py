"""What `docs/serving.md` shows runs as it stands, on a real server; what it lists is what there is."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import grpc
import pytest
import typer

from models.card import Task
from serving import client
from serving.client import Client
from tests.sample_images import encoded, small
from tests.serving.running_server import RunningServer, running_server
from tests.serving.task_models import drop_task
from tests.waiting import eventually

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "serving.md").read_text()
_ADDRESS = "127.0.0.1:8500"


def block(after: str, language: str = "") -> str:
    """The first block of code after a line."""
    found = re.search(rf"^```{language}\n(.*?)^```", _PAGE.partition(after)[2], re.MULTILINE | re.DOTALL)
    assert found is not None, after
    return found[1]


def ran(place: Path, *command: str, **variables: str) -> str:
    """What a command prints in a folder, with some variables of the environment."""
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("server")
    (root / "models").mkdir()
    drop_task(root / "models", "classification")
    with running_server(root) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the image that the page asks about."""
    (tmp_path / "digit.png").write_bytes(encoded(small(), "PNG"))
    return tmp_path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What lies in the root of a clone, as far as whoever runs commands there can tell it from another folder."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for each in _ROOT.iterdir():
        if not each.name.startswith("."):
            (clone / each.name).symlink_to(each)
    return clone


def test_the_first_five_minutes_go_as_shown(clone: Path, tmp_path: Path) -> None:
    commands = block("## In five minutes").replace("make setup\n. .venv/bin/activate\n", "")
    *before, serve = commands.splitlines()
    home = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran(clone, "bash", "-ec", "\n".join(before), **home)
    place = tmp_path / "hotswap"
    assert [path.name.partition("-")[0] for path in (place / "models").iterdir()] == ["few"]
    assert shlex.split(serve) == ["hotswap", "serve", "--models", "models/*"]
    with running_server(place, "--poll-seconds", "0.1") as server, Client(server.grpc) as asking:
        ask, publish, again = block("In another").replace(_ADDRESS, server.grpc).splitlines()
        assert ran(place, "bash", "-ec", ask, **home).startswith("4 0.")
        ran(place, "bash", "-ec", publish, **home)
        image = (place / "digit.png").read_bytes()
        eventually(lambda: asking.predict([image])[0].model_name == "all", "the second model to be live")
        best, *_, answered = ran(place, "bash", "-ec", again, **home).splitlines()
    assert best.startswith("4 0.9")
    assert "1 image answered by " in answered and "/all-" in answered


def test_the_readme_serves_the_folder_that_it_has_made() -> None:
    readme = (_ROOT / "README.md").read_text()
    made = "mkdir -p ~/hotswap/models ~/hotswap/images\n"
    assert made in readme
    for verb in ("local", "serve", "fleet serve"):
        assert f'hotswap {verb} --models "$HOME/hotswap/models/*"' in readme.partition(made)[2]


def test_the_readme_has_a_sentence_for_each_room() -> None:
    told = set(re.findall(r"^- `(\w+)/`", (_ROOT / "README.md").read_text(), re.MULTILINE))
    rooms = set(tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    assert rooms <= told


def test_the_client_in_python_is_asked_as_shown(server: RunningServer, place: Path) -> None:
    code = block("## From Python", "python").replace(_ADDRESS, server.grpc)
    first, *top, each, ready = ran(place, sys.executable, "-c", code).splitlines()
    assert first.startswith("class 6 0.63") and each == first.split()[-1]
    assert [line.rpartition(" ")[0] for line in top] == [f"class {n}" for n in (6, 5, 4, 3, 2)]
    assert ready.startswith("True [VersionStatus(")


def test_the_client_of_tensorflow_serving_prints_the_five_best(server: RunningServer, place: Path) -> None:
    code = block("## With TensorFlow Serving's client", "python").replace(_ADDRESS, server.grpc)
    *best, model = ran(place, sys.executable, "-c", code).splitlines()
    assert best[0] == "class 6 0.6327"
    assert [line.rpartition(" ")[0] for line in best] == [f"class {n}" for n in (6, 5, 4, 3, 2)]
    model_id, version = model.split()
    assert int(model_id.rpartition(":")[2], 16) == int(version)


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="it is not installed here")
def test_grpcurl_asks_as_shown(server: RunningServer, place: Path) -> None:
    said = ran(place, "bash", "-eo", "pipefail", "-c", block("## With grpcurl").replace(_ADDRESS, server.grpc))
    for told in (
        "service PredictionService",
        '"SERVING"',
        '"AVAILABLE"',
        "serving_default",
        '"modelVersion"',
        '"float_val"',
    ):
        assert told.replace("_", "").lower() in said.replace("_", "").lower(), told


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash computes the version")
def test_the_version_is_computed_as_shown(server: RunningServer, place: Path) -> None:
    model = f"{server.models}/classification.onnx"
    command = block("## Versions, status, health").replace("models/all-*.h5", model)
    with Client(server.grpc) as asking:
        assert int(ran(place, "bash", "-c", command)) in {each.version for each in asking.status()}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_certificates_and_tokens_are_made_as_shown(place: Path) -> None:
    ran(place, "sh", "-ec", block("## Who may ask"))
    (place / "models").mkdir()
    drop_task(place / "models", "classification")
    image = (place / "digit.png").read_bytes()
    token = (place / "tokens").read_text().strip()
    tls = ["--tls-cert", str(place / "server.pem"), "--tls-key", str(place / "server.key")]
    mutual = [*tls, "--tls-client-ca", str(place / "ca.pem"), "--token-file", str(place / "tokens")]
    with running_server(place, *mutual) as closed:
        port = closed.grpc.rpartition(":")[2]
        ca, certificate, key = (place / name for name in ("ca.pem", "client.pem", "client.key"))
        with Client(f"localhost:{port}", tls_ca=ca, certificate=certificate, key=key, token=token) as asking:
            assert asking.predict([image])


def test_every_option_that_is_named_is_one() -> None:
    named = {
        verb: set(re.findall(r"--[a-z][a-z-]+", " ".join(re.findall(rf"hotswap {verb} .*", _PAGE))))
        for verb in ("serve", "predict")
    }
    named["serve"] |= set(re.findall(r"--[a-z][a-z-]+", _table("## Limits")))
    assert all(named.values())
    for verb, options in named.items():
        assert options - {"--help"} <= _options_of(verb)


def _table(after: str) -> str:
    found = re.search(r"(?:^\|.*\n)+", _PAGE.partition(after)[2], re.MULTILINE)
    assert found is not None
    return found[0]


def _options_of(verb: str) -> set[str]:
    command = typer.main.get_command(importlib.import_module(f"launch.commands.{verb}").app)
    return {option for each in command.params for option in each.opts}


def test_every_task_has_its_outputs_told() -> None:
    rows = _table("## Inputs and outputs").splitlines()
    told = set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows)))
    assert told == set(get_args(Task))


def test_every_reason_of_the_client_is_explained_by_a_status_of_grpc() -> None:
    table = _table("## When there is no answer")
    raised = {
        name
        for name in client.__all__
        if isinstance(each := getattr(client, name), type) and issubclass(each, client.ServerError)
    }
    explained = {name for name in raised if f"`{name}`" in _PAGE.partition("## When there is no answer")[2]}
    assert explained == raised
    statuses = set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE))
    assert statuses <= {each.name for each in grpc.StatusCode}
