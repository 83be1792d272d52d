"""What `docs/fleet.md` says is what there is: commands and their documents, what devices ask, metrics, states."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from fleet import following
from fleet.application import MOST_BODY_BYTES
from fleet.fleet import Fleet
from fleet.metrics import Metrics, Standing, standing_of
from fleet.rollouts import RolloutState
from launch.cli import app
from launch.command_line import run
from launch.commands import fleet as commands
from models.components.component import MOST_FILES
from models.components.twin import MOST_MODELS, Reported, ReportedModel, RunState, Twin
from tests.component_files import component_of
from tests.docs.tables import first_words, table

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "fleet.md").read_text()
_VERBS = [each.name for each in pkgutil.iter_modules(commands.__path__)]
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_DATABASE = "fleet.db"


def section(head: str) -> str:
    """What is under a heading, up to the next one of its rank or of a higher one."""
    rank = len(head.partition(" ")[0])
    rest = _PAGE.partition(f"\n{head}\n")[2]
    assert rest, head
    return re.split(rf"^#{{2,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def options_of(verb: str) -> set[str]:
    """Of `hotswap fleet VERB`."""
    command = typer.main.get_command(importlib.import_module(f"launch.commands.fleet.{verb}").app)
    return {option for each in command.params for option in (*each.opts, *each.secondary_opts)}


def words(cell: str) -> list[str]:
    """What stands there in the type of code."""
    return re.findall(r"`([\w$.]+)`", cell)


@pytest.mark.parametrize("verb", _VERBS)
def test_every_option_that_is_named_with_a_command_is_one_of_it(verb: str) -> None:
    pages = "\n".join((_ROOT / name).read_text() for name in ("README.md", "docs/devices.md", "docs/fleet.md"))
    shown = re.findall(rf"hotswap fleet {verb}\b((?:[^`\n]|\\\n)*(?:\n    .*)*)", pages)
    assert shown

    assert set(_OPTION.findall(" ".join(shown))) <= options_of(verb)


@pytest.mark.parametrize("head", ["### `hotswap fleet assign`", "### `hotswap fleet push`"])
def test_every_option_that_is_told_of_a_command_is_one_of_it(head: str) -> None:
    verb = head.strip("`").rpartition(" ")[2]

    assert set(_OPTION.findall(section(head))) <= options_of(verb)


def test_every_option_of_the_server_is_told() -> None:
    everywhere = {"--help", "--max-batch-size", "--max-values", "--least-agreement"}

    assert options_of("serve") - everywhere <= set(_OPTION.findall(_PAGE))


def test_each_command_has_its_place() -> None:
    told = {head.strip("`").rpartition(" ")[2] for head in re.findall(r"^### (`hotswap fleet \w+`)$", _PAGE, re.M)}

    assert told | {"serve"} == set(_VERBS)


def test_the_requests_are_those_that_the_server_describes() -> None:
    described = json.loads((_ROOT / "fleet" / "openapi.json").read_text())["paths"]
    rows = [row[0] for row in table(section("## What devices ask"), "request")]
    told = {
        re.sub(r"\?.*", "", path)
        for row in rows
        for path in re.findall(r"(/[\w/{}.?=&…-]+)`", row.replace("`,", "` ,"))
    }
    shown = {
        re.sub(r"\{(\w+)\}", lambda found: {"file": "FILE.zip"}.get(found[1], found[1].upper()), path)
        for path in described
    }

    assert told <= shown | {"/openapi.json"}
    assert shown - told <= {"/metrics"}


def test_a_twin_has_the_fields_that_are_shown() -> None:
    shown = re.search(r"```json\n(.*?)```", section("## What devices ask"), re.DOTALL)
    assert shown is not None
    document = json.loads(shown[1].replace("https://…", "https://fleet.example/a.zip").replace("…", "0" * 58))

    def fields(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fields(each) for name, each in value.items()}
        return [fields(each) for each in value] if isinstance(value, list) else None

    assert fields(Twin.from_json(document).to_json()) == fields(document)


def test_each_metric_is_explained_with_its_outcomes() -> None:
    everything = dict.fromkeys(get_args(RunState), 1), dict.fromkeys(get_args(RolloutState), 1)
    metrics = Metrics(lambda: Standing(1, 1, everything[0], 1, everything[1]))
    families = list(text_string_to_metric_families(metrics.text().decode()))
    there: dict[str, set[str]] = {}
    for family in families:
        if family.name.startswith("hotswap_fleet_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            there[name] = {value for sample in family.samples for value in sample.labels.values()}
    told: dict[str, set[str]] = {}
    for named, about in table(section("## Watching it"), "metric"):
        for name in re.findall(r"`(\w+)", named):
            told[name] = set(words(about))

    assert told.keys() == there.keys()
    assert {name: values for name, values in there.items() if values} == {
        name: values for name, values in told.items() if values
    }
    assert set(get_args(following.Outcome)) == there["hotswap_fleet_packaged_total"]


class Place:
    """A fleet with a device that failed, a group, and a rollout."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.said: dict[str, Any] = {"add": self.told("add", "robot-7", "--token-file", "token", "--group", "robots")}
        archive = str(component_of(Path("packed"), version="1.0.0"))
        self.said["push"] = self.told("push", archive, "--all-devices")
        self.said["assign"] = self.told("assign", "robot-7", "--component", "other")
        with Fleet(_DATABASE) as fleet:
            [desired] = fleet.twins.read("robot-7").models
            reported = ReportedModel(desired.name, desired.version, desired.sha256, "a@sha256:0", "failed", "crashed")
            fleet.twins.write_reported("robot-7", Reported((reported,), "0.2.0"))
            assert standing_of(fleet, time.time()).devices == 1

    def told(self, verb: str, *arguments: str) -> Any:
        """The document that a command writes."""
        self._capsys.readouterr()
        assert run(app, ["fleet", verb, *arguments, "--database", _DATABASE, "--json"]) == 0
        return json.loads(self._capsys.readouterr().out)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(capsys)


