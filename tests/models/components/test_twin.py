"""A device's twin, as it is written and as strangers write it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.components.twin import DesiredModel, Reported, ReportedModel, Twin, TwinMalformed

DIGITS = DesiredModel("digits", "1.0.0", "https://fleet/digits.zip", "ab" * 32, 1000, '{"bundle": 1}')
PLANTS = DesiredModel("plants", "2.1.0", "http://127.0.0.1:1/plants.zip", "cd" * 32, 5)
RAN = ReportedModel(
    "digits", "1.0.0", "ab" * 32, "gs://m/digits.h5@abababababab", "failed", "probe_failed", "not finite"
)
TWIN = Twin("robot-7", (DIGITS, PLANTS), 7, "e7", Reported((RAN,), "0.2.0", "linux-aarch64", 1 << 30, 3))


def document(**desired: Any) -> bytes:
    entry = {"name": "digits", "url": "https://h/x", "sha256": "ab" * 32, "size": 1} | desired
    return json.dumps({"deviceId": "d", "etag": "e", "properties": {"desired": {"models": [entry]}}}).encode()


def test_a_twin_is_read_as_it_was_written():
    assert Twin.decode(TWIN.encode()) == TWIN


def test_a_twin_has_the_shape_of_azures():
    value = json.loads(TWIN.encode())
    assert value["etag"] == "e7"
    assert value["properties"]["desired"]["$version"] == 7
    assert value["properties"]["reported"]["$version"] == 3
    assert set(value["properties"]["desired"]["models"][0]) == {"name", "version", "url", "sha256", "size", "signature"}


def test_a_model_takes_the_place_of_that_of_its_name_and_others_stay():
    newer = DesiredModel("digits", "2.0.0", "", "ef" * 32, 7)
    assert TWIN.with_model(newer) == (newer, PLANTS)
    assert Twin("d", (PLANTS,)).with_model(newer) == (PLANTS, newer)


def test_what_may_be_missing_is_not_needed():
    twin = Twin.decode(document())
    assert (twin.version, twin.reported, twin.models[0].signature) == (0, Reported(), None)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "../digits"},
        {"name": ""},
        {"version": "newest"},
        {"version": "1\u0663.0.0"},
        {"name": "dig\u0131ts"},
        {"sha256": "ab"},
        {"sha256": ["ab" * 32]},
        {"size": 0},
        {"signature": "\ud800"},
        {"size": True},
        {"size": 1 << 40},
        {"signature": 7},
        {"signature": "x" * (1 << 17)},
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(entry: dict[str, Any]):
    with pytest.raises(TwinMalformed):
        Twin.decode(document(**entry))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"properties": 1}', b"[" * 100_000, b" " * (2 << 20)])
def test_what_is_no_twin_is_refused_in_one_line(data: bytes):
    with pytest.raises(TwinMalformed) as refusal:
        Twin.decode(data)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("reported", [[], {"models": [{}]}, {"models": {}}, {"free_bytes": "much"}, {"models": [1]}])
def test_a_report_that_cannot_be_meant_is_refused(reported: Any):
    with pytest.raises(TwinMalformed):
        Reported.from_json(reported)


@pytest.mark.parametrize("etag", ["\u20ac", "\u00e9", "e 7", 'e"7', "e\n", "e" * 129, 7, None])
def test_an_etag_is_what_a_header_carries(etag: Any) -> None:
    with pytest.raises(TwinMalformed, match="no etag"):
        Twin.from_json(TWIN.to_json() | {"etag": etag})


def test_what_is_wrong_is_said_once() -> None:
    with pytest.raises(TwinMalformed) as error:
        Twin.decode(document(size=0))
    assert str(error.value).count("no device twin") == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://user:secret@h/x", "https://h/\n", "https://[", 7, None])
def test_an_address_that_is_none_is_not_told_and_the_model_stays(url: Any) -> None:
    [model] = Twin.decode(document(url=url)).models
    assert (model.name, model.url) == ("digits", "")


@pytest.mark.parametrize("reported", [7, {"models": [{}]}, {"$version": 1 << 61}, {"agent": "\n"}])
def test_what_cannot_be_read_of_what_was_reported_cuts_no_device_off(reported: Any) -> None:
    document = TWIN.to_json()
    document["properties"]["reported"] = reported
    assert Twin.from_json(document).models == TWIN.models
