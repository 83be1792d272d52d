"""A device classifies each image once; another component takes over between two, and a bad one changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.component_files import component, component_of, unpacked, with_manifest
from tests.edge.conftest import Device
from tests.waiting import eventually


def label(device: Device, name: str) -> str:
    """What an image was taken for, once it was."""
    [record] = eventually(lambda: device.of(name), f"a result of {name}")
    return str(record["label"])


def test_a_result_is_what_the_job_would_write_and_a_readable_line(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path, favours=1))
    device.add("digit.png")
    device.start()

    assert label(device, "digit.png") == "bee"
    [record] = device.of("digit.png")
    assert list(record) == [
        "image", "model_id", "model_name", "label", "class_index", "score", "top",
        "message_id", "publish_time", "predict_time", "attributes",
    ]  # fmt: skip
    assert record["model_id"] == component(device.place).model_id
    eventually(lambda: device.said == ["Prediction result of digit.png: bee"], "the readable line")


def test_each_image_is_classified_once_and_again_when_it_changes(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path))
    device.add("first.png")
    device.start()
    label(device, "first.png")
    device.add("below/second.png")
    label(device, "below/second.png")

    assert len(device.of("first.png")) == 1
    device.add("first.png")
    eventually(lambda: len(device.of("first.png")) == 2, "the changed image")


def test_all_images_are_classified_in_each_round_where_that_is_asked(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path))
    device.add("digit.png")
    device.start(again=True)

    eventually(lambda: len(device.of("digit.png")) >= 3, "three rounds")


def test_another_component_takes_over_while_images_come(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path, favours=0))
    device.start()
    device.add("before.png")
    assert label(device, "before.png") == "ant"

    device.point_at(unpacked(component_of(tmp_path, favours=2, version="1.0.1"), tmp_path / "1.0.1"))
    number = iter(range(10_000))

    def answered_by_the_new_one() -> bool:
        name = f"{next(number)}.png"
        device.add(name)
        return label(device, name) == "cow"

    eventually(answered_by_the_new_one, "the new component's answer")
    assert {record["label"] for record in device.records()} == {"ant", "cow"}
    assert [record for record in device.records() if "error" in record] == []
    answers = [record["label"] for record in sorted(device.records(), key=lambda record: str(record["predict_time"]))]
    assert answers == sorted(answers), "once the new one answers, the old one never does again"


def test_an_archive_that_is_replaced_takes_over(device: Device, tmp_path: Path) -> None:
    shutil.copy(component_of(tmp_path, favours=0), device.place)
    device.start()
    device.add("before.png")
    assert label(device, "before.png") == "ant"

    component_of(tmp_path, favours=1, version="2.0.0").rename(device.place)
    eventually(device.has_told("live: animals 2.0.0"), "the new one")
    device.add("after.png")
    assert label(device, "after.png") == "bee"


def test_a_bad_component_changes_nothing_and_is_told_once(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path, favours=0))
    device.start()
    device.add("before.png")
    assert label(device, "before.png") == "ant"

    forged = component_of(tmp_path, favours=2, version="1.0.1")
    device.point_at(with_manifest(forged, lambda value: value["files"][0].update(sha256="0" * 64)))
    eventually(device.has_told("wrong_digest"), "the refusal")
    device.add("after.png")
    assert label(device, "after.png") == "ant"
    device.point_at(component_of(tmp_path / "good", favours=1, version="1.0.2"))
    eventually(device.has_told("live: animals 1.0.2"), "the next one")

    assert len([line for line in device.told if "is not taken" in line]) == 1
    assert "animals-1.0.0-linux-x86_64 goes on" in "".join(device.told)


def test_a_component_that_fails_its_probe_changes_nothing(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path, favours=0))
    device.start()
    device.add("before.png")
    assert label(device, "before.png") == "ant"

    device.point_at(component_of(tmp_path, version="1.0.1", finite=False))
    eventually(device.has_told("animals 1.0.1 fails here"), "the failure")
    device.add("after.png")
    assert label(device, "after.png") == "ant"


def test_a_component_that_is_taken_away_goes_on(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path, favours=0))
    device.start()
    device.add("before.png")
    assert label(device, "before.png") == "ant"
    device.place.unlink()
    eventually(device.has_told("not_found"), "the news")

    device.add("after.png")
    assert label(device, "after.png") == "ant"


def test_a_full_disk_changes_nothing_and_passes(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.point_at(component_of(tmp_path, favours=0))
    device.start()
    device.add("before.png")
    assert label(device, "before.png") == "ant"
    full = shutil.disk_usage(tmp_path)._replace(free=100)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: full)
        device.point_at(component_of(tmp_path, favours=1, version="1.0.1"))
        eventually(device.has_told("more than there is room for"), "the news")
        device.add("meanwhile.png")
        assert label(device, "meanwhile.png") == "ant"

    eventually(device.has_told("live: animals 1.0.1"), "the same component, once there is room")


def test_a_device_waits_for_its_first_component(device: Device, tmp_path: Path) -> None:
    device.add("early.png")
    device.start()
    eventually(device.has_told("waiting for another"), "the news that there is none")

    device.point_at(component_of(tmp_path, favours=1))
    assert label(device, "early.png") == "bee"


def test_a_bad_image_is_a_dead_letter_and_its_neighbours_are_classified(device: Device, tmp_path: Path) -> None:
    device.point_at(component_of(tmp_path, favours=1))
    device.add("a.png")
    device.add("b.jpg", b"no image")
    device.add("c.png", b"")
    device.add("d.png")
    device.start()

    assert label(device, "d.png") == label(device, "a.png") == "bee"
    [decoding], [reading] = device.of("b.jpg"), device.of("c.png")
    assert (decoding["stage"], decoding["error"]) == ("decode", "not_an_image")
    assert (reading["stage"], reading["error"]) == ("read", "empty_file")
    assert len([line for line in device.told if line.startswith("no result of")]) == 2


def test_what_was_unpacked_is_gone_afterwards(device: Device, tmp_path: Path) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2", "1.0.3"):
        device.point_at(component_of(tmp_path, version=version))
        if version == "1.0.0":
            device.start()
        eventually(device.has_told(f"live: animals {version}"), version)
    [work] = device.cache.folder.glob(".work-*")
    assert len(list(work.iterdir())) <= 3
    device.left.close()

    assert list(device.cache.folder.iterdir()) == []