def test_list_and_status_have_the_fields_that_are_told(place: Place) -> None:
    [device] = place.told("list")
    of_list = {word for row in table(section("### `hotswap fleet list`"), "field") for word in words(row[0])}
    behind = {word for row in table(section("### `hotswap fleet list`"), "field") for word in words(row[1])}

    assert of_list | {"desired_version", "reported_version"} == device.keys()
    assert device["desired"][0].keys() | device["reported"][0].keys() <= behind | {"state"}
    status = place.told("status") | place.told("status", "--rollout")
    rows = table(section("### `hotswap fleet status`"), "field")
    assert {word for row in rows for word in words(row[0])} == status.keys()
    about = {words(row[0])[0]: set(words(row[1])) for row in rows}
    assert status["rollouts"][0].keys() <= about["rollouts"] | {"steps"}
    assert about["rollouts"] - status["rollouts"][0].keys() <= set(get_args(RolloutState))
    assert status["failures"][0].keys() == about["failures"]
    assert status["groups"][0].keys() == about["groups"]
    assert status["components"][0].keys() == about["components"]


def test_the_others_write_what_is_told(place: Place) -> None:
    rows = table(section("### What the others write with `--json`"), "command")
    told = {words(row[0])[0]: set(words(row[1])) for row in rows}
    place.said["remove"] = place.told("remove", "robot-7")

    assert told.keys() == place.said.keys()
    for verb, document in place.said.items():
        assert document.keys() <= told[verb], verb
    assert place.said["push"]["releases"][0].keys() <= told["push"]


@pytest.mark.parametrize("word", get_args(RolloutState))
def test_each_state_of_a_rollout_is_told(word: str) -> None:
    assert f"`{word}`" in section("### `hotswap fleet status`") and f"`{word}`" in section("## Watching it")


def test_the_limits_are_those_of_the_code() -> None:
    limits = _PAGE.partition("**Limits.**")[2].partition("\n\n")[0]

    assert f"{MOST_MODELS} components a device" in limits
    assert f"{MOST_BODY_BYTES >> 10} KiB a report" in limits
    assert f"{MOST_FILES} files an archive" in limits


def test_the_databases_are_those_that_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for shown in first_words(section("## The database"), "`--database`"):
        for address in re.findall(r"(?:sqlite:///)?\bfleet\.db", shown):
            with Fleet(address):
                assert (tmp_path / "fleet.db").exists()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not installed")
def test_a_copy_of_the_database_is_made_as_shown(place: Place) -> None:
    [command] = set(re.findall(r"sqlite3 fleet\.db [^`\n]*", _PAGE))
    subprocess.run(["sh", "-ec", command], check=True)

    with Fleet("copy.db") as copy:
        assert [each.name for each in copy.devices.all()] == ["robot-7"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_servers_unit(tmp_path: Path) -> None:
    shown = re.search(r"```ini\n(.*?)```", _PAGE, re.DOTALL)
    assert shown is not None
    unit = tmp_path / "hotswap-fleet.service"
    unit.write_text(shown[1].replace("/opt/hotswap/bin/hotswap", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)

    assert [line for line in done.stderr.splitlines() if unit.stem in line] == []
