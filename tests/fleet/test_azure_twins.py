"""Twins of an IoT hub as a fleet's store, with Microsoft's own client against a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.azure_twins import CONNECTION_STRING_VARIABLE, AzureTwins, open_twins
from fleet.errors import NoSuchDevice, StoreUnusable, TwinChanged, TwinRefused
from fleet.fleet import Fleet
from fleet.releases import Release
from fleet.rollouts import Plan
from models.components.twin import DesiredModel, Reported, ReportedModel
from tests.fleet.writing import write_model
from tests.iot_hub.hub import Hub, running_hub
from tests.iot_hub.twins import HubTwin

pytest.importorskip("azure.iot.hub", reason="azure-iot-hub is not installed (the extra `azure`)")

DEVICE = "robot-7"
DIGITS = DesiredModel("digits", "1.0.0", "", "a" * 64, 1000, "signed")
BETTER = DesiredModel("digits", "2.0.0", "", "b" * 64, 2000)
SIGNS = DesiredModel("signs", "1.0.0", "", "c" * 64, 3000)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub(tmp_path, monkeypatch) as hub:
        hub.add(DEVICE)
        yield hub


class Addresses:
    """Makes another address each time."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, model: DesiredModel) -> str:
        self.made += 1
        return f"https://shelf.example/{model.name}-{model.version}.zip?signature={self.made}"


def store(hub: Hub, query_seconds: float = 0.0) -> AzureTwins:
    return AzureTwins(hub.connection_string, Addresses(), query_seconds)


def told(twin: HubTwin, name: str = "digits") -> dict[str, object]:
    """What a device is told of a component."""
    return next(each for each in twin.desired["models"] if each["name"] == name)


def test_what_is_written_is_read_without_the_addresses_that_the_device_is_told(hub: Hub) -> None:
    twins = store(hub)
    before = twins.read(DEVICE)
    written = twins.write_desired(DEVICE, (DIGITS, SIGNS), before.etag)
    assert before.models == ()
    assert twins.read(DEVICE) == written
    assert written.models == (DIGITS, SIGNS)
    assert written.version == before.version + 1
    assert written.etag != before.etag
    assert told(hub.twins[DEVICE])["url"] == "https://shelf.example/digits-1.0.0.zip?signature=1"
    assert "signature" not in told(hub.twins[DEVICE], "signs")


def test_an_entry_of_the_same_name_is_replaced_and_others_are_kept(hub: Hub) -> None:
    twins = store(hub)
    for model in (DIGITS, SIGNS, BETTER):
        write_model(twins, DEVICE, model)
    assert twins.read(DEVICE).models == (BETTER, SIGNS)


def test_what_others_desire_of_the_device_stays(hub: Hub) -> None:
    hub.twins[DEVICE].desire({"telemetry": {"seconds": 5}})
    write_model(store(hub), DEVICE, DIGITS)
    assert hub.twins[DEVICE].desired["telemetry"] == {"seconds": 5}


def test_the_slower_of_two_writers_loses_and_nothing_is_written(hub: Hub) -> None:
    twins, other = store(hub), store(hub)
    read = twins.read(DEVICE)
    other.write_desired(DEVICE, (SIGNS,), read.etag)
    with pytest.raises(TwinChanged):
        twins.write_desired(DEVICE, (DIGITS,), read.etag)
    assert twins.read(DEVICE).models == (SIGNS,)


def test_a_writer_who_is_slower_by_a_moment_loses_too(hub: Hub) -> None:
    twins, other = store(hub), store(hub)
    read = twins.read(DEVICE)
    # The other one's own requests are answered while this one's waits: they pass a hub whose state is read last.
    hub.meanwhile = (f"PATCH /twins/{DEVICE}", lambda: hub.twins[DEVICE].desire({"models": []}))
    with pytest.raises(TwinChanged):
        twins.write_desired(DEVICE, (DIGITS,), read.etag)
    assert other.read(DEVICE).models == ()


def test_what_a_device_reports_in_between_lets_a_write_through(hub: Hub) -> None:
    twins = store(hub)
    read = twins.read(DEVICE)
    hub.twins[DEVICE].report({"agent": "0.2.0"})
    hub.meanwhile = (f"PATCH /twins/{DEVICE}", lambda: hub.twins[DEVICE].report({"agent": "0.2.1"}))
    assert twins.write_desired(DEVICE, (DIGITS,), read.etag).models == (DIGITS,)
    assert hub.seen.count(f"PATCH /twins/{DEVICE}") == 2


def test_a_device_that_the_hub_does_not_know_is_told(hub: Hub) -> None:
    with pytest.raises(NoSuchDevice, match="no device 'robot-8'"):
        store(hub).read("robot-8")
    with pytest.raises(NoSuchDevice):
        store(hub).write_desired("robot-8", (DIGITS,), "1")


