"""`hotswap fleet serve` where an IoT hub keeps the twins: Microsoft's client, and a bucket that signs addresses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fleet.azure_twins import CONNECTION_STRING_VARIABLE
from fleet.fleet import Fleet
from models.components.twin import Reported, ReportedModel
from models.reference import sha256_of
from tests.fleet.running_fleet import running_fleet
from tests.iot_hub.hub import Hub, running_hub
from tests.launch.commands.hotswap_command import Command
from tests.launch.tiny_models import tiny_onnx
from tests.models.storage.other_buckets import s3_bucket
from tests.waiting import eventually

pytest.importorskip("azure.iot.hub", reason="azure-iot-hub is not installed (the extra `azure`)")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub(tmp_path, monkeypatch) as hub:
        hub.add("robot-1")
        monkeypatch.setenv(CONNECTION_STRING_VARIABLE, hub.connection_string)
        yield hub


def desired(hub: Hub) -> dict[str, Any]:
    models = hub.twins["robot-1"].desired.get("models", [])
    return dict(models[0]) if models else {}


def test_a_model_that_goes_live_is_written_to_the_hub_with_an_address_that_reads_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hotswap: Command
) -> None:
    with (
        s3_bucket(monkeypatch) as bucket,
        running_fleet(tmp_path, "--twins", "azure", "--shelf", f"{bucket}/s") as server,
    ):
        assert server.url
        with Fleet(str(server.database)) as fleet:
            fleet.devices.add("robot-1")
        tiny_onnx(server.models / "one.onnx")
        eventually(lambda: bool(desired(hub)), "the hub to be told")
        told = desired(hub)
        archive = tmp_path / "archive.zip"
        archive.write_bytes(httpx.get(told["url"]).content)
        assert (sha256_of(archive), archive.stat().st_size) == (told["sha256"], told["size"])
        model = ReportedModel(told["name"], told["version"], told["sha256"], "", "running")
        reported = Reported((model,)).to_json()
        hub.twins["robot-1"].report({name: value for name, value in reported.items() if name != "$version"})
        status = ["fleet", "status", "robot-1", "--json", "--database", str(server.database)]
        eventually(lambda: json.loads(hotswap(*status).out)["state"] == "running", "the report")


def test_a_hub_of_devices_that_cannot_reach_the_shelf_is_refused(hub: Hub, tmp_path: Path, hotswap: Command) -> None:
    told = hotswap("fleet", "serve", "--models", "m/*", "--database", str(tmp_path / "f.db"), "--twins", "azure")
    assert told.code == 2
    assert told.err.count("\n") == 1 and "--public-url" in told.err


@pytest.mark.parametrize("where", ["aws", "database:x", ""])
def test_what_keeps_no_twins_is_refused_in_one_line(where: str, tmp_path: Path, hotswap: Command) -> None:
    told = hotswap("fleet", "serve", "--models", "m/*", "--database", str(tmp_path / "f.db"), "--twins", where)
    assert told.code == 2
    assert told.err.count("\n") == 1 and "azure:FILE" in told.err


def test_twins_come_back_to_the_database_when_that_is_said(hub: Hub, tmp_path: Path, hotswap: Command) -> None:
    database = str(tmp_path / "fleet.db")
    with Fleet(database) as fleet:
        fleet.settings.keep_twins("azure")
    hub.stop()
    with running_fleet(tmp_path, "--twins", "database") as server:
        assert server.url
        assert hotswap("fleet", "list", "--database", database).code == 0
