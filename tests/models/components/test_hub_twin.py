"""What an IoT hub keeps of a twin, by the limits that Azure documents."""

from __future__ import annotations

from typing import Any

import pytest

from models.components.hub_twin import (
    MOST_SIZE,
    TwinTooLarge,
    asks_for_addresses,
    desired_properties,
    reported_properties,
    twin_of,
    twin_size,
)
from models.components.twin import DesiredModel, Reported, ReportedModel, TwinMalformed

URL = "https://shelf.example/digits.zip"
DIGITS = DesiredModel("digits", "1.0.0", URL, "a" * 64, 1000)


def model(signature: str | None) -> DesiredModel:
    return DesiredModel("digits", "1.0.0", URL, "a" * 64, 1000, signature)


def kept(models: list[DesiredModel]) -> dict[str, Any]:
    return {"desired": {**desired_properties(models), "$version": 4}, "reported": {"$version": 1}}


@pytest.mark.parametrize("signature", [None, "", "s", "s" * 4000, "s" * 4001, "ß" * 2001 + "€" * 3000])
def test_every_signature_comes_back_as_it_was(signature: str | None) -> None:
    properties = kept([model(signature)])
    told = properties["desired"]["models"][0].get("signature", "")
    assert all(len(part.encode()) <= 4000 for part in ([told] if isinstance(told, str) else told))
    assert twin_of("robot-7", properties).models == (model(signature),)


def test_no_value_within_an_array_is_null() -> None:
    assert None not in desired_properties([DIGITS])["models"][0].values()


def test_sizes_are_counted_as_azure_counts_them() -> None:
    assert twin_size({"ä": "bc", "n": 1, "t": True, "list": ["x", {"y": 2.5}]}) == 2 + 2 + 1 + 8 + 1 + 4 + 4 + 1 + 1 + 8


def test_what_others_desire_takes_its_room() -> None:
    free = MOST_SIZE - twin_size(desired_properties([DIGITS]))
    fits = {"others": "x" * (free - len("others")), "models": ["replaced" * 1000], "$metadata": {"x": "y" * 9000}}
    assert desired_properties([DIGITS], fits)["models"]
    with pytest.raises(TwinTooLarge, match="32,769 bytes"):
        desired_properties([DIGITS], fits | {"others": fits["others"] + "x"})  # type: ignore[operator]


def test_the_same_has_the_same_etag_and_a_change_another() -> None:
    etag = twin_of("robot-7", kept([DIGITS])).etag
    later, other = kept([DIGITS]), kept([model("signed")])
    later["desired"]["$version"] = 5
    assert twin_of("robot-7", kept([DIGITS])).etag == etag
    assert len({etag, twin_of("robot-7", later).etag, twin_of("robot-7", other).etag}) == 3


def test_a_device_asks_for_addresses_while_those_it_is_told_are_dead() -> None:
    dead = ReportedModel("digits", "1.0.0", "a" * 64, "", "fetching", "expired")
    asking, silent = reported_properties(Reported((dead,)), 4), reported_properties(Reported(), 4)
    assert asks_for_addresses({"desired": {"$version": 4}, "reported": asking})
    assert not asks_for_addresses({"desired": {"$version": 5}, "reported": asking})
    assert not asks_for_addresses({"desired": {"$version": 4}, "reported": silent})
    assert not asks_for_addresses({"desired": {}, "reported": {}})


def test_a_model_id_that_no_hub_keeps_is_left_out_of_a_report() -> None:
    long = ReportedModel("digits", "1.0.0", "a" * 64, "m" * 4097, "running")
    assert reported_properties(Reported((long,)), 1)["models"][0]["model_id"] == ""


def test_more_space_than_a_hub_can_count_is_reported_as_its_most() -> None:
    assert reported_properties(Reported(free_bytes=1 << 60), 1)["free_bytes"] == (1 << 52) - 1


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"desired": {"models": []}},
        {"desired": {"models": 1, "$version": 1}},
        {"desired": {"models": [1], "$version": 1}},
        {"desired": {"models": [{"name": "digits", "signature": [1]}], "$version": 1}},
        {"desired": {"models": [{"name": "digits"}], "$version": 1}},
        {"desired": {"models": [], "$version": "1"}},
        {"desired": [], "$version": 1},
    ],
)
def test_what_is_no_twin_is_told_in_a_line(properties: dict[str, Any]) -> None:
    with pytest.raises(TwinMalformed) as told:
        twin_of("robot-7", properties)
    assert "\n" not in str(told.value)