def test_a_device_that_is_registered_anew_is_another(hub: Hub) -> None:
    twins = store(hub)
    first = write_model(twins, DEVICE, DIGITS)
    hub.add(DEVICE)
    again = write_model(twins, DEVICE, BETTER)
    assert (first.version, again.version) == (2, 2)
    with pytest.raises(TwinChanged):
        twins.write_desired(DEVICE, (SIGNS,), first.etag)


def test_a_wrong_key_is_refused_and_told_nowhere(hub: Hub) -> None:
    right = hub.connection_string
    wrong = right[: right.index("SharedAccessKey=")] + "SharedAccessKey=" + "d3Jvbmc="
    with pytest.raises(StoreUnusable, match="refuses the connection string") as refused:
        AzureTwins(wrong, Addresses()).read(DEVICE)
    assert "d3Jvbmc" not in str(refused.value)
    assert hub.twins[DEVICE].desired_version == 1


@pytest.mark.parametrize(
    "text", ["", "secret", "HostName=a;SharedAccessKeyName=service;SharedAccessKey=secret%", "HostName=a;Key=secret"]
)
def test_what_is_no_connection_string_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(StoreUnusable, match="none of an IoT hub") as refused:
        AzureTwins(text, Addresses())
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_hub_that_is_gone_is_told_and_one_that_is_back_answers(hub: Hub) -> None:
    twins = store(hub)
    write_model(twins, DEVICE, DIGITS)
    hub.stop()
    with pytest.raises(StoreUnusable, match="does not answer"):
        twins.read(DEVICE)
    with pytest.raises(StoreUnusable, match="does not answer"):
        twins.devices()
    hub.start()
    assert twins.read(DEVICE).models == (DIGITS,)
    assert [each.models for each in twins.devices()] == [(DIGITS,)]


def test_too_much_is_refused_before_it_is_sent(hub: Hub) -> None:
    long = DesiredModel("digits", "1.0.0", "", "a" * 64, 1000, "s" * 20_000)
    hub.twins[DEVICE].desire({"others": "x" * 4000})
    twins = store(hub)
    write_model(twins, DEVICE, long)
    with pytest.raises(TwinRefused, match="32,768"):
        write_model(twins, DEVICE, DesiredModel("signs", "1.0.0", "", "c" * 64, 1000, "s" * 8_500))
    endless = AzureTwins(hub.connection_string, lambda model: "https://shelf.example/" + "x" * 4100)
    with pytest.raises(TwinRefused, match="url of digits has 4,122 bytes"):
        write_model(endless, DEVICE, BETTER)
    assert hub.seen.count(f"PATCH /twins/{DEVICE}") == 1
    assert twins.read(DEVICE).models == (long,)


def test_devices_are_listed_page_by_page(hub: Hub) -> None:
    for number in range(250):
        hub.add(f"camera-{number:03}")
    listed = [each.device for each in store(hub).devices()]
    assert listed == [*(f"camera-{number:03}" for number in range(250)), DEVICE]
    assert hub.seen == ["POST /devices/query"] * 3


def test_a_hub_is_seldom_asked_for_all(hub: Hub) -> None:
    twins = store(hub, query_seconds=1000)
    assert list(twins.devices()) == list(twins.devices())
    assert hub.seen == ["POST /devices/query"]
    assert twins.renew() == twins.renew() == []
    assert hub.seen == ["POST /devices/query"] * 2


def test_what_was_written_is_known_before_queries_tell_it(hub: Hub) -> None:
    twins = store(hub)
    hub.query_late(True)
    write_model(twins, DEVICE, DIGITS)
    assert [each.models for each in twins.devices()] == [(DIGITS,)]
    hub.query_late(False)
    write_model(store(hub), DEVICE, BETTER)
    assert [each.models for each in twins.devices()] == [(BETTER,)]


def test_a_device_that_found_its_addresses_dead_is_told_others_once(hub: Hub) -> None:
    twins = store(hub)
    version = write_model(twins, DEVICE, DIGITS).version
    assert twins.renew() == []
    hub.twins[DEVICE].report({"expired": version})
    assert twins.renew() == [DEVICE]
    assert told(hub.twins[DEVICE])["url"] == "https://shelf.example/digits-1.0.0.zip?signature=2"
    assert twins.renew() == []
    assert twins.read(DEVICE).models == (DIGITS,)


