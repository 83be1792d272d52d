"""A bucket's service that hangs, or says no, holds up nobody who asks for something else, and is told of once."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from fleet.addresses import RETRY_SECONDS, BucketAddresses, NotMinted, OwnAddresses
from fleet.addressing import Addressing
from fleet.fleet import Fleet
from fleet.releases import Release
from models.components.component import TARGETS
from models.components.twin import Twin
from models.storage.errors import StorageUnavailable
from models.troubles import Troubles
from tests.fleet.running_api import bearing, running_api
from tests.fleet.simulated import Clock, digest
from tests.waiting import eventually

BASE = "http://fleet.example:8600"


class SlowBuckets:
    """A service that signs once it is let to; of `lost` never, and of `other` at once.

    Attributes:
        begun: how often it was asked.
        goes_on: lets it answer.
        trouble: raised instead.
    """

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.goes_on = threading.Event()
        self.trouble: Exception | None = None

    def address(self, uri: str, seconds: int) -> str:
        self.begun.append(uri)
        if "other" not in uri:
            assert self.goes_on.wait(60)
        if self.trouble:
            raise self.trouble
        return f"https://bucket.example/{uri.rpartition('/')[2]}?signed"


@pytest.fixture
def address(tmp_path: Path) -> str:
    """What is tested here is the same in any database."""
    return f"sqlite:///{tmp_path}/fleet.db"


def test_a_signer_that_hangs_holds_up_neither_polls_nor_rounds(fleet: Fleet, clock: Clock, tmp_path: Path) -> None:
    buckets = SlowBuckets()
    place = "s3://shelf/model/1.0.0/model-1.0.0-linux-x86_64.zip"
    tokens = [bearing(fleet.devices.add(f"robot-{number}")) for number in range(20)]
    idle = bearing(fleet.devices.add("idle", follow="nothing-yet"))
    sha = digest("archive")
    fleet.releases.record(Release("model", "1.0.0", TARGETS[0], "m@sha256:0", digest("model"), sha, 10, place))
    fleet.rollouts.start("model", "1.0.0")
    fleet.advance()
    with running_api(fleet, tmp_path / "shelf", clock, signing=buckets) as api, ThreadPoolExecutor(20) as askers:
        try:
            known = api.http.get("/twins/idle", headers=idle)
            asking = [
                askers.submit(httpx.get, f"{api.url}/twins/robot-{number}", headers=headers, timeout=60)
                for number, headers in enumerate(tokens)
            ]
            eventually(lambda: buckets.begun, "the service to be asked")
            for _ in range(20):
                poll = api.http.get("/twins/idle", headers=idle | {"if-none-match": known.headers["etag"]})
                assert poll.status_code == 304
        finally:
            buckets.goes_on.set()
        told = [Twin.decode(each.result().content).models[0].url for each in asking]
    assert told == ["https://bucket.example/model-1.0.0-linux-x86_64.zip?signed"] * 20
    assert buckets.begun == [place]


def test_of_one_file_that_is_not_signed_devices_are_told_in_time_and_of_others_at_once() -> None:
    async def ask() -> None:
        addressing = Addressing(OwnAddresses(bytes(32)), BucketAddresses(buckets), threads, troubles, patience=0.2)
        for _ in range(3):
            with pytest.raises(NotMinted, match=r"within 0\.2 s"):
                await addressing.url("s3://shelf/a.zip", BASE)
        assert await addressing.url("s3://shelf/other.zip", BASE) == "https://bucket.example/other.zip?signed"
        buckets.goes_on.set()

    buckets, said = SlowBuckets(), list[str]()
    troubles = Troubles(said.append)
    with ThreadPoolExecutor(2) as threads:
        try:
            asyncio.run(ask())
        finally:
            buckets.goes_on.set()
    assert buckets.begun == ["s3://shelf/a.zip", "s3://shelf/other.zip"]
    assert len(said) == 1


def test_threads_that_ask_for_one_file_wait_for_no_other() -> None:
    buckets = SlowBuckets()
    addresses = BucketAddresses(buckets)
    with ThreadPoolExecutor(3) as threads:
        try:
            waiting = [threads.submit(addresses.url, "s3://shelf/a.zip", BASE, 1.0) for _ in range(2)]
            eventually(lambda: buckets.begun, "the service to be asked")
            other = threads.submit(addresses.url, "s3://shelf/other.zip", BASE, 1.0)
            assert other.result(30).endswith("/other.zip?signed")
        finally:
            buckets.goes_on.set()
        assert len({each.result(30) for each in waiting}) == 1
    assert buckets.begun == ["s3://shelf/a.zip", "s3://shelf/other.zip"]


def test_an_address_that_cannot_be_made_is_told_once_until_one_can_and_then_again() -> None:
    async def ask() -> None:
        own, clock = OwnAddresses(bytes(32)), Clock()
        addressing = Addressing(own, BucketAddresses(buckets), threads, Troubles(said.append), clock=clock)
        for trouble in ("no key", "no key", "", "", "no key"):
            clock.now += 1000 + RETRY_SECONDS
            buckets.trouble = StorageUnavailable(trouble) if trouble else None
            try:
                await addressing.url("s3://shelf/other.zip", BASE)
            except NotMinted:
                assert trouble

    buckets, said = SlowBuckets(), list[str]()
    with ThreadPoolExecutor(1) as threads:
        asyncio.run(ask())
    why, again = "devices get no address of other.zip: no key", "devices get addresses of other.zip again"
    assert said == [why, again, why]
