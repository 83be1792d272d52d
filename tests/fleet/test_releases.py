"""A release is recorded once and never changes; versions are counted on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet.errors import NoSuchRelease, ReleaseTaken
from fleet.fleet import Fleet
from models.components.twin import DesiredModel
from tests.fleet.simulated import record, release


def test_a_release_that_is_recorded_is_found_as_it_was(fleet: Fleet) -> None:
    first = replace(release("1.0.0"), signature='{"a": 1}', created=12.5)

    assert fleet.releases.record(first) == first

    assert fleet.releases.find("model", "1.0.0", "linux-x86_64") == first
    assert first.desired() == DesiredModel("model", "1.0.0", "", first.sha256, 1000, '{"a": 1}')


def test_the_same_release_again_is_the_one_that_is_there(fleet: Fleet) -> None:
    first = fleet.releases.record(replace(release("1.0.0"), signature="one"))

    again = fleet.releases.record(replace(first, signature="two", created=99.0, uri="gs://other/shelf.zip"))

    assert again == first


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"size": 1001}, {"source_sha256": "0" * 64}, {"model_id": "x"}, {"terms": "int8"}]
)
def test_a_release_never_changes(fleet: Fleet, change: dict[str, Any]) -> None:
    first = fleet.releases.record(release("1.0.0"))

    with pytest.raises(ReleaseTaken, match=r"model 1\.0\.0 for linux-x86_64"):
        fleet.releases.record(replace(first, **change))

    assert fleet.releases.all() == [first]


def test_each_target_has_an_archive_of_its_own(fleet: Fleet) -> None:
    record(fleet, "1.0.0", targets=("linux-x86_64", "linux-aarch64"))

    assert [each.target for each in fleet.releases.all()] == ["linux-aarch64", "linux-x86_64"]


@pytest.mark.parametrize(("name", "version"), [("a/b", "1.0.0"), ("model", "1"), ("model", "../1.0.0"), ("", "1.0.0")])
def test_what_can_be_no_component_is_not_recorded(fleet: Fleet, name: str, version: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        fleet.releases.record(release(version, name))

    assert fleet.releases.all() == []


def test_a_release_that_is_not_there_is_told_so(fleet: Fleet) -> None:
    record(fleet, "1.0.0")

    for name, version, target in (
        ("model", "1.0.1", "linux-x86_64"),
        ("other", "1.0.0", "linux-x86_64"),
        ("model", "1.0.0", "linux-aarch64"),
    ):
        with pytest.raises(NoSuchRelease, match=f"{name} {version}"):
            fleet.releases.find(name, version, target)  # type: ignore[arg-type]


def test_versions_are_sorted_as_numbers(fleet: Fleet) -> None:
    record(fleet, "10.0.0", "9.0.0", "9.10.0", "9.2.0", "9.2.0-rc.10", "9.2.0-rc.2", "9.2.0-1")

    assert [each.version for each in fleet.releases.all()] == [
        "9.0.0",
        "9.2.0-1",
        "9.2.0-rc.2",
        "9.2.0-rc.10",
        "9.2.0",
        "9.10.0",
        "10.0.0",
    ]


def test_the_next_version_is_one_more_than_the_greatest(fleet: Fleet) -> None:
    assert fleet.releases.next_version("model") == "1.0.0"

    record(fleet, "9.5.1", "10.0.0-rc.1", "3.0.0")
    record(fleet, "70.0.0", name="other")

    assert fleet.releases.next_version("model") == "11.0.0"


def test_what_was_made_of_a_file_by_the_same_terms_is_found(fleet: Fleet) -> None:
    record(fleet, "1.0.0", "2.0.0", targets=("linux-x86_64", "linux-aarch64"))
    source = release("1.0.0").source_sha256
    fleet.releases.record(replace(release("3.0.0"), source_sha256=source, terms="onnx int8"))

    assert [(each.version, each.target) for each in fleet.releases.of_source("model", source, "onnx fp32")] == [
        ("1.0.0", "linux-aarch64"),
        ("1.0.0", "linux-x86_64"),
    ]
    assert [each.version for each in fleet.releases.of_source("model", source, "onnx int8")] == ["3.0.0"]
    assert fleet.releases.of_source("model", source, "openvino fp32") == []
    assert fleet.releases.of_source("other", source, "onnx fp32") == []


@pytest.mark.parametrize(
    ("known", "following"),
    [
        ("999999999.0.0", "999999999.1.0"),
        ("999999999.999999999.7", "999999999.999999999.8"),
        ("999999999.999999999.999999999", "1.0.0"),
    ],
)
def test_there_is_a_next_version_after_any(fleet: Fleet, known: str, following: str) -> None:
    record(fleet, known)

    assert fleet.releases.next_version("model") == following
    record(fleet, following)
    assert fleet.releases.next_version("model") != following
