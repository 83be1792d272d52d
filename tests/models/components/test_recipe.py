"""A recipe is what Greengrass V2 takes, by the model of its own client, and runs what the device has."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore import session
from botocore.stub import Stubber

from edge.cli import main
from models.components.component import Component
from models.components.recipe import RUNTIME_COMPONENT, recipe
from models.version import VERSION
from tests.component_files import component, component_of


@pytest.fixture
def both(tmp_path: Path) -> list[Component]:
    return [component(component_of(tmp_path, target=target)) for target in ("linux-x86_64", "linux-aarch64")]


@pytest.fixture
def written(both: list[Component]) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(recipe(both, [f"s3://bucket/{each.stem}.zip" for each in both]))
    return value


def test_greengrass_takes_the_recipe(both: list[Component]) -> None:
    client = session.get_session().create_client(
        "greengrassv2", region_name="eu-central-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    inline = recipe(both, ["s3://bucket/a.zip", "s3://bucket/b.zip"])
    made = {
        "componentName": "animals",
        "componentVersion": "1.0.0",
        "creationTimestamp": 0,
        "status": {"componentState": "REQUESTED"},
    }
    with Stubber(client) as stub:
        stub.add_response("create_component_version", made, {"inlineRecipe": inline})
        client.create_component_version(inlineRecipe=inline)
        stub.assert_no_pending_responses()


def test_its_form_and_its_defaults_are_told(written: dict[str, Any]) -> None:
    assert written["RecipeFormatVersion"] == "2020-01-25"
    assert (written["ComponentName"], written["ComponentVersion"]) == ("animals", "1.0.0")
    assert written["ComponentConfiguration"]["DefaultConfiguration"]["Interval"] == 10


def test_it_depends_on_a_runtime_that_reads_such_components(written: dict[str, Any]) -> None:
    needed = written["ComponentDependencies"][RUNTIME_COMPONENT]

    assert needed["DependencyType"] == "HARD"
    assert needed["VersionRequirement"].startswith(f">={VERSION} <")


def test_each_machine_gets_its_own_archive_unpacked(written: dict[str, Any]) -> None:
    platforms = [each["Platform"] for each in written["Manifests"]]
    artifacts = [artifact for each in written["Manifests"] for artifact in each["Artifacts"]]

    assert platforms == [{"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "aarch64"}]
    assert [each["Unarchive"] for each in artifacts] == ["ZIP", "ZIP"]
    assert [each["URI"] for each in artifacts] == [
        "s3://bucket/animals-1.0.0-linux-x86_64.zip",
        "s3://bucket/animals-1.0.0-linux-aarch64.zip",
    ]


def test_its_script_is_a_command_that_the_device_has(
    written: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    script = written["Manifests"][0]["Lifecycle"]["Run"]["Script"]
    decompressed = tmp_path / "decompressed"
    component_of(tmp_path / "packed")
    values = {
        "{artifacts:decompressedPath}": str(decompressed),
        "{configuration:/Interval}": "0",
        "{configuration:/Images}": str(tmp_path),
        "{configuration:/Output}": str(tmp_path / "out.jsonl"),
        f"{{{RUNTIME_COMPONENT}:configuration:/Root}}": "/opt/edge",
    }
    for variable, value in values.items():
        assert variable in script
        script = script.replace(variable, value)
    words = shlex.split(script)

    assert words[:3] == ["exec", "/opt/edge/bin/hotswap-edge", "run"]
    assert words[words.index("--component") + 1] == f"{decompressed}/animals-1.0.0-linux-x86_64"
    assert main(words[2:]) == 1  # there is no component, which every option was understood to tell
