"""What `docs/devices.md` says is what there is: its table of words, and the form of what it shows."""

from __future__ import annotations

import re
import subprocess
from contextlib import redirect_stdout, suppress
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import get_args

import pytest
import yaml

from edge.options import DEFAULT_EVERY, DEFAULT_INTERVAL, DEFAULT_TRIAL, parser
from models.components.component import TARGETS
from models.components.recipe import RECIPE_FORMAT, RUNTIME_COMPONENT
from models.components.twin import RunState
from models.errors import ComponentFault, DeviceFault, FetchFault
from models.version import VERSION
from tests.docs.tables import table

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "devices.md").read_text()
_HEADS = {
    "run": "\n## Run\n",
    "agent": "\n## The agent\n",
    "status": "\n### Looking in",
    "retry": "\n### Looking in",
}
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def options_of(verb: str) -> set[str]:
    """Of a command of `hotswap-edge`."""
    with redirect_stdout(StringIO()) as told, suppress(SystemExit):
        parser().parse_args([verb, "--help"])
    return set(_OPTION.findall(told.getvalue().partition("options:")[2])) - {"--help"}


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("| word |", ComponentFault),
        ("| word of a download |", FetchFault),
        ("| word of a trial |", DeviceFault),
    ],
)
def test_each_word_is_explained_once_in_its_order(head: str, words: type[StrEnum]) -> None:
    table = _PAGE.partition(head)[2].partition("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == [str(word) for word in words]


def test_the_runtime_that_it_shows_is_the_one_that_components_need() -> None:
    shown = yaml.safe_load(_PAGE.partition("```yaml\n")[2].partition("```")[0])

    assert (shown["RecipeFormatVersion"], shown["ComponentName"]) == (RECIPE_FORMAT, RUNTIME_COMPONENT)
    assert shown["ComponentVersion"] == VERSION
    assert "Root" in shown["ComponentConfiguration"]["DefaultConfiguration"]
    assert VERSION in shown["Manifests"][0]["Artifacts"][0]["URI"]


@pytest.mark.parametrize("verb", _HEADS)
def test_each_option_of_a_command_is_told_and_there_is_no_other(verb: str) -> None:
    usage = re.search(
        rf"^hotswap-edge {verb} .*?(?=^```|^hotswap-edge)", _PAGE.partition(_HEADS[verb])[2], re.MULTILINE | re.DOTALL
    )
    assert usage is not None

    assert set(_OPTION.findall(usage[0])) == options_of(verb)


def test_every_command_that_it_shows_is_one() -> None:
    pages = "\n".join((_ROOT / name).read_text() for name in ("README.md", "docs/devices.md", "docs/fleet.md"))
    shown = re.findall(r"hotswap-edge (run|agent|status|retry) ((?:.*\\\n)*.*)", pages)
    assert len(shown) > 5
    for verb, arguments in shown:
        assert set(_OPTION.findall(arguments.partition("`")[0])) <= options_of(verb), arguments


@pytest.mark.parametrize("word", [*get_args(RunState), *DeviceFault])
def test_what_a_device_reports_is_told(word: str) -> None:
    assert f"`{word}`" in _PAGE.partition("## The agent")[2].partition("\n## ")[0]


def test_the_targets_and_the_numbers_are_those_of_the_code() -> None:
    assert set(re.findall(r"--target (linux-\w+)", _PAGE)) == set(TARGETS)
    assert f"`SECONDS` ({DEFAULT_EVERY:.0f}, a fifth more or less" in _PAGE
    assert f"(`--trial`, {DEFAULT_TRIAL:.0f} seconds)" in _PAGE
    assert f"Every `SECONDS` ({DEFAULT_INTERVAL:.0f})" in _PAGE


def test_what_the_services_need_is_where_the_page_puts_it() -> None:
    """The agent's unit reads a token and variables; the page has people install both, and keys and an authority."""
    unit = (_ROOT / "edge" / "hotswap-edge-agent.service").read_text()
    installed = _PAGE.partition("**4. The services.**")[2].partition("```\n\n")[0]
    printing = re.search(r"^printf .*?(?=\|)", installed, re.MULTILINE | re.DOTALL)
    assert printing is not None
    printed = subprocess.run(["bash", "-c", printing[0]], capture_output=True, text=True, check=True).stdout
    variables = dict(line.split("=", 1) for line in printed.splitlines())

    assert set(re.findall(r"\$\{?(\w+)", unit.partition("ExecStart=")[2])) == variables.keys()
    for path in ("/etc/hotswap-edge/token", "/etc/hotswap-edge/agent.env"):
        assert path in unit and path in installed
    assert "/opt/hotswap-edge/bin/hotswap-edge" in unit
    for name in re.findall(r"/etc/hotswap-edge/([\w.]+)", variables["ARGUMENTS"]):
        assert re.search(rf"^sudo install .*\b{name}\b.* /etc/hotswap-edge/$", installed, re.MULTILINE), name
    assert set(_OPTION.findall(variables["ARGUMENTS"])) <= options_of("agent")


def test_what_may_be_set_for_the_services_is_told() -> None:
    files = {row[0].strip("`"): row[1] for row in table(_PAGE.partition("## As services")[2], "file")}
    runner = (_ROOT / "edge" / "hotswap-edge-run@.service").read_text()
    settable = set(re.findall(r"(\w+)=\S*", re.findall(r"^Environment=(.*)$", runner, re.MULTILINE)[0]))

    assert settable - {"HOTSWAP_CACHE"} == set(re.findall(r"`([A-Z]+)`", files["/etc/hotswap-edge/run-camera.env"]))
    for path in (
        "/var/lib/hotswap-edge/",
        "/var/lib/hotswap-edge-images/camera/",
        "/var/log/hotswap-edge/camera.jsonl",
    ):
        assert path in files
        assert path.replace("camera", "%i").rstrip("/") in runner


def test_what_the_agent_is_quoted_with_it_says() -> None:
    said = "".join(path.read_text() for path in sorted((_ROOT / "edge").glob("*.py")))
    told = table(_PAGE.partition("## The agent")[2], "it says")
    assert len(told) > 5
    for cell, _ in told:
        [quoted] = re.findall(r"^`([^`]+)`", cell)
        for part in re.split(r"\b[A-Z]{3,}\b|…|\(\d+\)", quoted):
            assert part.strip() in said, part