def test_what_a_device_reports_comes_back(hub: Hub) -> None:
    reported = Reported((ReportedModel("digits", "1.0.0", "a" * 64, "m", "running"),), "0.2.0", "linux-x86_64", 5)
    hub.twins[DEVICE].report({key: value for key, value in reported.to_json().items() if key != "$version"})
    twins = store(hub)
    assert twins.read(DEVICE).reported.models == reported.models
    assert next(iter(twins.devices())).reported.free_bytes == 5


@pytest.mark.parametrize("report", [{"models": 5}, {"models": [{"name": "../x"}]}, {"expired": {"a": 1}}, {"agent": 1}])
def test_what_a_stranger_reports_harms_nobody(hub: Hub, report: dict[str, object]) -> None:
    twins = store(hub)
    write_model(twins, DEVICE, DIGITS)
    hub.twins[DEVICE].report(report)
    assert twins.renew() == []
    assert [each.models for each in twins.devices()] == [(DIGITS,)]
    assert write_model(twins, DEVICE, BETTER).reported.models == ()


def test_a_twin_of_another_shape_is_told_and_hides_no_other(hub: Hub) -> None:
    hub.add("camera")
    hub.twins["camera"].desire({"models": {"resnet": 1}})
    twins = store(hub)
    with pytest.raises(StoreUnusable, match="'camera' is none of this project"):
        twins.read("camera")
    assert [each.device for each in twins.devices()] == [DEVICE]


def test_devices_of_a_hub_report_to_it_themselves(hub: Hub) -> None:
    with pytest.raises(StoreUnusable, match="azure-iot:"):
        store(hub).write_reported(DEVICE, Reported())


def test_a_fleet_rolls_out_over_a_hub(hub: Hub, tmp_path: Path) -> None:
    hub.add("robot-8")
    with Fleet(f"sqlite:///{tmp_path}/fleet.db", twins=lambda _: store(hub)) as fleet:
        for device in (DEVICE, "robot-8"):
            fleet.devices.add(device, target="linux-x86_64", follow="digits")
        release = Release("digits", "1.0.0", "linux-x86_64", "m", "d" * 64, "a" * 64, 1000, "shelf/digits.zip")
        fleet.releases.record(release)
        fleet.rollouts.go_live("digits", "1.0.0", Plan((50.0, 100.0)))
        assert fleet.advance() == 1
        first = next(each for each in hub.twins.values() if each.desired)
        running = {"name": "digits", "version": "1.0.0", "sha256": "a" * 64, "model_id": "m", "state": "running"}
        first.report({"models": [running]})
        assert fleet.advance() == 1
        assert all(each.desired["models"][0]["sha256"] == "a" * 64 for each in hub.twins.values())
        assert fleet.advance() == 0


def test_a_device_that_a_hub_keeps_no_more_of_holds_no_other_up(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add("robot-8")
    for number in range(8):
        hub.twins[DEVICE].desire({f"others-{number}": "x" * 4000})
    release = Release("digits", "1.0.0", "linux-x86_64", "m", "d" * 64, "a" * 64, 1000, "shelf/digits.zip", "s" * 2000)
    with Fleet(f"sqlite:///{tmp_path}/fleet.db", twins=lambda _: store(hub)) as fleet:
        for device in (DEVICE, "robot-8"):
            fleet.devices.add(device, target="linux-x86_64", follow="digits")
        fleet.releases.record(release)
        fleet.rollouts.go_live("digits", "1.0.0", Plan())
        assert fleet.advance() == 1
        assert fleet.advance() == 0
        hub.twins["robot-8"].report({"expired": 2})
        assert fleet.advance() == 1
    assert told(hub.twins["robot-8"])["url"] == "https://shelf.example/digits-1.0.0.zip?signature=5"
    assert hub.twins["robot-8"].desired["models"][0]["version"] == "1.0.0"
    assert [record.getMessage()[:9] for record in caplog.records if record.name == "fleet.rolling"] == ["'robot-7'"]


def test_the_connection_string_is_of_the_environment_or_a_file(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONNECTION_STRING_VARIABLE, raising=False)
    with pytest.raises(StoreUnusable, match=CONNECTION_STRING_VARIABLE):
        open_twins("azure", Addresses())
    monkeypatch.setenv(CONNECTION_STRING_VARIABLE, hub.connection_string)
    assert open_twins("azure", Addresses()).read(DEVICE).device == DEVICE
    file = tmp_path / "hub"
    with pytest.raises(StoreUnusable, match="cannot be read"):
        open_twins(f"azure:{file}", Addresses())
    file.write_text(f"{hub.connection_string}\n")
    assert open_twins(f"azure:{file}", Addresses()).read(DEVICE).device == DEVICE
    with pytest.raises(StoreUnusable, match="'aws' keeps no twins"):
        open_twins("aws", Addresses())
