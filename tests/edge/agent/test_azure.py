"""An agent whose twin is in an IoT hub: from a fleet that writes to the hub to a component that runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli import main
from fleet.azure_twins import AzureTwins
from models.components.twin import DesiredModel
from tests.component_files import component_of
from tests.edge.agents import DeviceFiles
from tests.edge.fleet_server import DEVICE, FleetServer, behind_tls
from tests.fleet.writing import write_model
from tests.iot_hub.hub import Hub, running_hub
from tests.serving.certificates import Authority
from tests.waiting import eventually

pytest.importorskip("azure.iot.device", reason="azure-iot-device is not installed (the extra `azure`)")
pytest.importorskip("azure.iot.hub", reason="azure-iot-hub is not installed (the extra `azure`)")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub(tmp_path, monkeypatch) as hub:
        yield hub


@pytest.fixture
def device(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceFiles:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    device = DeviceFiles(tmp_path)
    device.token.write_text(hub.add(DEVICE))
    return device


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def storage(authority: Authority) -> Iterator[FleetServer]:
    """Whose archives alone are asked for."""
    with behind_tls(authority.pair("storage", "127.0.0.1")) as server:
        yield server


@pytest.fixture
def command(device: DeviceFiles, authority: Authority) -> list[str]:
    return device.command("azure-iot:", "--once", "--ca", str(authority.certificate))


@pytest.fixture
def fleet(hub: Hub, storage: FleetServer) -> AzureTwins:
    def address(model: DesiredModel) -> str:
        return next(each.url for each in storage.twin().models if each.sha256 == model.sha256)

    return AzureTwins(hub.connection_string, address, 0)


def test_a_device_runs_what_a_fleet_wrote_to_the_hub(
    hub: Hub, device: DeviceFiles, storage: FleetServer, fleet: AzureTwins, command: list[str], tmp_path: Path
) -> None:
    archive = component_of(tmp_path / "shelf", favours=2, version="1.0.0")
    storage.desire(archive)
    write_model(fleet, DEVICE, storage.model(archive))
    assert main(command) == 0
    assert (device.version(), device.label()) == ("1.0.0", "cow")
    [told] = fleet.read(DEVICE).reported.models
    assert (told.version, told.state) == ("1.0.0", "trial")


def test_a_device_whose_address_died_gets_another_through_the_hub(
    hub: Hub, device: DeviceFiles, storage: FleetServer, fleet: AzureTwins, command: list[str], tmp_path: Path
) -> None:
    archive = component_of(tmp_path / "shelf", version="1.0.0")
    storage.desire(archive)
    write_model(fleet, DEVICE, storage.model(archive))
    storage.expire()
    renewing = threading.Thread(target=lambda: eventually(fleet.renew, "a device that asks"))
    renewing.start()
    assert main(command) == 0
    renewing.join()
    assert device.version() == "1.0.0"
    assert "expired" not in hub.twins[DEVICE].reported


def test_a_device_that_the_hub_refuses_says_so_in_one_line(
    command: list[str], hub: Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.twins[DEVICE].enabled = False
    assert main(command) == 1
    said = capfd.readouterr().err.splitlines()
    assert all("the IoT hub refuses the key" in line for line in said)
    assert len(said) <= 2
