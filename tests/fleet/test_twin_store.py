"""Twins: what is desired is written by compare-and-swap, and only the model of that name is replaced."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fleet.errors import NoSuchDevice, TwinChanged, TwinRefused
from fleet.fleet import Fleet
from fleet.twin_store import change_desired, remove_model, write_model
from models.components.twin import LONGEST_SIGNATURE, MOST_MODELS, DesiredModel, Reported, Twin
from tests.fleet.simulated import release, reported

DIGITS, CATS, DOGS = (release("1.0.0", name).desired() for name in ("digits", "cats", "dogs"))


def test_a_new_device_is_to_run_nothing_and_said_nothing(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")

    twin = fleet.twins.read("robot-7")

    assert twin == Twin("robot-7", (), 0, twin.etag, Reported())
    assert len(twin.etag) == 32


def test_a_model_replaces_that_of_its_name_and_others_keep_their_order(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    for model in (DIGITS, CATS, DOGS):
        write_model(fleet.twins, "robot-7", model)

    newer = release("2.0.0", "cats").desired()
    twin = write_model(fleet.twins, "robot-7", newer)

    assert twin.models == (DIGITS, newer, DOGS)
    assert twin == fleet.twins.read("robot-7")
    assert twin.version == 4


def test_a_model_is_taken_out_and_others_keep_their_order(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    for model in (DIGITS, CATS, DOGS):
        write_model(fleet.twins, "robot-7", model)

    assert remove_model(fleet.twins, "robot-7", "cats").models == (DIGITS, DOGS)
    assert remove_model(fleet.twins, "robot-7", "cats").version == 4


def test_who_writes_by_an_old_etag_changes_nothing(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    before = fleet.twins.read("robot-7")
    after = fleet.twins.write_desired("robot-7", (DIGITS,), before.etag)

    with pytest.raises(TwinChanged, match="robot-7"):
        fleet.twins.write_desired("robot-7", (CATS,), before.etag)

    assert fleet.twins.read("robot-7") == after
    assert after.etag != before.etag


def test_each_writing_has_another_etag_and_a_greater_version(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    twins = [fleet.twins.read("robot-7")]
    for models in ((DIGITS,), (), (DIGITS,)):
        twins.append(fleet.twins.write_desired("robot-7", models, twins[-1].etag))

    assert len({twin.etag for twin in twins}) == 4
    assert [twin.version for twin in twins] == [0, 1, 2, 3]


def test_a_change_that_changes_nothing_is_not_written(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    once = write_model(fleet.twins, "robot-7", DIGITS)

    assert write_model(fleet.twins, "robot-7", DIGITS) == once


def test_addresses_are_not_kept(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    addressed = DesiredModel("digits", "1.0.0", "https://shelf/digits.zip?signature=1", "a" * 64, 10)

    twin = write_model(fleet.twins, "robot-7", addressed)

    assert twin.models == (addressed.without_url(),)
    assert write_model(fleet.twins, "robot-7", addressed) == twin


def test_a_twin_that_its_device_would_refuse_is_not_written(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    before = fleet.twins.read("robot-7")
    many = tuple(release("1.0.0", f"model-{number}").desired() for number in range(MOST_MODELS + 1))
    large = tuple(replace(each, signature="s" * LONGEST_SIGNATURE) for each in many[:-1])

    for models in (many, large):
        with pytest.raises(TwinRefused, match="robot-7"):
            fleet.twins.write_desired("robot-7", models, before.etag)

    assert fleet.twins.read("robot-7") == before


def test_signatures_are_kept(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    signed = DesiredModel("digits", "1.0.0", "", "a" * 64, 10, '{"mediaType": "ä\u2028"}')

    write_model(fleet.twins, "robot-7", signed)

    assert fleet.twins.read("robot-7").models == (signed,)


def test_what_a_device_reports_replaces_what_it_said_before_and_is_counted_here(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    first = Reported((reported(DIGITS, "running"),), "0.2.0", "linux-x86_64", 5, version=77)
    fleet.twins.write_reported("robot-7", first)
    second = Reported((reported(CATS, "failed"),), "0.2.1", "linux-aarch64", 6)
    before = fleet.twins.read("robot-7")

    fleet.twins.write_reported("robot-7", second)

    after = fleet.twins.read("robot-7")
    assert before.reported.models == first.models
    assert before.reported.version == 1
    assert after.reported.models == second.models
    assert after.reported.version == 2
    assert (after.etag, after.version) == (before.etag, before.version)


def test_a_device_that_is_not_there_is_told_so(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    etag = fleet.twins.read("robot-7").etag

    with pytest.raises(NoSuchDevice):
        fleet.twins.read("robot-8")
    with pytest.raises(NoSuchDevice):
        fleet.twins.write_desired("robot-8", (DIGITS,), etag)
    with pytest.raises(NoSuchDevice):
        fleet.twins.write_reported("robot-8", Reported())
    with pytest.raises(NoSuchDevice, match=r"\\n"):
        fleet.twins.read("a\nb")


def test_all_twins_come_sorted(fleet: Fleet) -> None:
    for name in ("b", "a", "c"):
        fleet.devices.add(name)

    assert [twin.device for twin in fleet.twins.devices()] == ["a", "b", "c"]


def test_several_who_write_at_once_lose_nothing(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    models = [release("1.0.0", f"model-{number}").desired() for number in range(6)]
    begin = threading.Barrier(len(models))

    def write(model: DesiredModel) -> None:
        begin.wait()
        write_model(fleet.twins, "robot-7", model)

    with ThreadPoolExecutor(len(models)) as pool:
        list(pool.map(write, models))

    twin = fleet.twins.read("robot-7")
    assert set(twin.models) == set(models)
    assert twin.version == len(models)


def test_who_is_always_too_late_is_told_so_in_the_end(fleet: Fleet) -> None:
    fleet.devices.add("robot-7")
    tries = []

    def slowly(twin: Twin) -> tuple[DesiredModel, ...]:
        tries.append(twin)
        other = release(f"{len(tries)}.0.0", "cats").desired()
        fleet.twins.write_desired("robot-7", (other,), twin.etag)
        return (DIGITS,)

    with pytest.raises(TwinChanged, match="try again"):
        change_desired(fleet.twins, "robot-7", slowly)

    assert 1 < len(tries) < 100
    assert fleet.twins.read("robot-7").models[0].name == "cats"
