"""A device's twin in an IoT hub, with Microsoft's own client against a stand-in."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge.azure_twin import AzureTwin
from edge.connections import AddressRefused
from edge.twin_source import TwinUnavailable
from fleet.azure_twins import AzureTwins
from models.components.twin import DesiredModel, Reported, ReportedModel, Twin
from tests.fleet.writing import write_model
from tests.iot_hub.hub import Hub, running_hub
from tests.waiting import eventually

pytest.importorskip("azure.iot.device", reason="azure-iot-device is not installed (the extra `azure`)")
pytest.importorskip("azure.iot.hub", reason="azure-iot-hub is not installed (the extra `azure`)")

DEVICE = "robot-7"
DIGITS = DesiredModel("digits", "1.0.0", "", "a" * 64, 1000, "signed")
BETTER = DesiredModel("digits", "2.0.0", "", "b" * 64, 2000)
RUNNING = ReportedModel("digits", "1.0.0", "a" * 64, "digits.h5@sha256:0123456789ab", "running")
EXPIRED = ReportedModel("digits", "1.0.0", "a" * 64, "", "fetching", "expired", "403")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub(tmp_path, monkeypatch) as hub:
        yield hub


@pytest.fixture
def fleet(hub: Hub) -> AzureTwins:
    made = itertools.count(1)
    return AzureTwins(hub.connection_string, lambda model: f"https://shelf.example/{model.name}?{next(made)}", 0)


@pytest.fixture
def token_file(hub: Hub, tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{hub.add(DEVICE)}\n")
    return file


@pytest.fixture
def device(token_file: Path) -> Iterator[AzureTwin]:
    device = AzureTwin(DEVICE, token_file)
    yield device
    device.close()


def read(device: AzureTwin, etag: str | None = None) -> Twin:
    twin = device.read(etag)
    assert twin is not None
    return twin


def test_what_a_fleet_writes_is_what_the_device_reads(fleet: AzureTwins, device: AzureTwin) -> None:
    long = DesiredModel("signs", "1.2.3", "", "c" * 64, 3000, "ä{}" * 5000)
    write_model(fleet, DEVICE, DIGITS)
    written = write_model(fleet, DEVICE, long)
    twin = read(device)
    assert tuple(each.without_url() for each in twin.models) == (DIGITS, long)
    assert [each.url for each in twin.models] == ["https://shelf.example/digits?2", "https://shelf.example/signs?3"]
    assert (twin.device, twin.version, twin.etag) == (DEVICE, written.version, written.etag)


def test_a_look_at_what_has_not_changed_asks_nobody(hub: Hub, fleet: AzureTwins, device: AzureTwin) -> None:
    write_model(fleet, DEVICE, DIGITS)
    twin = read(device)
    # Its client may tell of the connection itself after the first read, which costs a second one.
    eventually(lambda: _asks_nobody(hub, device, twin.etag), "a look that costs nothing")
    assert device.read(twin.etag) is None
    assert read(device, "another") == twin
    assert len(hub.devices.asked) <= 2


def test_a_change_is_heard_and_read_over_the_same_connection(hub: Hub, fleet: AzureTwins, device: AzureTwin) -> None:
    before = read(device)
    write_model(fleet, DEVICE, DIGITS)
    after = eventually(lambda: device.read(before.etag), "the change")
    assert after and [each.version for each in after.models] == ["1.0.0"]
    assert hub.devices.connections == 1


def test_what_changed_while_the_connection_was_cut_is_read(hub: Hub, fleet: AzureTwins, device: AzureTwin) -> None:
    before = read(device)
    hub.stop()
    hub.start()
    write_model(fleet, DEVICE, DIGITS)
    after = eventually(lambda: device.read(before.etag), "the change")
    assert after and [each.version for each in after.models] == ["1.0.0"]


def test_what_changed_before_a_report_made_a_new_connection_is_read(
    hub: Hub, fleet: AzureTwins, device: AzureTwin
) -> None:
    before = read(device)
    device.close()
    write_model(fleet, DEVICE, DIGITS)
    device.report(Reported((RUNNING,)))
    assert [each.version for each in read(device, before.etag).models] == ["1.0.0"]


def test_an_etag_that_was_kept_over_a_restart_still_holds(
    hub: Hub, fleet: AzureTwins, device: AzureTwin, token_file: Path
) -> None:
    write_model(fleet, DEVICE, DIGITS)
    etag = read(device).etag
    device.close()
    restarted = AzureTwin(DEVICE, token_file)
    assert restarted.read(etag) is None
    assert read(restarted).etag == etag
    assert "expired" not in hub.twins[DEVICE].reported
    restarted.close()


def test_a_device_that_is_registered_anew_reads_what_is_desired_then(
    hub: Hub, fleet: AzureTwins, device: AzureTwin, token_file: Path
) -> None:
    write_model(fleet, DEVICE, DIGITS)
    before = read(device)
    device.close()
    token_file.write_text(hub.add(DEVICE))
    write_model(fleet, DEVICE, BETTER)
    after = read(device, before.etag)
    assert after.version == before.version
    assert [each.version for each in after.models] == ["2.0.0"]


def test_what_a_device_reports_reaches_the_fleet_in_place_of_what_was_before(
    hub: Hub, fleet: AzureTwins, device: AzureTwin
) -> None:
    hub.twins[DEVICE].report({"battery": 55})
    device.report(
        Reported((EXPIRED, ReportedModel("signs", "1.0.0", "c" * 64, "", "failed")), "0.2.0", "linux-x86_64", 7)
    )
    device.report(Reported((RUNNING,), "0.2.0", "linux-x86_64", 8))
    reported = fleet.read(DEVICE).reported
    assert (reported.models, reported.agent, reported.free_bytes) == ((RUNNING,), "0.2.0", 8)
    assert hub.twins[DEVICE].reported["battery"] == 55


def test_an_address_that_died_is_asked_for_and_waited_for(hub: Hub, fleet: AzureTwins, device: AzureTwin) -> None:
    write_model(fleet, DEVICE, DIGITS)
    twin = read(device)
    renewing = threading.Thread(target=lambda: eventually(fleet.renew, "a device that asks"))
    renewing.start()
    renewed = read(device)
    renewing.join()
    assert [each.url for each in (*twin.models, *renewed.models)] == [
        "https://shelf.example/digits?1",
        "https://shelf.example/digits?2",
    ]
    device.report(Reported((RUNNING,)))
    assert "expired" not in hub.twins[DEVICE].reported
    assert fleet.renew() == []


def test_an_address_that_nobody_renews_is_asked_for_once_and_stays(
    hub: Hub, fleet: AzureTwins, token_file: Path
) -> None:
    version = write_model(fleet, DEVICE, DIGITS).version
    device = AzureTwin(DEVICE, token_file, seconds=1.0)
    twin = read(device)
    assert read(device) == read(device) == twin
    assert hub.twins[DEVICE].reported["expired"] == version
    assert len([topic for topic in hub.devices.asked if "/reported/" in topic]) == 1
    # The fleet is there again later, and the addresses that it writes die as well.
    for again in (1, 2):
        assert fleet.renew() == [DEVICE]
        eventually(partial(_has_version, device, version + again), "another address")
        read(device)
    device.close()


def test_a_report_of_a_dead_address_asks_for_another(hub: Hub, fleet: AzureTwins, device: AzureTwin) -> None:
    write_model(fleet, DEVICE, DIGITS)
    read(device)
    device.report(Reported((EXPIRED,)))
    assert fleet.renew() == [DEVICE]
    assert fleet.renew() == []


def test_what_was_reported_is_in_what_is_read_next(fleet: AzureTwins, device: AzureTwin) -> None:
    write_model(fleet, DEVICE, DIGITS)
    read(device)
    device.report(Reported((RUNNING,)))
    assert read(device, "another").reported.models == (RUNNING,)


def test_more_than_a_hub_keeps_is_reported_with_shorter_details(fleet: AzureTwins, device: AzureTwin) -> None:
    failed = [
        ReportedModel(f"part-{number}", "1.0.0", "a" * 64, "m" * 100, "failed", "wrong_digest", "d" * 1000)
        for number in range(32)
    ]
    device.report(Reported(tuple(failed)))
    reported = fleet.read(DEVICE).reported.models
    assert [each.name for each in reported] == [each.name for each in failed]
    assert {each.detail for each in reported} == {"d" * 200}


def test_what_a_hub_would_never_keep_is_told_and_not_sent(hub: Hub, device: AzureTwin) -> None:
    failed = [ReportedModel(f"part-{n}", "1.0.0", "a" * 64, "m" * 2000, "failed") for n in range(32)]
    with pytest.raises(TwinUnavailable, match="32,768") as told:
        device.report(Reported(tuple(failed)))
    assert told.value.word == "malformed"
    assert hub.devices.connections == 0


def test_a_wrong_key_is_refused_until_the_right_one_lies_there(hub: Hub, device: AzureTwin, token_file: Path) -> None:
    right = token_file.read_text()
    token_file.write_text(right[: right.index("SharedAccessKey=")] + "SharedAccessKey=d3Jvbmc=")
    with pytest.raises(TwinUnavailable, match="refuses the key") as told:
        device.read(None)
    assert told.value.word == "denied"
    assert "d3Jvbmc" not in str(told.value)
    assert hub.devices.connections == 0
    token_file.write_text(right)
    assert read(device).device == DEVICE


def test_a_device_that_is_disabled_is_refused(hub: Hub, device: AzureTwin) -> None:
    hub.twins[DEVICE].enabled = False
    with pytest.raises(TwinUnavailable, match="enabled"):
        device.read(None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("", "no connection string of a device"),
        ("HostName=a;SharedAccessKeyName=service;SharedAccessKey=secret", "no connection string of a device"),
        ("HostName=a;DeviceId=robot-8;SharedAccessKey=secret", "of the device 'robot-8', not of robot-7"),
        ("HostName=a;DeviceId=robot-7;SharedAccessKey=secret%", "DeviceId=DEVICE;SharedAccessKey=KEY is expected"),
        ("HostName=a;DeviceId=robot-7;SharedAccessKey=secret;Colour=red", "is expected"),
        ("HostName=ä;DeviceId=robot-7;SharedAccessKey=secret", "cannot be read"),
    ],
)
def test_what_is_no_connection_string_of_the_device_is_told_without_its_key(
    device: AzureTwin, token_file: Path, text: str | None, said: str
) -> None:
    if text is None:
        token_file.unlink()
    else:
        token_file.write_text(text, encoding="utf-8")
    with pytest.raises(TwinUnavailable, match=said) as told:
        device.read(None)
    assert told.value.word == "denied"
    assert "secret" not in str(told.value)


def test_a_hub_that_is_gone_is_told_and_one_that_is_back_is_read(hub: Hub, device: AzureTwin) -> None:
    etag = read(device).etag
    hub.stop()
    eventually(lambda: _trouble(device, etag) == "unreachable", "the hub to be missed")
    with pytest.raises(TwinUnavailable, match="refused"):
        device.report(Reported())
    hub.start()
    assert device.read(etag) is None
    device.report(Reported((RUNNING,)))
    assert hub.twins[DEVICE].reported["models"][0]["state"] == "running"


def test_a_hub_that_never_answers_is_given_up(hub: Hub, token_file: Path) -> None:
    hub.devices.silent = True
    device = AzureTwin(DEVICE, token_file, seconds=1.0)
    with pytest.raises(TwinUnavailable, match="nothing came within 1 s"):
        device.read(None)
    hub.devices.silent = False
    patient = AzureTwin(DEVICE, token_file)
    assert read(patient).device == DEVICE
    patient.close()


def test_a_hub_whose_certificate_nobody_vouches_for_is_told_nothing(
    hub: Hub, device: AzureTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(TwinUnavailable, match="certificate verify failed") as told:
        device.read(None)
    assert told.value.word == "unreachable"
    assert hub.devices.connections == 0


def test_what_others_desire_of_the_device_in_another_shape_is_told(hub: Hub, device: AzureTwin) -> None:
    hub.twins[DEVICE].desire({"models": {"digits": 1}})
    with pytest.raises(TwinUnavailable, match="no device twin") as told:
        device.read(None)
    assert told.value.word == "malformed"
    hub.twins[DEVICE].desire({"models": None})
    assert read(device).models == ()


def test_a_device_without_microsofts_client_says_what_to_install(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure.iot.device", None)
    with pytest.raises(AddressRefused, match=r"pip install 'hotswap-edge\[azure\]'"):
        AzureTwin(DEVICE, token_file)


def _asks_nobody(hub: Hub, device: AzureTwin, etag: str) -> bool:
    asked = len(hub.devices.asked)
    return device.read(etag) is None and len(hub.devices.asked) == asked


def _has_version(device: AzureTwin, version: int) -> bool:
    return read(device, "another").version == version


def _trouble(device: AzureTwin, etag: str) -> str:
    try:
        device.read(etag)
    except TwinUnavailable as error:
        return error.word
    return ""
